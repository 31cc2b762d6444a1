//! A viewer's keys and buttons: what it holds is known, so that it can be let go when it leaves.

use std::time::Duration;

use crate::desk::input::Input;

/// Nobody has more fingers than this: the key that was pressed first is let go.
const MAX_KEYS: usize = 32;
/// Buttons that stay down. The wheel's four only turn.
const BUTTONS: u16 = !0b0111_1000;
/// An X server that does not answer must not keep a connection that is over.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Hands {
    /// `None` for a viewer that only looks: whatever it does is dropped.
    input: Option<Input>,
    keys: Vec<u32>,
    buttons: u16,
    at: (u16, u16),
}

impl Hands {
    pub(super) fn new(input: Option<Input>) -> Self {
        Self { input, keys: Vec::new(), buttons: 0, at: (0, 0) }
    }

    pub(super) async fn key(&mut self, keysym: u32, down: bool) {
        let Some(input) = &self.input else { return };
        if keysym == 0 {
            return;
        }
        // A viewer may call a key by another name when it comes up, so what was never pressed may come up, too.
        self.keys.retain(|held| *held != keysym);
        if down {
            self.keys.push(keysym);
            if self.keys.len() > MAX_KEYS {
                note(input.key(self.keys.remove(0), false).await);
            }
        }
        note(input.key(keysym, down).await);
    }

    pub(super) async fn pointer(&mut self, x: u16, y: u16, buttons: u16) {
        let Some(input) = &self.input else { return };
        self.buttons = buttons & BUTTONS;
        self.at = (x, y);
        note(input.pointer(x.into(), y.into(), buttons).await);
    }

    /// Releases all that is held.
    pub(super) async fn let_go(&mut self) {
        let Some(input) = &self.input else { return };
        let (keys, buttons, at) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.buttons), self.at);
        let release = async {
            for keysym in keys {
                note(input.key(keysym, false).await);
            }
            if buttons != 0 {
                note(input.pointer(at.0.into(), at.1.into(), 0).await);
            }
        };
        if tokio::time::timeout(PATIENCE, release).await.is_err() {
            tracing::warn!("a viewer's keys could not be released: the X server does not answer");
        }
    }
}

/// A key that the keyboard does not have is no reason to throw a viewer out. Which key is nobody's business.
fn note(done: Result<(), crate::link::Refusal>) {
    if let Err(refusal) = done {
        tracing::debug!(kind = ?refusal.kind, "a viewer's input was refused");
    }
}
