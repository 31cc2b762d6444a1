//! When a viewer may be sent another update: never more than it keeps up with.

use std::time::Instant;

use super::path::{Free, Path};
use crate::desk::rfb::Area;

/// What a viewer asked for, and what it has not yet confirmed.
#[derive(Debug, Default)]
pub(super) struct Flow {
    requested: Option<Area>,
    /// What the update that is being made answers.
    answering: Option<Area>,
    continuous: Option<Area>,
    path: Path,
}

/// The payload of a fence that the viewer is to send back.
pub(super) type Token = [u8; 8];

impl Flow {
    /// The viewer asks for an update.
    pub(super) fn request(&mut self, area: Area) {
        self.requested = Some(self.requested.map_or(area, |before| before.union(area)));
    }

    /// The viewer wants updates without asking, or no longer.
    pub(super) fn set_continuous(&mut self, area: Option<Area>) {
        self.continuous = area;
    }

    pub(super) fn is_continuous(&self) -> bool {
        self.continuous.is_some()
    }

    /// The area that an update may be sent for now.
    pub(super) fn allowed(&self, now: Instant) -> Option<Area> {
        let unasked = self.continuous.filter(|_| self.path.free(now) == Free::Now);
        match (self.requested, unasked) {
            (Some(requested), Some(unasked)) => Some(requested.union(unasked)),
            (requested, unasked) => requested.or(unasked),
        }
    }

    /// When to ask again whether an update is allowed, though nothing has happened.
    pub(super) fn next_try(&self, now: Instant) -> Option<Instant> {
        match self.path.free(now) {
            Free::At(then) => self.continuous.map(|_| then),
            Free::Now | Free::Later => None,
        }
    }

    /// An update is being made: what is asked from now on is for the next one.
    pub(super) fn begin(&mut self) {
        self.answering = self.requested.take();
    }

    /// There was nothing to tell after all: the request still waits.
    pub(super) fn give_up(&mut self) {
        if let Some(area) = self.answering.take() {
            self.request(area);
        }
    }

    /// A fence that measures how far the viewer is.
    pub(super) fn measure(&mut self, now: Instant) -> Token {
        self.path.measure(now).to_be_bytes()
    }

    /// The fence that is to go out before an update, when it is time to measure again.
    pub(super) fn before(&mut self, now: Instant) -> Option<Token> {
        (self.continuous.is_some() && self.path.wants_measuring(now)).then(|| self.measure(now))
    }

    /// An update of so many bytes went out. The fence that is to follow it, where updates come without asking.
    pub(super) fn sent(&mut self, bytes: usize, now: Instant) -> Option<Token> {
        self.answering = None;
        self.continuous.map(|_| self.path.sent(bytes, now).to_be_bytes())
    }

    /// A fence came back: all that was sent before it has arrived.
    pub(super) fn confirmed(&mut self, payload: &[u8], now: Instant) {
        if let Ok(token) = Token::try_from(payload) {
            self.path.answered(u64::from_be_bytes(token), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Area = Area { x: 0, y: 0, width: 100, height: 100 };

    #[test]
    fn a_request_is_answered_once() {
        let mut flow = Flow::default();
        assert_eq!(flow.allowed(Instant::now()), None);

        flow.request(ALL);
        assert_eq!(flow.allowed(Instant::now()), Some(ALL));

        flow.begin();
        assert_eq!(flow.sent(1000, Instant::now()), None);
        assert_eq!(flow.allowed(Instant::now()), None);
    }

    #[test]
    fn a_request_that_found_nothing_new_still_waits() {
        let mut flow = Flow::default();
        flow.request(ALL);

        flow.begin();
        flow.give_up();

        assert_eq!(flow.allowed(Instant::now()), Some(ALL));
    }

    #[test]
    fn what_is_asked_while_an_update_is_made_is_for_the_next_one() {
        let mut flow = Flow::default();
        flow.request(ALL);

        flow.begin();
        flow.request(ALL);
        flow.sent(1000, Instant::now());

        assert_eq!(flow.allowed(Instant::now()), Some(ALL));
    }

    #[test]
    fn requests_that_were_not_answered_yet_become_one() {
        let mut flow = Flow::default();

        flow.request(Area { x: 0, y: 0, width: 10, height: 10 });
        flow.request(Area { x: 90, y: 90, width: 10, height: 10 });

        assert_eq!(flow.allowed(Instant::now()), Some(ALL));
    }

    #[test]
    fn a_viewer_that_confirms_nothing_gets_one_update_that_it_did_not_ask_for() {
        let now = Instant::now();
        let mut flow = Flow::default();
        flow.set_continuous(Some(ALL));
        assert_eq!(flow.allowed(now), Some(ALL));

        let token = flow.sent(1000, now).unwrap();
        for unconfirmed in [&b"short"[..], &u64::MAX.to_be_bytes()] {
            flow.confirmed(unconfirmed, now);
            assert_eq!((flow.allowed(now), flow.next_try(now)), (None, None));
        }

        flow.confirmed(&token, now);
        assert_eq!(flow.allowed(now), Some(ALL));
    }

    #[test]
    fn a_viewer_that_asks_is_not_made_to_wait_for_its_fences() {
        let now = Instant::now();
        let mut flow = Flow::default();
        flow.set_continuous(Some(ALL));
        flow.sent(1000, now);

        flow.request(ALL);

        assert_eq!(flow.allowed(now), Some(ALL));
    }
}
