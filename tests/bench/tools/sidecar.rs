//! What both halves of the sidecar cost while one viewer looks at a desktop at rest.

use std::time::{Duration, Instant};

use harness::{Stack, cost, processes, table::Table, viewer::Viewer};

/// The start's own work is over when the desktop has been ready for a moment.
const REST: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(20);
const MEMORY_MIB: f64 = 40.0;
/// As a part of one core.
const CPU: f64 = 0.002;

pub(crate) fn cost(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(table));
}

async fn measure(table: &mut Table) {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    let desktop = ada.ready_desktop().await.id;
    let mut viewer = Viewer::open(&ada, &desktop).await.expect("the screen");
    viewer.whole_screen().await;
    tokio::time::sleep(REST).await;

    let halves = ["gate", "desk"].map(|half| pid(&stack, half));
    let (begun, before) = (Instant::now(), halves.map(|pid| cost::cpu(&[pid])));
    tokio::time::sleep(IDLE).await;
    let seconds = begun.elapsed().as_secs_f64();
    let used: Vec<f64> =
        halves.iter().zip(before).map(|(pid, before)| (cost::cpu(&[*pid]) - before).as_secs_f64() / seconds).collect();
    let resident = halves.map(cost::resident_mib);
    for (half, pid, used, resident) in
        [("gate", halves[0], used[0], resident[0]), ("desk", halves[1], used[1], resident[1])]
    {
        table.row(&format!("sidecar {half}: resident"), "MiB", &[resident]);
        table.row(&format!("sidecar {half}: its share of shared memory"), "MiB", &[cost::proportional_mib(pid)]);
        table.row(&format!("sidecar {half}: idle CPU"), "of a core", &[used]);
    }
    table.row("sidecar, both halves, one viewer: resident", "MiB", &[resident.iter().sum()]);
    // Both are the same program: resident counts its pages twice.
    let share = halves.map(cost::proportional_mib).iter().sum();
    table.judged("sidecar, both halves, one viewer: memory", "MiB", &[share], MEMORY_MIB);
    table.judged("sidecar, both halves, one viewer: idle CPU", "of a core", &[used.iter().sum()], CPU);
    drop(viewer);
    let wrong = stack.stop();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn pid(stack: &Stack, half: &str) -> i32 {
    processes::of_folder(&stack.layout.data)
        .into_iter()
        .find(|found| found.program() == "sidecar" && found.command.get(1).is_some_and(|word| word == half))
        .unwrap_or_else(|| panic!("the {half} does not run"))
        .pid
}
