//! The X server's own fake keyboard and pointer.

use protocol::action::Point;
use x11rb::{
    connection::{Connection, RequestConnection},
    errors::{ConnectionError, ReplyError},
    protocol::{
        xkb::{self, ConnectionExt as _},
        xproto::{self, ModMask},
        xtest::{self, ConnectionExt as _},
    },
    rust_connection::RustConnection,
};

use crate::link::Refusal;

pub(super) struct Device {
    pub(super) x: RustConnection,
    pub(super) root: u32,
    rest_ms: u32,
}

impl Device {
    pub(super) fn open(display: Option<&str>) -> Result<Device, Refusal> {
        let (x, number) = x11rb::connect(display)
            .map_err(|e| Refusal::unavailable(format!("connect to the X server for input: {e}")))?;
        let failed = |e: ReplyError| Refusal::failed(format!("set up keyboard and pointer: {e}"));
        let lost = |e: ConnectionError| failed(e.into());
        if x.extension_information(xtest::X11_EXTENSION_NAME).map_err(lost)?.is_none() {
            return Err(Refusal::failed("the X server has no XTEST, so nothing can be typed or clicked on it"));
        }
        let has_xkb = x.extension_information(xkb::X11_EXTENSION_NAME).map_err(lost)?.is_some()
            && x.xkb_use_extension(1, 0).map_err(lost)?.reply().map_err(failed)?.supported;
        if !has_xkb {
            return Err(Refusal::failed("the X server has no XKB, so it cannot be told what its keys mean"));
        }
        // Changes of the keyboard map; whoever speaks XKB is not told of all of them otherwise.
        let (keyboard, none) = (xkb::ID::USE_CORE_KBD.into(), xkb::EventType::from(0u16));
        let events = xkb::EventType::MAP_NOTIFY | xkb::EventType::NEW_KEYBOARD_NOTIFY;
        let (parts, details) = (xkb::MapPart::from(0xffu16), xkb::SelectEventsAux::new());
        x.xkb_select_events(keyboard, none, events, parts, parts, &details).map_err(lost)?;
        let root = x.setup().roots[number].root;
        Ok(Device { x, root, rest_ms: 0 })
    }

    pub(super) fn key(&mut self, code: u8, down: bool) -> Result<(), ConnectionError> {
        let kind = if down { xproto::KEY_PRESS_EVENT } else { xproto::KEY_RELEASE_EVENT };
        self.fake(kind, code, Point { x: 0, y: 0 })
    }

    pub(super) fn button(&mut self, button: u8, down: bool) -> Result<(), ConnectionError> {
        let kind = if down { xproto::BUTTON_PRESS_EVENT } else { xproto::BUTTON_RELEASE_EVENT };
        self.fake(kind, button, Point { x: 0, y: 0 })
    }

    pub(super) fn point(&mut self, to: Point) -> Result<(), ConnectionError> {
        self.fake(xproto::MOTION_NOTIFY_EVENT, 0, to)
    }

    /// The server waits before the next.
    pub(super) fn rest(&mut self, ms: u32) {
        self.rest_ms += ms;
    }

    /// Switches Caps Lock on or off without its key.
    pub(super) fn lock_caps(&self, on: bool) -> Result<(), ConnectionError> {
        let (caps, none) = (ModMask::LOCK, ModMask::from(0u8));
        let locks = if on { caps } else { none };
        let keyboard = xkb::ID::USE_CORE_KBD.into();
        self.x.xkb_latch_lock_state(keyboard, caps, locks, false, xkb::Group::M1, none, false, 0)?;
        Ok(())
    }

    fn fake(&mut self, kind: u8, detail: u8, at: Point) -> Result<(), ConnectionError> {
        let within = |v: i32| v.clamp(0, i32::from(i16::MAX)) as i16;
        let rest = std::mem::take(&mut self.rest_ms);
        self.x.xtest_fake_input(kind, detail, rest, self.root, within(at.x), within(at.y), 0)?;
        Ok(())
    }
}
