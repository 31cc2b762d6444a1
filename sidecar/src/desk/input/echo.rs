//! How far an application has come with reading its events: it answers a ping in their order.

use std::time::{Duration, Instant};

use x11rb::{
    errors::ReplyError,
    protocol::xproto::{
        Atom, AtomEnum, ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt as _, EventMask, InputFocus,
    },
    rust_connection::RustConnection,
};

use super::device::Device;

/// An application that does not answer by then is not asked again, and gets the rests below: Qt 5 never answered.
const PATIENCE: Duration = Duration::from_secs(1);
/// To read a key, also for programs that answer no pings, as those made with the first toolkits.
const LINGER: Duration = Duration::from_millis(60);
/// And this long to hear that keys mean something else.
const TOLD: Duration = Duration::from_millis(12);
/// LibreOffice puts off what it has read (Return goes through its command queue, letters through a buffer), so that
/// what comes later overtakes it.
const LATE: Duration = Duration::from_millis(100);
const LATE_CLASS: &[u8] = b"libreoffice";
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
    /// The window that did not answer.
    mute: Option<u32>,
}

/// A wait for one answer.
pub(super) struct Call {
    /// What was pressed up to here has been read when it ends.
    pub(super) pressed: Instant,
    pub(super) until: Instant,
    /// The window that was asked, and what it is to answer.
    asked: Option<(u32, u32)>,
    /// How long to wait after the answer.
    rest: Duration,
}

impl Call {
    /// The answer has come; is anything left to wait for?
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        self.asked = None;
        self.until = now + std::mem::take(&mut self.rest);
        self.until <= now
    }
}

impl Echo {
    pub(super) fn new(x: &RustConnection) -> Result<Echo, ReplyError> {
        let protocols = x.intern_atom(false, b"WM_PROTOCOLS")?;
        let ping = x.intern_atom(false, b"_NET_WM_PING")?;
        // High numbers, for the window manager pings by the server's time and hears our answers as well.
        Ok(Echo { protocols: protocols.reply()?.atom, ping: ping.reply()?.atom, serial: 0xc10d_0000, mute: None })
    }

    /// Asks the window that gets the keys to say when it has read them.
    pub(super) fn call(&mut self, device: &Device, wait: Wait) -> Result<Call, ReplyError> {
        let (x, root, pressed) = (&device.x, device.root, Instant::now());
        let Some(window) = self.listener(x, root)?.filter(|window| Some(*window) != self.mute) else {
            let until = match wait {
                Wait::Told => pressed + TOLD,
                Wait::Read => pressed + LINGER,
                Wait::Keep => pressed,
            };
            // What was pressed just now has not been read by then.
            let pressed = until.checked_sub(LINGER).unwrap_or(pressed);
            return Ok(Call { pressed, until, asked: None, rest: Duration::ZERO });
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
        Ok(Call { pressed, until: pressed + PATIENCE, asked: Some((window, self.serial)), rest })
    }

    /// Is that message the answer?
    pub(super) fn answers(&self, call: &Call, message: &ClientMessageEvent) -> bool {
        let data = message.data.as_data32();
        message.type_ == self.protocols
            && data[0] == self.ping
            && call.asked.is_some_and(|(_, serial)| serial == data[1])
    }

    /// A call is over; one that was asked and not answered by then will not be asked again.
    pub(super) fn over(&mut self, call: &Call) {
        self.mute = call.asked.map(|(window, _)| window).or(self.mute);
    }

    /// No more answers are waited for.
    pub(super) fn end(&self, device: &Device) -> Result<(), ReplyError> {
        listen(&device.x, device.root, false)
    }

    /// The window with the focus, or one around it, if it answers pings.
    fn listener(&self, x: &RustConnection, root: u32) -> Result<Option<u32>, ReplyError> {
        let mut window = x.get_input_focus()?.reply()?.focus;
        if window == u32::from(InputFocus::POINTER_ROOT) || window == root {
            window = x.query_pointer(root)?.reply()?.child;
        }
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

fn is_late(x: &RustConnection, window: u32) -> Result<bool, ReplyError> {
    let class = x.get_property(false, window, AtomEnum::WM_CLASS, AtomEnum::STRING, 0, 16)?.reply();
    Ok(class.is_ok_and(|class| class.value.starts_with(LATE_CLASS)))
}

/// Answers go to the root window, to those who hear what becomes of its children.
fn listen(x: &RustConnection, root: u32, on: bool) -> Result<(), ReplyError> {
    let mask = if on { EventMask::SUBSTRUCTURE_NOTIFY } else { EventMask::NO_EVENT };
    x.change_window_attributes(root, &ChangeWindowAttributesAux::new().event_mask(mask))?;
    Ok(())
}
