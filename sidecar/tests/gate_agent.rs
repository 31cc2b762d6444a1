//! The agent loop against a scripted provider: what is stored when, what is sent, what is never done twice.

mod support;

use std::collections::HashMap;

use protocol::{
    MessageId, SessionId,
    capability::Scope,
    chat::{ChatDown, ChatUp},
    error::Code,
    event::{AssistantMessage, EventBody, ResultBlock, ToolResult},
    session::SessionState,
    vm::Notice,
    window::Launch,
};
use serde_json::{Value, json};
use sidecar::link::Call;
use support::{
    House,
    edge::{Control, Edge},
    script::{bash, broken, computer, held, message, overloaded, text},
};
use tokio::sync::watch;

const MODEL: &str = "claude-opus-5-5";

fn with_model(replies: Vec<support::edge::Reply>) -> impl FnOnce(&Edge) {
    move |edge| {
        edge.with(|control| {
            control.session = Some(SessionId::generate());
            control.model = Some(MODEL.to_owned());
            control.replies.extend(replies);
        });
    }
}

fn session(house: &House) -> SessionId {
    house.edge.with(|control| control.session.clone().unwrap())
}

fn results(control: &Control) -> HashMap<String, ToolResult> {
    let result = |body: &EventBody| if let EventBody::ToolResult(result) = body { Some(result.clone()) } else { None };
    control.events.iter().filter_map(|event| result(&event.body)).map(|r| (r.tool_use_id.clone(), r)).collect()
}

fn words(result: &ToolResult) -> &str {
    match &result.content[..] {
        [ResultBlock::Text { text }] => text,
        other => panic!("not a text: {other:?}"),
    }
}

fn kinds(control: &Control) -> Vec<&'static str> {
    let kind = |body: &EventBody| match body {
        EventBody::UserMessage { .. } => "user",
        EventBody::AssistantMessage(_) => "assistant",
        EventBody::AnswerLost(_) => "lost",
        EventBody::ToolResult(_) => "result",
        EventBody::StateChanged { state, .. } => state.as_str(),
        EventBody::ApprovalAsked(_) => "asked",
        EventBody::ApprovalAnswered(_) => "answered",
        EventBody::HandedBack { .. } => "handed_back",
        EventBody::Notice { .. } => "notice",
    };
    control.events.iter().map(|event| kind(&event.body)).collect()
}

#[tokio::test]
async fn a_request_is_worked_on_through_an_overload_and_a_broken_stream() {
    let thinking = json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"});
    let house = House::open_with(with_model(vec![
        overloaded(),
        broken(&[text("I will ")]),
        message(
            &[
                thinking.clone(),
                text("Schön: "),
                computer("t1", "screenshot", json!({})),
                computer("t2", "left_click", json!({"coordinate": [300, 200]})),
                bash("t3", "ls"),
            ],
            "tool_use",
            7,
        ),
        message(&[text("Done.")], "end_turn", 1000),
    ]))
    .await;
    let mut chat = house.visitor(&[Scope::Chat]).chat(&session(&house), 0).await;
    assert!(matches!(chat.next().await, ChatDown::Hello { last_seq: 0, model: Some(_), .. }));

    chat.say("c1", "open the door").await;
    house.edge.until_state(SessionState::Idle).await;

    house.edge.with(|control| {
        assert_eq!(
            kinds(control),
            ["user", "running", "lost", "assistant", "result", "result", "result", "assistant", "idle"]
        );
        let results = results(control);
        assert_eq!(words(&results["t2"]), "Clicked.");
        assert_eq!(words(&results["t3"]), "ran ls\n");
        assert_eq!(results["t2"].trace.mark.map(|mark| (mark.x, mark.y)), Some((300, 200)));
        assert!(control.blobs.contains_key(&results["t2"].trace.picture.as_ref().unwrap().sha256));

        assert_eq!(control.asked.len(), 4);
        let (headers, last) = control.asked.last().unwrap();
        assert_eq!(headers["anthropic-version"], "2026-10-21");
        assert!(!headers.contains_key("x-api-key") && !headers.contains_key("authorization"));
        assert_eq!(last["messages"][1]["content"][0], thinking);
        let answered = &last["messages"][2]["content"];
        assert_eq!(answered[0]["toolset_name"], "computer");
        assert_eq!(answered[0]["content"][0]["source"]["media_type"], "image/png");
        assert_eq!(answered[2]["tool_use_id"], "t3");
        assert!(answered[2].get("toolset_name").is_none());
    });
    let frames = chat
        .until(|frame| matches!(frame, ChatDown::Event { event } if matches!(event.body, EventBody::StateChanged { state: SessionState::Idle, .. })))
        .await;
    let discarded = frames.iter().position(|frame| matches!(frame, ChatDown::Discarded { .. })).unwrap();
    let written: String = frames[discarded..].iter().filter_map(|frame| delta(frame, 1)).take(8).collect();
    assert_eq!(written, "Schön: D");
    assert!(frames.iter().any(|frame| matches!(frame, ChatDown::ToolStarted { tool_use_id } if tool_use_id == "t2")));
    assert!(frames.iter().any(|frame| matches!(frame, ChatDown::Accepted { client_id, seq: 1 } if client_id == "c1")));
}

/// The text that a frame adds, of this block or of the next message's first.
fn delta(frame: &ChatDown, at: u32) -> Option<&str> {
    match frame {
        ChatDown::Delta { block, kind: protocol::chat::DeltaKind::Text, text, .. } if *block == at || *block == 0 => {
            Some(text)
        }
        _ => None,
    }
}

#[tokio::test]
async fn after_a_failed_action_the_later_ones_of_the_turn_are_not_done() {
    let house = House::open_with(with_model(vec![
        message(
            &[
                computer("t1", "left_click", json!({"coordinate": [99999, 0]})),
                computer("t2", "type", json!({"text": "x"})),
                bash("t3", "ls"),
                computer("t4", "fly", json!({})),
            ],
            "tool_use",
            50,
        ),
        message(&[text("Sorry.")], "end_turn", 50),
    ]))
    .await;

    house.edge.with(|control| control.say("go"));
    house.edge.until_state(SessionState::Idle).await;

    house.edge.with(|control| {
        let results = results(control);
        assert_eq!(words(&results["t1"]), "Error: (99999, 0) is outside of the screen");
        assert_eq!(words(&results["t2"]), "Not executed: an earlier computer action in this turn failed.");
        assert_eq!(words(&results["t3"]), "ran ls\n");
        assert!(results["t4"].is_error);
        let sent = &control.asked[1].1["messages"][2]["content"];
        assert!(
            sent.as_array().unwrap()[..2]
                .iter()
                .all(|block| block["is_error"] == json!(true) && block["toolset_name"] == "computer")
        );
    });
}

#[tokio::test]
async fn no_tool_runs_before_its_message_is_stored() {
    let house = House::open_with(with_model(vec![
        message(&[bash("t1", "ls")], "tool_use", 50),
        message(&[text("ok")], "end_turn", 50),
    ]))
    .await;
    house.edge.with(|control| {
        // The state, then the message: refused five times.
        control.say("go");
        control.refuse.extend([Code::Unavailable; 3]);
    });
    house.edge.until("three refusals", |control| control.appends.len() >= 3).await;
    assert!(house.desk.with(|desk| desk.calls.iter().all(|call| !matches!(call, Call::Bash { .. }))));

    house.edge.until_state(SessionState::Idle).await;

    house.edge.with(|control| {
        let first = &control.appends[0].client_id;
        assert!(control.appends[..4].iter().all(|append| append.client_id == *first));
    });
}

#[tokio::test]
async fn what_a_dead_process_left_open_is_marked_and_never_replayed() {
    let house = House::open_with(|edge| {
        with_model(vec![message(&[text("I look first.")], "end_turn", 50)])(edge);
        edge.with(|control| {
            control.say("go");
            control.add(EventBody::StateChanged { state: SessionState::Running, reason: None });
            control.add(EventBody::AssistantMessage(AssistantMessage {
                message_id: MessageId::generate(),
                content: vec![computer("t1", "left_click", json!({"coordinate": [1, 1]})), bash("t2", "rm x")],
                stop_reason: "tool_use".to_owned(),
                model: MODEL.to_owned(),
                api: None,
                variant: None,
                usage: Default::default(),
                cost_microusd: None,
            }));
        });
    })
    .await;

    house.edge.until_state(SessionState::Idle).await;

    house.edge.with(|control| {
        let results = results(control);
        let unknown = "Outcome unknown: the process stopped during this action. Take a screenshot before retrying.";
        assert_eq!((words(&results["t1"]), words(&results["t2"])), (unknown, unknown));
        assert_eq!(control.asked[0].1["messages"][2]["content"][0]["content"][0]["text"], unknown);
    });
    assert_eq!(house.desk.with(|desk| desk.calls.clone()), [Call::ReleaseAll]);
}

#[tokio::test]
async fn a_stop_cancels_the_running_command_and_fills_the_rest() {
    let house =
        House::open_with(with_model(vec![message(&[bash("t1", "sleep 600"), bash("t2", "ls")], "tool_use", 50)])).await;
    let mut chat = house.visitor(&[Scope::Chat]).chat(&session(&house), 0).await;
    chat.say("c1", "wait").await;
    chat.until(|frame| matches!(frame, ChatDown::ToolStarted { .. })).await;

    chat.send(&ChatUp::Stop).await;

    house.edge.until_state(SessionState::Cancelled).await;
    house.desk.until("the command's end", |desk| desk.cancelled == ["sleep 600"]).await;
    house.edge.with(|control| {
        let results = results(control);
        assert_eq!((words(&results["t1"]), words(&results["t2"])), ("[interrupted by user]", "[interrupted by user]"));
        assert_eq!(control.asked.len(), 1);
    });
    let stopped = Call::Stop { session: Some(session(&house)) };
    assert_eq!(house.desk.with(|desk| desk.calls.last().cloned()), Some(stopped));
}

#[tokio::test]
async fn a_stop_in_mid_sentence_drops_what_was_written() {
    let (_hold, gate) = watch::channel(false);
    let house = House::open_with(with_model(vec![held(&[text("Once upon")], gate)])).await;
    let mut chat = house.visitor(&[Scope::Chat]).chat(&session(&house), 0).await;
    chat.say("c1", "tell").await;
    chat.until(|frame| matches!(frame, ChatDown::Delta { offset: 8, .. })).await;

    house.edge.with(|control| {
        let session_id = control.session.clone().unwrap();
        control.notify(Notice::Stop { session_id });
    });

    house.edge.until_state(SessionState::Cancelled).await;
    chat.until(|frame| matches!(frame, ChatDown::Discarded { .. })).await;
    house.edge.with(|control| {
        assert_eq!(kinds(control), ["user", "running", "lost", "cancelled"]);
        let EventBody::AnswerLost(lost) = &control.events[2].body else { unreachable!() };
        assert!(lost.usage.input_tokens > 0 && lost.usage.output_tokens >= 3, "{lost:?}");
    });
}

#[tokio::test]
async fn what_is_said_while_the_model_speaks_is_heard_before_its_answer_counts() {
    let house = House::open_with(|edge| {
        with_model(vec![
            message(&[bash("t1", "ls")], "tool_use", 50),
            message(&[text("As you wish.")], "end_turn", 50),
        ])(edge);
        edge.with(|control| control.interjections.push_back("no, wait".to_owned()));
    })
    .await;

    house.edge.with(|control| control.say("go"));
    house.edge.until_state(SessionState::Idle).await;

    house.edge.with(|control| {
        assert_eq!(kinds(control), ["user", "running", "user", "lost", "assistant", "idle"]);
        let said = control.asked[1].1["messages"][0]["content"].as_array().unwrap();
        assert_eq!(said.iter().map(|block| &block["text"]).collect::<Vec<_>>(), ["go", "no, wait"]);
    });
    assert!(house.desk.with(|desk| desk.calls.iter().all(|call| !matches!(call, Call::Bash { .. }))));
}

#[tokio::test]
async fn a_refusal_that_cannot_pass_fails_the_turn_with_the_providers_words() {
    let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": "messages: too odd"}});
    let refused = support::edge::Reply::Status(axum::http::StatusCode::BAD_REQUEST, vec![], body.to_string());
    let house = House::open_with(with_model(vec![refused])).await;

    house.edge.with(|control| control.say("go"));
    house.edge.until_state(SessionState::Failed).await;

    house.edge.with(|control| {
        let EventBody::StateChanged { reason, .. } = &control.events.last().unwrap().body else { unreachable!() };
        assert_eq!(reason.as_deref(), Some("the model provider answered 400: messages: too odd"));
        assert_eq!(control.asked.len(), 1);
    });
}

#[tokio::test]
async fn when_control_is_away_the_chat_is_told_and_the_agent_goes_on_later() {
    let house = House::open_with(|edge| {
        with_model(vec![message(&[text("ok")], "end_turn", 50)])(edge);
        edge.with(|control| control.refuse.extend([Code::Unavailable, Code::Unavailable]));
    })
    .await;
    let mut chat = house.visitor(&[Scope::Chat]).chat(&session(&house), 0).await;

    chat.say("c1", "go").await;

    let frames = chat.until(|frame| matches!(frame, ChatDown::Problem { .. })).await;
    let Some(ChatDown::Problem { problem, .. }) = frames.last() else { unreachable!() };
    assert!(problem.code == Code::Unavailable && problem.detail.starts_with("waiting_control"), "{problem:?}");
    house.edge.until_state(SessionState::Idle).await;
}

#[tokio::test]
async fn a_stop_while_control_is_away_counts_on_the_desktop_at_once() {
    let house = House::open_with(|edge| {
        with_model(vec![])(edge);
        edge.with(|control| control.refuse.extend([Code::Unavailable; 1000]));
    })
    .await;
    let mut chat = house.visitor(&[Scope::Chat]).chat(&session(&house), 0).await;
    house.edge.with(|control| control.say("go"));
    chat.until(|frame| matches!(frame, ChatDown::Problem { .. })).await;

    chat.send(&ChatUp::Stop).await;

    let stopped = Call::Stop { session: Some(session(&house)) };
    house.desk.until("the stop", |desk| desk.calls.contains(&stopped)).await;
    house.edge.with(|control| {
        assert!(!control.refuse.is_empty(), "control is away still");
        control.refuse.clear();
    });
    house.edge.until_state(SessionState::Cancelled).await;
}

#[tokio::test]
async fn an_agent_of_an_old_generation_stops_for_good() {
    let house = House::open_with(|edge| {
        with_model(vec![])(edge);
        edge.with(|control| control.refuse.push_back(Code::StaleGeneration));
    })
    .await;

    house.edge.with(|control| control.say("go"));
    house.edge.until("the refusal", |control| control.appends.len() == 1).await;
    house.edge.with(|control| control.say("again"));

    // What would come next is a second append; a screenshot through the gate takes longer than that.
    house.visitor(&[Scope::View]).get("screenshot").await;
    assert_eq!(house.edge.with(|control| (control.appends.len(), control.asked.len())), (1, 0));
}

#[tokio::test]
async fn without_a_model_commands_go_the_same_way() {
    let house = House::open_with(|edge| edge.with(|control| control.session = Some(SessionId::generate()))).await;
    let mut chat = house.visitor(&[Scope::Chat]).chat(&session(&house), 0).await;
    assert!(matches!(chat.next().await, ChatDown::Hello { model: None, .. }));

    for (at, said) in ["/click 3 4", "/screenshot", "!ls", "/open https://x.org", "please help"].iter().enumerate() {
        chat.say(&format!("c{at}"), said).await;
        chat.until(|frame| matches!(frame, ChatDown::Event { event } if matches!(event.body, EventBody::StateChanged { state: SessionState::Idle, .. }))).await;
    }

    house.edge.with(|control| {
        let (results, texts): (Vec<_>, Vec<_>) = (results(control).into_values().collect(), texts(control));
        assert_eq!(results.iter().filter(|result| !result.is_error).count(), 4);
        assert_eq!(texts.iter().filter(|text| *text == "Done.").count(), 4);
        assert!(texts.last().unwrap().starts_with("No model is connected"));
        assert!(control.asked.is_empty());
    });
    let launch = Launch::Url("https://x.org".to_owned());
    let opened = |call: &Call| matches!(call, Call::Launch { launch: asked, .. } if *asked == launch);
    assert!(house.desk.with(|desk| desk.calls.iter().any(opened)));
}

fn texts(control: &Control) -> Vec<String> {
    let mut texts = Vec::new();
    for event in &control.events {
        if let EventBody::AssistantMessage(message) = &event.body {
            let text = |block: &Value| block["text"].as_str().map(str::to_owned);
            texts.extend(message.content.iter().filter_map(text));
        }
    }
    texts
}

#[tokio::test]
async fn a_browser_that_comes_back_gets_what_it_missed_and_no_more() {
    let house = House::open_with(with_model(vec![message(&[text("ok")], "end_turn", 50)])).await;
    house.edge.with(|control| control.say("go"));
    house.edge.until_state(SessionState::Idle).await;

    let mut chat = house.visitor(&[Scope::Chat]).chat(&session(&house), 2).await;

    assert!(matches!(chat.next().await, ChatDown::Hello { last_seq: 4, .. }));
    for seq in [3, 4] {
        assert!(matches!(chat.next().await, ChatDown::Event { event } if event.seq == seq));
    }
}

#[tokio::test]
async fn who_comes_while_a_message_is_written_sees_its_beginning() {
    let (hold, gate) = watch::channel(false);
    let house = House::open_with(with_model(vec![held(&[text("Once upon")], gate)])).await;
    let visitor = house.visitor(&[Scope::Chat]);
    let mut first = visitor.chat(&session(&house), 0).await;
    first.say("c1", "tell").await;
    first.until(|frame| matches!(frame, ChatDown::Delta { offset: 8, .. })).await;

    let mut second = visitor.chat(&session(&house), 0).await;

    let frames = second.until(|frame| matches!(frame, ChatDown::Delta { .. })).await;
    assert!(matches!(frames.last(), Some(ChatDown::Delta { offset: 0, text, .. }) if text == "Once upon"));
    hold.send(true).unwrap();
    house.edge.until_state(SessionState::Idle).await;
}

#[tokio::test]
async fn frames_that_make_no_sense_are_answered_and_the_chat_stays_open() {
    let house = House::open_with(with_model(vec![])).await;
    let mut chat = house.visitor(&[Scope::Chat]).chat(&session(&house), 0).await;
    chat.until(|frame| matches!(frame, ChatDown::Control { .. })).await;

    for frame in ["{", "[]", "{\"type\":\"fly\"}", "{\"type\":\"send\",\"text\":\"secret\"}"] {
        use futures_util::SinkExt;
        chat.0.send(tokio_tungstenite::tungstenite::Message::text(frame)).await.unwrap();
        let ChatDown::Problem { problem, .. } = chat.next().await else { panic!("no problem for {frame}") };
        assert!(problem.code == Code::MalformedRequest && !problem.detail.contains("secret"), "{problem:?}");
    }
}

#[tokio::test]
async fn a_gate_that_ends_says_goodbye_to_the_chat() {
    let mut house = House::open_with(with_model(vec![])).await;
    let mut chat = house.visitor(&[Scope::Chat]).chat(&session(&house), 0).await;
    chat.next().await;

    house.stop().await;

    assert_eq!(u16::from(chat.close().await.code), 1001);
}
