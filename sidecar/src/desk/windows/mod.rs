//! Windows: listing them, and asking the window manager to focus, move, minimise, maximise and close them.

mod wm;

use std::time::{Duration, Instant};

use protocol::{
    action::Rect,
    desktop::Size,
    window::{Window, WindowVerb},
};

pub(super) use self::wm::{Seen, Wm};
use super::screen::scale::Scale;
use crate::link::Refusal;

/// How long the window manager, or the program itself, may take. A window need not obey: it has a smallest size, or
/// asks whether to save.
const OBEY_WITHIN: Duration = Duration::from_millis(1_500);

/// X's own coordinates end a little further out.
const OUTSIDE: i32 = 16_000;

/// All windows, the topmost first, in pixels of `picture`.
pub(super) fn list(picture: Option<Size>) -> Result<Vec<Window>, Refusal> {
    let wm = Wm::open(None)?;
    let screen = wm.screen()?;
    wm.list()?.into_iter().map(|seen| in_picture(seen.window, screen, picture)).collect()
}

/// Does it, and waits until it is done; the window as it is then, or `None` when it is gone.
pub(super) fn change(id: u32, verb: WindowVerb, picture: Option<Size>) -> Result<Option<Window>, Refusal> {
    let wm = Wm::open(None)?;
    let screen = wm.screen()?;
    let from = picture_of(picture, screen)?;
    let Some(seen) = wm.find(id)? else {
        return Err(no_window(id));
    };
    let to = match verb {
        WindowVerb::MoveResize { to } => Some(on_screen(to, from, screen)?),
        _ => None,
    };
    ask(&wm, &seen, verb, to)?;
    wm.wait_until(Instant::now() + OBEY_WITHIN, |wm| Ok(has_obeyed(wm.find(id)?.as_ref(), verb, to).then_some(())))?;
    wm.find(id)?.map(|seen| in_picture(seen.window, screen, picture)).transpose()
}

/// A window, from pixels of the screen to those of the picture.
pub(super) fn in_picture(window: Window, screen: Size, picture: Option<Size>) -> Result<Window, Refusal> {
    let picture = picture_of(picture, screen)?;
    Ok(Window { bounds: stretched(window.bounds, screen, picture), ..window })
}

/// The process that a window belongs to.
pub(super) fn process(id: u32) -> Result<u32, Refusal> {
    let Some(seen) = Wm::open(None)?.find(id)? else { return Err(no_window(id)) };
    seen.window
        .pid
        .ok_or_else(|| Refusal::not_found(format!("the window {id} does not say which process it belongs to")))
}

fn no_window(id: u32) -> Refusal {
    Refusal::not_found(format!("there is no window {id}; list the windows anew"))
}

fn picture_of(picture: Option<Size>, screen: Size) -> Result<Size, Refusal> {
    Scale::new(picture, screen)?;
    Ok(picture.unwrap_or(screen))
}

/// Bounds in pixels of another picture of the same screen; they may reach over its edges.
fn stretched(r: Rect, from: Size, to: Size) -> Rect {
    let down = |at: i64, from: u32, to: u32| (at * i64::from(to)).div_euclid(i64::from(from));
    let up = |at: i64, from: u32, to: u32| -down(-at, from, to);
    let (x, y) = (i64::from(r.x), i64::from(r.y));
    let (x0, x1) = (down(x, from.width, to.width), up(x + i64::from(r.width), from.width, to.width));
    let (y0, y1) = (down(y, from.height, to.height), up(y + i64::from(r.height), from.height, to.height));
    Rect { x: x0 as i32, y: y0 as i32, width: (x1 - x0) as u32, height: (y1 - y0) as u32 }
}

fn ask(wm: &Wm, seen: &Seen, verb: WindowVerb, to: Option<Rect>) -> Result<(), Refusal> {
    /// "A pager asks": a window manager does for it what it would refuse a program.
    const PAGER: u32 = 2;
    const REMOVE: u32 = 0;
    const ADD: u32 = 1;
    const ICONIC: u32 = 3;
    let (a, id) = (&wm.atoms, seen.window.id);
    let maximised = |set| {
        let both = [set, a._NET_WM_STATE_MAXIMIZED_HORZ, a._NET_WM_STATE_MAXIMIZED_VERT, PAGER, 0];
        wm.ask(id, a._NET_WM_STATE, both)
    };
    let activate = || wm.ask(id, a._NET_ACTIVE_WINDOW, [PAGER, x11rb::CURRENT_TIME, 0, 0, 0]);
    match verb {
        WindowVerb::Focus => activate(),
        WindowVerb::Minimise => wm.ask(id, a.WM_CHANGE_STATE, [ICONIC, 0, 0, 0, 0]),
        WindowVerb::Maximise if seen.window.minimised => activate().and_then(|()| maximised(ADD)),
        WindowVerb::Maximise => maximised(ADD),
        WindowVerb::Restore if seen.window.minimised => activate(),
        WindowVerb::Restore => maximised(REMOVE),
        WindowVerb::Close => wm.ask(id, a._NET_CLOSE_WINDOW, [x11rb::CURRENT_TIME, PAGER, 0, 0, 0]),
        WindowVerb::MoveResize { .. } => {
            let Some(Rect { x, y, width, height }) = to else { return Ok(()) };
            if seen.window.maximised {
                maximised(REMOVE)?;
            }
            let [left, right, top, bottom] = seen.frame;
            // By its frame's top left corner (gravity 1), with all four values given, for a pager.
            const FLAGS: u32 = 1 | 0xf << 8 | PAGER << 12;
            let inner = [width.saturating_sub(left + right).max(1), height.saturating_sub(top + bottom).max(1)];
            wm.ask(id, a._NET_MOVERESIZE_WINDOW, [FLAGS, x as u32, y as u32, inner[0], inner[1]])
        }
    }
}

fn has_obeyed(now: Option<&Seen>, verb: WindowVerb, to: Option<Rect>) -> bool {
    let Some(Seen { window, .. }) = now else { return true };
    match verb {
        WindowVerb::Focus => window.focused && !window.minimised,
        WindowVerb::MoveResize { .. } => Some(window.bounds) == to && !window.maximised,
        WindowVerb::Minimise => window.minimised,
        WindowVerb::Maximise => window.maximised,
        WindowVerb::Restore => !window.maximised && !window.minimised,
        WindowVerb::Close => false,
    }
}

/// In pixels of the screen; refused unless some of it could be seen.
fn on_screen(to: Rect, picture: Size, screen: Size) -> Result<Rect, Refusal> {
    let (width, height) = (screen.width as i32, screen.height as i32);
    let sized = (1..=OUTSIDE as u32).contains(&to.width) && (1..=OUTSIDE as u32).contains(&to.height);
    let near = (-OUTSIDE..OUTSIDE).contains(&to.x) && (-OUTSIDE..OUTSIDE).contains(&to.y);
    if sized && near {
        let to = stretched(to, picture, screen);
        let overlaps = |at: i32, length: u32, end: i32| at < end && at + length as i32 > 0;
        if overlaps(to.x, to.width, width) && overlaps(to.y, to.height, height) {
            return Ok(to);
        }
    }
    let Rect { x, y, width, height } = to;
    Err(Refusal::invalid(format!("a window of {width}x{height} at ({x}, {y}) could not be seen on the screen")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Size = Size { width: 1280, height: 800 };

    fn rect(x: i32, y: i32, width: u32, height: u32) -> Rect {
        Rect { x, y, width, height }
    }

    #[test]
    fn bounds_reach_over_the_edges_and_come_back_at_any_scale() {
        let half = Size { width: 640, height: 400 };

        assert_eq!(stretched(rect(-10, 30, 100, 50), SCREEN, SCREEN), rect(-10, 30, 100, 50));
        assert_eq!(stretched(rect(-11, 30, 100, 51), SCREEN, half), rect(-6, 15, 51, 26));
        assert_eq!(stretched(rect(-5, 15, 50, 25), half, SCREEN), rect(-10, 30, 100, 50));
    }

    #[test]
    fn a_window_is_not_moved_to_where_nobody_sees_it() {
        let refused = |to| on_screen(to, SCREEN, SCREEN).is_err();

        assert!(!refused(rect(-50, 0, 100, 100)) && !refused(rect(1279, 799, 4000, 10)));
        for to in [
            rect(1280, 0, 10, 10),
            rect(-10, 0, 10, 10),
            rect(0, 0, 0, 10),
            rect(i32::MIN, 0, u32::MAX, 10),
            rect(0, i32::MAX, 10, 10),
        ] {
            assert!(refused(to), "{to:?}");
        }
    }
}
