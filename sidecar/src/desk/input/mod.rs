//! Hands: one thread presses keys and moves the pointer, everyone else holds this handle.

mod hand;
mod keymap;
mod keys;
mod spare;

use std::time::Duration;

use protocol::action::Point;
use tokio::sync::oneshot;

use self::hand::Stroke;
use super::mailbox::{Sender, mailbox};
use crate::link::Refusal;

/// A handle to the thread that presses keys and buttons.
#[derive(Clone)]
pub struct Input {
    orders: Sender<Order>,
}

enum Order {
    Key {
        keysym: u32,
        down: bool,
        reply: Reply<()>,
    },
    Pointer {
        x: i32,
        y: i32,
        buttons: u16,
        reply: Reply<()>,
    },
    Strokes(Vec<Stroke>, Reply<()>),
    /// Lifts again what an action held when it was given up; nobody waits for it.
    GiveUp(Vec<Stroke>),
    Type(Vec<u32>, Reply<Typed>),
    ReleaseAll(Reply<()>),
    Position(Reply<Point>),
}

type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// How far the hand got with a text, and how long to wait before it goes on.
struct Typed {
    count: usize,
    pause: Option<Duration>,
}

impl Input {
    /// Connects to `display` (`$DISPLAY` unless told) and lifts every key and button that is down.
    pub async fn open(display: Option<&str>) -> Result<Input, Refusal> {
        let (orders, inbox) = mailbox().map_err(|e| Refusal::failed(format!("open the input's mailbox: {e}")))?;
        let (ready, started) = oneshot::channel();
        let display = display.map(str::to_owned);
        std::thread::Builder::new()
            .name("input".into())
            .spawn(move || hand::run(display.as_deref(), &inbox, ready))
            .map_err(|e| Refusal::failed(format!("start the input's thread: {e}")))?;
        started.await.unwrap_or_else(|_| Err(Refusal::unavailable("the input's thread ended as it started")))?;
        Ok(Input { orders })
    }

    /// Presses or releases the key that gives `keysym`, as a VNC viewer asks for it: Shift and AltGr are set
    /// for the moment of the press when what is held does not give that symbol. Repeated presses are the
    /// server's to make, so a second one of a held key does nothing.
    pub async fn key(&self, keysym: u32, down: bool) -> Result<(), Refusal> {
        self.orders.ask(|reply| Order::Key { keysym, down, reply }).await
    }

    /// Moves the pointer to a pixel of the screen (the server keeps it inside) and makes `buttons` the held ones.
    /// Bits as in RFB: left, middle, right, wheel up, down, left, right, back, forward from bit 0.
    pub async fn pointer(&self, x: i32, y: i32, buttons: u16) -> Result<(), Refusal> {
        self.orders.ask(|reply| Order::Pointer { x, y, buttons, reply }).await
    }

    /// Lifts every key and button that is down, whoever pressed it.
    pub async fn release_all(&self) -> Result<(), Refusal> {
        self.orders.ask(Order::ReleaseAll).await
    }

    /// Where the pointer is on the screen.
    pub async fn position(&self) -> Result<Point, Refusal> {
        self.orders.ask(Order::Position).await
    }
}
