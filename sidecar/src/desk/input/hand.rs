//! The thread that presses keys and buttons, and knows which ones it holds.

use std::{collections::HashMap, os::fd::AsFd, time::Instant};

use protocol::action::Point;
use tokio::sync::oneshot;
use x11rb::{
    connection::{Connection, RequestConnection},
    errors::{ConnectionError, ReplyError},
    protocol::{
        Event,
        xkb::{self, ConnectionExt as _},
        xproto::{self, ConnectionExt as _, KeyButMask, ModMask},
        xtest::{self, ConnectionExt as _},
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};
use xkeysym::Keysym;

use super::{
    Order, Typed,
    keymap::{Keymap, Layout, Place},
    spare::{Lent, Spares},
};
use crate::{desk::mailbox::Receiver, link::Refusal};

/// After a key got a new meaning, applications are told before it is pressed; this long they get to hear it.
const TOLD_MS: u32 = 12;
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
    x: RustConnection,
    root: u32,
    has_xkb: bool,
    layout: Layout,
    keymap: Keymap,
    group: usize,
    spares: Spares,
    /// Someone changed the keyboard map since it was read.
    stale: bool,
    /// The key that was pressed for each symbol that is held.
    held: HashMap<u32, u8>,
    buttons: u16,
    rest_ms: u32,
}

/// What is held or locked at the moment of a press.
#[derive(Debug, Clone, Copy, Default)]
struct Modifiers {
    shift: bool,
    caps: bool,
    level3: bool,
    num: bool,
}

impl Hand {
    fn start(display: Option<&str>) -> Result<Hand, Refusal> {
        let (x, number) = x11rb::connect(display)
            .map_err(|e| Refusal::unavailable(format!("connect to the X server for input: {e}")))?;
        let failed = |e: ReplyError| Refusal::failed(format!("set up keyboard and pointer: {e}"));
        let lost = |e: ConnectionError| failed(e.into());
        if x.extension_information(xtest::X11_EXTENSION_NAME).map_err(lost)?.is_none() {
            return Err(Refusal::failed("the X server has no XTEST, so nothing can be typed or clicked on it"));
        }
        let has_xkb = x.extension_information(xkb::X11_EXTENSION_NAME).map_err(lost)?.is_some()
            && x.xkb_use_extension(1, 0).map_err(lost)?.reply().map_err(failed)?.supported;
        let root = x.setup().roots[number].root;
        let layout = read_layout(&x).map_err(failed)?;
        let mut hand = Hand {
            keymap: Keymap::of(&layout, 0),
            x,
            root,
            has_xkb,
            layout,
            group: 0,
            spares: Spares::default(),
            stale: false,
            held: HashMap::new(),
            buttons: 0,
            rest_ms: 0,
        };
        hand.spares.note(&hand.layout);
        hand.release_all().map_err(failed)?;
        Ok(hand)
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
                self.x.flush()?;
                inbox.wait(self.x.stream().as_fd(), None).map_err(ConnectionError::IoError)?;
            }
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), ReplyError> {
        match order {
            Order::Key { keysym, down, reply } => {
                let done = self.key(keysym, down, true)?;
                self.x.flush()?;
                let _ = reply.send(done);
            }
            Order::Pointer { x, y, buttons, reply } => {
                self.fake(xproto::MOTION_NOTIFY_EVENT, 0, Point { x, y })?;
                self.hold_buttons(buttons)?;
                self.x.flush()?;
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
                self.x.sync()?;
                let _ = reply.send(done);
            }
            Order::GiveUp(strokes) => {
                for stroke in strokes {
                    let _ = self.stroke(stroke)?;
                }
                self.x.flush()?;
            }
            Order::Type(symbols, reply) => {
                let typed = self.type_symbols(&symbols)?;
                let _ = reply.send(typed);
            }
            Order::ReleaseAll(reply) => {
                self.release_all()?;
                let _ = reply.send(Ok(()));
            }
            Order::Position(reply) => {
                let pointer = self.x.query_pointer(self.root)?.reply()?;
                let _ = reply.send(Ok(Point { x: pointer.root_x.into(), y: pointer.root_y.into() }));
            }
        }
        Ok(())
    }

    fn stroke(&mut self, stroke: Stroke) -> Result<Result<(), Refusal>, ReplyError> {
        match stroke {
            Stroke::Down(symbol) => return self.key(symbol, true, false),
            Stroke::Up(symbol) => return self.key(symbol, false, false),
            Stroke::Move(to) => self.fake(xproto::MOTION_NOTIFY_EVENT, 0, to)?,
            Stroke::ButtonDown(button) => self.button(button, true)?,
            Stroke::ButtonUp(button) => self.button(button, false)?,
            Stroke::Rest(ms) => self.rest_ms += ms,
        }
        Ok(Ok(()))
    }

    /// Types as many of `symbols` as the spare keys allow at once.
    fn type_symbols(&mut self, symbols: &[u32]) -> Result<Result<Typed, Refusal>, ReplyError> {
        let mut typed = Typed { count: 0, pause: None };
        for symbol in symbols {
            let held = self.modifiers()?;
            match self.place(*symbol, held)? {
                Ok(place) => {
                    let exact = self.wrap(place, *symbol, held, true);
                    self.press(place, held, &exact)?;
                    self.fake_key(place.key, false)?;
                    self.spares.hold(place.key, false, Instant::now());
                    typed.count += 1;
                }
                Err(Lent::Later(pause)) => {
                    typed.pause = Some(pause);
                    break;
                }
                Err(_) => return Ok(Err(no_key(*symbol))),
            }
        }
        self.x.sync()?;
        Ok(Ok(typed))
    }

    /// Presses or releases the key of a symbol. With `exact`, modifiers that are held but do not belong to
    /// the symbol are lifted for the moment of the press; a chord keeps them.
    fn key(&mut self, symbol: u32, down: bool, exact: bool) -> Result<Result<(), Refusal>, ReplyError> {
        if !down {
            // The symbol may have been another when the key went down: Shift was released in between.
            let same_key = self.place_if_known(symbol).map(|p| p.key);
            let key = self.held.remove(&symbol).or_else(|| {
                let (held_as, key) =
                    self.held.iter().find(|(_, key)| Some(**key) == same_key).map(|(s, k)| (*s, *k))?;
                self.held.remove(&held_as);
                Some(key)
            });
            if let Some(key) = key {
                self.fake_key(key, false)?;
                self.spares.hold(key, false, Instant::now());
            }
            return Ok(Ok(()));
        }
        if self.held.contains_key(&symbol) {
            return Ok(Ok(()));
        }
        let held = self.modifiers()?;
        let place = match self.place(symbol, held)? {
            Ok(place) => place,
            Err(_) => return Ok(Err(no_key(symbol))),
        };
        let around = self.wrap(place, symbol, held, exact);
        self.press(place, held, &around)?;
        self.held.insert(symbol, place.key);
        self.spares.hold(place.key, true, Instant::now());
        Ok(Ok(()))
    }

    /// Which modifier keys change around a press: (key, down) before it, undone in reverse after it.
    fn wrap(&self, place: Place, symbol: u32, held: Modifiers, exact: bool) -> Vec<(u8, bool)> {
        let mut around = Vec::new();
        let symbol = Keysym::from(symbol);
        let shift = place.shift != (held.caps && place.caps_matters);
        if shift && !held.shift {
            around.extend(self.keymap.shift.map(|key| (key, true)));
        }
        let is_character = symbol.key_char().is_some_and(|c| !c.is_control());
        if exact && !shift && held.shift && place.shift_matters && is_character {
            let down = self.layout.modifiers[0].iter().filter(|key| self.held.values().any(|h| h == *key));
            around.extend(down.map(|key| (*key, false)));
        }
        if place.level3 && !held.level3 {
            around.extend(self.keymap.level3.map(|key| (key, true)));
        }
        around
    }

    fn press(&mut self, place: Place, held: Modifiers, around: &[(u8, bool)]) -> Result<(), ReplyError> {
        // Applications make capitals of what a lent key gives, without knowing a lower case for it.
        let unlock = held.caps && place.lent;
        if unlock {
            self.lock_caps(false)?;
        }
        for (modifier, down) in around {
            self.fake_key(*modifier, *down)?;
        }
        self.fake_key(place.key, true)?;
        for (modifier, down) in around.iter().rev() {
            self.fake_key(*modifier, !*down)?;
        }
        if unlock {
            self.lock_caps(true)?;
        }
        Ok(())
    }

    fn lock_caps(&self, on: bool) -> Result<(), ReplyError> {
        if self.has_xkb {
            let (caps, none, keyboard) = (ModMask::LOCK, ModMask::from(0u8), xkb::ID::USE_CORE_KBD.into());
            let locks = if on { caps } else { none };
            self.x.xkb_latch_lock_state(keyboard, caps, locks, false, xkb::Group::M1, none, false, 0)?;
        }
        Ok(())
    }

    fn place_if_known(&self, symbol: u32) -> Option<Place> {
        self.keymap.find(symbol)
    }

    /// The key of a symbol; a spare one is given that meaning where no key has it.
    fn place(&mut self, symbol: u32, held: Modifiers) -> Result<Result<Place, Lent>, ReplyError> {
        let lone = |key| Place { key, lent: true, ..Place::default() };
        // Those that were lent come first: read back from the server they look like any other key, but only
        // `lend` keeps count of their use.
        let on_a_spare = |place: &Place, spares: &Spares| spares.bound().any(|key| key == place.key);
        // Num Lock alone chooses between the digit and the arrow of a keypad's key, and is not ours to turn.
        let chosen = |p: &Place| !Keysym::from(symbol).is_keypad_key() || !p.shift_matters || p.shift == held.num;
        if let Some(place) = self.keymap.find(symbol).filter(|p| chosen(p) && !on_a_spare(p, &self.spares)) {
            return Ok(Ok(if Keysym::from(symbol).is_keypad_key() { Place { shift: false, ..place } } else { place }));
        }
        match self.spares.lend(symbol, Instant::now()) {
            Lent::Bound(key) => Ok(Ok(lone(key))),
            Lent::Bind(key) => {
                // With one symbol only, the server would add its upper case as the second.
                self.x.change_keyboard_mapping(1, key, 2, &[symbol, symbol])?;
                self.rest_ms = self.rest_ms.max(TOLD_MS);
                Ok(Ok(lone(key)))
            }
            refused => Ok(Err(refused)),
        }
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
        let kind = if down { xproto::BUTTON_PRESS_EVENT } else { xproto::BUTTON_RELEASE_EVENT };
        self.fake(kind, button, Point { x: 0, y: 0 })
    }

    fn fake_key(&mut self, key: u8, down: bool) -> Result<(), ReplyError> {
        let kind = if down { xproto::KEY_PRESS_EVENT } else { xproto::KEY_RELEASE_EVENT };
        self.fake(kind, key, Point { x: 0, y: 0 })
    }

    fn fake(&mut self, kind: u8, detail: u8, at: Point) -> Result<(), ReplyError> {
        let within = |v: i32| v.clamp(0, i32::from(i16::MAX)) as i16;
        let rest = std::mem::take(&mut self.rest_ms);
        self.x.xtest_fake_input(kind, detail, rest, self.root, within(at.x), within(at.y), 0)?;
        Ok(())
    }

    /// Lifts all that is down, also what an earlier desk or another program left so.
    fn release_all(&mut self) -> Result<(), ReplyError> {
        let down = self.x.query_keymap()?.reply()?.keys;
        for key in 8..=u8::MAX {
            if down[usize::from(key / 8)] & (1 << (key % 8)) != 0 || self.held.values().any(|held| *held == key) {
                self.fake_key(key, false)?;
                self.spares.hold(key, false, Instant::now());
            }
        }
        let mask = self.x.query_pointer(self.root)?.reply()?.mask;
        let masks = [KeyButMask::BUTTON1, KeyButMask::BUTTON2, KeyButMask::BUTTON3];
        for button in 1..=9u8 {
            let pressed = masks.get(usize::from(button) - 1).is_some_and(|m| mask.contains(*m));
            if !WHEEL.contains(&button) && (pressed || self.buttons & (1 << (button - 1)) != 0) {
                self.button(button, false)?;
            }
        }
        self.held.clear();
        self.buttons = 0;
        self.x.sync()?;
        Ok(())
    }

    /// Reads what the server reported, and the keyboard map again if that changed.
    fn hear(&mut self) -> Result<(), ReplyError> {
        while let Some(event) = self.x.poll_for_event()? {
            self.stale |= matches!(event, Event::MappingNotify(_));
        }
        if std::mem::take(&mut self.stale) {
            self.layout = read_layout(&self.x)?;
            self.spares.note(&self.layout);
            self.keymap = Keymap::of(&self.layout, self.group);
        }
        Ok(())
    }

    fn modifiers(&mut self) -> Result<Modifiers, ReplyError> {
        let (mask, group) = if self.has_xkb {
            let state = self.x.xkb_get_state(xkb::ID::USE_CORE_KBD.into())?.reply()?;
            (u16::from(state.mods), usize::from(u8::from(state.group)))
        } else {
            (u16::from(self.x.query_pointer(self.root)?.reply()?.mask) & 0xff, 0)
        };
        self.hear()?;
        if group != self.group {
            self.group = group;
            self.keymap = Keymap::of(&self.layout, group);
        }
        let bit_of = |key: Option<u8>| {
            let bit = (0..8).find(|m| key.is_some_and(|key| self.layout.modifiers[*m].contains(&key)));
            bit.is_some_and(|bit| mask & (1 << bit) != 0)
        };
        let num_lock = self.keymap.find(Keysym::Num_Lock.raw()).map(|p| p.key);
        Ok(Modifiers {
            shift: mask & 1 != 0,
            caps: mask & 2 != 0,
            level3: bit_of(self.keymap.level3),
            num: bit_of(num_lock),
        })
    }

    /// Gives the spare keys back as they were found.
    fn tidy(&mut self) -> Result<(), ReplyError> {
        self.release_all()?;
        for key in self.spares.bound() {
            self.x.change_keyboard_mapping(1, key, 1, &[0])?;
        }
        self.x.sync()?;
        Ok(())
    }
}

fn read_layout(x: &RustConnection) -> Result<Layout, ReplyError> {
    let (first, last) = (x.setup().min_keycode, x.setup().max_keycode);
    let symbols = x.get_keyboard_mapping(first, last - first + 1)?;
    let modifiers = x.get_modifier_mapping()?;
    let (symbols, modifiers) = (symbols.reply()?, modifiers.reply()?);
    let per_modifier = usize::from(modifiers.keycodes_per_modifier()).max(1);
    let mut keys =
        modifiers.keycodes.chunks(per_modifier).map(|keys| keys.iter().copied().filter(|k| *k != 0).collect());
    Ok(Layout {
        first,
        per_key: usize::from(symbols.keysyms_per_keycode),
        symbols: symbols.keysyms,
        modifiers: std::array::from_fn(|_| keys.next().unwrap_or_default()),
    })
}

fn no_key(symbol: u32) -> Refusal {
    let name = Keysym::from(symbol).name().unwrap_or("an unnamed symbol");
    Refusal::failed(format!(
        "the keyboard has no free key left for {name} ({symbol:#x}); release held keys and try again"
    ))
}
