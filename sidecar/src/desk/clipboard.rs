//! The text of the CLIPBOARD selection.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use self::owner::Order;
use super::mailbox::{Sender, mailbox};
use crate::link::Refusal;

mod owner;

/// More than this is neither taken from an application nor given to one.
pub const MAX_BYTES: usize = 1 << 20;

/// A handle to the thread that owns or watches the selection.
#[derive(Clone)]
pub struct Clipboard {
    orders: Sender<Order>,
    text: watch::Receiver<Arc<str>>,
}

impl Clipboard {
    /// Connects to `display` (`$DISPLAY` unless told) and reads what is on the clipboard.
    pub async fn open(display: Option<&str>) -> Result<Clipboard, Refusal> {
        let (orders, inbox) = mailbox().map_err(|e| Refusal::failed(format!("open the clipboard's mailbox: {e}")))?;
        let (ready, started) = oneshot::channel();
        let display = display.map(str::to_owned);
        std::thread::Builder::new()
            .name("clipboard".into())
            .spawn(move || owner::run(display.as_deref(), &inbox, ready))
            .map_err(|e| Refusal::failed(format!("start the clipboard's thread: {e}")))?;
        let text = started
            .await
            .unwrap_or_else(|_| Err(Refusal::unavailable("the clipboard's thread ended as it started")))?;
        Ok(Clipboard { orders, text })
    }

    /// The text that is on the clipboard; empty when there is none.
    pub fn text(&self) -> Arc<str> {
        self.text.borrow().clone()
    }

    /// Every new text, whoever put it there ([`Clipboard::set`] too).
    pub fn watch(&self) -> watch::Receiver<Arc<str>> {
        self.text.clone()
    }

    /// Puts a text on the clipboard.
    pub async fn set(&self, text: &str) -> Result<(), Refusal> {
        if text.len() > MAX_BYTES {
            let message = format!("a text of {} bytes was to be copied; the clipboard takes {MAX_BYTES}", text.len());
            return Err(Refusal::invalid(message));
        }
        let text: Arc<str> = text.into();
        self.orders.ask(|reply| Order::Set(text, reply)).await
    }
}
