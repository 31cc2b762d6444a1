//! The calls that concern what is on the desktop: its clipboard, windows, applications and what these show.

use std::time::{Duration, Instant};

use protocol::{
    accessibility::{AccessibilityTree, TreeBounds},
    desktop::Size,
    window::{Launch, Launched, WindowOutcome, WindowVerb},
};

use super::{
    accessibility::Wanted,
    apps,
    calls::{Desk, blocking},
    screen::settle::{self, Watch},
    windows,
};
use crate::link::{ClipboardForm, Refusal};

impl Desk {
    /// What is on the clipboard: text goes first when both are there and neither is asked for.
    pub(super) async fn copied(&self, form: Option<ClipboardForm>) -> Result<(ClipboardForm, Vec<u8>), Refusal> {
        let text = self.clipboard.text();
        if form == Some(ClipboardForm::Text) || (form.is_none() && !text.is_empty()) {
            return Ok((ClipboardForm::Text, text.as_bytes().to_vec()));
        }
        match self.clipboard.picture().await? {
            Some(png) => Ok((ClipboardForm::Png, png.to_vec())),
            None if form.is_none() => Ok((ClipboardForm::Text, Vec::new())),
            None => Err(Refusal::not_found("there is no picture on the clipboard")),
        }
    }

    pub(super) async fn copy(&self, form: ClipboardForm, bytes: Vec<u8>) -> Result<(), Refusal> {
        match form {
            ClipboardForm::Png => self.clipboard.set_picture(bytes).await,
            ClipboardForm::Text => match String::from_utf8(bytes) {
                Ok(text) => self.clipboard.set(&text).await,
                Err(error) => Err(Refusal::invalid(format!("the text is not UTF-8: {error}"))),
            },
        }
    }

    pub(super) async fn window(
        &self,
        id: u32,
        verb: WindowVerb,
        picture: Option<Size>,
    ) -> Result<WindowOutcome, Refusal> {
        let _alone = self.acting.lock().await;
        let started = Instant::now();
        let watch = Watch::start(&self.screen).await?;
        let window = blocking(move || windows::change(id, verb, picture)).await?;
        let settled = watch.settle(settle::WINDOW).await?.settled;
        Ok(WindowOutcome { window, settled, waited_ms: started.elapsed().as_millis() as u64 })
    }

    /// Other actions may be done meanwhile: an application may take its time.
    pub(super) async fn launch(
        &self,
        launch: Launch,
        within: Duration,
        picture: Option<Size>,
    ) -> Result<Launched, Refusal> {
        let started = Instant::now();
        let watch = Watch::start(&self.screen).await?;
        let came = apps::launch(launch, within).await?;
        let settled = watch.settle(settle::WINDOW).await?.settled;
        let (window, evidence) = came.unzip();
        let screen = self.screen.latest().size;
        let window = window.map(|window| windows::in_picture(window, screen, picture)).transpose()?;
        Ok(Launched { window, evidence, settled, waited_ms: started.elapsed().as_millis() as u64 })
    }

    pub(super) async fn tree(
        &self,
        window: Option<u32>,
        bounds: TreeBounds,
        picture: Option<Size>,
    ) -> Result<AccessibilityTree, Refusal> {
        if !bounds.are_allowed() {
            return Err(Refusal::invalid("the bounds of the accessibility tree are out of range"));
        }
        let pid = match window {
            None => None,
            Some(id) => Some(blocking(move || windows::process(id)).await?),
        };
        let screen = self.screen.latest().size;
        self.accessibility.tree(Wanted { bounds, pid, picture, screen }).await
    }
}
