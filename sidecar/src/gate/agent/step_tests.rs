//! What the agent does next, whatever stands in the record.

use protocol::{
    UserId,
    approval::{ApprovalAnswered, ApprovalPolicy},
    event::Event,
};
use serde_json::{Value, json};

use super::*;
use crate::gate::agent::record::tool_uses;

#[path = "step_world.rs"]
mod world;

fn record(bodies: Vec<EventBody>) -> Record {
    let mut record = Record::default();
    for (body, seq) in bodies.into_iter().zip(1..) {
        assert!(record.push(Event { seq, at: 0, body }));
    }
    record
}

fn said() -> EventBody {
    EventBody::UserMessage { message_id: MessageId::generate(), user_id: UserId::generate(), text: "go".to_owned() }
}

fn state(state: SessionState) -> EventBody {
    EventBody::StateChanged { state, reason: None }
}

fn answered(stop_reason: &str, content: Vec<Value>) -> AssistantMessage {
    AssistantMessage {
        message_id: MessageId::generate(),
        content,
        stop_reason: stop_reason.to_owned(),
        model: "m".to_owned(),
        api: None,
        variant: None,
        usage: Default::default(),
        cost_microusd: None,
    }
}

fn question(tool: &ToolUse) -> ApprovalAsked {
    ApprovalAsked {
        tool_use_id: tool.id.clone(),
        tool: tool.name.clone(),
        risk: None,
        shown: String::new(),
        timeout_s: 600,
        picture: None,
        mark: None,
        region: None,
    }
}

fn bash() -> Value {
    json!({"type": "tool_use", "id": "t", "name": "bash", "input": {"command": "ls"}})
}

#[test]
fn a_restart_does_not_replay_what_has_no_result() {
    let asked = EventBody::AssistantMessage(answered("tool_use", vec![bash()]));
    let record = record(vec![said(), state(SessionState::Running), asked]);

    let Next::Store { body: EventBody::ToolResult(result), .. } = next(&record, &Memory::default()) else {
        panic!("it must store a result")
    };

    assert_eq!(result, refusal("t", words::UNKNOWN));
}

#[test]
fn a_message_that_was_cut_off_runs_nothing() {
    let message = answered("max_tokens", vec![bash()]);
    let mut memory = Memory::default();
    memory.stored(&EventBody::AssistantMessage(message.clone()));
    let record = record(vec![said(), state(SessionState::Running), EventBody::AssistantMessage(message)]);

    assert!(matches!(next(&record, &memory), Next::Store { body: EventBody::ToolResult(_), .. }));
}

#[test]
fn what_a_person_said_meanwhile_discards_the_answer() {
    let record = record(vec![said(), state(SessionState::Running), said()]);
    let answer = Answer { after: 2, outcome: Ok(answered("end_turn", vec![])) };
    let memory = Memory { answer: Some(answer), ..Memory::default() };

    assert_eq!(next(&record, &memory), Next::Discard);
}

#[test]
fn an_answer_that_knows_nothing_of_what_a_person_did_is_discarded() {
    let handed_back = EventBody::HandedBack { user_id: UserId::generate(), note: None, picture: None };
    let record = record(vec![said(), state(SessionState::Running), handed_back]);
    let answer = Answer { after: 2, outcome: Ok(answered("end_turn", vec![])) };
    let memory = Memory { answer: Some(answer), ..Memory::default() };

    assert_eq!(next(&record, &memory), Next::Discard);
}

#[test]
fn after_two_hundred_answers_a_turn_ends_with_a_notice() {
    let mut bodies = vec![said(), state(SessionState::Running)];
    for _ in 0..budget::MAX_CALLS {
        bodies.push(EventBody::AssistantMessage(answered("pause_turn", vec![json!({"type": "text", "text": "…"})])));
    }
    let Next::Store { client_id, body } = next(&record(bodies.clone()), &Memory::default()) else {
        panic!("no notice")
    };
    assert_eq!(client_id, "n:203");
    let EventBody::Notice { text } = &body else { panic!("{body:?}") };
    assert!(text.contains("200 steps on one request"), "{text}");

    bodies.push(body);

    let Next::Store { body: EventBody::StateChanged { state, .. }, .. } = next(&record(bodies), &Memory::default())
    else {
        panic!("it must end")
    };
    assert_eq!(state, SessionState::Failed);
}

#[test]
fn who_goes_in_circles_asks_the_person() {
    let mut bodies = vec![said(), state(SessionState::Running)];
    for at in 0..5 {
        let mut again = bash();
        again["id"] = json!(format!("t{at}"));
        bodies.push(EventBody::AssistantMessage(answered("tool_use", vec![again])));
        bodies.push(EventBody::ToolResult(refusal(&format!("t{at}"), "Error: no")));
        let expected = if at < 4 { None } else { Some(words::STUCK) };
        let told = match next(&record(bodies.clone()), &Memory::default()) {
            Next::Store { body: EventBody::Notice { text }, .. } => Some(text),
            Next::Ask => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(told.as_deref(), expected, "after {at}");
    }
    bodies.push(EventBody::Notice { text: words::STUCK.to_owned() });

    let Next::Store { body, .. } = next(&record(bodies), &Memory::default()) else { panic!("it must rest") };
    assert!(matches!(body, EventBody::StateChanged { state: SessionState::Idle, .. }), "{body:?}");
}

#[test]
fn a_lost_lease_does_not_end_a_pause() {
    let mut bodies = vec![said(), state(SessionState::Running), state(SessionState::Paused)];
    bodies.push(EventBody::Notice { text: words::HEARD_LATER.to_owned() });
    assert_eq!(next(&record(bodies.clone()), &Memory::default()), Next::AwaitHandBack);

    bodies.push(EventBody::HandedBack { user_id: UserId::generate(), note: None, picture: None });

    let Next::Store { body, .. } = next(&record(bodies), &Memory::default()) else { panic!("it must go on") };
    assert_eq!(body, state(SessionState::Running));
}

#[test]
fn what_is_said_while_a_person_drives_is_answered_by_a_notice_once() {
    let drives = Memory { person_drives: true, ..Memory::default() };
    let mut bodies = vec![said(), state(SessionState::Running), state(SessionState::Paused), said()];
    let Next::Store { body, .. } = next(&record(bodies.clone()), &drives) else { panic!("no notice") };
    assert_eq!(body, EventBody::Notice { text: words::HEARD_LATER.to_owned() });

    bodies.push(body);

    assert_eq!(next(&record(bodies), &drives), Next::AwaitHandBack);
}

/// A record in which a command waits for a person's word, and a process that asked for it.
fn waiting() -> (Vec<EventBody>, Memory) {
    let message = answered("tool_use", vec![bash()]);
    let settings = SessionSettings { approvals: ApprovalPolicy::Risky, ..SessionSettings::default() };
    let mut memory = Memory { settings, ..Memory::default() };
    memory.stored(&EventBody::AssistantMessage(message.clone()));
    let tool = tool_uses(&message).remove(0);
    let bodies = vec![
        said(),
        state(SessionState::Running),
        EventBody::AssistantMessage(message),
        EventBody::ApprovalAsked(question(&tool)),
    ];
    (bodies, memory)
}

fn result_of(next: Next) -> String {
    match next {
        Next::Store { body: EventBody::ToolResult(result), .. } => {
            let [ResultBlock::Text { text }] = &result.content[..] else { panic!("{result:?}") };
            assert!(result.is_error);
            text.clone()
        }
        other => panic!("{other:?}"),
    }
}

fn verdict(verdict: Verdict) -> EventBody {
    EventBody::ApprovalAnswered(ApprovalAnswered { approval: 4, verdict, user_id: UserId::generate() })
}

#[test]
fn an_approved_action_runs_only_where_nothing_has_changed() {
    let (mut bodies, mut memory) = waiting();
    assert_eq!(next(&record(bodies.clone()), &memory), Next::AwaitVerdict { approval: 4 });
    bodies.push(verdict(Verdict::Approved));
    assert_eq!(next(&record(bodies.clone()), &memory), Next::Compare { approval: 4 });

    memory.judged.insert(4, Judged::Lapsed);
    assert_eq!(result_of(next(&record(bodies.clone()), &memory)), words::LAPSED);
    memory.judged.insert(4, Judged::Unchanged);

    assert!(matches!(next(&record(bodies), &memory), Next::Run { .. }));
}

#[test]
fn whatever_is_no_yes_in_time_is_a_no() {
    let denied = words::denied("bash");
    let (bodies, memory) = waiting();
    let with = |body| record([bodies.clone(), vec![body]].concat());
    assert_eq!(result_of(next(&with(verdict(Verdict::Denied)), &memory)), denied);

    let known = |judged| Memory { judged: HashMap::from([(4, judged)]), ..waiting_memory(&bodies) };
    assert_eq!(result_of(next(&record(bodies.clone()), &known(Judged::Denied))), denied);
    assert_eq!(result_of(next(&record(bodies.clone()), &known(Judged::Expired))), words::expired("bash"));
    // A yes that comes after all that is too late.
    assert_eq!(result_of(next(&with(verdict(Verdict::Approved)), &known(Judged::Denied))), denied);
    assert_eq!(result_of(next(&with(verdict(Verdict::Approved)), &known(Judged::Expired))), words::expired("bash"));
}

fn waiting_memory(bodies: &[EventBody]) -> Memory {
    let settings = SessionSettings { approvals: ApprovalPolicy::Risky, ..SessionSettings::default() };
    let mut memory = Memory { settings, ..Memory::default() };
    bodies.iter().for_each(|body| memory.stored(body));
    memory
}

#[test]
fn after_a_restart_what_waited_was_not_begun_and_what_was_approved_may_have_been() {
    let (mut bodies, _) = waiting();
    assert_eq!(result_of(next(&record(bodies.clone()), &Memory::default())), words::NOT_BEGUN);

    bodies.push(verdict(Verdict::Approved));

    assert_eq!(result_of(next(&record(bodies), &Memory::default())), words::UNKNOWN);
}

#[test]
fn a_tool_that_a_rule_forbids_is_not_even_asked_about() {
    let (bodies, mut memory) = waiting();
    memory.settings.tools.insert("bash".to_owned(), protocol::approval::ToolRule::Deny);

    assert_eq!(result_of(next(&record(bodies[..3].to_vec()), &memory)), words::denied("bash"));
}

#[test]
fn after_a_stop_nothing_is_asked_until_somebody_speaks() {
    let mut bodies = vec![said(), state(SessionState::Running), state(SessionState::Cancelled)];
    assert_eq!(next(&record(bodies.clone()), &Memory::default()), Next::Rest);

    bodies.push(said());

    let Next::Store { body, .. } = next(&record(bodies), &Memory::default()) else { panic!("it must go on") };
    assert_eq!(body, state(SessionState::Running));
}
