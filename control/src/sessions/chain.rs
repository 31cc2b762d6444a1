//! The chain that the events of a record hang on: each carries a hash over itself and the hash of the one before it.
//!
//! Pure. It shows what was changed behind control's back; whoever can also compute hashes can write a whole new chain.

use protocol::{Millis, SessionId};
use sha2::{Digest, Sha256};

use crate::secret;

/// Stands for the hash before the first link.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What of an event its hash covers, as it is stored.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    pub session: &'a SessionId,
    pub seq: i64,
    pub client_id: &'a str,
    pub at: Millis,
    pub body: &'a str,
}

impl Link<'_> {
    /// SHA-256 in hex. Every part goes in behind its length, so that none can lend characters to its neighbour.
    pub fn hash(&self, previous: Option<&str>) -> String {
        let (seq, at) = (self.seq.to_string(), self.at.to_string());
        let mut hash = Sha256::new();
        for part in [previous.unwrap_or(NOTHING), self.session.as_str(), &seq, self.client_id, &at, self.body] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        secret::hex(&hash.finalize())
    }
}

/// A walk along one session's record, event by event.
#[derive(Debug, Default)]
pub struct Walk {
    seq: i64,
    hash: Option<String>,
    unchained: u64,
    broken: Option<i64>,
}

impl Walk {
    /// The next event, with the hash that is stored beside it.
    pub fn step(&mut self, link: &Link<'_>, stored: Option<&str>) {
        if link.seq != self.seq + 1 {
            self.breaks_at(self.seq + 1);
        }
        match stored {
            // From before there was a chain; once it has begun no link is without a hash.
            None if self.hash.is_none() => self.unchained += 1,
            Some(stored) if stored == link.hash(self.hash.as_deref()) => {}
            _ => self.breaks_at(link.seq),
        }
        self.seq = link.seq;
        self.hash = stored.map(str::to_owned).or(self.hash.take());
    }

    /// The `seq` of the event that was walked last.
    pub fn seq(&self) -> i64 {
        self.seq
    }

    pub fn unchained(&self) -> u64 {
        self.unchained
    }

    /// Where the record is not whole for the first time, if it ends with `last_seq`.
    pub fn end(mut self, last_seq: i64) -> Option<i64> {
        if self.seq != last_seq {
            self.breaks_at(self.seq.min(last_seq) + 1);
        }
        self.broken
    }

    fn breaks_at(&mut self, seq: i64) {
        self.broken = Some(self.broken.map_or(seq, |known| known.min(seq)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Stored {
        seq: i64,
        at: i64,
        body: String,
        hash: Option<String>,
    }

    fn record(session: &SessionId, unchained: i64, length: i64) -> Vec<Stored> {
        let mut events: Vec<Stored> = Vec::new();
        for seq in 1..=length {
            let body = format!("body {seq}");
            let link = Link { session, seq, client_id: "c", at: 7, body: &body };
            let previous = events.last().and_then(|event| event.hash.clone());
            let hash = (seq > unchained).then(|| link.hash(previous.as_deref()));
            events.push(Stored { seq, at: 7, body, hash });
        }
        events
    }

    fn walk(session: &SessionId, events: &[Stored], last_seq: i64) -> (Option<i64>, u64) {
        let mut walk = Walk::default();
        for event in events {
            let link = Link { session, seq: event.seq, client_id: "c", at: event.at, body: &event.body };
            walk.step(&link, event.hash.as_deref());
        }
        let unchained = walk.unchained();
        (walk.end(last_seq), unchained)
    }

    #[test]
    fn a_record_that_nobody_touched_is_whole_though_it_began_without_a_chain() {
        let session = SessionId::generate();

        assert_eq!(walk(&session, &record(&session, 0, 5), 5), (None, 0));
        assert_eq!(walk(&session, &record(&session, 2, 5), 5), (None, 2));
        assert_eq!(walk(&session, &[], 0), (None, 0));
    }

    #[test]
    fn a_record_of_another_session_is_not_whole() {
        let (ours, theirs) = (SessionId::generate(), SessionId::generate());

        assert_eq!(walk(&ours, &record(&theirs, 0, 3), 3).0, Some(1));
    }

    #[test]
    fn a_hash_that_was_taken_away_does_not_pass_for_an_old_event() {
        let session = SessionId::generate();
        let mut events = record(&session, 0, 3);

        events[1].hash = None;

        assert_eq!(walk(&session, &events, 3).0, Some(2));
    }

    #[test]
    fn parts_do_not_lend_each_other_characters() {
        let session = SessionId::generate();
        let link = |client_id, body| Link { session: &session, seq: 1, client_id, at: 1, body };

        assert_ne!(link("c1", "2").hash(None), link("c", "12").hash(None));
    }

    proptest! {
        #[test]
        fn whatever_is_changed_is_noticed_where_it_was_changed(length in 2_i64..12, at in 0_usize..12, how in 0_u8..6) {
            let session = SessionId::generate();
            let mut events = record(&session, 0, length);
            let at = at % events.len();
            match how {
                0 => events[at].body.push('x'),
                1 => events[at].at += 1,
                2 => drop(events.remove(at)),
                3 => events.truncate(at),
                4 => events[at].hash = Some("0".repeat(64)),
                _ => {
                    // The contents of two events change places, their numbers stay.
                    let other = (at + 1) % events.len();
                    events.swap(at, other);
                    let (one, two) = (events[at].seq, events[other].seq);
                    (events[at].seq, events[other].seq) = (two, one);
                }
            }

            let (broken, _) = walk(&session, &events, length);

            let first = if how == 5 { at.min((at + 1) % usize::try_from(length).unwrap()) } else { at };
            prop_assert_eq!(broken, Some(first as i64 + 1));
        }
    }
}
