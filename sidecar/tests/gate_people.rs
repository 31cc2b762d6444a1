//! People and the agent on one desktop: who drives, whose word counts, what the agent never gets to see.

mod support;

use protocol::{
    SessionId, UserId,
    approval::{ApprovalAsked, ApprovalPolicy, Risk, Verdict},
    capability::{Actor, Scope},
    chat::{ChatDown, ChatUp},
    error::{Code, Problem},
    event::{EventBody, ResultBlock, ToolResult},
    lease::{ControlStatus, Driver},
    session::SessionState,
    settings::{Budgets, SessionSettings},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sidecar::{
    gate::agent::words,
    link::{Call, FloorRule},
};
use support::{
    House,
    edge::{Control, Edge, Reply},
    script::{bash, computer, message, text},
    visit::Visitor,
};

const PEOPLE: &[Scope] = &[Scope::View, Scope::Control, Scope::Chat];

fn with(settings: SessionSettings, replies: Vec<Reply>) -> impl FnOnce(&Edge) {
    move |edge| {
        edge.with(|control| {
            control.session = Some(SessionId::generate());
            control.model = Some("m".to_owned());
            control.settings = settings;
            control.replies.extend(replies);
        });
    }
}

fn risky() -> SessionSettings {
    SessionSettings { approvals: ApprovalPolicy::Risky, ..SessionSettings::default() }
}

fn session(house: &House) -> SessionId {
    house.edge.with(|control| control.session.clone().unwrap())
}

fn results(control: &Control) -> Vec<ToolResult> {
    let result = |body: &EventBody| if let EventBody::ToolResult(result) = body { Some(result.clone()) } else { None };
    control.events.iter().filter_map(|event| result(&event.body)).collect()
}

fn words_of(result: &ToolResult) -> &str {
    match &result.content[..] {
        [ResultBlock::Text { text }] => text,
        other => panic!("not a text: {other:?}"),
    }
}

async fn status(answer: reqwest::Response) -> ControlStatus {
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

async fn refused(answer: reqwest::Response) -> Code {
    let status = answer.status();
    let problem: Problem = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(status.as_u16(), problem.status);
    problem.code
}

async fn take(visitor: &Visitor) -> ControlStatus {
    status(visitor.post("control/take", json!({})).await).await
}

/// The approval that waits: the number of the event, and what is asked.
async fn asked(house: &House, nth: usize) -> (i64, ApprovalAsked) {
    let find = |control: &Control| {
        let asked = control.events.iter().filter_map(|event| match &event.body {
            EventBody::ApprovalAsked(asked) => Some((event.seq, asked.clone())),
            _ => None,
        });
        asked.into_iter().nth(nth)
    };
    house.edge.until("a person is asked", |control| find(control).is_some()).await;
    house.edge.with(|control| find(control).unwrap())
}

#[tokio::test]
async fn a_takeover_interrupts_the_agent_and_the_hand_back_lets_it_go_on() {
    let house = House::open_with(with(
        SessionSettings::default(),
        vec![
            message(&[bash("t1", "sleep 600"), bash("t2", "ls")], "tool_use", 50),
            message(&[text("Done.")], "end_turn", 50),
        ],
    ))
    .await;
    let ada = house.visitor(PEOPLE);
    house.edge.with(|control| control.say("work"));
    house.desk.until("the command runs", |desk| desk.calls.iter().any(|call| matches!(call, Call::Bash { .. }))).await;
    assert_eq!(status(ada.get("control").await).await.driver, Driver::Agent);

    let taken = take(&ada).await;

    assert_eq!((taken.driver, taken.holder.map(|holder| holder.user_id)), (Driver::Person, Some(house.user.clone())));
    house.desk.until("the command's end", |desk| desk.cancelled == ["sleep 600"]).await;
    assert_eq!(
        house.desk.with(|desk| desk.floors.last().cloned()),
        Some(FloorRule::Only { seat: house.user.to_string() })
    );
    house.edge.until_state(SessionState::Paused).await;
    let told: Vec<String> =
        house.edge.with(|control| results(control).iter().map(|r| words_of(r).to_owned()).collect());
    assert_eq!(told, [words::TAKEN_MEANWHILE, words::NOT_WHILE_A_PERSON_DRIVES]);
    house
        .edge
        .until("control knows", |control| control.leases.last().is_some_and(|lease| lease.holder.is_some()))
        .await;

    let preview = ada.get("control/preview").await;
    let sha256 = preview.headers()["x-cloudbot-picture"].to_str().unwrap().to_owned();
    let shown = preview.bytes().await.unwrap();
    let back = ada.post("control/release", json!({"note": "I have signed in.", "picture": sha256})).await;
    assert_eq!(status(back).await.holder, None);

    house.edge.until_state(SessionState::Idle).await;
    house.edge.with(|control| {
        assert_eq!(control.blobs[&sha256], shown);
        let asked = &control.asked.last().unwrap().1["messages"][2]["content"];
        assert!(asked[2]["text"].as_str().unwrap().ends_with("I have signed in."), "{asked}");
        assert_eq!(asked[3]["type"], "image");
    });
    house.desk.until("the floor is anybody's", |desk| desk.floors.last() == Some(&FloorRule::Anyone)).await;
}

#[tokio::test]
async fn while_a_person_drives_nothing_of_the_screen_leaves_and_nothing_is_asked() {
    let house = House::open_with(with(SessionSettings::default(), vec![])).await;
    let (ada, program) = (house.visitor(PEOPLE), house.program(Scope::ALL));
    take(&ada).await;
    let seen = || house.desk.with(|desk| desk.calls.len());
    let before = seen();

    house.edge.with(|control| control.say("what do you see?"));
    house
        .edge
        .until("the chat answers", |control| {
            control
                .events
                .iter()
                .any(|event| matches!(&event.body, EventBody::Notice { text } if text == words::HEARD_LATER))
        })
        .await;
    for answer in [
        program.get("screenshot").await,
        program.get("windows").await,
        program.get("clipboard").await,
        program.get("accessibility").await,
        program.post("actions", json!({"action": "screenshot"})).await,
        program.post("actions", json!({"action": "click"})).await,
        program.post("shell", json!({"command": "ls"})).await,
        program.post("applications", json!({"application": "xterm"})).await,
    ] {
        assert_eq!(refused(answer).await, Code::PersonDrives);
    }
    let bob = house.visitor_as(&UserId::generate(), Actor::Person, PEOPLE);
    assert_eq!(refused(bob.get("screenshot").await).await, Code::PersonDrives);

    assert_eq!(seen(), before, "the desk was asked for nothing");
    house.edge.with(|control| assert!(control.asked.is_empty() && control.blobs.is_empty()));
    assert!(ada.get("screenshot").await.status().is_success(), "who drives may look");
}

#[tokio::test]
async fn a_program_that_acts_when_a_person_takes_control_is_interrupted() {
    let house = House::open().await;
    let (ada, program) = (house.visitor(PEOPLE), house.program(Scope::ALL));
    let (interrupted, _) = tokio::join!(program.post("shell", json!({"command": "sleep 600"})), async {
        house.desk.until("it runs", |desk| desk.calls.iter().any(|call| matches!(call, Call::Bash { .. }))).await;
        take(&ada).await
    });

    assert_eq!(refused(interrupted).await, Code::PersonDrives);
    house.desk.until("the command's end", |desk| desk.cancelled == ["sleep 600"]).await;
}

#[tokio::test]
async fn control_has_one_holder_who_is_a_person_and_alone_can_hand_it_back() {
    let house = House::open().await;
    let ada = house.visitor(PEOPLE);
    let bob = house.visitor_as(&UserId::generate(), Actor::Person, PEOPLE);
    let program = house.program(Scope::ALL);
    assert_eq!(refused(program.post("control/take", json!({})).await).await, Code::MissingScope);
    assert_eq!(refused(house.visitor(&[Scope::View]).post("control/take", json!({})).await).await, Code::MissingScope);
    assert_eq!(refused(ada.get("control/preview").await).await, Code::NotTheHolder);
    take(&ada).await;
    take(&ada).await;

    assert_eq!(refused(bob.post("control/take", json!({})).await).await, Code::PersonDrives);
    assert_eq!(refused(bob.post("control/request", json!({})).await).await, Code::PersonDrives);
    assert_eq!(refused(bob.post("control/release", json!({})).await).await, Code::NotTheHolder);
    assert_eq!(refused(bob.get("control/preview").await).await, Code::NotTheHolder);
    let other = json!({"picture": "ab".repeat(32)});
    assert_eq!(refused(ada.post("control/release", other).await).await, Code::Conflict);

    assert_eq!(status(ada.post("control/release", json!({})).await).await.driver, Driver::Nobody);
    assert_eq!(take(&bob).await.driver, Driver::Person);
}

#[tokio::test]
async fn a_takeover_outlives_the_gate_and_the_agent_waits_for_the_hand_back() {
    let mut house =
        House::open_with(with(SessionSettings::default(), vec![message(&[text("On.")], "end_turn", 50)])).await;
    take(&house.visitor(PEOPLE)).await;
    house.edge.with(|control| control.say("go on"));
    house
        .edge
        .until("the notice", |control| matches!(control.events.last().map(|e| &e.body), Some(EventBody::Notice { .. })))
        .await;

    house.stop().await;
    house.start().await;

    let ada = house.visitor(PEOPLE);
    assert_eq!(status(ada.get("control").await).await.driver, Driver::Person);
    house.desk.until("the desk is told again", |desk| matches!(desk.floors.last(), Some(FloorRule::Only { .. }))).await;
    assert_eq!(refused(house.program(Scope::ALL).get("screenshot").await).await, Code::PersonDrives);
    house.edge.with(|control| assert!(control.asked.is_empty()));

    ada.post("control/release", json!({})).await;
    house.edge.until_state(SessionState::Idle).await;
    house.edge.with(|control| assert_eq!(control.asked.len(), 1));
}

#[tokio::test]
async fn with_control_away_control_can_be_taken_and_is_not_handed_back_before_the_agent_can_be_told() {
    let house = House::open_with(with(SessionSettings::default(), vec![])).await;
    let ada = house.visitor(PEOPLE);
    house.edge.cut();

    assert_eq!(take(&ada).await.driver, Driver::Person);

    assert_eq!(refused(ada.post("control/release", json!({})).await).await, Code::Unavailable);
    assert_eq!(status(ada.get("control").await).await.driver, Driver::Person);
    house.edge.mend();
    assert_eq!(status(ada.post("control/release", json!({})).await).await.driver, Driver::Nobody);
}

#[tokio::test]
async fn who_asks_politely_gets_control_after_the_present_action() {
    let house = House::open_with(with(
        SessionSettings::default(),
        vec![message(&[bash("t1", "wait for it"), bash("t2", "ls")], "tool_use", 50)],
    ))
    .await;
    let ada = house.visitor(PEOPLE);
    let hold = house.desk.hold("wait for it");
    house.edge.with(|control| control.say("work"));
    house.desk.until("the command runs", |desk| desk.calls.iter().any(|call| matches!(call, Call::Bash { .. }))).await;
    let asked = status(ada.post("control/request", json!({})).await).await;
    assert_eq!((asked.driver, asked.requested_by), (Driver::Agent, Some(house.user.clone())));

    drop(hold);

    house.edge.until_state(SessionState::Paused).await;
    let told: Vec<String> =
        house.edge.with(|control| results(control).iter().map(|r| words_of(r).to_owned()).collect());
    assert_eq!(told, ["ran wait for it\n", words::NOT_WHILE_A_PERSON_DRIVES]);
    assert_eq!(status(ada.get("control").await).await.driver, Driver::Person);
}

#[tokio::test]
async fn a_chat_hears_who_drives() {
    let house = House::open_with(with(SessionSettings::default(), vec![])).await;
    let ada = house.visitor(PEOPLE);
    let mut chat = ada.chat(&session(&house), 0).await;
    let is = |driver| move |frame: &ChatDown| matches!(frame, ChatDown::Control { status } if status.driver == driver);
    chat.until(is(Driver::Nobody)).await;

    take(&ada).await;

    chat.until(is(Driver::Person)).await;
}

#[tokio::test]
async fn a_risky_action_runs_after_a_yes_and_shows_the_person_exactly_what_it_is() {
    let house = House::open_with(with(
        risky(),
        vec![
            message(
                &[computer("t1", "left_click", json!({"coordinate": [3, 4]})), bash("t2", "rm -rf x\u{200b}")],
                "tool_use",
                50,
            ),
            message(&[text("Done.")], "end_turn", 50),
        ],
    ))
    .await;
    let mut chat = house.visitor(PEOPLE).chat(&session(&house), 0).await;
    chat.say("c1", "work").await;

    let (approval, asked) = asked(&house, 0).await;
    assert_eq!(
        (asked.tool.as_str(), asked.risk, asked.shown.as_str()),
        ("bash", Some(Risk::Shell), r"rm -rf x\u{200b}")
    );
    assert!(house.edge.with(|control| control.blobs.contains_key(&asked.picture.clone().unwrap().sha256)));
    assert!(house.desk.with(|desk| desk.calls.iter().all(|call| !matches!(call, Call::Bash { .. }))));
    chat.send(&ChatUp::Approve { approval }).await;

    house.edge.until_state(SessionState::Idle).await;
    house.edge.with(|control| assert_eq!(words_of(&results(control)[1]), "ran rm -rf x\u{200b}\n"));
}

#[tokio::test]
async fn a_no_goes_back_to_the_model_in_its_own_words_even_when_control_cannot_be_told() {
    let replies =
        vec![message(&[bash("t1", "rm -rf /")], "tool_use", 50), message(&[text("As you wish.")], "end_turn", 50)];
    let house = House::open_with(with(risky(), replies)).await;
    let mut chat = house.visitor(PEOPLE).chat(&session(&house), 0).await;
    chat.say("c1", "work").await;
    let (approval, _) = asked(&house, 0).await;
    house.edge.cut();

    chat.send(&ChatUp::Deny { approval }).await;
    let told = chat
        .until(|frame| matches!(frame, ChatDown::Problem { problem, .. } if problem.detail.contains("will not run")))
        .await;
    assert!(!told.is_empty());
    house.edge.mend();

    house.edge.until_state(SessionState::Idle).await;
    house.edge.with(|control| {
        let denied = "The user did not grant permission to run 'bash'. Do not retry it unless the user asks you to.";
        assert_eq!(words_of(&results(control)[0]), denied);
        assert_eq!(control.asked[1].1["messages"][2]["content"][0]["is_error"], json!(true));
    });
    assert!(house.desk.with(|desk| desk.calls.iter().all(|call| !matches!(call, Call::Bash { .. }))));
}

#[tokio::test]
async fn without_an_answer_in_time_it_is_a_no() {
    let settings = SessionSettings { approval_timeout_s: 1, ..risky() };
    let house = House::open_with(with(
        settings,
        vec![message(&[bash("t1", "ls")], "tool_use", 50), message(&[text("Pity.")], "end_turn", 50)],
    ))
    .await;
    house.edge.with(|control| control.say("work"));

    house.edge.until_state(SessionState::Idle).await;

    house.edge.with(|control| assert_eq!(words_of(&results(control)[0]), words::expired("bash")));
    assert!(house.desk.with(|desk| desk.calls.iter().all(|call| !matches!(call, Call::Bash { .. }))));
}

#[tokio::test]
async fn an_approval_lapses_when_what_it_aims_at_has_changed() {
    let press = |id: &str| computer(id, "key", json!({"text": "Return"}));
    let replies = vec![
        message(&[press("t1")], "tool_use", 50),
        message(&[press("t2")], "tool_use", 50),
        message(&[text("Done.")], "end_turn", 50),
    ];
    let house = House::open_with(with(risky(), replies)).await;
    house.edge.with(|control| control.say("send it"));
    let (first, shown) = asked(&house, 0).await;
    assert_eq!((shown.risk, shown.region.is_some()), (Some(Risk::Submit), true));

    house.desk.paint(9);
    house.edge.with(|control| control.judge(first, Verdict::Approved));
    let (second, _) = asked(&house, 1).await;
    house.edge.with(|control| control.judge(second, Verdict::Approved));

    house.edge.until_state(SessionState::Idle).await;
    house.edge.with(|control| {
        let results = results(control);
        assert_eq!((words_of(&results[0]), words_of(&results[1])), (words::LAPSED, "Pressed Return."));
    });
    let pressed = house.desk.with(|desk| desk.calls.iter().filter(|call| matches!(call, Call::Act { .. })).count());
    assert_eq!(pressed, 1);
}

#[tokio::test]
async fn what_waits_for_a_word_when_the_gate_ends_is_not_done_afterwards() {
    let replies = vec![message(&[bash("t1", "ls")], "tool_use", 50), message(&[text("I see.")], "end_turn", 50)];
    let mut house = House::open_with(with(risky(), replies)).await;
    house.edge.with(|control| control.say("work"));
    asked(&house, 0).await;

    house.stop().await;
    house.start().await;

    house.edge.until_state(SessionState::Idle).await;
    house.edge.with(|control| assert_eq!(words_of(&results(control)[0]), words::NOT_BEGUN));
    assert!(house.desk.with(|desk| desk.calls.iter().all(|call| !matches!(call, Call::Bash { .. }))));
}

#[tokio::test]
async fn a_secret_is_typed_past_everything_that_remembers() {
    let house = House::open_with(|edge| {
        with(
            SessionSettings::default(),
            vec![
                message(
                    &[computer("t1", "type", json!({"text": "{{secret:BANK}}"})), bash("t2", "echo hunter2-and-more")],
                    "tool_use",
                    50,
                ),
                message(&[computer("t3", "type", json!({"text": "{{secret:NONE}}"}))], "tool_use", 50),
                message(&[text("Done.")], "end_turn", 50),
            ],
        )(edge);
        edge.with(|control| control.secrets.insert("BANK".to_owned(), "hunter2-and-more".to_owned()));
    })
    .await;
    house.edge.with(|control| control.say("sign in"));

    house.edge.until_state(SessionState::Idle).await;

    let typed = house.desk.with(|desk| {
        desk.calls.iter().find_map(|call| match call {
            Call::Act { action: protocol::action::Action::Type { text }, secret, .. } => Some((text.clone(), *secret)),
            _ => None,
        })
    });
    assert_eq!(typed, Some(("hunter2-and-more".to_owned(), true)));
    house.edge.with(|control| {
        let results = results(control);
        assert_eq!(words_of(&results[0]), "Typed.");
        assert!(results[0].trace.picture.is_none(), "there is no picture of it");
        assert!(words_of(&results[1]).contains("echo {{secret:BANK}}"), "{results:?}");
        assert!(results[2].is_error && words_of(&results[2]).contains("no secret with the name NONE"));
        let written = serde_json::to_string(&control.events).unwrap();
        // The command that the model wrote itself is the model's own.
        assert_eq!(written.matches("hunter2-and-more").count(), 1);
        let heard: Vec<&Value> = control.asked.iter().map(|(_, body)| body).collect();
        assert!(!serde_json::to_string(&heard).unwrap().replace("echo hunter2-and-more", "").contains("hunter2"));
    });
}

#[tokio::test]
async fn a_budget_of_time_ends_what_runs() {
    let settings =
        SessionSettings { budgets: Budgets { seconds: Some(1), ..Budgets::default() }, ..SessionSettings::default() };
    let house = House::open_with(with(settings, vec![message(&[bash("t1", "sleep 600")], "tool_use", 50)])).await;
    house.edge.with(|control| control.say("work"));

    house.edge.until_state(SessionState::Failed).await;

    house.desk.until("the command's end", |desk| desk.cancelled == ["sleep 600"]).await;
    house.edge.with(|control| {
        assert_eq!(words_of(&results(control)[0]), words::CUT_BY_TIME);
        assert_eq!(control.asked.len(), 1);
    });
}

#[tokio::test]
async fn a_budget_of_steps_is_hard_and_a_larger_one_lets_the_agent_go_on() {
    let budget = |steps| SessionSettings {
        budgets: Budgets { steps: Some(steps), ..Budgets::default() },
        ..SessionSettings::default()
    };
    let replies = vec![message(&[bash("t1", "ls")], "tool_use", 50), message(&[text("Done.")], "end_turn", 50)];
    let house = House::open_with(with(budget(1), replies)).await;
    house.edge.with(|control| control.say("work"));
    house.edge.until_state(SessionState::Failed).await;
    house.edge.with(|control| {
        assert_eq!(control.asked.len(), 1);
        control.settings = budget(2);
        control.say("go on");
    });

    house.edge.until_state(SessionState::Idle).await;

    house.edge.with(|control| assert_eq!(control.asked.len(), 2));
}

#[tokio::test]
async fn an_answer_that_cannot_be_stored_ends_the_turn_instead_of_being_asked_for_for_ever() {
    let large = json!({"text": "x".repeat(5 << 20)});
    let house = House::open_with(with(
        SessionSettings::default(),
        vec![message(&[computer("t1", "type", large)], "tool_use", 1 << 16)],
    ))
    .await;
    house.edge.with(|control| control.say("type it"));

    house.edge.until_state(SessionState::Failed).await;

    house.edge.with(|control| assert_eq!(control.asked.len(), 1));
    assert_eq!(house.visitor(PEOPLE).get("screenshot").await.status(), StatusCode::OK);
}
