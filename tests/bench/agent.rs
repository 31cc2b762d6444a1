//! The agent's loop beside its model: what a step costs, how soon a stop is silence, what a long session weighs.

use std::time::{Duration, Instant, SystemTime};

use harness::{
    Api, Stack, Turn, cost,
    model_server::{Content, tool, tool_use},
    table::Table,
    wait,
};
use protocol::{DesktopId, SessionId};
use serde_json::json;

use crate::measure::{self, ms};

/// Known systems wait so long after every action, whatever it was.
const FIXED_WAITS_MS: [(&str, f64); 3] =
    [("a fixed wait of 2.0 s", 2_000.0), ("a fixed wait of 0.75 s", 750.0), ("a fixed wait of 0.5 s", 500.0)];
/// Of one tool.
const MESSAGES: usize = 6;
/// Who does the same five times on the same screen is stopped; with each message it begins anew.
const CALLS: usize = 4;
const STOPS: usize = 5;
const LONG_SESSION: usize = 500;
/// A turn may have 200.
const PART: usize = 125;
const SOON: Duration = Duration::from_secs(60);

pub(crate) async fn run(stack: &Stack, ada: &Api, desktop: &DesktopId, table: &mut Table) {
    a_window_that_takes_keys(ada, desktop).await;
    for (name, tool) in tools() {
        eprintln!("the loop around {name}");
        let took = overhead(stack, ada, desktop, &tool).await;
        // The least of the fixed waits is what has to be beaten.
        table.judged(&format!("loop overhead: {name}"), "ms", &took, FIXED_WAITS_MS[2].1);
    }
    for (name, wait) in FIXED_WAITS_MS {
        table.row(&format!("  beside it: {name}"), "ms", &[wait]);
    }
    eprintln!("stopping");
    table.judged("stop → last key in the program", "ms", &stops(stack, ada, desktop).await, 200.0);
    a_long_session(stack, ada, desktop, table).await;
}

fn tools() -> Vec<(&'static str, Content)> {
    vec![
        ("left_click", tool("left_click", json!({ "coordinate": [640, 300] }))),
        ("type, 100 characters", tool("type", json!({ "text": "The quick brown fox jumps. ".repeat(4)[..100] }))),
        ("key", tool("key", json!({ "text": "Right" }))),
        ("scroll", tool("scroll", json!({ "coordinate": [640, 300], "scroll_direction": "down", "scroll_amount": 3 }))),
        ("screenshot", tool("screenshot", json!({}))),
        ("bash", tool_use("bash", json!({ "command": "true" }))),
    ]
}

async fn a_window_that_takes_keys(ada: &Api, desktop: &DesktopId) {
    // Writes down when the last character came, by the clock that this program has, too.
    let script = "import os, sys, time, tty\ntty.setraw(0)\nwhile os.read(0, 4096):\n    open('last-key', 'w').write(str(time.time_ns()))\n";
    ada.shell(desktop, &format!("cd; cat > keys.py <<'PYTHON'\n{script}PYTHON")).await;
    ada.shell(desktop, "cd; (setsid xterm -T keys -geometry 120x40 -e python3 keys.py >/dev/null 2>&1 &)").await;
    let windows = format!("desktops/{desktop}/windows");
    wait::until("the terminal is there", SOON, async || {
        let listed = ada.get::<serde_json::Value>(&windows).await.ok()?;
        listed.to_string().contains("\"keys\"").then_some(())
    })
    .await;
}

/// From the end of the model's answer to its next request.
async fn overhead(stack: &Stack, ada: &Api, desktop: &DesktopId, tool: &Content) -> Vec<f64> {
    let session = ada.create_session(desktop).await.id;
    let mut took = Vec::new();
    for _ in 0..MESSAGES {
        took.extend(measure::steps(stack, ada, &session, &vec![tool.clone(); CALLS]).await);
    }
    took
}

/// From the click of Stop to the last character that the program still got.
async fn stops(stack: &Stack, ada: &Api, desktop: &DesktopId) -> Vec<f64> {
    let session = ada.create_session(desktop).await.id;
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time").as_nanos() as f64;
    let last_key = async || ada.shell(desktop, "cat ~/last-key").await.output.trim().parse::<f64>().ok();
    let mut took = Vec::new();
    for _ in 0..STOPS {
        stack.model.rescript([Turn::asks([tool("type", json!({ "text": "stop me ".repeat(12_000) }))])]);
        let before = last_key().await.unwrap_or_default();
        let seq = ada.say(&session, "Type").await;
        wait::until("it types", SOON, async || (last_key().await? > before).then_some(())).await;
        let clicked = now();
        ada.order(&format!("sessions/{session}/stop")).await.expect("stop");
        ada.wait_until_done(&session, seq).await;
        // What is on its way to the program comes before this answer does.
        let mut last = 0.0;
        let last = wait::until("the program is silent", SOON, async || {
            let now = last_key().await?;
            (std::mem::replace(&mut last, now) == now).then_some(now)
        })
        .await;
        took.push(((last - clicked) / 1e6).max(0.0));
    }
    took
}

async fn a_long_session(stack: &Stack, ada: &Api, desktop: &DesktopId, table: &mut Table) {
    let gate = measure::half(stack, "gate");
    let short = ada.create_session(desktop).await.id;
    measure::steps(stack, ada, &short, &[]).await;
    let before = cost::resident_mib(gate);
    let long = ada.create_session(desktop).await.id;
    for part in 0..LONG_SESSION / PART {
        eprintln!("a session of {} steps", (part + 1) * PART);
        let moves: Vec<Content> =
            (0..PART).map(|n| tool("mouse_move", json!({ "coordinate": [100 + n, 100 + 10 * (n % 7)] }))).collect();
        measure::steps(stack, ada, &long, &moves).await;
    }
    let after = cost::resident_mib(gate);
    table.row(&format!("gate, resident after {LONG_SESSION} steps, more than before"), "MiB", &[after - before]);
    for (name, session) in [("an empty session", &short), ("a session of 500 steps", &long)] {
        let mut took = Vec::new();
        for _ in 0..5 {
            took.push(reload(stack, ada, session).await);
        }
        table.row(&format!("message → model, {name}"), "ms", &took);
    }
    let mut took = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let events = ada.events(&long, 0).await;
        took.push(ms(begun.elapsed()));
        assert!(events.len() > 2 * LONG_SESSION, "all of it");
    }
    table.row("the whole record, as the page reads it", "ms", &took);
}

/// From a message to the model's request: the agent reads the record anew, and writes all of it down for the model.
async fn reload(stack: &Stack, ada: &Api, session: &SessionId) -> f64 {
    stack.model.script([Turn::ends("Yes.")]);
    let begun = Instant::now();
    ada.ask(session, "Are you there?").await;
    let requests = stack.model.requests();
    ms(requests[requests.len() - 1].came_at - begun)
}
