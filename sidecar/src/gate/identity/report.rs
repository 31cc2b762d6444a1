//! Telling control how the desktop is: at once when it changes, and every 10 s as a sign of life.

use std::time::Duration;

use protocol::{
    error::Code,
    vm::{DeskHealth, Report},
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    gate::{
        desk::Desk,
        edge::Edge,
        patience::{Backoff, Told},
    },
    link::{Answer, Call},
};

const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Asks the desk how it is: often until it is painted, seldom after. On its first answer it lifts
/// held keys and ends commands that a former life of this process left behind. From then on `knows` is whether it has
/// been told who drives.
pub async fn watch_desk(
    desk: Desk,
    health: watch::Sender<DeskHealth>,
    knows: watch::Sender<Option<bool>>,
    stop: CancellationToken,
) {
    let mut released = false;
    loop {
        let seen = match desk.call(&Call::Health, Duration::from_secs(5)).await {
            Ok(Answer::Health { painted, screen, detail, floor }) => {
                if !released {
                    released = desk.call(&Call::ReleaseAll, Duration::from_secs(10)).await.is_ok();
                }
                knows.send_replace(released.then_some(floor.is_some()));
                if painted && released {
                    DeskHealth::Painted { size: screen }
                } else {
                    DeskHealth::Waiting { reason: clip(detail) }
                }
            }
            Ok(_) => DeskHealth::Waiting { reason: "the desktop answers nonsense".to_owned() },
            Err(error) => DeskHealth::Waiting { reason: clip(error.to_string()) },
        };
        let painted = matches!(seen, DeskHealth::Painted { .. });
        health.send_if_modified(|health| {
            let changed = *health != seen;
            *health = seen;
            changed
        });
        let pause = if painted { Duration::from_secs(2) } else { Duration::from_millis(100) };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Reports until control says that this generation is over, which cancels `over`.
pub async fn report(
    edge: Edge,
    mut report: Report,
    mut health: watch::Receiver<DeskHealth>,
    over: CancellationToken,
    stop: CancellationToken,
) {
    let (mut backoff, mut told) = (Backoff::of_edge(), Told::default());
    loop {
        report.desk = health.borrow_and_update().clone();
        let next = match edge.tell("/vm/v1/report", &report).await {
            Ok(()) => {
                told.succeeded("report to control");
                backoff = Backoff::of_edge();
                Instant::now() + SIGN_OF_LIFE
            }
            Err(error) if error.is(Code::StaleGeneration) => {
                tracing::warn!(generation = report.generation, "this VM no longer serves the desktop");
                over.cancel();
                return;
            }
            Err(error) => {
                told.failed("report to control", &error);
                Instant::now() + backoff.wait()
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(next) => {}
            changed = health.changed() => if changed.is_err() { return },
        }
    }
}

/// The desk's words are bounded before they go on.
fn clip(text: String) -> String {
    if text.chars().count() <= 500 { text } else { text.chars().take(500).collect() }
}
