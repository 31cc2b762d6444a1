//! Who may use mouse and keyboard: the gate says it, and on an idle desktop whoever touches it first does, for the moment.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::link::FloorRule;

/// Who has touched nothing for so long has let go.
const TOUCH: Duration = Duration::from_secs(3);

/// Shared by all viewers of a desk.
#[derive(Clone)]
pub struct Floor(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// `None` until the gate has said something: nobody drives then.
    rule: Option<FloorRule>,
    /// Who drives an idle desktop, and when that one last did something.
    touched: Option<(String, Instant)>,
}

impl Floor {
    /// Nobody's, until the gate says whose it is.
    pub fn closed() -> Self {
        Self::with(None)
    }

    /// Everybody's.
    pub fn open() -> Self {
        Self::with(Some(FloorRule::Anyone))
    }

    fn with(rule: Option<FloorRule>) -> Self {
        Self(Arc::new(Mutex::new(State { rule, touched: None })))
    }

    pub fn set(&self, rule: FloorRule) {
        *self.state() = State { rule: Some(rule), touched: None };
    }

    pub fn rule(&self) -> Option<FloorRule> {
        self.state().rule.clone()
    }

    /// Has a person taken control?
    pub fn is_taken(&self) -> bool {
        matches!(self.state().rule, Some(FloorRule::Only { .. }))
    }

    /// May `seat` press something now? If so it has touched the desktop.
    pub fn takes(&self, seat: &str) -> bool {
        self.state().takes(seat, Instant::now())
    }

    /// May `seat` change what is no key and no button: the clipboard, the screen's size?
    pub fn belongs_to(&self, seat: &str) -> bool {
        match &self.state().rule {
            Some(FloorRule::Anyone) => true,
            Some(FloorRule::Only { seat: only }) => only == seat,
            Some(FloorRule::Nobody) | None => false,
        }
    }

    /// May `seat` read what was copied? While a person drives it is that person's alone.
    pub fn shows_clipboard(&self, seat: &str) -> bool {
        match &self.state().rule {
            Some(FloorRule::Anyone | FloorRule::Nobody) => true,
            Some(FloorRule::Only { seat: only }) => only == seat,
            None => false,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn takes(&mut self, seat: &str, now: Instant) -> bool {
        match &self.rule {
            Some(FloorRule::Only { seat: only }) => only == seat,
            Some(FloorRule::Nobody) | None => false,
            Some(FloorRule::Anyone) => {
                let free = match &self.touched {
                    Some((by, last)) => by == seat || now.duration_since(*last) >= TOUCH,
                    None => true,
                };
                if free {
                    self.touched = Some((seat.to_owned(), now));
                }
                free
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(rule: Option<FloorRule>) -> State {
        State { rule, touched: None }
    }

    #[test]
    fn until_the_gate_has_spoken_and_while_the_agent_drives_nobody_else_does() {
        let now = Instant::now();

        assert!(!state(None).takes("ada", now));
        assert!(!state(Some(FloorRule::Nobody)).takes("ada", now));
    }

    #[test]
    fn who_has_taken_control_drives_alone() {
        let (mut state, now) = (state(Some(FloorRule::Only { seat: "ada".into() })), Instant::now());

        assert!(state.takes("ada", now));
        assert!(!state.takes("bob", now + 10 * TOUCH));
    }

    #[test]
    fn an_idle_desktop_is_whoevers_who_touched_it_last_until_that_one_lets_go() {
        let (mut state, now) = (state(Some(FloorRule::Anyone)), Instant::now());
        assert!(state.takes("ada", now));
        assert!(!state.takes("bob", now + TOUCH / 2));
        assert!(state.takes("ada", now + TOUCH / 2));
        assert!(!state.takes("bob", now + TOUCH), "she goes on");

        assert!(state.takes("bob", now + TOUCH / 2 + TOUCH));
        assert!(!state.takes("ada", now + 2 * TOUCH));
    }

    #[test]
    fn what_the_holder_copies_is_shown_to_no_one_else() {
        let floor = Floor::open();
        assert!(floor.shows_clipboard("bob") && floor.belongs_to("bob"));

        floor.set(FloorRule::Only { seat: "ada".into() });

        assert!(floor.is_taken() && floor.shows_clipboard("ada") && floor.belongs_to("ada"));
        assert!(!floor.shows_clipboard("bob") && !floor.belongs_to("bob"));
    }
}
