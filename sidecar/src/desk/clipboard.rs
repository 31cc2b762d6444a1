//! The CLIPBOARD selection: its text, and its picture as PNG.
//!
//! Texts are read as they come, since viewers are told of each. A picture is fetched when somebody asks for it: its
//! owner would encode it for nobody.

use std::{io::Cursor, sync::Arc, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

pub use self::loan::Loan;
use self::owner::Order;
use super::mailbox::{Sender, mailbox};
use crate::link::Refusal;

mod give;
mod loan;
mod owner;
mod take;

/// More text than this is neither taken from an application nor given to one.
pub const MAX_BYTES: usize = 1 << 20;
/// The same for a PNG: a busy screen of 3840x2160 fits.
pub const MAX_PICTURE: usize = 16 << 20;
/// The owner of a picture may have to encode it first.
const PICTURE_WITHIN: Duration = Duration::from_secs(5);

/// What is offered to other programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Text(Arc<str>),
    Png(Arc<[u8]>),
}

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
        self.orders.ask(|reply| Order::Set(Content::Text(text), reply)).await
    }

    /// Lets the program of `window`, and no other, find `text` on the clipboard until the loan is dropped; viewers are
    /// not told. `None` where what is on the clipboard now could not be given back as it is.
    pub async fn lend(&self, text: &str, window: u32) -> Result<Option<Loan>, Refusal> {
        let text: Arc<str> = text.into();
        let fetches = self.orders.ask(|reply| Order::Lend(text, window, reply)).await?;
        Ok(fetches.map(|fetches| Loan::new(self.orders.clone(), fetches)))
    }

    /// The picture that is on the clipboard, if there is one.
    pub async fn picture(&self) -> Result<Option<Arc<[u8]>>, Refusal> {
        let asked = self.orders.ask(Order::Picture);
        let late = || Refusal::timeout("the program that owns the clipboard does not hand its picture over");
        timeout(PICTURE_WITHIN, asked).await.unwrap_or_else(|_| Err(late()))
    }

    /// Puts a PNG on the clipboard, in place of any text.
    pub async fn set_picture(&self, png: Vec<u8>) -> Result<(), Refusal> {
        if png.len() > MAX_PICTURE {
            let message =
                format!("a picture of {} bytes was to be copied; the clipboard takes {MAX_PICTURE}", png.len());
            return Err(Refusal::invalid(message));
        }
        if let Err(error) = png::Decoder::new(Cursor::new(&png)).read_info() {
            return Err(Refusal::invalid(format!("the picture is no PNG: {error}")));
        }
        self.orders.ask(|reply| Order::Set(Content::Png(png.into()), reply)).await
    }
}
