//! Waits until the screen has come to rest after an action, instead of for a fixed time.

use std::{collections::HashMap, sync::Arc, time::Duration};

use protocol::{
    action::{Action, Rect},
    desktop::Size,
};
use tokio::{sync::watch, time::Instant};

use super::{Frame, Screen, rects};
use crate::link::Refusal;

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// For something to be drawn at all.
    first: Duration,
    /// Without anything drawn, for the screen to count as settled.
    quiet: Duration,
    /// In all.
    cap: Duration,
}

/// The bounds of a session that paints itself for the first time.
pub const FIRST_PAINT: Bounds =
    Bounds { first: Duration::from_millis(120), quiet: Duration::from_millis(100), cap: Duration::from_millis(600) };

/// The bounds of what a window manager does, or of a window that has come.
pub const WINDOW: Bounds =
    Bounds { first: Duration::from_millis(200), quiet: Duration::from_millis(100), cap: Duration::from_millis(2_500) };

/// The bounds of an action, or `None` where nothing on the screen follows from it.
pub fn bounds(action: &Action) -> Option<Bounds> {
    let bounds = |first, quiet, cap| {
        let ms = Duration::from_millis;
        Some(Bounds { first: ms(first), quiet: ms(quiet), cap: ms(cap) })
    };
    match action {
        Action::Key { .. } | Action::Type { .. } => bounds(300, 60, 2_500),
        Action::Click { .. } | Action::Drag { .. } => bounds(350, 60, 2_500),
        Action::Scroll { .. } => bounds(250, 60, 1_500),
        Action::HoldKey { .. } | Action::MouseUp { .. } => bounds(250, 60, 2_000),
        Action::MouseDown { .. } | Action::MouseMove { .. } => bounds(120, 60, 1_000),
        Action::Wait { .. } | Action::CursorPosition | Action::Screenshot | Action::Zoom { .. } => None,
    }
}

/// How the screen came to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    pub settled: bool,
    pub waited: Duration,
    /// What differs from before the action, in pixels of the screen.
    pub changed: Option<Rect>,
}

/// The screen as it was before an action, and all that has been drawn since.
pub struct Watch<'a> {
    screen: &'a Screen,
    before: Arc<Frame>,
    frames: watch::Receiver<Arc<Frame>>,
}

impl<'a> Watch<'a> {
    /// To be called before the action.
    pub async fn start(screen: &'a Screen) -> Result<Watch<'a>, Refusal> {
        let frames = screen.subscribe();
        let before = screen.fresh().await?;
        Ok(Watch { screen, before, frames })
    }

    /// The screen's size before the action.
    pub fn size(&self) -> Size {
        self.before.size
    }

    /// To be called after the action: returns when the screen is at rest, or as the bounds say.
    pub async fn settle(mut self, bounds: Bounds) -> Result<Settled, Refusal> {
        let started = Instant::now();
        let mut rest = Rest::new(bounds, started);
        let mut seen = self.before.serial;
        let settled = loop {
            let until = match rest.verdict(Instant::now()) {
                Verdict::Settled(settled) => break settled,
                Verdict::Wait(until) => until,
            };
            tokio::select! {
                changed = self.frames.changed() => {
                    if changed.is_err() {
                        return Err(Refusal::unavailable("the X server has gone away while the screen was watched"));
                    }
                    let frame = self.frames.borrow_and_update().clone();
                    if frame.serial > seen {
                        match frame.since(seen) {
                            Some(steps) => {
                                steps.iter().for_each(|step| rest.drawn(&rects::clusters(&step.changes), Instant::now()));
                            }
                            None => rest.drawn(&[frame.bounds()], Instant::now()),
                        }
                        seen = frame.serial;
                    }
                }
                () = tokio::time::sleep_until(until) => {}
            }
        };
        let waited = started.elapsed();
        let after = self.screen.fresh().await?;
        let changed = if after.size == self.before.size {
            after.difference(&self.before, after.bounds())
        } else {
            Some(after.bounds())
        };
        Ok(Settled { settled, waited, changed })
    }
}

/// A rectangle up to this many pixels may be a caret, a clock or a spinner.
const TINY: u64 = 64 * 64;
/// Drawn at the same place so often, it is one.
const RESTLESS: u32 = 3;

enum Verdict {
    Settled(bool),
    Wait(Instant),
}

/// The decision alone, without clock or screen.
struct Rest {
    bounds: Bounds,
    started: Instant,
    drawn: Option<Instant>,
    places: HashMap<Rect, u32>,
}

impl Rest {
    fn new(bounds: Bounds, started: Instant) -> Self {
        Self { bounds, started, drawn: None, places: HashMap::new() }
    }

    fn drawn(&mut self, changed: &[Rect], now: Instant) {
        let mut matters = false;
        for rect in changed {
            let seen = self.places.entry(*rect).or_default();
            *seen += 1;
            let tiny = u64::from(rect.width) * u64::from(rect.height) <= TINY;
            matters |= !tiny || *seen < RESTLESS;
        }
        if matters {
            self.drawn = Some(now);
        }
    }

    fn verdict(&self, now: Instant) -> Verdict {
        let rest = match self.drawn {
            Some(drawn) => drawn + self.bounds.quiet,
            None => self.started + self.bounds.first,
        };
        let cap = self.started + self.bounds.cap;
        if rest <= now {
            Verdict::Settled(true)
        } else if cap <= now {
            Verdict::Settled(false)
        } else {
            Verdict::Wait(rest.min(cap))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Rect = Rect { x: 0, y: 0, width: 400, height: 300 };
    const CARET: Rect = Rect { x: 20, y: 20, width: 2, height: 18 };

    fn click() -> Bounds {
        bounds(&Action::Click { button: protocol::action::Button::Left, count: 1, at: None, modifiers: None }).unwrap()
    }

    /// Draws at the given milliseconds and says when the verdict fell and how.
    fn play(drawings: &[(u64, Rect)]) -> (u64, bool) {
        let start = Instant::now();
        let mut rest = Rest::new(click(), start);
        let mut drawings = drawings.iter().peekable();
        for ms in 0.. {
            let now = start + Duration::from_millis(ms);
            while let Some((_, rect)) = drawings.next_if(|(at, _)| *at == ms) {
                rest.drawn(&[*rect], now);
            }
            if let Verdict::Settled(settled) = rest.verdict(now) {
                return (ms, settled);
            }
        }
        unreachable!("the cap ends every wait")
    }

    #[test]
    fn nothing_drawn_is_settled_when_the_first_window_is_over() {
        assert_eq!(play(&[]), (350, true));
    }

    #[test]
    fn what_comes_late_but_within_the_first_window_is_waited_for() {
        assert_eq!(play(&[(340, WINDOW)]), (400, true));
    }

    #[test]
    fn quiet_after_the_last_drawing_is_settled() {
        assert_eq!(play(&[(30, WINDOW), (80, WINDOW), (130, WINDOW)]), (190, true));
    }

    #[test]
    fn a_film_is_given_up_at_the_cap() {
        let film: Vec<_> = (0..100).map(|i| (i * 33, WINDOW)).collect();

        assert_eq!(play(&film), (2_500, false));
    }

    #[test]
    fn a_caret_or_a_clock_that_repeats_at_its_place_does_not_hold_it_up() {
        let caret: Vec<_> = (0..100).map(|i| (10 + i * 50, CARET)).collect();

        assert_eq!(play(&caret), (120, true));
    }

    #[test]
    fn typed_letters_are_tiny_but_each_at_its_own_place() {
        let typed: Vec<_> = (0..10).map(|i| (i * 50, Rect { x: i as i32 * 8, ..CARET })).collect();

        assert_eq!(play(&typed), (9 * 50 + 60, true));
    }
}
