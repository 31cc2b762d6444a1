//! The agent's loop as its provider, its user and its record see it.

use std::time::Duration;

use harness::{
    Api, Stack, Turn,
    chat::Chat,
    model_server::{KEY, text, thinking, tool, tool_use},
    record::{assistants, results, texts, words_of},
    wait,
};
use protocol::{
    DesktopId, SessionId,
    chat::{ChatDown, ChatUp, DeltaKind},
    event::{Event, EventBody},
    session::SessionState,
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_turn_is_streamed_stored_and_can_be_stopped() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;

    the_stream_ends_as_the_stored_message(&stack, &ada, &desktop, &session).await;
    a_broken_answer_is_discarded_in_the_chat(&stack, &ada, &desktop, &session).await;
    what_was_said_goes_back_unchanged(&stack, &ada, &session).await;
    after_a_failed_action_the_others_of_the_turn_are_not_executed(&stack, &ada, &session).await;
    blocks_of_a_turn_that_was_cut_are_not_executed(&stack, &ada, &desktop, &session).await;
    stop_ends_a_silent_model(&stack, &ada, &desktop, &session).await;
    stop_ends_a_running_tool(&stack, &ada, &desktop, &session).await;
    a_refused_key_is_explained(&stack, &ada, &session).await;
}

#[tokio::test]
async fn a_second_session_waits_for_the_first() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;
    let (first, second) = (ada.create_session(&desktop).await.id, ada.create_session(&desktop).await.id);
    let command = "touch ~/busy; until test -e ~/go-on; do sleep 0.1; done";
    stack.model.script([
        Turn::asks([tool_use("bash", json!({ "command": command }))]),
        Turn::ends("The first is done."),
        Turn::ends("The second is done."),
    ]);

    let first_seq = ada.say(&first, "Go first").await;
    ada.wait_for_file(&desktop, "~/busy").await;
    let second_seq = ada.say(&second, "Go second").await;
    wait::until("the second session is queued", Duration::from_secs(10), async || {
        (ada.session(&second).await.state == SessionState::Queued).then_some(())
    })
    .await;
    ada.shell(&desktop, "touch ~/go-on").await;

    assert!(texts(&ada.wait_until_done(&first, first_seq).await).contains("The first is done."));
    assert!(texts(&ada.wait_until_done(&second, second_seq).await).contains("The second is done."));
}

async fn the_stream_ends_as_the_stored_message(stack: &Stack, ada: &Api, desktop: &DesktopId, session: &SessionId) {
    let words = "Ich sehe: „Grüße“ – 你好 🎉🎉, und mehr.";
    let thought = "Was ist zu tun? 🤔 Nachsehen.";
    stack.model.script([Turn::Answers { content: vec![thinking(thought), text(words)], stop_reason: "end_turn" }]);
    let mut chat = Chat::open(ada, desktop, session, 0).await.expect("the chat");
    let hello = chat.next().await;
    assert!(matches!(hello, ChatDown::Hello { model: Some(_), .. }), "{hello:?}");

    chat.send(&ChatUp::Send { client_id: "one".to_owned(), text: "Was siehst du?".to_owned() }).await;
    let frames = chat.until(is_end).await;

    let accepted =
        frames.iter().filter(|frame| matches!(frame, ChatDown::Accepted { client_id, .. } if client_id == "one"));
    assert_eq!(accepted.count(), 1, "{frames:?}");
    let stored = ada.events(session, 0).await;
    let [message] = &assistants(&stored)[..] else { panic!("one answer: {stored:?}") };
    assert_eq!(message.content[0]["thinking"], thought);
    assert!(message.content[0]["signature"].as_str().is_some_and(|signature| signature.starts_with("c2lnbmF0dXJl-")));
    assert_eq!(message.content[1]["text"], words);
    assert!(message.usage.output_tokens > 0 && message.usage.input_tokens > 0, "{:?}", message.usage);
    for (kind, whole) in [(DeltaKind::Text, words), (DeltaKind::Thinking, thought)] {
        let mut so_far = String::new();
        for frame in &frames {
            if let ChatDown::Delta { message_id, offset, kind: this, text, .. } = frame
                && *this == kind
            {
                assert_eq!(message_id, &message.message_id);
                assert_eq!(*offset, so_far.chars().count() as u64, "{frames:?}");
                so_far.push_str(text);
            }
        }
        assert_eq!(so_far, whole);
    }
}

async fn a_broken_answer_is_discarded_in_the_chat(stack: &Stack, ada: &Api, desktop: &DesktopId, session: &SessionId) {
    let half = "These words are half of an answer that never comes to its end";
    stack.model.script([
        Turn::BreaksWithError { content: vec![text(half)] },
        Turn::HangsUp { content: vec![text(half)] },
        Turn::limits_the_rate(1),
        Turn::ends("The whole answer."),
    ]);
    let mut chat = open_at_the_end(ada, desktop, session).await;

    chat.send(&ChatUp::Send { client_id: "two".to_owned(), text: "Try again".to_owned() }).await;
    let frames = chat.until(is_end).await;

    let discarded = frames.iter().filter(|frame| matches!(frame, ChatDown::Discarded { .. })).count();
    assert_eq!(discarded, 2, "{frames:?}");
    let requests = stack.model.requests();
    let [.., limited, again] = &requests[..] else { panic!("requests") };
    assert!(again.came_at - limited.came_at >= Duration::from_secs(1), "retry-after is kept");
    let events = ada.events(session, 0).await;
    let lost = events.iter().filter(|event| matches!(event.body, EventBody::AnswerLost(_))).count();
    assert_eq!(lost, 2, "what was used for nothing counts: {events:?}");
    let record = texts(&events);
    assert!(record.contains("The whole answer.") && !record.contains("half of an answer"), "{record}");
}

async fn what_was_said_goes_back_unchanged(stack: &Stack, ada: &Api, session: &SessionId) {
    stack.model.script([Turn::ends("And on.")]);

    ada.ask(session, "Go on").await;

    let stored = assistants(&ada.events(session, 0).await);
    let last = stack.model.requests().pop().expect("a request");
    let sent: Vec<&Value> = last.body["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .filter(|message| message["role"] == "assistant")
        .map(|message| &message["content"])
        .collect();
    for (sent, stored) in sent.iter().zip(&stored) {
        assert_eq!(**sent, json!(stored.content), "thinking and its signature, byte for byte");
    }
    assert_eq!(sent.len() + 1, stored.len());
    assert!(last.headers.contains_key("anthropic-version"));
    let tools = last.body["tools"].to_string();
    for kind in ["computer_toolset_20260801", "bash_20250124", "text_editor_20250728"] {
        assert!(tools.contains(kind), "{tools}");
    }
}

async fn after_a_failed_action_the_others_of_the_turn_are_not_executed(stack: &Stack, ada: &Api, session: &SessionId) {
    stack.model.script([
        Turn::asks([
            tool("left_click", json!({ "coordinate": [90_000, 5] })),
            tool("key", json!({ "text": "Return" })),
            tool_use("bash", json!({ "command": "echo the others of the turn run" })),
            tool("no_such_member", json!({})),
        ]),
        Turn::ends("I see."),
    ]);

    let events = ada.ask(session, "Click far away").await;

    let results = results(&events);
    assert_eq!(results.len(), 4, "{events:?}");
    assert!(results[0].is_error, "out of range is refused, not clamped: {results:?}");
    let skipped = "Not executed: an earlier computer action in this turn failed.";
    assert!(results[1].is_error && words_of(&results[1]).contains(skipped), "{results:?}");
    assert!(!results[2].is_error && words_of(&results[2]).contains("the others of the turn run"), "{results:?}");
    assert!(results[3].is_error, "{results:?}");
}

async fn blocks_of_a_turn_that_was_cut_are_not_executed(
    stack: &Stack,
    ada: &Api,
    desktop: &DesktopId,
    session: &SessionId,
) {
    let cut = vec![text("I will"), tool_use("bash", json!({ "command": "touch ~/must-not-run" }))];
    stack.model.script([Turn::Answers { content: cut, stop_reason: "max_tokens" }]);

    ada.ask(session, "Begin something").await;

    assert!(!ada.shell(desktop, "ls ~").await.output.contains("must-not-run"));
    // The conversation is still one that the provider takes.
    stack.model.script([Turn::ends("Here I am.")]);
    let events = ada.ask(session, "Are you there?").await;
    assert!(texts(&events).contains("Here I am."), "{events:?}");
}

async fn stop_ends_a_silent_model(stack: &Stack, ada: &Api, desktop: &DesktopId, session: &SessionId) {
    stack.model.script([Turn::FallsSilent { content: vec![text("I am thinking about it for a very long time")] }]);
    let mut chat = open_at_the_end(ada, desktop, session).await;
    chat.send(&ChatUp::Send { client_id: "three".to_owned(), text: "Think".to_owned() }).await;
    chat.until(|frame| matches!(frame, ChatDown::Delta { .. })).await;

    chat.send(&ChatUp::Stop).await;
    chat.until(is_end).await;

    assert_eq!(ada.session(session).await.state, SessionState::Cancelled);
    wait::until("the provider is hung up on", Duration::from_secs(20), async || {
        stack.model.requests().last().expect("a request").answered_at.map(drop)
    })
    .await;
}

async fn stop_ends_a_running_tool(stack: &Stack, ada: &Api, desktop: &DesktopId, session: &SessionId) {
    let command = "touch ~/started; sleep 300; touch ~/ended";
    stack.model.script([Turn::asks([tool_use("bash", json!({ "command": command })), tool("screenshot", json!({}))])]);
    let mut chat = open_at_the_end(ada, desktop, session).await;
    chat.send(&ChatUp::Send { client_id: "four".to_owned(), text: "Run".to_owned() }).await;
    ada.wait_for_file(desktop, "~/started").await;

    ada.order(&format!("sessions/{session}/stop")).await.expect("stop by the API");
    let frames = chat.until(is_end).await;

    let interrupted = frames.iter().filter(|frame| {
        matches!(frame, ChatDown::Event { event: Event { body: EventBody::ToolResult(result), .. } }
            if result.is_error && words_of(result).contains("[interrupted by user]"))
    });
    assert_eq!(interrupted.count(), 2, "the one that ran and the one that did not: {frames:?}");
    let still = ada.shell(desktop, "pgrep -x sleep || echo none").await;
    assert_eq!(still.output.trim(), "none", "the command is gone with its children");
    // It goes on from there.
    stack.model.script([Turn::ends("Going on.")]);
    assert!(texts(&ada.ask(session, "Go on").await).contains("Going on."));
}

async fn a_refused_key_is_explained(stack: &Stack, ada: &Api, session: &SessionId) {
    ada.set_key("sk-ant-api03-this-one-was-taken-back-00000000").await;

    let seq = ada.say(session, "Are you there?").await;
    let events = ada.wait_until_done(session, seq).await;

    let now = ada.session(session).await;
    assert_eq!(now.state, SessionState::Failed, "{events:?}");
    let said = format!("{} {}", now.reason.unwrap_or_default(), texts(&events)).to_lowercase();
    assert!(said.contains("key"), "it is said what is wrong: {said}");
    assert!(!said.contains("sk-ant"), "and the key is not repeated: {said}");
    assert_eq!(stack.model.violations(), Vec::<String>::new());
}

async fn open_at_the_end(ada: &Api, desktop: &DesktopId, session: &SessionId) -> Chat {
    let last = ada.session(session).await.last_seq;
    let mut chat = Chat::open(ada, desktop, session, last).await.expect("the chat");
    assert!(matches!(chat.next().await, ChatDown::Hello { .. }));
    chat
}

/// The session has come to rest.
fn is_end(frame: &ChatDown) -> bool {
    matches!(frame, ChatDown::Event { event: Event { body: EventBody::StateChanged { state, .. }, .. } } if !state.has_work())
}
