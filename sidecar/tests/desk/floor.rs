//! What a takeover does on the desk: what the agent's shell started stands still, and nothing is recorded.

use protocol::recording::{RecordingOrder, RecordingState};
use sidecar::link::{Answer, Call, FloorRule, RefusalKind};

use crate::display::{Desk, Display, eventually, read};

async fn give(desk: &Desk, rule: FloorRule) {
    assert_eq!(desk.call(&Call::Floor { rule }).await, Ok(Answer::Done));
}

/// The states of the two that count, as /proc has them; zombies do not live.
fn states() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let counts = |process: &std::path::PathBuf| {
        let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        line == b"bash\0plain.sh\0" || line == b"bash\0hidden.sh\0"
    };
    let state = |process: std::path::PathBuf| {
        let stat = std::fs::read_to_string(process.join("stat")).ok()?;
        Some(stat.rsplit_once(") ")?.1.split(' ').next()?.to_owned())
    };
    processes.filter(counts).filter_map(state).filter(|state| state != "Z").collect()
}

fn person() -> FloorRule {
    FloorRule::Only { seat: "ada".into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_person_drives_nothing_that_the_shell_started_runs_however_it_hides() {
    let display = Display::fixed();
    let desk = display.desk().await;
    // One as it is usually done, one in a session of its own without the environment that we know it by, whose
    // parent is gone.
    let count = |file: &str| format!("i=0; while :; do i=$((i+1)); echo $i > {file}; sleep 0.01; done");
    std::fs::write(display.path("plain.sh"), count("plain")).unwrap();
    std::fs::write(display.path("hidden.sh"), count("hidden")).unwrap();
    desk.bash("(bash plain.sh &) >/dev/null; (env -i PATH=\"$PATH\" setsid bash hidden.sh &) >/dev/null").await;
    let counts = || ["plain", "hidden"].map(|file| read(&display.path(file)));
    let go_on = async |before: [String; 2]| {
        eventually("both count", async || {
            counts().iter().zip(&before).all(|(now, then)| now != then && !now.is_empty())
        })
        .await;
    };
    go_on([String::new(), String::new()]).await;

    give(&desk, person()).await;
    let frozen = counts();

    // One may have been stopped while it forked.
    let states_now = states();
    assert!(states_now.len() >= 2 && states_now.iter().all(|state| state == "T"), "both stand still: {states_now:?}");
    assert_eq!(counts(), frozen);
    let refused =
        desk.call(&Call::Bash { session: None, command: "echo".into(), timeout_ms: 5_000 }).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::Unavailable);
    assert!(refused.message.contains("a person drives"), "{}", refused.message);
    give(&desk, FloorRule::Nobody).await;
    go_on(frozen).await;
    assert_eq!(desk.bash("echo on").await.output, "on\n");
    desk.call(&Call::Stop { session: None }).await.unwrap();
    eventually("stop ends both", async || states().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_stands_still_while_a_person_drives_and_stays_paused_if_it_was() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let status = async |order: Option<RecordingOrder>| match desk.call(&Call::Recording { order }).await {
        Ok(Answer::Recording(status)) => status,
        other => panic!("{other:?}"),
    };
    status(Some(RecordingOrder::Start)).await;

    give(&desk, person()).await;
    let taken = status(None).await;
    assert_eq!((taken.state, taken.reason.as_deref()), (RecordingState::Paused, Some("a person drives")));
    // Nobody resumes it before control is handed back.
    assert_eq!(status(Some(RecordingOrder::Resume)).await.state, RecordingState::Paused);
    give(&desk, FloorRule::Nobody).await;
    assert_eq!(status(None).await.state, RecordingState::Recording);

    status(Some(RecordingOrder::Pause)).await;
    give(&desk, person()).await;
    give(&desk, FloorRule::Anyone).await;
    assert_eq!(status(None).await.state, RecordingState::Paused);
}
