//! The measurements, each from outside and end to end.

use std::time::{Duration, Instant};

use harness::{Api, Stack, Turn, cost, model_server::Content, processes, viewer::Viewer};
use http::Method;
use protocol::{
    DesktopId, SessionId,
    desktop::{Desktop, DesktopState},
};

const SCREENSHOTS: usize = 60;
const IDLE: Duration = Duration::from_secs(15);

/// How long desktops took to come, in milliseconds.
#[derive(Default)]
pub(crate) struct Lives {
    pub(crate) ready: Vec<f64>,
    pub(crate) painted: Vec<f64>,
    pub(crate) started: Vec<f64>,
}

impl Lives {
    /// A desktop from its creation over a stop and a start to its deletion.
    pub(crate) async fn one(&mut self, ada: &Api) {
        let begun = Instant::now();
        let desktop = ada.create_desktop().await;
        until_ready(ada, &desktop).await;
        self.ready.push(ms(begun.elapsed()));
        let mut viewer = Viewer::open(ada, &desktop.id).await.expect("the screen");
        viewer.whole_screen().await;
        self.painted.push(ms(begun.elapsed()));
        assert!(viewer.screen.colours() > 16, "the first frame is painted");
        drop(viewer);

        ada.stop(&desktop.id).await;
        let begun = Instant::now();
        ada.order(&format!("desktops/{}/start", desktop.id)).await.expect("start");
        until_ready(ada, &desktop).await;
        self.started.push(ms(begun.elapsed()));
        ada.delete(&format!("desktops/{}", desktop.id)).await.expect("delete");
    }
}

async fn until_ready(ada: &Api, desktop: &Desktop) {
    loop {
        let now = ada.desktop(&desktop.id).await.expect("read a desktop");
        assert_ne!(now.state, DesktopState::Failed, "{:?}", now.reason);
        if now.state == DesktopState::Ready {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What one half of the sidecar costs.
pub(crate) struct Half {
    pub(crate) resident_mib: f64,
    pub(crate) cpu_percent: f64,
}

pub(crate) struct Cost {
    pub(crate) gate: Half,
    pub(crate) desk: Half,
}

/// One desktop that nobody looks at.
pub(crate) async fn at_rest(stack: &Stack) -> Cost {
    let (gate, desk) = (half(stack, "gate"), half(stack, "desk"));
    // The start's own work is over when the desktop has been ready for a moment.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = (cost::cpu(&[gate]), cost::cpu(&[desk]));
    let begun = Instant::now();
    tokio::time::sleep(IDLE).await;
    let seconds = begun.elapsed().as_secs_f64();
    let of = |pid, before: Duration| {
        let used = (cost::cpu(&[pid]) - before).as_secs_f64();
        Half { resident_mib: cost::resident_mib(pid), cpu_percent: used / seconds * 100.0 }
    };
    Cost { gate: of(gate, before.0), desk: of(desk, before.1) }
}

/// The process of one half of the only desktop's sidecar.
pub(crate) fn half(stack: &Stack, half: &str) -> i32 {
    processes::of_folder(&stack.layout.data)
        .into_iter()
        .find(|found| found.program() == "sidecar" && found.command.get(1).is_some_and(|word| word == half))
        .unwrap_or_else(|| panic!("the {half} does not run"))
        .pid
}

/// Whole PNGs of the screen, through the edge.
pub(crate) async fn screenshots(ada: &Api, desktop: &DesktopId) -> Vec<f64> {
    let mut took = Vec::new();
    for _ in 0..SCREENSHOTS {
        let begun = Instant::now();
        let path = format!("desktops/{desktop}/screenshot");
        ada.send(Method::GET, &path, None::<&()>).await.expect("take a screenshot");
        took.push(ms(begun.elapsed()));
    }
    took
}

/// One message, whose turn uses these tools one after the other: for each the time from the last byte of the model's
/// answer to its next request, which is the tool itself, twice the record, and the way.
pub(crate) async fn steps(stack: &Stack, ada: &Api, session: &SessionId, tools: &[Content]) -> Vec<f64> {
    let first = stack.model.requests().len();
    stack.model.rescript(tools.iter().map(|tool| Turn::asks([tool.clone()])).chain([Turn::ends("Done.")]));
    ada.ask(session, "Do it").await;
    let requests = stack.model.requests().split_off(first);
    assert_eq!(requests.len(), tools.len() + 1, "every turn was asked for");
    requests.windows(2).map(|pair| ms(pair[1].came_at - pair[0].answered_at.expect("an answer that is over"))).collect()
}

pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
