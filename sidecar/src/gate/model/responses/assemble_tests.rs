//! What becomes of a stream of events, whole, broken off or strange.

use super::*;

fn stream(events: &[Value]) -> Result<(Vec<Seen>, Option<Whole>), Broken> {
    let mut assembly = Assembly::after(Ids::of(["known".to_owned()].into()));
    let (mut deltas, mut whole) = (Vec::new(), None);
    for event in events {
        match assembly.take(&event.to_string())? {
            Seen::Nothing => {}
            Seen::Done(done) => whole = Some(done),
            delta => deltas.push(delta),
        }
    }
    Ok((deltas, whole))
}

fn done(place: u32, item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": place, "item": item})
}

fn completed() -> Value {
    json!({"type": "response.completed", "response": {"status": "completed", "usage": {
        "input_tokens": 100, "output_tokens": 9, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
    }}})
}

fn whole(items: Vec<Value>) -> Whole {
    let events: Vec<Value> =
        items.into_iter().zip(0..).map(|(item, place)| done(place, item)).chain([completed()]).collect();
    stream(&events).unwrap().1.unwrap()
}

fn call(actions: Value, checks: Value) -> Value {
    json!({"type": "computer_call", "id": "cu_1", "call_id": "call_1", "status": "completed", "actions": actions,
        "pending_safety_checks": checks})
}

fn function(id: &str, name: &str, arguments: &str) -> Value {
    json!({"type": "function_call", "id": "fc_1", "call_id": id, "name": name, "arguments": arguments, "status": "completed"})
}

#[test]
fn items_become_blocks_and_stand_beside_them_unchanged() {
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "c2VhbGVk",
        "summary": [{"type": "summary_text", "text": "Look."}, {"type": "summary_text", "text": "Then click."}]});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "commentary",
        "content": [{"type": "output_text", "text": "I look", "annotations": []}, {"type": "output_text", "text": ".", "annotations": []}]});
    let bash = function("call_2", "bash", "{\"command\":\"ls\"}");
    let compaction = json!({"type": "compaction", "id": "cmp_1", "encrypted_content": "eA"});

    let Whole { content, stop_reason, usage } =
        whole(vec![compaction.clone(), reasoning.clone(), message.clone(), bash.clone()]);

    assert_eq!(content[0], json!({"type": "compaction", "item": compaction}));
    assert_eq!(content[1], json!({"type": "thinking", "thinking": "Look.\n\nThen click.", "item": reasoning}));
    assert_eq!(content[2], json!({"type": "text", "text": "I look.", "item": message}));
    let used = json!({"type": "tool_use", "id": "call_2", "name": "bash", "input": {"command": "ls"}, "item": bash});
    assert_eq!(content[3], used);
    assert_eq!(stop_reason, "tool_use");
    let counted =
        Usage { input_tokens: 10, output_tokens: 9, cache_creation_input_tokens: 30, cache_read_input_tokens: 60 };
    assert_eq!(usage, counted);
}

#[test]
fn each_action_of_a_call_is_a_use_of_its_own_and_the_last_one_shows_the_screen() {
    let click = json!({"type": "click", "button": "left", "x": 3, "y": 4});
    let item = call(json!([click, {"type": "type", "text": "a"}, {"type": "keypress", "keys": ["ENTER"]}]), json!([]));

    let content = whole(vec![item.clone()]).content;

    assert_eq!(
        content,
        [
            json!({"type": "tool_use", "id": "call_1", "name": "left_click", "toolset_name": "computer",
                "input": {"coordinate": [3, 4]}, "item": item}),
            json!({"type": "tool_use", "id": "call_1_1", "name": "type", "toolset_name": "computer",
                "input": {"text": "a"}, "call": "call_1"}),
            json!({"type": "tool_use", "id": "call_1_2", "name": "key", "toolset_name": "computer",
                "input": {"text": "ENTER"}, "call": "call_1", "picture": true}),
        ]
    );
}

#[test]
fn a_safety_check_stands_with_the_first_action() {
    let checks = json!([{"id": "sc_1", "code": "malicious_instructions", "message": "The page gives orders."}]);

    let content = whole(vec![call(json!([{"type": "wait"}, {"type": "wait"}]), checks)]).content;

    assert_eq!(content[0]["safety_checks"], json!(["The page gives orders."]));
    assert_eq!(content[0]["then"], json!(["wait {\"duration\":1}"]));
    assert_eq!(content[1].get("safety_checks"), None);
}

#[test]
fn a_function_of_the_computer_is_known_as_a_member_of_the_toolset() {
    let content =
        whole(vec![function("call_1", "zoom", "{\"region\":[0,0,4,4]}"), function("call_2", "mine", "")]).content;

    assert_eq!(content[0]["toolset_name"], "computer");
    assert_eq!((content[1].get("toolset_name"), &content[1]["input"]), (None, &json!({})));
}

#[test]
fn arguments_that_are_no_object_are_a_fault_of_the_model() {
    for arguments in ["{\"command\":", "[1]", "null", "ls"] {
        let content = whole(vec![function("call_1", "bash", arguments)]).content;

        assert!(content[0]["fault"].as_str().is_some() && content[0]["input"] == json!({}), "{arguments}: {content:?}");
    }
}

#[test]
fn deltas_are_shown_as_they_come() {
    let events = [
        json!({"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 0}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "Hm"}),
        json!({"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 1}),
        json!({"type": "response.output_text.delta", "output_index": 1, "delta": "hé"}),
        json!({"type": "response.output_text.delta", "output_index": 1, "delta": "!"}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{"}),
        json!({"type": "response.something.new", "output_index": 3, "delta": "?"}),
    ];

    let (deltas, _) = stream(&events).unwrap();

    let delta = |block, offset, kind, text: &str| Seen::Delta { block, offset, kind, text: text.to_owned() };
    assert_eq!(
        deltas,
        [
            delta(0, 0, DeltaKind::Thinking, "Hm"),
            delta(0, 2, DeltaKind::Thinking, "\n\n"),
            delta(1, 0, DeltaKind::Text, "hé"),
            delta(1, 2, DeltaKind::Text, "!"),
            delta(2, 0, DeltaKind::ToolInput, "{"),
        ]
    );
}

#[test]
fn why_a_response_ended_is_told_in_the_words_of_the_record() {
    let ended = |details: Value, items: Vec<Value>| {
        let status = if details.is_null() { "completed" } else { "incomplete" };
        let end = json!({"type": format!("response.{status}"), "response": {"status": status, "incomplete_details": details}});
        let events: Vec<Value> = items.into_iter().zip(0..).map(|(item, n)| done(n, item)).chain([end]).collect();
        stream(&events).unwrap().1.unwrap().stop_reason
    };
    let refusal = json!({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]});

    assert_eq!(ended(Value::Null, vec![]), "end_turn");
    assert_eq!(ended(Value::Null, vec![refusal]), "refusal");
    assert_eq!(ended(json!({"reason": "max_output_tokens"}), vec![function("call_1", "bash", "{}")]), "max_tokens");
    assert_eq!(ended(json!({"reason": "content_filter"}), vec![]), "refusal");
}

#[test]
fn what_cannot_be_used_breaks_the_attempt_and_what_stays_so_ends_it() {
    let failed =
        |code: &str| json!({"type": "response.failed", "response": {"error": {"code": code, "message": "no"}}});
    let error = |code: &str| json!({"type": "error", "code": code, "message": "no"});
    let for_good = |events: &[Value]| stream(events).unwrap_err().for_good;

    assert!(
        !for_good(&[failed("server_error")])
            && !for_good(&[failed("server_is_overloaded")])
            && !for_good(&[error("rate_limit_exceeded")])
    );
    assert!(for_good(&[failed("invalid_prompt")]) && for_good(&[error("image_too_large")]));
    assert!(!for_good(&[done(0, function("", "bash", "{}")), completed()]));
    assert!(!for_good(&[done(0, function("known", "bash", "{}")), completed()]));
    let twice = [done(0, function("call_1", "bash", "{}")), done(1, call(json!([]), json!([]))), completed()];
    assert!(!for_good(&twice));
}

proptest::proptest! {
    #[test]
    fn no_event_makes_it_panic(kind in "response.(output_text.delta|output_item.done|completed|failed|incomplete)|error", index in proptest::num::i64::ANY, text in ".{0,20}") {
        let mut assembly = Assembly::default();
        for value in [json!(index), json!(text), json!([text]), json!({"type": text}), json!({"type": "computer_call", "call_id": text, "actions": text}), json!(null)] {
            let _ = assembly.take(&json!({"type": kind, "output_index": index, "item": value, "delta": value, "response": value, "error": value}).to_string());
        }
        let _ = assembly.take(&text);
    }
}
