//! How far an application has come with reading its events: it answers a ping in their order.

use std::time::{Duration, Instant};

use x11rb::{
    errors::ReplyError,
    protocol::xproto::{
        Atom, AtomEnum, ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt as _, EventMask, InputFocus,
    },
    rust_connection::RustConnection,
};

use super::{
    device::Device,
    paste,
    reader::{Reader, Threads},
};

/// An application that does not answer by then, and never did, is not asked again: Qt 5 is one.
const PATIENCE: Duration = Duration::from_secs(1);
/// One that answered before is given more time, and so is one that is looked at while its main thread is at work.
const LONGEST: Duration = Duration::from_secs(10);
/// One that cannot be asked is looked at, as often as this.
const LOOK: Duration = Duration::from_millis(4);
/// To read a key, where nobody knows which program that is.
const LINGER: Duration = Duration::from_millis(60);
/// And this long to hear that keys mean something else.
const TOLD: Duration = Duration::from_millis(12);
/// LibreOffice puts off what it has read (Return goes through its command queue, letters through a buffer), so that
/// what comes later overtakes it. It has done all when it has done nothing for so long.
const LATE: Duration = Duration::from_millis(100);
const LATE_CLASS: &str = "libreoffice";
/// No window has more around it than this.
const DEEPEST: usize = 16;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// That the application knows of a change of the keyboard map.
    Told,
    /// That it has read the keys that were pressed.
    Read,
    /// The same, if it can tell: so that a text does not run far ahead of who reads it.
    Keep,
}

pub(super) struct Echo {
    protocols: Atom,
    ping: Atom,
    serial: u32,
    /// The window that did not answer, and the last that did.
    mute: Option<u32>,
    frank: Option<u32>,
}

/// A wait for one answer.
pub(super) struct Call {
    pub(super) wait: Wait,
    /// What was pressed up to here has been read when it ends.
    pub(super) pressed: Instant,
    /// When to look again how things are.
    pub(super) until: Instant,
    /// The window that was asked, and what it is to answer.
    asked: Option<(u32, u32)>,
    give_up: Instant,
    /// How long it has to do nothing after the answer.
    rest: Duration,
    /// Who is to be found asleep.
    reader: Option<Reader>,
}

/// How a wait goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    NotYet,
    Yes,
    /// It was asked, and has not answered in all the time that it was given.
    No,
}

impl Call {
    /// Nobody knows who gets the keys.
    fn blind(pressed: Instant, wait: Wait) -> Call {
        let until = match wait {
            Wait::Told => pressed + TOLD,
            Wait::Read => pressed + LINGER,
            Wait::Keep => pressed,
        };
        // What was pressed just now has not been read by then.
        let pressed = until.checked_sub(LINGER).unwrap_or(pressed);
        Call { wait, pressed, until, asked: None, reader: None, give_up: until, rest: Duration::ZERO }
    }

    /// The answer has come; is anything left to wait for?
    pub(super) fn answered(&mut self, now: Instant) -> Heard {
        self.asked = None;
        if self.rest.is_zero() {
            return Heard::Yes;
        }
        self.until = now;
        self.look(now)
    }

    /// To be called when it is time.
    pub(super) fn look(&mut self, now: Instant) -> Heard {
        if now < self.until {
            return Heard::NotYet;
        }
        // A film may keep some thread at work all the time.
        let which = if now < self.pressed + PATIENCE { Threads::All } else { Threads::Main };
        let rest = Some(self.rest).filter(|rest| !rest.is_zero() && self.asked.is_none());
        let is_done = |reader: &mut Reader| match rest {
            Some(rest) => reader.has_rested(rest, now),
            None => reader.has_slept(which),
        };
        if now < self.give_up && !self.reader.as_mut().is_none_or(is_done) {
            self.until = now + LOOK;
            return Heard::NotYet;
        }
        if self.asked.is_some() { Heard::No } else { Heard::Yes }
    }
}

impl Echo {
    pub(super) fn new(x: &RustConnection) -> Result<Echo, ReplyError> {
        let protocols = x.intern_atom(false, b"WM_PROTOCOLS")?;
        let ping = x.intern_atom(false, b"_NET_WM_PING")?;
        // High numbers, for the window manager pings by the server's time and hears our answers as well.
        Ok(Echo {
            protocols: protocols.reply()?.atom,
            ping: ping.reply()?.atom,
            serial: 0xc10d_0000,
            mute: None,
            frank: None,
        })
    }

    /// Asks the window that gets the keys to say when it has read them.
    pub(super) fn call(&mut self, device: &Device, wait: Wait) -> Result<Call, ReplyError> {
        let (x, root, pressed) = (&device.x, device.root, Instant::now());
        let Some(focus) = focus(x, root)? else { return Ok(Call::blind(pressed, wait)) };
        let Some(window) = self.listener(x, root, focus)?.filter(|window| Some(*window) != self.mute) else {
            let Some(reader) = Reader::of(x, focus)?.filter(|_| wait != Wait::Keep) else {
                return Ok(Call::blind(pressed, wait));
            };
            let (until, give_up) = (pressed + LOOK, pressed + LONGEST);
            return Ok(Call { wait, pressed, until, asked: None, reader: Some(reader), give_up, rest: Duration::ZERO });
        };
        self.serial = self.serial.wrapping_add(1);
        listen(x, root, true)?;
        let data = [self.ping, self.serial, window, 0, 0];
        let message = ClientMessageEvent::new(32, window, self.protocols, data);
        x.send_event(false, window, EventMask::NO_EVENT, message)?;
        let rest = match wait {
            Wait::Keep if is_late(x, window)? => LATE,
            Wait::Keep | Wait::Told | Wait::Read => Duration::ZERO,
        };
        // One that answered before will again; another is mute if it finds the time to sleep meanwhile.
        let until = pressed + if self.frank == Some(window) { LONGEST } else { PATIENCE };
        let (give_up, asked) = (pressed + LONGEST, Some((window, self.serial)));
        Ok(Call { wait, pressed, until, asked, give_up, rest, reader: Reader::of(x, window)? })
    }

    /// The window that gets the keys, if it is one that can be asked and is known to paste.
    pub(super) fn paste_target(&self, device: &Device) -> Result<Option<u32>, ReplyError> {
        let Some(focus) = focus(&device.x, device.root)? else { return Ok(None) };
        let listener = self.listener(&device.x, device.root, focus)?.filter(|window| Some(*window) != self.mute);
        let Some(window) = listener else { return Ok(None) };
        let class = class_of(&device.x, window)?;
        Ok(class.split('\0').any(paste::pastes).then_some(window))
    }

    /// Is that message the answer?
    pub(super) fn answers(&mut self, call: &Call, message: &ClientMessageEvent) -> bool {
        let Some((window, serial)) = call.asked else { return false };
        let data = message.data.as_data32();
        let answers = message.type_ == self.protocols && data[0] == self.ping && data[1] == serial;
        if answers {
            self.frank = Some(window);
        }
        answers
    }

    /// No answer came: one who never gave any is not asked again. Answers whether that is so.
    pub(super) fn is_mute(&mut self, call: &Call) -> bool {
        let Some((window, _)) = call.asked.filter(|(window, _)| self.frank != Some(*window)) else { return false };
        self.mute = Some(window);
        true
    }

    /// No more answers are waited for.
    pub(super) fn end(&self, device: &Device) -> Result<(), ReplyError> {
        listen(&device.x, device.root, false)
    }

    /// The window with the focus, or one around it, if it answers pings.
    fn listener(&self, x: &RustConnection, root: u32, focus: u32) -> Result<Option<u32>, ReplyError> {
        let mut window = focus;
        for _ in 0..DEEPEST {
            if window == x11rb::NONE || window == root {
                break;
            }
            let protocols = x.get_property(false, window, self.protocols, AtomEnum::ATOM, 0, 32)?;
            let tree = x.query_tree(window)?;
            // A window may go away between two questions.
            let (Ok(protocols), Ok(tree)) = (protocols.reply(), tree.reply()) else { break };
            if protocols.value32().is_some_and(|mut atoms| atoms.any(|atom| atom == self.ping)) {
                return Ok(Some(window));
            }
            window = tree.parent;
        }
        Ok(None)
    }
}

/// The window that gets the keys.
fn focus(x: &RustConnection, root: u32) -> Result<Option<u32>, ReplyError> {
    let mut window = x.get_input_focus()?.reply()?.focus;
    if window != u32::from(InputFocus::POINTER_ROOT) && window != root {
        return Ok(Some(window).filter(|window| *window != x11rb::NONE));
    }
    // The one under the pointer, however many others it lies in.
    window = root;
    for _ in 0..DEEPEST {
        match x.query_pointer(window)?.reply() {
            Ok(pointer) if pointer.child != x11rb::NONE => window = pointer.child,
            _ => break,
        }
    }
    Ok(Some(window).filter(|window| *window != root))
}

fn is_late(x: &RustConnection, window: u32) -> Result<bool, ReplyError> {
    Ok(class_of(x, window)?.starts_with(LATE_CLASS))
}

/// The names of the window's instance and class, each with a zero behind it; nothing where it has gone away.
fn class_of(x: &RustConnection, window: u32) -> Result<String, ReplyError> {
    let class = x.get_property(false, window, AtomEnum::WM_CLASS, AtomEnum::STRING, 0, 64)?.reply();
    Ok(class.map(|class| String::from_utf8_lossy(&class.value).into_owned()).unwrap_or_default())
}

/// Answers go to the root window, to those who hear what becomes of its children.
fn listen(x: &RustConnection, root: u32, on: bool) -> Result<(), ReplyError> {
    let mask = if on { EventMask::SUBSTRUCTURE_NOTIFY } else { EventMask::NO_EVENT };
    x.change_window_attributes(root, &ChangeWindowAttributesAux::new().event_mask(mask))?;
    Ok(())
}
