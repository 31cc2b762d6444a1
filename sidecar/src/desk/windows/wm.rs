//! The window manager's list of windows, and its ear: EWMH over an X connection of its own.

use std::{
    os::fd::AsFd,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use protocol::{action::Rect, desktop::Size, window::Window};
use x11rb::{
    connection::Connection,
    errors::{ConnectionError, ReplyError},
    protocol::xproto::{
        Atom, AtomEnum, ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask,
        GetPropertyReply, PropMode, WindowClass,
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use crate::link::Refusal;

/// More windows than a person could have; a program that opens more is not followed any further.
const MAX_WINDOWS: usize = 300;
/// Of a title or class, in characters.
const MAX_TITLE: usize = 300;

x11rb::atom_manager! {
    pub(in crate::desk) Atoms:
    AtomsCookie {
        UTF8_STRING,
        WM_CHANGE_STATE,
        WM_CLIENT_LEADER,
        _NET_ACTIVE_WINDOW,
        _NET_CLIENT_LIST,
        _NET_CLIENT_LIST_STACKING,
        _NET_CLOSE_WINDOW,
        _NET_FRAME_EXTENTS,
        _NET_MOVERESIZE_WINDOW,
        _NET_STARTUP_ID,
        _NET_SUPPORTING_WM_CHECK,
        _NET_WM_NAME,
        _NET_WM_PID,
        _NET_WM_STATE,
        _NET_WM_STATE_HIDDEN,
        _NET_WM_STATE_MAXIMIZED_HORZ,
        _NET_WM_STATE_MAXIMIZED_VERT,
        _NET_WM_WINDOW_TYPE,
        _NET_WM_WINDOW_TYPE_DESKTOP,
        _NET_WM_WINDOW_TYPE_DOCK,
        _NET_WM_WINDOW_TYPE_SPLASH,
        CLOUDBOT_TIME,
    }
}

/// One connection, for one task.
pub(in crate::desk) struct Wm {
    x: RustConnection,
    root: u32,
    pub(in crate::desk) atoms: Atoms,
}

/// A window as the window manager lists it, in pixels of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::desk) struct Seen {
    pub(in crate::desk) window: Window,
    pub(in crate::desk) startup_id: String,
    /// The other name of its class.
    pub(in crate::desk) instance: String,
    pub(in crate::desk) splash: bool,
    /// Left, right, top, bottom.
    pub(super) frame: [u32; 4],
}

#[cfg(test)]
impl Seen {
    pub(in crate::desk) fn plain(window: Window) -> Seen {
        Seen { window, startup_id: String::new(), instance: String::new(), splash: false, frame: [0; 4] }
    }
}

impl Wm {
    /// Refuses when there is no window manager, since nobody then carries out what is asked for.
    pub(in crate::desk) fn open(display: Option<&str>) -> Result<Wm, Refusal> {
        let (x, number) = x11rb::connect(display)
            .map_err(|e| Refusal::unavailable(format!("connect to the X server for its windows: {e}")))?;
        let root = x.setup().roots[number].root;
        let set_up = || -> Result<(Atoms, bool), ReplyError> {
            let atoms = Atoms::new(&x)?.reply()?;
            let events = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
            x.change_window_attributes(root, &events)?;
            let check = x.get_property(false, root, atoms._NET_SUPPORTING_WM_CHECK, AtomEnum::WINDOW, 0, 1)?.reply()?;
            Ok((atoms, check.length > 0))
        };
        match set_up() {
            Ok((atoms, true)) => Ok(Wm { x, root, atoms }),
            Ok((_, false)) => Err(Refusal::unavailable("no window manager runs on the desktop")),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) fn screen(&self) -> Result<Size, Refusal> {
        let ask = || self.x.get_geometry(self.root)?.reply();
        let root = ask().map_err(failed)?;
        Ok(Size { width: root.width.into(), height: root.height.into() })
    }

    /// All windows, the topmost first.
    pub(in crate::desk) fn list(&self) -> Result<Vec<Seen>, Refusal> {
        let ids = self.listed().map_err(failed)?;
        let active = self.active().map_err(failed)?;
        let mut seen = Vec::new();
        for id in ids {
            match self.look(id, active) {
                Ok(window) => seen.extend(window),
                // It closed while it was looked at.
                Err(ReplyError::X11Error(_)) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(seen)
    }

    pub(in crate::desk) fn find(&self, id: u32) -> Result<Option<Seen>, Refusal> {
        Ok(self.list()?.into_iter().find(|seen| seen.window.id == id))
    }

    /// Asks the window manager for something about `window`, as pagers do.
    pub(super) fn ask(&self, window: u32, kind: Atom, data: [u32; 5]) -> Result<(), Refusal> {
        let message = ClientMessageEvent::new(32, window, kind, data);
        let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        let send = || -> Result<(), ReplyError> { self.x.send_event(false, self.root, mask, message)?.check() };
        send().map_err(failed)
    }

    /// Waits until something comes of it, or `deadline`.
    pub(in crate::desk) fn wait_until<T>(
        &self,
        deadline: Instant,
        mut holds: impl FnMut(&Wm) -> Result<Option<T>, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        loop {
            if let Some(found) = holds(self)? {
                return Ok(Some(found));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            // Not every change is an event of the root window: now and then it is looked anyway.
            self.wait_for_event(left.min(LOOK_AGAIN)).map_err(|e| failed(e.into()))?;
        }
    }

    /// The server's time now, which startup ids carry so that the window manager gives the new window the keyboard.
    pub(in crate::desk) fn time(&self) -> Result<u32, Refusal> {
        let ask = || -> Result<u32, ReplyError> {
            let window = self.x.generate_id().map_err(|_| ConnectionError::UnknownError)?;
            let events = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
            self.x.create_window(0, window, self.root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &events)?;
            self.x.change_property8(PropMode::REPLACE, window, self.atoms.CLOUDBOT_TIME, AtomEnum::STRING, b"")?;
            self.x.get_input_focus()?.reply()?;
            let mut time = 0;
            while let Some(event) = self.x.poll_for_event()? {
                if let x11rb::protocol::Event::PropertyNotify(change) = event
                    && change.window == window
                {
                    time = change.time;
                }
            }
            self.x.destroy_window(window)?;
            Ok(time)
        };
        ask().map_err(failed)
    }

    fn wait_for_event(&self, timeout: Duration) -> Result<(), ConnectionError> {
        self.x.flush()?;
        let mut any = false;
        while self.x.poll_for_event()?.is_some() {
            any = true;
        }
        if any {
            return Ok(());
        }
        let mut fds = [PollFd::new(self.x.stream().as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(timeout.as_micros().div_ceil(1000) as u32).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(ConnectionError::IoError(error.into())),
        }
        while self.x.poll_for_event()?.is_some() {}
        Ok(())
    }

    fn listed(&self) -> Result<Vec<u32>, ReplyError> {
        let get = |list| self.x.get_property(false, self.root, list, AtomEnum::WINDOW, 0, MAX_WINDOWS as u32);
        let (stacking, plain) = (get(self.atoms._NET_CLIENT_LIST_STACKING)?, get(self.atoms._NET_CLIENT_LIST)?);
        let (stacking, plain) = (stacking.reply()?, plain.reply()?);
        let list = if stacking.type_ == x11rb::NONE { plain } else { stacking };
        let mut ids: Vec<u32> = list.value32().map(Iterator::collect).unwrap_or_default();
        ids.reverse();
        Ok(ids)
    }

    fn active(&self) -> Result<Option<u32>, ReplyError> {
        let active = self.x.get_property(false, self.root, self.atoms._NET_ACTIVE_WINDOW, AtomEnum::WINDOW, 0, 1)?;
        Ok(active.reply()?.value32().and_then(|mut ids| ids.next()))
    }

    /// `None` for a panel, a wallpaper, and what has no size.
    fn look(&self, id: u32, active: Option<u32>) -> Result<Option<Seen>, ReplyError> {
        let a = &self.atoms;
        let get = |of: u32, name: Atom, words| self.x.get_property(false, of, name, AtomEnum::ANY, 0, words);
        // All questions first, then all answers: one round trip.
        let (geometry, corner) = (self.x.get_geometry(id)?, self.x.translate_coordinates(id, self.root, 0, 0)?);
        let (name, old_name) = (get(id, a._NET_WM_NAME, 1024)?, get(id, AtomEnum::WM_NAME.into(), 1024)?);
        let (class, pid) = (get(id, AtomEnum::WM_CLASS.into(), 256)?, get(id, a._NET_WM_PID, 1)?);
        let (state, kind) = (get(id, a._NET_WM_STATE, 64)?, get(id, a._NET_WM_WINDOW_TYPE, 16)?);
        let (frame, startup) = (get(id, a._NET_FRAME_EXTENTS, 4)?, get(id, a._NET_STARTUP_ID, 256)?);
        let leader = get(id, a.WM_CLIENT_LEADER, 1)?;

        let (geometry, corner) = (geometry.reply()?, corner.reply()?);
        let (name, old_name, class) = (name.reply()?, old_name.reply()?, class.reply()?);
        let (pid, state, kind, frame) = (numbers(pid.reply()?), numbers(state.reply()?), kind.reply()?, frame.reply()?);
        let (mut startup, leader, kind) = (startup.reply()?, numbers(leader.reply()?), numbers(kind));
        if startup.value.is_empty()
            && let Some(leader) = leader.first().filter(|leader| **leader != id)
        {
            // GTK sets it on the leader of an application's windows; that one may be gone.
            startup = get(*leader, a._NET_STARTUP_ID, 256)?.reply().unwrap_or(startup);
        }
        let is = |kinds: &[Atom]| kinds.iter().any(|wanted| kind.contains(wanted));
        if is(&[a._NET_WM_WINDOW_TYPE_DESKTOP, a._NET_WM_WINDOW_TYPE_DOCK]) {
            return Ok(None);
        }
        let frame: [u32; 4] = numbers(frame).try_into().unwrap_or_default();
        let [left, right, top, bottom] = frame.map(|width| width.min(200));
        let mut names = class.value.split(|byte| *byte == 0).map(text);
        let (instance, class) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        let title = if name.value.is_empty() { old_name.value } else { name.value };
        let has = |states: &[Atom]| states.iter().all(|wanted| state.contains(wanted));
        let bounds = Rect {
            x: i32::from(corner.dst_x) - left as i32,
            y: i32::from(corner.dst_y) - top as i32,
            width: u32::from(geometry.width) + left + right,
            height: u32::from(geometry.height) + top + bottom,
        };
        let window = Window {
            id,
            title: text(&title),
            class,
            pid: pid.first().copied().filter(|pid| *pid > 0),
            bounds,
            focused: active == Some(id),
            minimised: has(&[a._NET_WM_STATE_HIDDEN]),
            maximised: has(&[a._NET_WM_STATE_MAXIMIZED_HORZ, a._NET_WM_STATE_MAXIMIZED_VERT]),
        };
        let (startup_id, splash) = (text(&startup.value), is(&[a._NET_WM_WINDOW_TYPE_SPLASH]));
        Ok(Some(Seen { window, startup_id, instance, splash, frame: [left, right, top, bottom] }))
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(50);

fn numbers(property: GetPropertyReply) -> Vec<u32> {
    property.value32().map(Iterator::collect).unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(MAX_TITLE).collect()
}

fn failed(error: ReplyError) -> Refusal {
    match error {
        ReplyError::ConnectionError(error) => Refusal::unavailable(format!("the X server has gone away: {error}")),
        ReplyError::X11Error(error) => Refusal::failed(format!("the X server refused: {:?}", error.error_kind)),
    }
}
