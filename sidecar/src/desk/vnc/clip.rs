//! The clipboard between the desktop and one viewer.

use std::{future, sync::Arc};

use bytes::BytesMut;
use tokio::sync::watch;

use super::Viewer;
use crate::desk::{
    clipboard::Clipboard,
    floor::Floor,
    rfb::{
        Wishes,
        clipboard::{self, ClientClipboard},
    },
};

pub(super) struct Clip {
    /// `None` for a viewer that only looks: it neither gives nor gets.
    shared: Option<Shared>,
}

struct Shared {
    clipboard: Clipboard,
    texts: watch::Receiver<Arc<str>>,
    /// The text that the viewer has or was told of.
    known: Option<Arc<str>>,
    told_capabilities: bool,
    floor: Floor,
    seat: String,
}

impl Clip {
    pub(super) fn new(viewer: &Viewer) -> Self {
        let shared = viewer.control.then(|| {
            let clipboard = viewer.clipboard.clone();
            let mut texts = clipboard.watch();
            texts.mark_changed();
            let (floor, seat) = (viewer.floor.clone(), viewer.seat.clone());
            Shared { clipboard, texts, known: None, told_capabilities: false, floor, seat }
        });
        Self { shared }
    }

    /// Waits until there is another text on the desktop's clipboard.
    pub(super) async fn changed(&mut self) {
        if let Some(shared) = &mut self.shared
            && shared.texts.changed().await.is_ok()
        {
            return;
        }
        future::pending().await
    }

    /// Tells the viewer of a text that it does not have.
    pub(super) fn tell(&mut self, wishes: &Wishes, out: &mut BytesMut) {
        let Some(shared) = &mut self.shared else { return };
        let text = shared.texts.borrow_and_update().clone();
        if !shared.floor.shows_clipboard(&shared.seat) {
            return;
        }
        if shared.known.as_ref() == Some(&text) || (shared.known.is_none() && text.is_empty()) {
            return;
        }
        if wishes.extended_clipboard {
            clipboard::write_notify(!text.is_empty(), out);
        } else if !text.is_empty() {
            // A picture was copied here; that must not empty the clipboard of who looks on.
            clipboard::write_plain(&text, out);
        }
        shared.known = Some(text);
    }

    /// The viewer said what it understands.
    pub(super) fn wishes(&mut self, wishes: &Wishes, out: &mut BytesMut) {
        let Some(shared) = &mut self.shared else { return };
        if wishes.extended_clipboard && !std::mem::replace(&mut shared.told_capabilities, true) {
            clipboard::write_capabilities(out);
        }
    }

    /// The viewer said something about its clipboard.
    pub(super) async fn hear(&mut self, said: ClientClipboard, out: &mut BytesMut) {
        let Some(shared) = &mut self.shared else { return };
        let text = || if shared.floor.shows_clipboard(&shared.seat) { shared.clipboard.text() } else { "".into() };
        match said {
            ClientClipboard::Text(_) if !shared.floor.belongs_to(&shared.seat) => {}
            ClientClipboard::Text(text) => {
                if let Err(refusal) = shared.clipboard.set(&text).await {
                    tracing::debug!(kind = ?refusal.kind, "a viewer's clipboard was refused");
                } else {
                    shared.known = Some(text.into());
                }
            }
            ClientClipboard::HasText => clipboard::write_request(out),
            ClientClipboard::WantsText => clipboard::write_provide(&text(), out),
            ClientClipboard::Asks => clipboard::write_notify(!text().is_empty(), out),
            ClientClipboard::Nothing => {}
        }
    }
}
