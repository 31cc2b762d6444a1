//! Records the screen to a file, from the same frames that everyone sees; off unless somebody starts it.

mod canvas;
mod coder;
mod film;
mod mp4;
mod reel;
mod shelf;
mod take;

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use protocol::recording::{RecordingState, RecordingStatus};
use tokio::sync::Mutex;

use self::{film::Film, shelf::Shelf, take::Take};
use super::screen::Screen;
use crate::link::Refusal;

/// The shortest time between two pictures.
const PACE: Duration = Duration::from_millis(100);
/// A recording that is forgotten ends by itself.
const MAX_DURATION: Duration = Duration::from_secs(4 * 3600);
const MAX_BYTES: u64 = 2 << 30;

/// The recorder of one screen. While nothing is recorded it holds no frame and no encoder.
#[derive(Clone)]
pub(super) struct Recorder {
    screen: Screen,
    shelf: Shelf,
    desk: Arc<Mutex<Slot>>,
}

#[derive(Default)]
struct Slot {
    /// The present or the last recording.
    take: Option<Take>,
    /// Why nothing may be recorded now. Kept without a recording as well: one that is started then is refused.
    paused: BTreeSet<Pause>,
}

/// Why a recording is paused; it goes on when no reason is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pause {
    /// A person drives.
    Takeover,
    /// Somebody asked for it.
    Order,
}

impl Pause {
    fn reason(self) -> &'static str {
        match self {
            Pause::Takeover => "a person drives",
            Pause::Order => "it was paused",
        }
    }
}

impl Slot {
    fn why_paused(&self) -> Option<&'static str> {
        self.paused.first().map(|pause| pause.reason())
    }
}

impl Recorder {
    /// Files go to a folder of `home`.
    pub(super) fn new(screen: Screen, home: &Path) -> Recorder {
        Recorder { screen, shelf: Shelf::in_home(home), desk: Arc::default() }
    }

    pub(super) async fn start(&self) -> Result<(), Refusal> {
        let mut slot = self.desk.lock().await;
        if let Some(reason) = slot.why_paused() {
            return Err(Refusal::invalid(format!("nothing is recorded now: {reason}; resume first")));
        }
        if slot.take.as_ref().is_some_and(Take::runs) {
            return Err(Refusal::invalid("the screen is being recorded already; stop that first"));
        }
        slot.take = Some(Take::begin(self.screen.clone(), self.shelf.clone()).await?);
        Ok(())
    }

    /// Ends the recording; its file is whole when this returns.
    pub(super) async fn stop(&self) -> Result<(), Refusal> {
        match self.desk.lock().await.take.as_mut().filter(|take| take.runs()) {
            Some(take) => {
                take.stop().await;
                Ok(())
            }
            None => Err(Refusal::invalid("nothing is being recorded")),
        }
    }

    /// From when this returns until [`Recorder::resume`] nothing of the screen is read or written.
    pub(super) async fn pause(&self, why: Pause) {
        let mut slot = self.desk.lock().await;
        slot.paused.insert(why);
        if let Some(take) = slot.take.as_mut() {
            take.pause().await;
        }
    }

    pub(super) async fn resume(&self, why: Pause) {
        let mut slot = self.desk.lock().await;
        slot.paused.remove(&why);
        if slot.paused.is_empty()
            && let Some(take) = slot.take.as_mut()
        {
            take.resume().await;
        }
    }

    pub(super) async fn status(&self) -> RecordingStatus {
        let slot = self.desk.lock().await;
        let seen = slot.take.as_ref().map(Take::seen);
        let running = slot.take.as_ref().is_some_and(Take::runs);
        let current = seen.as_ref().filter(|_| running).map(|seen| seen.name.clone());
        let shelf = self.shelf.clone();
        let listed = tokio::task::spawn_blocking(move || shelf.list(current.as_deref())).await;
        RecordingStatus {
            state: match (running, slot.paused.is_empty()) {
                (false, _) => RecordingState::Off,
                (true, true) => RecordingState::Recording,
                (true, false) => RecordingState::Paused,
            },
            reason: slot.why_paused().map(str::to_owned).or_else(|| seen.as_ref().and_then(|seen| seen.ended.clone())),
            name: seen.as_ref().map(|seen| seen.name.clone()),
            duration_ms: seen.as_ref().map_or(0, |seen| seen.duration_ms),
            bytes: seen.as_ref().map_or(0, |seen| seen.bytes),
            recordings: listed.unwrap_or_default(),
        }
    }

    /// A part of a recording, and how long it is.
    pub(super) async fn read(&self, name: String, offset: u64, length: u32) -> Result<(u64, Vec<u8>), Refusal> {
        let shelf = self.shelf.clone();
        let read = tokio::task::spawn_blocking(move || shelf.read(&name, offset, length)).await;
        read.unwrap_or_else(|e| Err(Refusal::failed(format!("the reading broke off: {e}"))))
    }

    /// Ends whatever is recorded.
    pub(super) async fn shut_down(&self) {
        let _ = self.stop().await;
    }
}
