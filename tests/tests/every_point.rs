//! A program is killed at every point of a turn: whatever goes over the wire between the desktop and the edge is one.
//! Afterwards the turn comes to its end, what was acknowledged is there, and nothing has run twice.

use std::{collections::HashSet, time::Duration};

use harness::{
    Api, Options, Stack, Turn,
    fault_proxy::FaultProxy,
    model_server::{KEY, Recorded, tool, tool_use},
    processes,
    record::{assistants, results, words_of},
    stack::{self, free_ports, loopback},
    wait,
};
use nix::sys::signal::Signal;
use protocol::{
    DesktopId, SessionId,
    action::ShellOutput,
    event::{Event, EventBody, ToolResult},
    session::{CreateSession, Page, PostMessage, PostedMessage, Session, SessionState},
};
use serde_json::json;

/// Every so manyth point is walked: where exactly a piece ends is chance, so no run walks the very same ones.
const STEP: usize = 2;
const REPAIRED_WITHIN: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    Gate,
    Control,
    Edge,
}

#[tokio::test]
async fn a_sidecar_that_is_killed_at_any_point_of_a_turn_repeats_nothing() {
    walk(Victim::Gate, 0).await;
}

#[tokio::test]
async fn a_control_that_is_killed_at_any_point_of_a_turn_loses_nothing() {
    walk(Victim::Control, 1).await;
}

#[tokio::test]
async fn an_edge_that_is_killed_at_any_point_of_a_turn_loses_nothing() {
    walk(Victim::Edge, 0).await;
}

async fn walk(victim: Victim, first: usize) {
    let [vm] = free_ports();
    let wire = FaultProxy::start(loopback(vm)).await;
    let env = vec![
        ("CLOUDBOT_VM_LISTEN", format!("127.0.0.1:{vm}")),
        ("CLOUDBOT_VM_URL", format!("https://127.0.0.1:{}", wire.port())),
    ];
    let mut stack = Stack::with(Options { env, ..Options::default() }).await;
    stack.model.answer_in_one_piece();
    let ada = stack.user("ada").await.expecting_outages();
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;

    let mut walked = 0;
    for point in (first..).step_by(STEP) {
        let wish = CreateSession { desktop_id: Some(desktop.clone()), ..CreateSession::default() };
        let create = async || ada.post::<Session>("sessions", &wish).await.ok();
        let session = patiently(&mut stack, victim, create).await.id;
        script(&stack, point);
        wire.after(point as u64, kill(&stack, victim));
        let message = PostMessage { text: format!("point {point}"), client_id: format!("point-{point}") };
        let said = async || ada.post::<PostedMessage>(&format!("sessions/{session}/messages"), &message).await.ok();
        // Whoever was to store it may be dead; the same message again is stored once.
        let said = patiently(&mut stack, victim, said).await;

        let events = comes_to_rest(&mut stack, &ada, &session, victim).await;

        assert!(events.iter().any(|event| event.seq == said.seq), "what was acknowledged is lost: {events:?}");
        let ran = ran(&mut stack, victim, &ada, &desktop, point).await;
        assert_nothing_is_lost_or_repeated(point, &events, &ran);
        if !wire.has_come_to_it() {
            break;
        }
        walked += 1;
        bring_back(&mut stack, victim).await;
        if victim == Victim::Gate && walked % 3 == 0 {
            another_machine(&ada, &desktop).await;
        }
    }
    assert!(walked >= 8, "only {walked} points were walked");
    eprintln!("{victim:?}: {walked} points walked");
}

/// Two commands that leave a trace and a look in between, however often the model is asked.
fn script(stack: &Stack, point: usize) {
    let trace = move |name: &str| {
        tool_use("bash", json!({ "command": format!("echo {point}-{name} >> ~/ran.txt; echo did {name}") }))
    };
    let answer = move |request: &Recorded| {
        let answered = request.newest().iter().any(|block| block["type"] == "tool_result");
        if answered { Turn::ends("Done.") } else { Turn::asks([trace("a"), tool("screenshot", json!({})), trace("b")]) }
    };
    stack.model.rescript((0..12).map(|_| Turn::depends(answer)));
}

fn kill(stack: &Stack, victim: Victim) -> impl FnOnce() + Send + 'static {
    let pid = match victim {
        Victim::Gate => gate(stack),
        Victim::Control => stack.control_pid(),
        Victim::Edge => stack.edge_pid(),
    };
    move || stack::signal(pid, Signal::SIGKILL)
}

fn gate(stack: &Stack) -> i32 {
    let is_gate = |found: &processes::Found| {
        found.program() == "sidecar" && found.command.get(1).map(String::as_str) == Some("gate")
    };
    let mut found = None;
    wait::blocking(REPAIRED_WITHIN, || {
        found = processes::of_folder(&stack.layout.data).into_iter().find(is_gate);
        found.is_some()
    });
    found.expect("a gate runs").pid
}

/// The desktop's supervisor starts a gate again by itself.
async fn bring_back(stack: &mut Stack, victim: Victim) {
    match victim {
        Victim::Gate => drop(gate(stack)),
        Victim::Control if stack.is_control_dead() => {
            stack.kill_control();
            stack.start_control().await;
        }
        Victim::Edge if stack.is_edge_dead() => {
            stack.kill_edge();
            stack.start_edge().await;
        }
        Victim::Control | Victim::Edge => {}
    }
}

/// A gate that dies often is started again after longer and longer pauses; that of a new VM is not.
async fn another_machine(ada: &Api, desktop: &DesktopId) {
    ada.stop(desktop).await;
    ada.start(desktop).await;
}

async fn comes_to_rest(stack: &mut Stack, ada: &Api, session: &SessionId, victim: Victim) -> Vec<Event> {
    let deadline = tokio::time::Instant::now() + REPAIRED_WITHIN;
    loop {
        bring_back(stack, victim).await;
        let now = ada.get::<Session>(&format!("sessions/{session}")).await;
        let record = ada.get::<Page<Event>>(&format!("sessions/{session}/messages?limit=500")).await;
        if let (Ok(now), Ok(record)) = (&now, &record)
            && now.state == SessionState::Idle
            && now.last_seq == record.items.len() as i64
            && !assistants(&record.items).is_empty()
        {
            return record.items.clone();
        }
        assert!(tokio::time::Instant::now() < deadline, "it does not come to rest: {now:?} {record:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ran(stack: &mut Stack, victim: Victim, ada: &Api, desktop: &DesktopId, point: usize) -> Vec<String> {
    let command = json!({ "command": format!("grep '^{point}-' ~/ran.txt; true") });
    let grep = async || ada.post::<ShellOutput>(&format!("desktops/{desktop}/shell"), &command).await.ok();
    let output = patiently(stack, victim, grep).await;
    output.output.lines().map(str::to_owned).collect()
}

fn assert_nothing_is_lost_or_repeated(point: usize, events: &[Event], ran: &[String]) {
    let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>(), "at {point}");
    let said = events.iter().filter(|event| matches!(event.body, EventBody::UserMessage { .. })).count();
    assert_eq!(said, 1, "at {point}: {events:?}");
    let asked: Vec<String> = assistants(events)
        .iter()
        .flat_map(|message| message.content.clone())
        .filter_map(|block| block["id"].as_str().map(str::to_owned))
        .collect();
    let results = results(events);
    let answered: Vec<&str> = results.iter().map(|result| result.tool_use_id.as_str()).collect();
    assert_eq!(answered, asked, "at {point}: every use has one result, in order");
    let once: HashSet<&String> = ran.iter().collect();
    assert_eq!(once.len(), ran.len(), "at {point} something ran twice: {ran:?}");
    for result in &results {
        let did = |name: &str| !result.is_error && words_of(result).contains(&format!("did {name}"));
        for name in ["a", "b"] {
            assert!(!did(name) || ran.contains(&format!("{point}-{name}")), "at {point}: {result:?}, but {ran:?}");
        }
        assert!(!result.is_error || is_unknown(result), "at {point}: {result:?}");
    }
}

fn is_unknown(result: &ToolResult) -> bool {
    words_of(result).starts_with("Outcome unknown: the process stopped during this action.")
}

/// Until it is answered: what answers may be dead already, or die only now, and is brought back before every attempt.
async fn patiently<T>(stack: &mut Stack, victim: Victim, ask: impl AsyncFn() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + REPAIRED_WITHIN;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "it is not answered again");
        bring_back(stack, victim).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
