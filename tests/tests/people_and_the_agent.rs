//! What people say to an agent at work counts at once: stop, yes, no, not so much.

use std::{fs, time::Duration};

use harness::{
    Api, Stack, Turn,
    model_server::{KEY, tool, tool_use},
    record::{results, texts, words_of},
    stack::find,
    viewer::Viewer,
    wait,
};
use protocol::{
    DesktopId, SessionId,
    approval::{ApprovalAsked, ApprovalPolicy, Risk},
    error::Code,
    event::EventBody,
    session::{PatchSession, Session, SessionState},
    settings::{Budgets, SessionSettings},
};
use serde_json::json;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_stop_in_the_middle_of_a_text_lets_no_further_key_through() {
    // Six times as much as one action may type.
    const LONG: usize = 6 * 99_000;
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    a_terminal_that_writes_down_what_is_typed(&ada, &desktop).await;
    stack.model.answer_in_one_piece();
    let line = format!("{}\n", "x".repeat(99));
    stack.model.script([Turn::asks((0..6).map(|_| tool("type", json!({ "text": line.repeat(990) }))))]);
    ada.say(&session, "Type").await;
    let typed = || {
        let found = find(&stack.layout.data, |file| file.file_name().is_some_and(|file| file == "typed.txt"));
        found.first().and_then(|file| fs::metadata(file).ok()).map_or(0, |meta| meta.len() as usize)
    };
    wait::until("it types", SOON, async || (typed() > 0).then_some(())).await;

    ada.order(&format!("sessions/{session}/stop")).await.expect("stop");

    wait_for(&ada, &session, SessionState::Cancelled).await;
    // What the terminal has read it may still be writing.
    let mut before = usize::MAX;
    let settled = wait::until("the terminal has written what it got", SOON, async || {
        let now = typed();
        (std::mem::replace(&mut before, now) == now).then_some(now)
    })
    .await;
    assert!(settled < LONG, "all of it was typed");
    let results = results(&ada.events(&session, 0).await);
    assert_eq!(results.last().map(words_of).as_deref(), Some("[interrupted by user]"), "{results:?}");
    let mut viewer = Viewer::open(&ada, &desktop).await.expect("the screen");
    viewer.type_text("END\n").await;
    let text = wait::until("the viewer's own line comes behind it", SOON, async || {
        let all = ada.shell(&desktop, "tail -c 300 ~/typed.txt").await.output;
        all.contains("END").then_some(all)
    })
    .await;
    assert!(text.trim_end().ends_with("END") && !text.contains("XX"), "no key is held, Shift neither: {text}");
    assert!(typed() <= settled + 100 + "END\n".len(), "{settled} and then {}", typed());
}

#[tokio::test]
async fn an_action_waits_for_a_word_and_the_word_counts() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    let settings = SessionSettings { approvals: ApprovalPolicy::Risky, ..SessionSettings::default() };
    change(&ada, &session, settings).await;

    a_yes_lets_a_command_run(&stack, &ada, &desktop, &session).await;
    a_no_is_told_to_the_model(&stack, &ada, &desktop, &session).await;
    a_yes_to_a_screen_that_has_changed_since_is_none(&stack, &ada, &desktop, &session).await;
    another_user_has_no_word(&stack, &ada, &session).await;
    what_is_not_risky_needs_no_word(&stack, &ada, &session).await;
}

async fn a_yes_lets_a_command_run(stack: &Stack, ada: &Api, desktop: &DesktopId, session: &SessionId) {
    stack.model.script([
        Turn::asks([tool_use("bash", json!({ "command": "echo yes > ~/allowed.txt" }))]),
        Turn::ends("It ran."),
    ]);
    let seq = ada.say(session, "Run it").await;
    let (approval, asked) = asked(ada, session, seq).await;
    assert_eq!((asked.risk, asked.shown.as_str()), (Some(Risk::Shell), "echo yes > ~/allowed.txt"));
    assert!(asked.picture.is_some(), "it is decided on a picture");
    assert!(ada.shell(desktop, "cat ~/allowed.txt").await.exit_code != Some(0), "it waits");

    let now: Session =
        ada.post(&format!("sessions/{session}/approve"), &json!({ "approval": approval })).await.expect("approve");
    assert_eq!(now.state, SessionState::Running);

    assert!(texts(&ada.wait_until_done(session, seq).await).contains("It ran."));
    assert_eq!(ada.shell(desktop, "cat ~/allowed.txt").await.output.trim(), "yes");
}

async fn a_no_is_told_to_the_model(stack: &Stack, ada: &Api, desktop: &DesktopId, session: &SessionId) {
    stack.model.script([
        Turn::asks([tool_use("bash", json!({ "command": "touch ~/forbidden.txt" }))]),
        Turn::ends("As you wish."),
    ]);
    let seq = ada.say(session, "Run that").await;
    let (approval, _) = asked(ada, session, seq).await;

    let judge = json!({ "approval": approval });
    let _: Session = ada.post(&format!("sessions/{session}/deny"), &judge).await.expect("deny");
    let events = ada.wait_until_done(session, seq).await;

    let denied = "The user did not grant permission to run 'bash'. Do not retry it unless the user asks you to.";
    assert_eq!(words_of(&results(&events)[0]), denied);
    assert!(ada.shell(desktop, "ls ~").await.output.lines().all(|line| line != "forbidden.txt"));
    let late = ada.post::<Session>(&format!("sessions/{session}/approve"), &judge).await.expect_err("the other word");
    assert_eq!(late.code(), Code::Conflict);
}

async fn a_yes_to_a_screen_that_has_changed_since_is_none(
    stack: &Stack,
    ada: &Api,
    desktop: &DesktopId,
    session: &SessionId,
) {
    let press = || Turn::asks([tool("key", json!({ "text": "Return" }))]);
    stack.model.script([press(), press(), Turn::ends("Pressed.")]);
    let seq = ada.say(session, "Press Return").await;
    let (first, what) = asked(ada, session, seq).await;
    assert_eq!((what.risk, what.region.is_some()), (Some(Risk::Submit), true));
    // A window comes over what the key would go to.
    ada.shell(desktop, "setsid xterm -geometry 90x30+150+120 -e sleep 100 > /dev/null 2>&1 &").await;
    let before = ada.screenshot(desktop).await;
    wait::until("the window is there", SOON, async || {
        let windows: serde_json::Value = ada.get(&format!("desktops/{desktop}/windows")).await.expect("windows");
        (windows.to_string().to_lowercase().contains("xterm") && ada.screenshot(desktop).await.colours() > 1)
            .then_some(())
    })
    .await;
    drop(before);

    let approve = async |approval: i64| {
        let _: Session =
            ada.post(&format!("sessions/{session}/approve"), &json!({ "approval": approval })).await.expect("approve");
    };
    approve(first).await;
    let (second, _) = asked(ada, session, first).await;
    approve(second).await;

    let events = ada.wait_until_done(session, seq).await;
    let told: Vec<String> = results(&events).iter().map(words_of).collect();
    assert!(told[0].contains("the screen changed"), "{told:?}");
    assert_eq!(told[1], "Pressed Return.");
}

async fn another_user_has_no_word(stack: &Stack, ada: &Api, session: &SessionId) {
    stack.model.script([Turn::asks([tool_use("bash", json!({ "command": "true" }))]), Turn::ends("Never mind.")]);
    let seq = ada.say(session, "Run something").await;
    let (approval, _) = asked(ada, session, seq).await;

    let bob = stack.user("bob").await;
    let refused = bob.post::<Session>(&format!("sessions/{session}/approve"), &json!({ "approval": approval })).await;
    assert_eq!(refused.expect_err("somebody else's word").code(), Code::NotFound);

    ada.order(&format!("sessions/{session}/stop")).await.expect("stop");
    wait_for(ada, session, SessionState::Cancelled).await;
    stack.model.rescript([]);
}

async fn what_is_not_risky_needs_no_word(stack: &Stack, ada: &Api, session: &SessionId) {
    stack.model.script([
        Turn::asks([tool("screenshot", json!({})), tool("left_click", json!({ "coordinate": [5, 5] }))]),
        Turn::ends("Seen."),
    ]);

    let events = ada.ask(session, "Look").await;

    assert!(texts(&events).contains("Seen."), "{events:?}");
    assert!(events.iter().all(|event| !matches!(event.body, EventBody::ApprovalAsked(_))));
}

#[tokio::test]
async fn a_budget_is_kept_and_what_was_used_is_told() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    let budget = |steps| SessionSettings {
        budgets: Budgets { steps: Some(steps), ..Budgets::default() },
        ..SessionSettings::default()
    };
    change(&ada, &session, budget(2)).await;
    let look = || Turn::asks([tool("screenshot", json!({}))]);
    stack.model.script([look(), look(), Turn::ends("Done.")]);

    let seq = ada.say(&session, "Look around").await;
    let events = ada.wait_until_done(&session, seq).await;
    assert!(texts(&events).contains("budget of 2 steps"), "{events:?}");
    let now = ada.session(&session).await;
    assert_eq!((now.state, now.spent.steps), (SessionState::Failed, 2));
    assert!(now.spent.usage.tokens() > 0);

    change(&ada, &session, budget(10)).await;
    assert!(texts(&ada.ask(&session, "Go on").await).contains("Done."));
}

#[tokio::test]
async fn a_secret_is_typed_into_the_program_and_stands_nowhere_else() {
    const SECRET: &str = "s3cret-äöü-value-77";
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    let _: serde_json::Value = ada.put("secrets/DOOR_CODE", &json!({ "value": SECRET })).await.expect("store a secret");
    a_terminal_that_writes_down_what_is_typed(&ada, &desktop).await;
    stack.model.script([
        Turn::asks([
            tool("type", json!({ "text": "{{secret:DOOR_CODE}}\n" })),
            tool_use("bash", json!({ "command": "sleep 1; cat ~/typed.txt" })),
        ]),
        Turn::ends("The door is open."),
    ]);

    let events = ada.ask(&session, "Open the door").await;

    let told: Vec<String> = results(&events).iter().map(words_of).collect();
    assert_eq!(told, ["Typed.", "{{secret:DOOR_CODE}}\n"], "what is read back is masked");
    assert_eq!(ada.shell(&desktop, "cat ~/typed.txt").await.output.trim(), SECRET);
    let listed: serde_json::Value = ada.get("secrets").await.expect("the secrets");
    assert!(listed.to_string().contains("DOOR_CODE") && !listed.to_string().contains("s3cret"));
    for file in find(stack.folder(), |file| !file.components().any(|part| part.as_os_str() == "home")) {
        let words = String::from_utf8_lossy(&fs::read(&file).unwrap_or_default()).into_owned();
        assert!(!words.contains(SECRET), "it stands in {}", file.display());
    }
    assert!(stack.model.requests().iter().all(|request| !request.text().contains(SECRET)));
}

async fn a_terminal_that_writes_down_what_is_typed(ada: &Api, desktop: &DesktopId) {
    ada.shell(desktop, "setsid xterm -u8 -geometry 100x30+200+100 -e sh -c 'cat > ~/typed.txt' > /dev/null 2>&1 &")
        .await;
    ada.wait_for_file(desktop, "~/typed.txt").await;
    let mut viewer = Viewer::open(ada, desktop).await.expect("the screen");
    viewer.click(500, 300).await;
}

async fn change(ada: &Api, session: &SessionId, settings: SessionSettings) {
    let wish = PatchSession { settings: Some(settings), ..PatchSession::default() };
    let body = Some(&wish);
    ada.send(http::Method::PATCH, &format!("sessions/{session}"), body).await.expect("change the settings");
}

/// The first question to a person behind `after`.
async fn asked(ada: &Api, session: &SessionId, after: i64) -> (i64, ApprovalAsked) {
    wait::until("a person is asked", SOON, async || {
        ada.events(session, after).await.into_iter().find_map(|event| match event.body {
            EventBody::ApprovalAsked(asked) => Some((event.seq, asked)),
            _ => None,
        })
    })
    .await
}

async fn wait_for(ada: &Api, session: &SessionId, state: SessionState) {
    wait::until(state.as_str(), SOON, async || (ada.session(session).await.state == state).then_some(())).await;
}
