//! Is there a desktop on the screen that a person could work on?

use protocol::desktop::Size;
use x11rb::{
    connection::Connection,
    errors::ReplyError,
    protocol::xproto::{AtomEnum, ConnectionExt as _},
};

use super::screen::Screen;
use crate::link::Refusal;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) painted: bool,
    /// Has something reserved an edge of the screen for itself?
    pub(super) panel: bool,
    pub(super) screen: Size,
    /// For a person: what is missing.
    pub(super) detail: String,
}

/// Painted is a screen of more than one colour that a window manager manages.
pub(super) async fn check(screen: &Screen, display: Option<&str>) -> Result<Health, Refusal> {
    let frame = screen.fresh().await?;
    let display = display.map(str::to_owned);
    let managed = tokio::task::spawn_blocking(move || window_manager(display.as_deref()))
        .await
        .map_err(|e| Refusal::failed(format!("look for the window manager: {e}")))?;
    let panel = managed.as_ref().is_some_and(|manager| manager.work_area.is_some_and(|area| area != frame.size));
    let (painted, detail) = match managed {
        Some(_) if frame.is_blank() => {
            (false, "the screen is of one colour: the session has not painted it yet".into())
        }
        Some(manager) => (true, format!("managed by {}", manager.name)),
        None => (false, "no window manager has started yet".into()),
    };
    Ok(Health { painted, panel, screen: frame.size, detail })
}

struct Manager {
    name: String,
    /// What of the first workspace is left for windows.
    work_area: Option<Size>,
}

/// The running window manager, by the convention that all of them keep.
fn window_manager(display: Option<&str>) -> Option<Manager> {
    let (x, number) = x11rb::connect(display).ok()?;
    let root = x.setup().roots.get(number)?.root;
    let read = || -> Result<Option<Manager>, ReplyError> {
        let check = x.intern_atom(false, b"_NET_SUPPORTING_WM_CHECK")?.reply()?.atom;
        let window = |of: u32| -> Result<Option<u32>, ReplyError> {
            let value = x.get_property(false, of, check, AtomEnum::WINDOW, 0, 1)?.reply()?;
            Ok(value.value32().and_then(|mut values| values.next()))
        };
        let Some(named) = window(root)? else { return Ok(None) };
        // One that has ended leaves the property behind; its window is gone then.
        if window(named)? != Some(named) {
            return Ok(None);
        }
        let name = x.intern_atom(false, b"_NET_WM_NAME")?.reply()?.atom;
        let value = x.get_property(false, named, name, AtomEnum::ANY, 0, 64)?.reply()?.value;
        let area = x.intern_atom(false, b"_NET_WORKAREA")?.reply()?.atom;
        let area = x.get_property(false, root, area, AtomEnum::CARDINAL, 0, 4)?.reply()?;
        let sides: Vec<u32> = area.value32().into_iter().flatten().collect();
        let work_area = match sides[..] {
            [_, _, width, height] => Some(Size { width, height }),
            _ => None,
        };
        Ok(Some(Manager { name: String::from_utf8_lossy(&value).into_owned(), work_area }))
    };
    read().ok().flatten()
}
