//! Hands: one thread presses keys and moves the pointer, everyone else holds this handle.

mod device;
mod echo;
mod hand;
mod keyboard;
mod keymap;
mod keys;
mod paste;
mod plan;
mod reader;
mod server_map;
mod spare;

use std::sync::Arc;

use protocol::action::{Action, Point};
use tokio::sync::oneshot;

use self::{echo::Wait, hand::Stroke, keyboard::Typed, keys::Names, plan::Step};
use super::{
    clipboard::Clipboard,
    mailbox::{Sender, mailbox},
    screen::scale::Scale,
};
use crate::link::Refusal;

/// A text is never further ahead of an application that reads it than this.
const AHEAD: usize = 512;

/// A handle to the thread that presses keys and buttons.
#[derive(Clone)]
pub struct Input {
    orders: Sender<Order>,
    names: Arc<Names>,
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
    /// Types the first of the symbols of `text` behind `from`, at most `most`.
    Type {
        text: Arc<[u32]>,
        from: usize,
        most: usize,
        reply: Reply<Typed>,
    },
    /// The window with the focus, if a text can be pasted into it.
    PasteTarget(Reply<Option<u32>>),
    /// Answers when the window with the focus has read what was done so far.
    Heard(Wait, Reply<()>),
    ReleaseAll(Reply<()>),
    ShutDown(Reply<()>),
    Position(Reply<Point>),
}

type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

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
        Ok(Input { orders, names: Arc::new(Names::new()) })
    }

    /// Does an action of the agent, coordinates being those of the picture of `scale`. What is out of range or
    /// unknown is refused before anything is pressed. Dropping the future lifts what it holds. Long text goes by
    /// `clipboard` where that is faster; without one no other program sees it.
    pub async fn act(&self, action: &Action, scale: Scale, clipboard: Option<&Clipboard>) -> Result<(), Refusal> {
        let plan = plan::plan(action, &self.names, scale)?;
        let mut grip = Grip { orders: &self.orders, lift: plan.lift };
        for step in plan.steps {
            match step {
                Step::Strokes(strokes) => self.orders.ask(|reply| Order::Strokes(strokes, reply)).await?,
                Step::Type(symbols) => self.type_all(symbols.into(), clipboard).await?,
                Step::Wait(duration) => tokio::time::sleep(duration).await,
            }
        }
        grip.lift.clear();
        Ok(())
    }

    async fn type_all(&self, text: Arc<[u32]>, mut clipboard: Option<&Clipboard>) -> Result<(), Refusal> {
        let (mut from, mut heard) = (0, 0);
        while from < text.len() {
            if let Some(by) = clipboard
                && let Some((line, count)) = paste::worth(&text[from..])
            {
                if self.paste(&line, by).await? {
                    from += count;
                    heard = from;
                    continue;
                }
                // Who does not take the first does not take the others.
                clipboard = None;
            }
            let most = alike(&text[from..]);
            let order = |reply| Order::Type { text: text.clone(), from, most, reply };
            let wait = match self.orders.ask(order).await? {
                Typed::Changed => Wait::Told,
                Typed::Full => Wait::Read,
                Typed::Some(count) => {
                    from += count;
                    if (from - heard < AHEAD && count < most) || from == text.len() {
                        continue;
                    }
                    Wait::Keep
                }
            };
            self.orders.ask(|reply| Order::Heard(wait, reply)).await?;
            heard = from;
        }
        Ok(())
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

    /// Lifts everything, and gives back the keys that were lent to symbols of texts.
    pub async fn shut_down(&self) -> Result<(), Refusal> {
        self.orders.ask(Order::ShutDown).await
    }

    /// Where the pointer is on the screen.
    pub async fn position(&self) -> Result<Point, Refusal> {
        self.orders.ask(Order::Position).await
    }
}

/// For the fuzz targets: reads names of keys, and answers how many keys they are.
#[cfg(fuzzing)]
pub fn key_names() -> impl Fn(&str) -> usize {
    let names = Names::new();
    move |text| names.sequence(text).map_or(0, |chords| chords.iter().map(|chord| chord.0.len()).sum())
}

/// How many of the first symbols are of one kind: letters, symbols beyond them as emoji are, or a single key that
/// does something. LibreOffice keeps letters in a buffer, where the others overtake them while more keys come.
fn alike(text: &[u32]) -> usize {
    let kind = |symbol: u32| match symbol {
        0xfd00..=0xffff => 2,
        0x0101_0000.. => 1,
        _ => 0,
    };
    match text.first().map(|symbol| kind(*symbol)) {
        Some(2) => 1,
        Some(first) => text.iter().take_while(|symbol| kind(**symbol) == first).count(),
        None => 0,
    }
}

/// Lifts what an action holds, unless it came to its end.
struct Grip<'a> {
    orders: &'a Sender<Order>,
    lift: Vec<Stroke>,
}

impl Drop for Grip<'_> {
    fn drop(&mut self) {
        if !self.lift.is_empty() {
            self.orders.send(Order::GiveUp(std::mem::take(&mut self.lift)));
        }
    }
}
