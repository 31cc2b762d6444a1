//! What the desk does for each call of the gate.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use protocol::{
    action::{Action, ActionOutcome},
    desktop::Size,
    recording::RecordingOrder,
};
use tokio::sync::{Mutex, OnceCell};

use super::{
    accessibility::Accessibility,
    apps,
    children::Children,
    clipboard::Clipboard,
    files::editor,
    floor::Floor,
    health,
    input::Input,
    recording::{Pause, Recorder},
    screen::{
        Screen, encode,
        scale::{self, Scale},
        settle::{self, Watch},
    },
    shell::Shells,
    vnc::Studio,
    windows,
};
use crate::link::{Answer, Call, FloorRule, Refusal, ScreenshotCall, frame::MAX_BYTES};

/// How long a painted session may take to show its panel; some have none.
const PANEL_BOUND: Duration = Duration::from_secs(3);

/// All that the calls need.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) screen: Screen,
    pub(super) input: Input,
    pub(super) clipboard: Clipboard,
    pub(super) studio: Studio,
    pub(super) floor: Floor,
    pub(super) accessibility: Accessibility,
    shells: Arc<Shells>,
    pub(super) children: Arc<Children>,
    recorder: Recorder,
    /// Actions are done one after another, or one would wait for what the other draws.
    pub(super) acting: Arc<Mutex<()>>,
    giving: Arc<Mutex<()>>,
    /// Since when the session's first picture is there, and whether it is whole and has come to rest.
    painted_since: Arc<OnceLock<Instant>>,
    first_painted: Arc<OnceCell<()>>,
}

impl Desk {
    pub(super) fn new(
        screen: Screen,
        input: Input,
        clipboard: Clipboard,
        (shells, children): (Shells, Children),
        home: &Path,
    ) -> Desk {
        Desk {
            recorder: Recorder::new(screen.clone(), home),
            screen,
            input,
            clipboard,
            studio: Studio::default(),
            floor: Floor::closed(),
            accessibility: Accessibility::default(),
            shells: Arc::new(shells),
            children: Arc::new(children),
            acting: Arc::default(),
            giving: Arc::default(),
            painted_since: Arc::default(),
            first_painted: Arc::default(),
        }
    }

    /// Answers a call and the bytes that followed it, with the bytes that follow the answer. Dropping the future gives
    /// the call up.
    pub(super) async fn answer(&self, call: Call, body: Vec<u8>) -> (Answer, Option<Vec<u8>>) {
        let answered = match call {
            Call::Screenshot(call) => match self.screenshot(call).await {
                Ok((answer, picture)) => return (answer, Some(picture)),
                Err(refusal) => Err(refusal),
            },
            Call::Clipboard { form } => match self.copied(form).await {
                Ok((form, bytes)) => return (Answer::Clipboard { form }, Some(bytes)),
                Err(refusal) => Err(refusal),
            },
            Call::SetClipboard { form } => self.copy(form, body).await.map(|()| Answer::Done),
            Call::ReadRecording { name, offset, length } => match self.recorder.read(name, offset, length).await {
                Ok((total, part)) => return (Answer::RecordingPart { total }, Some(part)),
                Err(refusal) => Err(refusal),
            },
            Call::Recording { order } => self.record(order).await,
            Call::Health => self.health().await,
            Call::Act { action, picture, secret } => self.act(action, picture, secret).await.map(Answer::Acted),
            Call::Bash { session, command, timeout_ms } => {
                self.shells.run(session, command, Duration::from_millis(timeout_ms)).await.map(Answer::Shell)
            }
            Call::BashRestart { session } => {
                self.shells.restart(session).await;
                Ok(Answer::Done)
            }
            Call::Editor { input } => blocking(move || editor::edit(input)).await.map(|text| Answer::Text { text }),
            Call::Windows { picture } => {
                blocking(move || windows::list(picture)).await.map(|windows| Answer::Windows { windows })
            }
            Call::Window { id, verb, picture } => self.window(id, verb, picture).await.map(Answer::Window),
            Call::Applications => {
                blocking(|| Ok(apps::list())).await.map(|applications| Answer::Applications { applications })
            }
            Call::Launch { launch, timeout_ms, picture } => {
                self.launch(launch, Duration::from_millis(timeout_ms), picture).await.map(Answer::Launched)
            }
            Call::Accessibility { window, bounds, picture } => {
                self.tree(window, bounds, picture).await.map(Answer::Accessibility)
            }
            Call::ReleaseAll => {
                self.shells.end_all().await;
                self.input.release_all().await.map(|()| Answer::Done)
            }
            Call::Stop { session } => {
                let (released, ()) = tokio::join!(self.input.release_all(), self.shells.stop(session));
                released.map(|()| Answer::Done)
            }
            Call::Floor { rule } => self.give_floor(rule).await.map(|()| Answer::Done),
            Call::Vnc { .. } | Call::Child { .. } | Call::Connect { .. } => {
                Err(Refusal::failed("what lasts has no single answer"))
            }
        };
        (answered.unwrap_or_else(Answer::Refused), None)
    }

    /// Ends every command and the recording, and lifts every key.
    pub(super) async fn shut_down(&self) {
        self.recorder.shut_down().await;
        self.shells.shut_down().await;
        let _ = self.input.shut_down().await;
    }

    async fn health(&self) -> Result<Answer, Refusal> {
        let health = health::check(&self.screen, None).await?;
        if health.painted && !self.first_painted.initialized() {
            let waited = self.painted_since.get_or_init(Instant::now).elapsed();
            if !health.panel && waited < PANEL_BOUND {
                let detail = "the panel has not come yet".to_owned();
                return Ok(Answer::Health { painted: false, screen: health.screen, detail, floor: self.floor.rule() });
            }
            let settled = async { Watch::start(&self.screen).await?.settle(settle::FIRST_PAINT).await.map(drop) };
            self.first_painted.get_or_try_init(|| settled).await?;
        }
        let floor = self.floor.rule();
        Ok(Answer::Health { painted: health.painted, screen: health.screen, detail: health.detail, floor })
    }

    async fn act(&self, action: Action, picture: Option<Size>, secret: bool) -> Result<ActionOutcome, Refusal> {
        let _alone = self.acting.lock().await;
        let mut outcome = ActionOutcome { settled: true, waited_ms: 0, position: None, changed: None };
        match action {
            Action::Screenshot | Action::Zoom { .. } => {
                return Err(Refusal::invalid("a picture is asked for by a screenshot call, not as an action"));
            }
            Action::CursorPosition => {
                let scale = Scale::new(picture, self.screen.fresh().await?.size)?;
                outcome.position = Some(scale.point_back(self.input.position().await?));
                return Ok(outcome);
            }
            _ => {}
        }
        let watch = Watch::start(&self.screen).await?;
        let scale = Scale::new(picture, watch.size())?;
        self.input.act(&action, scale, (!secret).then_some(&self.clipboard)).await?;
        if let Some(bounds) = settle::bounds(&action) {
            let rest = watch.settle(bounds).await?;
            outcome.settled = rest.settled;
            outcome.waited_ms = rest.waited.as_millis() as u64;
            outcome.changed = rest.changed.map(|changed| scale.rect_back(changed));
        }
        Ok(outcome)
    }

    /// Viewers' input is dropped before anything else happens, and taken again after everything has.
    async fn give_floor(&self, rule: FloorRule) -> Result<(), Refusal> {
        let _one_at_a_time = self.giving.lock().await;
        if matches!(rule, FloorRule::Only { .. }) {
            self.floor.set(FloorRule::Nobody);
            tokio::join!(self.shells.freeze(), self.children.freeze());
            self.recorder.pause(Pause::Takeover).await;
            self.input.release_all().await?;
            self.floor.set(rule);
        } else {
            let was_taken = self.floor.is_taken();
            self.floor.set(FloorRule::Nobody);
            self.input.release_all().await?;
            if was_taken {
                self.recorder.resume(Pause::Takeover).await;
                tokio::join!(self.shells.thaw(), self.children.thaw());
            }
            self.floor.set(rule);
        }
        Ok(())
    }

    async fn record(&self, order: Option<RecordingOrder>) -> Result<Answer, Refusal> {
        match order {
            Some(RecordingOrder::Start) => self.recorder.start().await?,
            Some(RecordingOrder::Stop) => self.recorder.stop().await?,
            Some(RecordingOrder::Pause) => self.recorder.pause(Pause::Order).await,
            Some(RecordingOrder::Resume) => self.recorder.resume(Pause::Order).await,
            None => {}
        }
        Ok(Answer::Recording(self.recorder.status().await))
    }

    async fn screenshot(&self, call: ScreenshotCall) -> Result<(Answer, Vec<u8>), Refusal> {
        let frame = self.screen.fresh().await?;
        let scale = Scale::new(call.picture, frame.size)?;
        let region = call.region.map(|region| scale.rect(region)).transpose()?.unwrap_or(frame.bounds());
        let own = Size { width: region.width, height: region.height };
        let picture = call.fit.map_or(own, |fit| scale::fit(own, fit));
        let screen = frame.size;
        let bytes = blocking(move || encode::encode(&frame, region, picture, call.format)).await?;
        if bytes.len() > MAX_BYTES as usize {
            return Err(Refusal::failed("the picture is too large to hand over; ask for JPEG or a smaller one"));
        }
        Ok((Answer::Screenshot { picture, screen }, bytes))
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|e| Err(Refusal::failed(format!("the work broke off: {e}"))))
}
