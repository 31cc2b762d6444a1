//! The thread that presses keys and buttons, and knows which ones it holds.

use std::{os::fd::AsFd, time::Instant};

use protocol::action::Point;
use tokio::sync::oneshot;
use x11rb::{
    connection::Connection,
    errors::{ConnectionError, ReplyError},
    protocol::xproto::{ConnectionExt as _, KeyButMask},
    wrapper::ConnectionExt as _,
};

use super::{
    Order, Reply,
    device::Device,
    echo::{self, Echo, Heard},
    keyboard::Keyboard,
};
use crate::{desk::mailbox::Receiver, link::Refusal};

const WHEEL: std::ops::RangeInclusive<u8> = 4..=7;

/// One thing the hand does; a batch of them is done without a pause between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stroke {
    /// Presses the key of a symbol, with Shift and AltGr around it where it needs them.
    Down(u32),
    Up(u32),
    Move(Point),
    ButtonDown(u8),
    ButtonUp(u8),
    /// The server waits so many milliseconds before the next.
    Rest(u32),
}

pub(super) fn run(display: Option<&str>, inbox: &Receiver<Order>, ready: oneshot::Sender<Result<(), Refusal>>) {
    let mut hand = match Hand::start(display) {
        Ok(hand) => hand,
        Err(refusal) => return drop(ready.send(Err(refusal))),
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    if let Err(error) = hand.work(inbox) {
        tracing::error!(%error, "the X server is gone");
    }
}

struct Hand {
    device: Device,
    keyboard: Keyboard,
    buttons: u16,
    echo: Echo,
    /// Who waits until the application has read its keys.
    listeners: Vec<(echo::Call, Reply<()>)>,
}

impl Hand {
    fn start(display: Option<&str>) -> Result<Hand, Refusal> {
        let device = Device::open(display)?;
        let open = || -> Result<Hand, ReplyError> {
            let keyboard = Keyboard::open(&device)?;
            let echo = Echo::new(&device.x)?;
            let mut hand = Hand { device, keyboard, buttons: 0, echo, listeners: Vec::new() };
            hand.release_all()?;
            Ok(hand)
        };
        open().map_err(|e| Refusal::failed(format!("set up keyboard and pointer: {e}")))
    }

    fn work(&mut self, inbox: &Receiver<Order>) -> Result<(), ReplyError> {
        loop {
            let mut idle = true;
            self.hear()?;
            loop {
                match inbox.take() {
                    Ok(Some(order)) => self.obey(order)?,
                    Ok(None) => break,
                    Err(_) => return self.tidy(),
                }
                idle = false;
            }
            if idle {
                self.device.x.flush()?;
                let until = self.listeners.iter().map(|(call, _)| call.until).min();
                let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
                inbox.wait(self.device.x.stream().as_fd(), timeout).map_err(ConnectionError::IoError)?;
            }
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), ReplyError> {
        match order {
            Order::Key { keysym, down, reply } => {
                let done = self.keyboard.key(&mut self.device, keysym, down, true)?;
                self.device.x.flush()?;
                let _ = reply.send(done);
            }
            Order::Pointer { x, y, buttons, reply } => {
                self.device.point(Point { x, y })?;
                self.hold_buttons(buttons)?;
                self.device.x.flush()?;
                let _ = reply.send(Ok(()));
            }
            Order::Strokes(strokes, reply) => {
                let mut done = Ok(());
                for stroke in strokes {
                    done = self.stroke(stroke)?;
                    if done.is_err() {
                        break;
                    }
                }
                self.device.x.sync()?;
                let _ = reply.send(done);
            }
            Order::GiveUp(strokes) => {
                for stroke in strokes {
                    let _ = self.stroke(stroke)?;
                }
                self.device.x.flush()?;
            }
            Order::Type { text, from, most, reply } => {
                let typed = self.keyboard.type_some(&mut self.device, &text[from..], most)?;
                self.device.x.sync()?;
                let _ = reply.send(typed);
            }
            Order::PasteTarget(reply) => {
                let target = self.echo.paste_target(&self.device)?;
                let _ = reply.send(Ok(target));
            }
            Order::Heard(wait, reply) => {
                let call = self.echo.call(&self.device, wait)?;
                self.listeners.push((call, reply));
            }
            Order::ReleaseAll(reply) => {
                self.release_all()?;
                let _ = reply.send(Ok(()));
            }
            Order::ShutDown(reply) => {
                self.tidy()?;
                let _ = reply.send(Ok(()));
            }
            Order::Position(reply) => {
                let pointer = self.device.x.query_pointer(self.device.root)?.reply()?;
                let _ = reply.send(Ok(Point { x: pointer.root_x.into(), y: pointer.root_y.into() }));
            }
        }
        Ok(())
    }

    fn stroke(&mut self, stroke: Stroke) -> Result<Result<(), Refusal>, ReplyError> {
        match stroke {
            Stroke::Down(symbol) => return self.keyboard.key(&mut self.device, symbol, true, false),
            Stroke::Up(symbol) => return self.keyboard.key(&mut self.device, symbol, false, false),
            Stroke::Move(to) => self.device.point(to)?,
            Stroke::ButtonDown(button) => self.button(button, true)?,
            Stroke::ButtonUp(button) => self.button(button, false)?,
            Stroke::Rest(ms) => self.device.rest(ms),
        }
        Ok(Ok(()))
    }

    /// Takes in what the server reported, and tells those who wait for it.
    fn hear(&mut self) -> Result<(), ReplyError> {
        let messages = self.keyboard.hear(&self.device)?;
        if self.listeners.is_empty() {
            return Ok(());
        }
        if self.listeners.iter().any(|(call, _)| call.until <= Instant::now()) {
            // Who waits for a busy server looks like one that rests: so we wait for it first.
            self.device.x.sync()?;
        }
        let now = Instant::now();
        for (mut call, reply) in std::mem::take(&mut self.listeners) {
            let answered = messages.iter().any(|message| self.echo.answers(&call, message));
            let heard = if answered { call.answered(now) } else { call.look(now) };
            match heard {
                Heard::NotYet => {
                    self.listeners.push((call, reply));
                    continue;
                }
                Heard::Yes => {
                    self.keyboard.heard(call.pressed);
                    let _ = reply.send(Ok(()));
                }
                Heard::No if self.echo.is_mute(&call) => {
                    let other_way = self.echo.call(&self.device, call.wait)?;
                    self.listeners.push((other_way, reply));
                }
                Heard::No => {
                    let message = "the program with the focus does not read its keys; wait until it answers again";
                    let _ = reply.send(Err(Refusal::timeout(message)));
                }
            }
        }
        if self.listeners.is_empty() {
            self.echo.end(&self.device)?;
        }
        Ok(())
    }

    fn hold_buttons(&mut self, buttons: u16) -> Result<(), ReplyError> {
        for bit in 0..9u8 {
            let (button, wanted) = (bit + 1, buttons & (1 << bit) != 0);
            if wanted != (self.buttons & (1 << bit) != 0) {
                self.button(button, wanted)?;
            }
        }
        Ok(())
    }

    fn button(&mut self, button: u8, down: bool) -> Result<(), ReplyError> {
        let bit = 1 << (button - 1);
        self.buttons = if down { self.buttons | bit } else { self.buttons & !bit };
        self.device.button(button, down)?;
        Ok(())
    }

    /// Lifts all that is down, also what an earlier desk or another program left so.
    fn release_all(&mut self) -> Result<(), ReplyError> {
        self.keyboard.release_all(&mut self.device)?;
        let mask = self.device.x.query_pointer(self.device.root)?.reply()?.mask;
        let masks = [KeyButMask::BUTTON1, KeyButMask::BUTTON2, KeyButMask::BUTTON3];
        for button in 1..=9u8 {
            let pressed = masks.get(usize::from(button) - 1).is_some_and(|m| mask.contains(*m));
            if !WHEEL.contains(&button) && (pressed || self.buttons & (1 << (button - 1)) != 0) {
                self.button(button, false)?;
            }
        }
        self.buttons = 0;
        self.device.x.sync()?;
        Ok(())
    }

    fn tidy(&mut self) -> Result<(), ReplyError> {
        self.release_all()?;
        self.keyboard.give_back(&self.device)?;
        self.device.x.sync()?;
        Ok(())
    }
}
