//! What is on the screen: one thread mirrors it, everyone else holds this handle.

mod canvas;
mod capture;
mod cursor;
pub mod encode;
mod frame;
mod mirror;
mod rects;
mod resize;
pub mod scale;
mod scroll;
pub mod settle;
mod shift;
mod step;

use std::sync::Arc;

use protocol::{action::Point, desktop::Size};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use self::{
    capture::Method,
    frame::{CursorShape, Frame},
    step::{Moved, Step, TILE},
};
use super::mailbox::{Sender, mailbox};
use crate::link::Refusal;

/// A handle to the thread that mirrors the screen.
#[derive(Clone)]
pub struct Screen {
    orders: Sender<Order>,
    /// Only who wants every frame holds a receiver: while there is none, nothing is captured until
    /// [`Screen::fresh`] asks for it.
    frames: Arc<watch::Sender<Arc<Frame>>>,
    cursor: watch::Receiver<Arc<CursorShape>>,
    gone: CancellationToken,
}

enum Order {
    Fresh(oneshot::Sender<Result<Arc<Frame>, Refusal>>),
    /// Somebody began to watch: what was left uncaptured is now wanted.
    Watched,
    Resize(Size, oneshot::Sender<Result<Size, Refusal>>),
    Pointer(oneshot::Sender<Result<Point, Refusal>>),
}

impl Screen {
    /// Connects to `display` (`$DISPLAY` unless told) and captures the first frame.
    pub async fn open(display: Option<&str>, method: Method) -> Result<Screen, Refusal> {
        let (orders, inbox) = mailbox().map_err(|e| Refusal::failed(format!("open the screen's mailbox: {e}")))?;
        let gone = CancellationToken::new();
        let (ready, started) = oneshot::channel();
        let display = display.map(str::to_owned);
        let end = gone.clone().drop_guard();
        std::thread::Builder::new()
            .name("screen".into())
            .spawn(move || {
                let _end = end;
                mirror::run(display.as_deref(), method, &inbox, ready);
            })
            .map_err(|e| Refusal::failed(format!("start the screen's thread: {e}")))?;
        let published = started
            .await
            .unwrap_or_else(|_| Err(Refusal::unavailable("the screen's thread ended before its first frame")))?;
        Ok(Screen { orders, frames: published.frames, cursor: published.cursor, gone })
    }

    /// The last frame that was captured. While nobody watches it may be old: see [`Screen::fresh`].
    pub fn latest(&self) -> Arc<Frame> {
        self.frames.borrow().clone()
    }

    /// A frame that shows everything drawn before this call.
    pub async fn fresh(&self) -> Result<Arc<Frame>, Refusal> {
        self.orders.ask(Order::Fresh).await
    }

    /// Every frame from now on, as soon as something was drawn; the present one counts as seen.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Frame>> {
        let receiver = self.frames.subscribe();
        self.orders.send(Order::Watched);
        receiver
    }

    /// Gives the screen another size, as far as its server can; answers the size it now has.
    pub async fn resize(&self, size: Size) -> Result<Size, Refusal> {
        if !size.is_acceptable() {
            return Err(Refusal::invalid(format!(
                "a screen of {}x{} was asked for; {}x{} to {}x{} is possible",
                size.width,
                size.height,
                Size::MIN.width,
                Size::MIN.height,
                Size::MAX.width,
                Size::MAX.height
            )));
        }
        self.orders.ask(|reply| Order::Resize(size, reply)).await
    }

    /// The shape of the pointer, whenever it changes.
    pub fn cursor(&self) -> watch::Receiver<Arc<CursorShape>> {
        self.cursor.clone()
    }

    /// Where the pointer is on the screen.
    pub async fn pointer(&self) -> Result<Point, Refusal> {
        self.orders.ask(Order::Pointer).await
    }

    /// Ends when the X server is gone: nothing comes from this handle any more.
    pub async fn gone(&self) {
        self.gone.cancelled().await;
    }
}

/// What the thread hands out once it stands.
struct Published {
    frames: Arc<watch::Sender<Arc<Frame>>>,
    cursor: watch::Receiver<Arc<CursorShape>>,
}
