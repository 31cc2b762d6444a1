//! `make bench`: how long a user waits, and what a desktop costs, as medians over repeated runs.
//!
//! Everything is measured from outside, through the edge, on a stack of its own. `CLOUDBOT_BENCH_RUNS` sets how
//! often a desktop is made (5 unless told).

mod agent;
mod measure;

use harness::{Stack, browser::Browser, model_server::KEY, table::Table};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let runs = std::env::var("CLOUDBOT_BENCH_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let stack = Stack::start().await;
    stack.model.answer_in_one_piece();
    stack.model.check_nothing();
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let mut table = Table::default();

    let mut lives = measure::Lives::default();
    for run in 1..=runs {
        eprintln!("desktop {run} of {runs}");
        lives.one(&ada).await;
    }
    table.row("create → ready", "ms", &lives.ready);
    table.row("create → first full frame (RFB)", "ms", &lives.painted);
    table.row("start → ready, after a stop", "ms", &lives.started);

    let mut browser = Browser::start(&stack.url()).await;
    let mut painted = Vec::new();
    let account = json!({ "email": "ada@example.org", "password": harness::api::PASSWORD });
    browser.step("bench", "sign_in", account).await;
    for run in 1..=runs {
        eprintln!("desktop in Chromium {run} of {runs}");
        let took = browser.step("bench", "create_and_see", json!({ "name": format!("Bench {run}") })).await;
        painted.push(took["ms"].as_f64().expect("milliseconds"));
        ada.delete(&format!("desktops/{}", took["id"].as_str().expect("an id"))).await.expect("delete a desktop");
    }
    drop(browser);
    table.row("create → first paint (Chromium)", "ms", &painted);

    eprintln!("one desktop at rest, then at work");
    let desktop = ada.ready_desktop().await.id;
    let cost = measure::at_rest(&stack).await;
    for (name, half) in [("gate", cost.gate), ("desk", cost.desk)] {
        table.row(&format!("sidecar {name}, resident"), "MiB", &[half.resident_mib]);
        table.row(&format!("sidecar {name}, CPU while idle"), "% of a core", &[half.cpu_percent]);
    }
    table.row("screenshot, end to end", "ms", &measure::screenshots(&ada, &desktop).await);
    agent::run(&stack, &ada, &desktop, &mut table).await;

    table.print();
    let wrong = stack.stop();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
