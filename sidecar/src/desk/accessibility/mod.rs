//! The accessibility tree (AT-SPI) of what the desktop shows, read on demand and within bounds.
//!
//! Programs build their tree only while somebody is there to read it. So the first call switches that on for the
//! session: GTK has its tree there at once, Qt and Chromium begin to build theirs, and keep it up from then on.

mod bus;
mod node;
mod walk;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use protocol::{
    accessibility::{AccessibilityTree, AccessibleNode, TreeBounds},
    action::Rect,
    desktop::Size,
};
use tokio::sync::Mutex;

use self::bus::Bus;
use super::screen::scale::Scale;
use crate::link::Refusal;

/// What the call that switches programs on gives them to put up their trees.
const PUT_UP: Duration = Duration::from_millis(700);

/// The way to the programs; it opens with the first call.
#[derive(Clone, Default)]
pub(super) struct Accessibility {
    bus: Arc<Mutex<Option<Bus>>>,
}

/// What is wanted of the tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) bounds: TreeBounds,
    /// Only of the program with this process; of all unless told.
    pub(super) pid: Option<u32>,
    pub(super) picture: Option<Size>,
    pub(super) screen: Size,
}

impl Accessibility {
    /// Makes it possible for programs to be found later, before any of them starts.
    pub(super) async fn prepare() {
        Bus::wake().await;
    }

    pub(super) async fn tree(&self, wanted: Wanted) -> Result<AccessibilityTree, Refusal> {
        let started = Instant::now();
        let deadline = started + Duration::from_millis(wanted.bounds.ms);
        let scale = Scale::new(wanted.picture, wanted.screen)?;
        let (bus, fresh) = self.bus().await?;
        if fresh {
            let rest = deadline.saturating_duration_since(Instant::now()) / 2;
            tokio::time::sleep(rest.min(PUT_UP)).await;
        }
        let applications = bus.applications().await;
        let applications = match applications {
            Ok(applications) => applications,
            Err(refusal) => {
                // The bus may have been started anew; the next call opens another connection.
                *self.bus.lock().await = None;
                return Err(refusal);
            }
        };
        let Size { width, height } = wanted.screen;
        let screen = Rect { x: 0, y: 0, width, height };
        let walked = walk::walk(&bus, applications, (wanted.pid, screen), wanted.bounds, deadline).await;
        let nodes = walked
            .nodes
            .into_iter()
            .map(|node| AccessibleNode { bounds: node.bounds.map(|bounds| scale.rect_back(bounds)), ..node });
        Ok(AccessibilityTree {
            nodes: nodes.collect(),
            truncated: !walked.met.is_empty(),
            bounds_met: walked.met,
            unanswered: walked.unanswered,
            took_ms: started.elapsed().as_millis() as u64,
        })
    }

    /// The connection, and whether programs were asked to put up their trees only now.
    async fn bus(&self) -> Result<(Bus, bool), Refusal> {
        let mut kept = self.bus.lock().await;
        if let Some(bus) = &*kept {
            return Ok((bus.clone(), false));
        }
        let bus = Bus::open().await?;
        *kept = Some(bus.clone());
        Ok((bus, true))
    }
}
