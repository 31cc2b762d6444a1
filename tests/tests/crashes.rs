//! Programs die and wires break: nothing is lost, nothing runs twice, and people are told.

use std::time::Duration;

use harness::{
    Api, Options, Stack, Turn,
    fault_proxy::FaultProxy,
    model_server::{KEY, text, tool, tool_use},
    processes::{self, Found},
    record::{results, words_of},
    stack::{self, free_ports, loopback},
    viewer::Viewer,
    wait,
};
use nix::sys::signal::Signal;
use protocol::{DesktopId, SessionId, desktop::DesktopState, event::EventBody, session::SessionState};
use serde_json::json;

const REPAIRED_WITHIN: Duration = Duration::from_secs(90);

#[tokio::test]
async fn a_killed_control_finds_its_desktops_again() {
    let mut stack = Stack::start().await;
    let ada = stack.user("ada").await;
    let desktop = ada.ready_desktop().await;
    ada.shell(&desktop.id, "echo before > ~/before.txt").await;
    let before = parts(&stack);
    let mut viewer = Viewer::open(&ada, &desktop.id).await.expect("the screen");

    stack.kill_control();
    let refused = ada.desktop(&desktop.id).await.expect_err("an answer without control");
    assert!(refused.status.is_server_error(), "{refused:?}");
    assert!(!refused.problem().detail.is_empty());
    // Who watches goes on watching.
    assert!(viewer.whole_screen().await.colours() > 1);
    stack.start_control().await;

    let again = ada.wait_for(&desktop.id, DesktopState::Ready).await;
    assert_eq!(again.generation, desktop.generation, "the VM is still the same");
    assert_eq!(ada.shell(&desktop.id, "cat ~/before.txt").await.output.trim(), "before");
    assert_eq!(parts(&stack), before, "the same processes, and no second set of them");
    ada.stop(&desktop.id).await;
    assert!(parts(&stack).is_empty(), "a desktop that was found again can be stopped: {:?}", parts(&stack));
}

#[tokio::test]
async fn a_desktop_is_repaired_when_a_part_of_it_is_killed() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    let desktop = ada.ready_desktop().await.id;
    ada.shell(&desktop, "echo kept > ~/kept.txt").await;

    for victim in ["gate", "desk", "X"] {
        let dead = part(&stack, victim);
        stack::signal(dead.pid, Signal::SIGKILL);

        wait::until(&format!("another {victim} runs"), REPAIRED_WITHIN, async || {
            parts(&stack).iter().any(|(name, pid)| name == victim && *pid != dead.pid).then_some(())
        })
        .await;
        wait::until(&format!("the desktop is usable after its {victim} died"), REPAIRED_WITHIN, async || {
            works(&ada, &desktop).await.then_some(())
        })
        .await;
        assert_eq!(ada.shell(&desktop, "cat ~/kept.txt").await.output.trim(), "kept", "after the {victim} died");
        if victim == "X" {
            let now = ada.desktop(&desktop).await.expect("read a desktop");
            assert!(now.generation > 1, "a desktop whose X server died gets another VM");
            assert!(stack.control_log().contains("interrupted"), "and the operator can read of it");
        }
        let now = parts(&stack);
        for name in ["gate", "desk", "X"] {
            assert_eq!(now.iter().filter(|(part, _)| part == name).count(), 1, "after the {victim} died: {now:?}");
        }
    }
}

#[tokio::test]
async fn what_no_row_stands_for_is_ended() {
    let mut stack = Stack::start().await;
    let ada = stack.user("ada").await;
    ada.ready_desktop().await;
    assert!(!parts(&stack).is_empty());

    stack.kill_control();
    for file in stack::find(&stack.layout.data.join("control"), |file| file.to_string_lossy().contains("cloudbot.db")) {
        std::fs::remove_file(file).expect("lose the database");
    }
    stack.start_control().await;

    wait::until("the orphan is gone", REPAIRED_WITHIN, async || parts(&stack).is_empty().then_some(())).await;
    let bob = stack.user("bob").await;
    bob.ready_desktop().await;
}

#[tokio::test]
async fn a_control_that_is_not_told_otherwise_leaves_its_desktops_running() {
    let env = vec![("CLOUDBOT_STOP_DESKTOPS_ON_EXIT", "false".to_owned())];
    let mut stack = Stack::with(Options { env, ..Options::default() }).await;
    let ada = stack.user("ada").await;
    let desktop = ada.ready_desktop().await;
    let before = parts(&stack);

    stack.restart_control().await;

    let again = ada.wait_for(&desktop.id, DesktopState::Ready).await;
    assert_eq!((again.generation, parts(&stack)), (desktop.generation, before));
    // What control leaves on purpose is for the test to end.
    ada.stop(&desktop.id).await;
}

#[tokio::test]
async fn an_action_that_was_cut_off_is_marked_and_never_repeated() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    let command = "echo ran >> ~/ran.txt; sleep 300";
    stack.model.script([
        Turn::asks([tool_use("bash", json!({ "command": command })), tool("screenshot", json!({}))]),
        Turn::ends("I see that it was cut off."),
    ]);

    let seq = ada.say(&session, "Run it").await;
    ada.wait_for_file(&desktop, "~/ran.txt").await;
    stack::signal(part(&stack, "gate").pid, Signal::SIGKILL);

    let events = ada.wait_until_done(&session, seq).await;
    let results = results(&events);
    assert_eq!(results.len(), 2, "every tool use has one result: {events:?}");
    let unknown = "Outcome unknown: the process stopped during this action. Take a screenshot before retrying.";
    assert!(results[0].is_error && words_of(&results[0]).contains(unknown), "{results:?}");
    assert_eq!(ada.session(&session).await.state, SessionState::Idle);
    let told = stack.model.requests().last().expect("a second request").text();
    assert!(told.contains("Outcome unknown"), "the model is told: {told}");
    wait::until("the desktop is usable", REPAIRED_WITHIN, async || works(&ada, &desktop).await.then_some(())).await;
    assert_eq!(ada.shell(&desktop, "cat ~/ran.txt").await.output.trim(), "ran", "it ran once");
}

#[tokio::test]
async fn the_agent_waits_for_a_control_that_is_away_and_goes_on() {
    let mut stack = Stack::start().await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    let command = "echo ran >> ~/ran.txt; until test -e ~/go-on; do sleep 0.1; done; echo went on";
    stack.model.script([Turn::asks([tool_use("bash", json!({ "command": command }))]), Turn::ends("It went on.")]);

    let seq = ada.say(&session, "Run it").await;
    ada.wait_for_file(&desktop, "~/ran.txt").await;
    stack.kill_control();
    // The edge still knows her for as long as its answer is fresh.
    ada.shell(&desktop, "touch ~/go-on").await;
    stack.start_control().await;

    finishes_once(&ada, &session, seq).await;
    assert_eq!(ada.shell(&desktop, "cat ~/ran.txt").await.output.trim(), "ran", "it ran once");
}

#[tokio::test]
async fn a_turn_survives_a_cut_wire_between_the_desktop_and_the_edge() {
    let [vm] = free_ports();
    let wire = FaultProxy::start(loopback(vm)).await;
    let env = vec![
        ("CLOUDBOT_VM_LISTEN", format!("127.0.0.1:{vm}")),
        ("CLOUDBOT_VM_URL", format!("https://127.0.0.1:{}", wire.port())),
    ];
    let stack = Stack::with(Options { env, ..Options::default() }).await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    let command = "echo ran >> ~/ran.txt; until test -e ~/go-on; do sleep 0.1; done; echo went on";
    stack.model.script([
        Turn::HangsUp { content: vec![text("This half answer is lost with its connection.")] },
        Turn::asks([tool_use("bash", json!({ "command": command }))]),
        Turn::ends("It went on."),
    ]);

    let seq = ada.say(&session, "Run it").await;
    ada.wait_for_file(&desktop, "~/ran.txt").await;
    wire.cut();
    ada.shell(&desktop, "touch ~/go-on").await;
    // Its sign of life is missing, and the agent cannot store what it has; neither may do harm.
    wait::until("the agent has tried in vain", Duration::from_secs(30), async || {
        ada.shell(&desktop, "pgrep -f 'test -e' || echo over").await.output.contains("over").then_some(())
    })
    .await;
    wire.mend();

    finishes_once(&ada, &session, seq).await;
    assert_eq!(ada.shell(&desktop, "cat ~/ran.txt").await.output.trim(), "ran", "it ran once");
}

async fn finishes_once(ada: &Api, session: &SessionId, seq: i64) {
    let events = wait::until("the turn is over", REPAIRED_WITHIN, async || {
        let session_now = ada.session(session).await;
        (!session_now.state.has_work() && session_now.last_seq > seq).then_some(ada.events(session, 0).await)
    })
    .await;
    assert_eq!(ada.session(session).await.state, SessionState::Idle, "{events:?}");
    let results = results(&events);
    assert_eq!(results.len(), 1, "{events:?}");
    assert!(words_of(&results[0]).contains("went on"), "{results:?}");
    let answers = events.iter().filter(|event| matches!(event.body, EventBody::AssistantMessage(_))).count();
    assert_eq!(answers, 2, "{events:?}");
    let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
}

/// Does everything of the desktop answer, eyes and shell?
async fn works(ada: &Api, desktop: &DesktopId) -> bool {
    let Ok(now) = ada.desktop(desktop).await else { return false };
    let shell: Result<serde_json::Value, _> =
        ada.post(&format!("desktops/{desktop}/shell"), &json!({ "command": "echo up" })).await;
    let screen = ada.send(http::Method::GET, &format!("desktops/{desktop}/screenshot"), None::<&()>).await;
    now.state == DesktopState::Ready && shell.is_ok_and(|out| out["exit_code"] == 0) && screen.is_ok()
}

/// The parts that every desktop has once, by name and process id.
fn parts(stack: &Stack) -> Vec<(String, i32)> {
    let mut parts: Vec<(String, i32)> = processes::of_folder(&stack.layout.data)
        .iter()
        .filter_map(|found| Some((name_of(found)?.to_owned(), found.pid)))
        .collect();
    parts.sort();
    parts
}

fn part(stack: &Stack, name: &str) -> Found {
    processes::of_folder(&stack.layout.data)
        .into_iter()
        .find(|found| name_of(found) == Some(name))
        .unwrap_or_else(|| panic!("no {name} runs: {:?}", processes::of_folder(&stack.layout.data)))
}

fn name_of(found: &Found) -> Option<&'static str> {
    match (found.program(), found.command.get(1).map(String::as_str)) {
        ("sidecar", Some("gate")) => Some("gate"),
        ("sidecar", Some("desk")) => Some("desk"),
        ("Xorg" | "Xtigervnc" | "Xvnc", _) => Some("X"),
        _ => None,
    }
}
