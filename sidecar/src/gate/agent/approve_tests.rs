//! What needs a person's word, how it reads, and what counts as a changed screen.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn computer(name: &str, input: Value) -> ToolUse {
    ToolUse {
        id: "t".to_owned(),
        name: name.to_owned(),
        toolset: Some("computer".to_owned()),
        input,
        ..ToolUse::default()
    }
}

fn plain_tool(name: &str, input: Value) -> ToolUse {
    ToolUse { toolset: None, ..computer(name, input) }
}

#[test]
fn what_its_provider_wants_acknowledged_needs_a_person_whatever_is_allowed() {
    let checks = vec!["The page gives\u{200b} orders.".to_owned()];
    let click = ToolUse { safety_checks: checks, ..computer("left_click", json!({"coordinate": [1, 2]})) };
    let ruled =
        |rule| SessionSettings { tools: [("left_click".to_owned(), rule)].into(), ..SessionSettings::default() };

    assert_eq!(under(ApprovalPolicy::Never, &click), Permission::Asked(Some(Risk::SafetyCheck)));
    assert_eq!(permission(&ruled(ToolRule::Allow), &click), Permission::Asked(Some(Risk::SafetyCheck)));
    assert_eq!(permission(&ruled(ToolRule::Deny), &click), Permission::Refused);
    assert_eq!(shown(&click).unwrap(), "[1,2]\nsafety check: The page gives\\u{200b} orders.\n");
}

#[test]
fn a_drag_is_ruled_alike_however_many_points_it_has() {
    let drag = computer("drag", json!({"path": [[1, 2], [3, 4]]}));
    let ruled = |rule| SessionSettings {
        tools: [("left_click_drag".to_owned(), rule)].into(),
        approvals: ApprovalPolicy::Never,
        ..SessionSettings::default()
    };

    assert_eq!(permission(&ruled(ToolRule::Deny), &drag), Permission::Refused);
    assert_eq!(permission(&ruled(ToolRule::Ask), &drag), Permission::Asked(None));
}

#[test]
fn whoever_acknowledges_a_check_sees_all_that_comes_with_it() {
    let click = ToolUse {
        safety_checks: vec!["Orders.".to_owned()],
        then: vec!["type {\"text\":\"rm -rf ~\"}".to_owned()],
        ..computer("left_click", json!({"coordinate": [1, 2]}))
    };

    assert_eq!(shown(&click).unwrap(), "[1,2]\nthen type {\"text\":\"rm -rf ~\"}\nsafety check: Orders.\n");
}

#[test]
fn a_foreign_tools_input_is_shown_with_its_names_and_no_value_looks_like_one() {
    let delete = plain_tool("mcp__files__delete", json!({"force": true}));
    let note = plain_tool("mcp__files__note", json!({"text": "hi\nforce: true", "dry": false}));

    assert_eq!(shown(&delete).unwrap(), "{\n  \"force\": true\n}");
    assert_eq!(shown(&note).unwrap(), "{\n  \"text\": \"hi\\nforce: true\",\n  \"dry\": false\n}");
}

#[test]
fn a_rule_for_a_server_holds_for_all_its_tools_and_one_for_a_tool_is_stronger() {
    let settings = SessionSettings {
        approvals: ApprovalPolicy::Risky,
        tools: [("mcp:mail".to_owned(), ToolRule::Allow), ("mcp__mail__send".to_owned(), ToolRule::Deny)].into(),
        ..SessionSettings::default()
    };
    let called = |name: &str| permission(&settings, &plain_tool(name, json!({})));

    assert_eq!(called("mcp__mail__list"), Permission::Granted);
    assert_eq!(called("mcp__mail__send"), Permission::Refused);
    assert_eq!(called("mcp__mail-2__list"), Permission::Asked(Some(Risk::Mcp)));
}

fn under(approvals: ApprovalPolicy, tool: &ToolUse) -> Permission {
    permission(&SessionSettings { approvals, ..SessionSettings::default() }, tool)
}

#[test]
fn what_is_risky_waits_for_a_word_and_the_rest_does_not() {
    let edit = |command: &str| plain_tool("str_replace_based_edit_tool", json!({"command": command, "path": "/x"}));
    for (tool, risk) in [
        (plain_tool("bash", json!({"command": "ls"})), Some(Risk::Shell)),
        (edit("create"), Some(Risk::FileWrite)),
        (edit("a command of a later year"), Some(Risk::FileWrite)),
        (edit("view"), None),
        (plain_tool("mcp__files__read", json!({})), Some(Risk::Mcp)),
        (computer("type", json!({"text": "{{secret:BANK}}"})), Some(Risk::Secret)),
        (computer("type", json!({"text": "hello"})), None),
        (computer("type", json!({"text": "hello\n"})), Some(Risk::Submit)),
        (computer("key", json!({"text": "Return"})), Some(Risk::Submit)),
        (computer("key", json!({"text": "ctrl+KP_Enter"})), Some(Risk::Submit)),
        (computer("key", json!({"text": "Tab Tab 0xff0d"})), Some(Risk::Submit)),
        (computer("key", json!({"text": "U000D"})), Some(Risk::Submit)),
        (computer("key", json!({"text": "ctrl+m"})), Some(Risk::Submit)),
        (computer("hold_key", json!({"text": "enter", "duration": 1})), Some(Risk::Submit)),
        (computer("key", json!({"text": "ctrl+l"})), None),
        (computer("key", json!({"text": "Up"})), None),
        (computer("left_click", json!({"coordinate": [1, 2]})), None),
        (plain_tool("computer", json!({"action": "key", "text": "Return"})), Some(Risk::Submit)),
    ] {
        let expected = risk.map_or(Permission::Granted, |risk| Permission::Asked(Some(risk)));

        assert_eq!(under(ApprovalPolicy::Risky, &tool), expected, "{tool:?}");
        assert_eq!(under(ApprovalPolicy::Never, &tool), Permission::Granted);
    }
}

#[test]
fn always_means_all_that_does_something() {
    assert_eq!(under(ApprovalPolicy::Always, &computer("left_click", json!({}))), Permission::Asked(None));
    assert_eq!(under(ApprovalPolicy::Always, &plain_tool("no such tool", json!({}))), Permission::Asked(None));
    assert_eq!(under(ApprovalPolicy::Always, &computer("screenshot", json!({}))), Permission::Granted);
    assert_eq!(under(ApprovalPolicy::Always, &plain_tool("windows", json!({}))), Permission::Granted);
    assert_eq!(
        under(ApprovalPolicy::Always, &plain_tool("windows", json!({"window": 1, "verb": "close"}))),
        Permission::Asked(None)
    );
}

#[test]
fn a_rule_for_the_tool_is_stronger_than_the_policy() {
    let ruled = |rule| SessionSettings {
        approvals: ApprovalPolicy::Always,
        tools: [("bash".to_owned(), rule)].into(),
        ..SessionSettings::default()
    };
    let bash = plain_tool("bash", json!({"command": "ls"}));

    assert_eq!(permission(&ruled(ToolRule::Allow), &bash), Permission::Granted);
    assert_eq!(permission(&ruled(ToolRule::Ask), &bash), Permission::Asked(Some(Risk::Shell)));
    assert_eq!(permission(&ruled(ToolRule::Deny), &bash), Permission::Refused);
}

#[test]
fn what_cannot_be_seen_is_shown_by_its_number() {
    let shown = |text: &str| shown(&plain_tool("bash", json!({"command": text}))).unwrap();

    assert_eq!(shown("ls -la\n\techo 你好 é 🎉"), "ls -la\n\techo 你好 é 🎉");
    assert_eq!(shown("a\u{200b}b\u{202e}c\u{a0}d\u{e0041}e\r"), r"a\u{200b}b\u{202e}c\u{a0}d\u{e0041}e\u{d}");
    assert_eq!(shown("trails \nends\t"), "trails\\u{20}\nends\\u{9}");
    assert_eq!(shown(r"\u{200b} is typed"), r"\u{5c}u{200b} is typed");
}

#[test]
fn all_members_of_an_input_are_shown() {
    let click = computer("left_click", json!({"coordinate": [3, 4], "text": "ctrl"}));

    assert_eq!(shown(&click).unwrap(), "coordinate: [3,4]\ntext: ctrl\n");
}

#[test]
fn what_nobody_can_read_is_not_shown() {
    assert_eq!(shown(&computer("type", json!({"text": "x".repeat(MAX_SHOWN + 1)}))), None);
}

#[test]
fn an_action_aims_at_what_lies_around_its_point_or_at_the_focus() {
    let picture = Size { width: 1000, height: 500 };
    let aim_of = |name: &str, input: Value| aim(&tools::plan(&computer(name, input)).unwrap(), picture);

    let corner = Aim::Place(Rect { x: 0, y: 0, width: 90, height: 53 });
    assert_eq!(aim_of("left_click", json!({"coordinate": [10, 5]})), corner);
    assert_eq!(aim_of("left_click", json!({})), Aim::Place(whole(picture)));
    assert_eq!(aim_of("type", json!({"text": "a"})), Aim::Focus);
    assert_eq!(aim_of("wait", json!({"duration": 1})), Aim::Nothing);
    let drag = aim_of("left_click_drag", json!({"start_coordinate": [100, 100], "coordinate": [300, 200]}));
    assert_eq!(drag, Aim::Place(Rect { x: 20, y: 52, width: 360, height: 196 }));
    // It is refused by the desk; here it must not panic.
    assert_eq!(aim_of("left_click", json!({"coordinate": [i32::MAX, i32::MIN]})), Aim::Nothing);
}

fn pixels(width: usize, height: usize, paint: impl Fn(usize, usize) -> u8) -> Pixels {
    let bytes = (0..width * height).flat_map(|at| [paint(at % width, at / width); 3]).collect();
    Pixels { width, height, bytes, depth: 3 }
}

#[test]
fn a_caret_is_no_change_and_a_digit_is_one() {
    let blank = pixels(100, 40, |_, _| 255);
    let caret = pixels(100, 40, |x, y| if x == 20 && (10..28).contains(&y) { 0 } else { 255 });
    let digit = pixels(100, 40, |x, y| if (20..25).contains(&x) && (10..22).contains(&y) { 0 } else { 255 });
    let minus = pixels(100, 40, |x, y| if (20..25).contains(&x) && y == 15 { 0 } else { 255 });
    let both = pixels(100, 40, |x, y| if (x == 20 || x == 60) && (10..28).contains(&y) { 0 } else { 255 });

    assert!(blank.is_same_but_for_a_caret(&blank) && blank.is_same_but_for_a_caret(&caret));
    for changed in [digit, minus, both, pixels(99, 40, |_, _| 255)] {
        assert!(!blank.is_same_but_for_a_caret(&changed));
    }
}

proptest! {
    #[test]
    fn whatever_is_shown_has_no_invisible_character(text in "\\PC{0,40}|[\\x00-\\x20\\u{80}-\\u{a0}\\u{2000}-\\u{206f}\\u{e0000}-\\u{e007f}]{0,40}") {
        let shown = visible(&text);

        prop_assert!(!shown.chars().any(is_invisible), "{shown:?}");
    }

    #[test]
    fn no_bytes_make_reading_a_picture_panic(bytes: Vec<u8>) {
        let _ = Pixels::read(&[b"\x89PNG\r\n\x1a\n", &bytes[..]].concat());
    }
}
