//! When a viewer may be sent another update: never more than it keeps up with.

use crate::desk::rfb::Area;

/// Updates that may be on their way to a viewer that gets them without asking.
const IN_FLIGHT: u64 = 2;

/// What a viewer asked for, and what it has not yet confirmed.
#[derive(Debug, Default)]
pub(super) struct Flow {
    requested: Option<Area>,
    /// What the update that is being made answers.
    answering: Option<Area>,
    continuous: Option<Area>,
    sent: u64,
    confirmed: u64,
}

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
    pub(super) fn allowed(&self) -> Option<Area> {
        let unasked = self.continuous.filter(|_| self.sent - self.confirmed < IN_FLIGHT);
        match (self.requested, unasked) {
            (Some(requested), Some(unasked)) => Some(requested.union(unasked)),
            (requested, unasked) => requested.or(unasked),
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

    /// The update went out. The payload of the fence that is to follow it, where updates come without asking.
    pub(super) fn sent(&mut self) -> Option<[u8; 8]> {
        self.answering = None;
        self.continuous?;
        self.sent += 1;
        Some(self.sent.to_be_bytes())
    }

    /// A fence came back: all that was sent before it has arrived.
    pub(super) fn confirmed(&mut self, payload: &[u8]) {
        if let Ok(payload) = payload.try_into() {
            let number = u64::from_be_bytes(payload);
            // A number that was never sent is the viewer's invention.
            if number <= self.sent {
                self.confirmed = self.confirmed.max(number);
            }
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
        assert_eq!(flow.allowed(), None);

        flow.request(ALL);
        assert_eq!(flow.allowed(), Some(ALL));

        flow.begin();
        assert_eq!(flow.sent(), None);
        assert_eq!(flow.allowed(), None);
    }

    #[test]
    fn a_request_that_found_nothing_new_still_waits() {
        let mut flow = Flow::default();
        flow.request(ALL);

        flow.begin();
        flow.give_up();

        assert_eq!(flow.allowed(), Some(ALL));
    }

    #[test]
    fn what_is_asked_while_an_update_is_made_is_for_the_next_one() {
        let mut flow = Flow::default();
        flow.request(ALL);

        flow.begin();
        flow.request(ALL);
        flow.sent();

        assert_eq!(flow.allowed(), Some(ALL));
    }

    #[test]
    fn requests_that_were_not_answered_yet_become_one() {
        let mut flow = Flow::default();

        flow.request(Area { x: 0, y: 0, width: 10, height: 10 });
        flow.request(Area { x: 90, y: 90, width: 10, height: 10 });

        assert_eq!(flow.allowed(), Some(ALL));
    }

    #[test]
    fn a_viewer_that_confirms_nothing_gets_two_updates_and_no_more() {
        let mut flow = Flow::default();
        flow.set_continuous(Some(ALL));

        let first = flow.sent().unwrap();
        assert_eq!(flow.allowed(), Some(ALL));
        flow.sent().unwrap();
        assert_eq!(flow.allowed(), None);

        flow.confirmed(&first);
        assert_eq!(flow.allowed(), Some(ALL));
    }

    #[test]
    fn a_confirmation_of_what_was_never_sent_is_ignored() {
        let mut flow = Flow::default();
        flow.set_continuous(Some(ALL));
        flow.sent();
        flow.sent();

        flow.confirmed(&u64::MAX.to_be_bytes());
        flow.confirmed(b"short");

        assert_eq!(flow.allowed(), None);
    }
}
