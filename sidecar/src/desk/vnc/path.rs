//! The way to a viewer as its fences measure it: how long it is, how much passes, and what is still on it.
//!
//! Every update is followed by a fence that the viewer sends back. From when it comes back follows how long the
//! update took to pass, and from that when the next one will find the way free: then, and not earlier, it is made,
//! from the newest frame. So a slow way never holds a backlog, and on a fast one nobody waits for an answer.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The next update is begun so much before the way is free: to make it takes as long.
const HEAD_START: Duration = Duration::from_millis(10);
/// Answers that are later than foreseen by this and a quarter of the way's length: nothing more until they come.
const PATIENCE: Duration = Duration::from_millis(20);
/// A length that was measured longer ago is measured again on an empty way: it may lead elsewhere by now.
const LENGTH_HOLDS: Duration = Duration::from_secs(10);
/// What each measurement leaves of the earlier ones: the last handful decides.
const MEMORY: f64 = 0.75;
/// However fast they seem to pass, so many updates may be unanswered.
const MAX_FLYING: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Path {
    length: Option<Length>,
    /// Bytes that passed, and the seconds they took, earlier ones counting less.
    passed: f64,
    taking: f64,
    flying: VecDeque<Flight>,
    last_number: u64,
    last_answer: Option<Instant>,
}

/// How long the emptiest fence took to come back.
#[derive(Debug, Clone, Copy)]
struct Length {
    there_and_back: Duration,
    measured: Instant,
}

/// What is on its way, unanswered.
#[derive(Debug)]
struct Flight {
    number: u64,
    sent: Instant,
    bytes: usize,
    /// When its answer is foreseen.
    due: Instant,
    /// A fence alone, on an empty way.
    measures: bool,
}

/// May an update be begun?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Free {
    Now,
    At(Instant),
    /// When the next answer comes.
    Later,
}

impl Path {
    pub(super) fn free(&self, now: Instant) -> Free {
        let (Some(first), Some(last)) = (self.flying.front(), self.flying.back()) else { return Free::Now };
        // Until a first update has passed, nothing is known of what may follow it.
        let is_known = self.passed > 0.0 && !self.wants_measuring(now);
        let Some(length) = self.length.filter(|_| is_known) else { return Free::Later };
        let patience = length.there_and_back / 4 + PATIENCE;
        if self.flying.len() >= MAX_FLYING || now > first.due + patience {
            return Free::Later;
        }
        match last.due.checked_sub(length.there_and_back + HEAD_START) {
            Some(free) if free > now => Free::At(free),
            _ => Free::Now,
        }
    }

    /// Should a fence of its own go out before the next update?
    pub(super) fn wants_measuring(&self, now: Instant) -> bool {
        self.length.is_none_or(|length| now.saturating_duration_since(length.measured) > LENGTH_HOLDS)
    }

    /// A fence goes out alone, on an empty way. Answers its number.
    pub(super) fn measure(&mut self, now: Instant) -> u64 {
        let measures = self.flying.is_empty();
        self.fly(0, measures, now)
    }

    /// An update goes out, with a fence behind it. Answers its number.
    pub(super) fn sent(&mut self, bytes: usize, now: Instant) -> u64 {
        self.fly(bytes, false, now)
    }

    /// A fence came back: all that was sent up to it has passed. A number that is not awaited is the viewer's invention.
    pub(super) fn answered(&mut self, number: u64, now: Instant) {
        if !self.flying.iter().any(|flight| flight.number == number) {
            return;
        }
        while let Some(flight) = self.flying.pop_front_if(|flight| flight.number <= number) {
            self.learn(&flight, now);
        }
        self.foresee(now);
    }

    fn learn(&mut self, flight: &Flight, now: Instant) {
        let took = now.saturating_duration_since(flight.sent);
        if flight.measures || self.length.is_none_or(|length| took <= length.there_and_back) {
            self.length = Some(Length { there_and_back: took, measured: now });
        }
        let length = self.length.map_or(took, |length| length.there_and_back);
        // It began to arrive when the one before it had, or when the way's length allowed.
        let begun = (flight.sent + length).max(self.last_answer.unwrap_or(flight.sent));
        self.passed = self.passed * MEMORY + flight.bytes as f64;
        self.taking = self.taking * MEMORY + now.saturating_duration_since(begun).as_secs_f64();
        self.last_answer = Some(now);
    }

    fn fly(&mut self, bytes: usize, measures: bool, now: Instant) -> u64 {
        self.last_number += 1;
        let due = self.foreseen(self.flying.back().map(|flight| flight.due), now, bytes);
        self.flying.push_back(Flight { number: self.last_number, sent: now, bytes, due, measures });
        self.last_number
    }

    /// What is still flying is seen anew after each answer.
    fn foresee(&mut self, now: Instant) {
        let mut before = Some(now);
        for at in 0..self.flying.len() {
            let (sent, bytes) = (self.flying[at].sent, self.flying[at].bytes);
            let due = self.foreseen(before, sent, bytes);
            self.flying[at].due = due;
            before = Some(due);
        }
    }

    fn foreseen(&self, before: Option<Instant>, sent: Instant, bytes: usize) -> Instant {
        let length = self.length.map_or(Duration::ZERO, |length| length.there_and_back);
        let begins = (sent + length).max(before.unwrap_or(sent));
        let seconds = if self.passed > 0.0 { self.taking / self.passed * bytes as f64 } else { 0.0 };
        begins + Duration::from_secs_f64(seconds.clamp(0.0, 60.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Frames are made no faster than this.
    const FRAME: f64 = 0.015;

    /// A way with a bottleneck, and behind it a queue without end.
    #[derive(Debug, Clone, Copy)]
    struct Way {
        bytes_per_s: f64,
        /// There and back, in seconds.
        length: f64,
        /// Answers take up to so much longer.
        jitter: f64,
        /// How large updates are; they take turns.
        sizes: [usize; 3],
    }

    /// How a viewer fared after the beginning, ages in seconds.
    #[derive(Debug)]
    struct Fared {
        oldest: f64,
        per_s: f64,
    }

    trait Rule {
        fn free(&mut self, now: f64) -> bool;
        /// A fence before the update.
        fn before(&mut self, _: f64) -> Option<u64> {
            None
        }
        fn sent(&mut self, bytes: usize, now: f64) -> u64;
        fn answered(&mut self, number: u64, now: f64);
    }

    struct Measured {
        path: Path,
        epoch: Instant,
    }

    impl Measured {
        fn new() -> Self {
            Self { path: Path::default(), epoch: Instant::now() }
        }

        fn at(&self, now: f64) -> Instant {
            self.epoch + Duration::from_secs_f64(now)
        }
    }

    impl Rule for Measured {
        fn free(&mut self, now: f64) -> bool {
            self.path.free(self.at(now)) == Free::Now
        }

        fn before(&mut self, now: f64) -> Option<u64> {
            let now = self.at(now);
            self.path.wants_measuring(now).then(|| self.path.measure(now))
        }

        fn sent(&mut self, bytes: usize, now: f64) -> u64 {
            self.path.sent(bytes, self.at(now))
        }

        fn answered(&mut self, number: u64, now: f64) {
            self.path.answered(number, self.at(now));
        }
    }

    /// What a server does that counts and does not measure.
    #[derive(Default)]
    struct TwoAtOnce {
        sent: u64,
        answered: u64,
    }

    impl Rule for TwoAtOnce {
        fn free(&mut self, _: f64) -> bool {
            self.sent - self.answered < 2
        }

        fn sent(&mut self, _: usize, _: f64) -> u64 {
            self.sent += 1;
            self.sent
        }

        fn answered(&mut self, number: u64, _: f64) {
            self.answered = number;
        }
    }

    /// Plays a screen that changes all the time, millisecond by millisecond.
    fn play(way: Way, rule: &mut impl Rule, seconds: f64) -> Fared {
        let (mut free_at, mut next_frame, mut count, mut oldest, mut seen) = (0.0_f64, 0.0, 0, 0.0_f64, 0);
        let mut answers: VecDeque<(f64, u64)> = VecDeque::new();
        let warm = seconds / 3.0;
        for step in 0..(seconds * 1000.0) as u64 {
            let now = step as f64 / 1000.0;
            while let Some((_, number)) = answers.pop_front_if(|(at, _)| *at <= now) {
                rule.answered(number, now);
            }
            if now < next_frame || !rule.free(now) {
                continue;
            }
            let bytes = way.sizes[count % way.sizes.len()];
            count += 1;
            free_at = free_at.max(now);
            answers.extend(rule.before(now).map(|number| (free_at + way.length, number)));
            free_at += bytes as f64 / way.bytes_per_s;
            next_frame = now + FRAME;
            // A number that looks like chance, and is the same in every run.
            let chance = (count as f64 * 0.618_034).fract();
            let before = answers.back().map_or(0.0, |(at, _)| *at);
            answers.push_back(((free_at + way.length + way.jitter * chance).max(before), rule.sent(bytes, now)));
            if now > warm {
                oldest = oldest.max(free_at + way.length / 2.0 - now);
                seen += 1;
            }
        }
        Fared { oldest, per_s: f64::from(seen) / (seconds - warm) }
    }

    #[test]
    fn a_slow_far_viewer_sees_newer_pictures_than_by_counting_and_no_fewer() {
        for length in [0.02, 0.2] {
            let way = Way { bytes_per_s: 125_000.0, length, jitter: 0.0, sizes: [34_000; 3] };
            // What the way itself takes.
            let least = 34_000.0 / way.bytes_per_s + length / 2.0;

            let measured = play(way, &mut Measured::new(), 30.0);
            let counted = play(way, &mut TwoAtOnce::default(), 30.0);

            assert!(measured.oldest - least < 0.25 * (counted.oldest - least), "{measured:?} {counted:?}");
            assert!(measured.per_s > 0.9 * counted.per_s, "{measured:?} {counted:?}");
        }
    }

    #[test]
    fn a_far_viewer_on_a_wide_way_is_sent_far_more_than_by_counting() {
        let way = Way { bytes_per_s: 5e6, length: 0.2, jitter: 0.0, sizes: [34_000; 3] };

        let (measured, counted) = (play(way, &mut Measured::new(), 30.0), play(way, &mut TwoAtOnce::default(), 30.0));

        assert!(measured.per_s > 4.0 * counted.per_s, "{measured:?} {counted:?}");
    }

    #[test]
    fn a_way_that_becomes_narrow_holds_a_backlog_for_a_moment_only() {
        let wide = Way { bytes_per_s: 5e6, length: 0.1, jitter: 0.0, sizes: [30_000; 3] };
        let mut rule = Measured::new();
        play(wide, &mut rule, 5.0);
        rule.epoch += Duration::from_secs(5);
        rule.path.flying.clear();

        let narrow = play(Way { bytes_per_s: 100_000.0, ..wide }, &mut rule, 9.0);

        assert!(narrow.oldest < 2.0 * (0.3 + 0.05), "{narrow:?}");
    }

    #[test]
    fn a_viewer_that_stops_answering_is_sent_a_bounded_number_of_updates() {
        let (mut rule, mut now) = (Measured::new(), 0.0);
        for _ in 0..100 {
            let number = rule.sent(1000, now);
            rule.answered(number, now + 0.001);
            now += 0.015;
        }

        let mut unanswered = 0;
        for _ in 0..10_000 {
            if rule.free(now) {
                rule.sent(1000, now);
                unanswered += 1;
            }
            now += 0.001;
        }

        assert!(unanswered <= MAX_FLYING, "{unanswered}");
    }

    #[test]
    fn an_answer_that_nothing_awaits_changes_nothing() {
        let mut rule = Measured::new();
        let number = rule.sent(1000, 0.0);
        rule.answered(number + 1, 0.1);
        rule.answered(0, 0.1);
        assert!(!rule.free(0.1));

        rule.answered(number, 0.2);
        rule.answered(number, 0.3);

        assert!(rule.free(0.3));
        assert_eq!(rule.path.length.map(|length| length.there_and_back.as_millis()), Some(200));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn no_way_holds_a_backlog_and_none_lies_idle(
            kb_per_s in 20.0..20_000.0_f64, length in 0.001..0.4_f64, jitter in 0.0..0.05_f64,
            sizes in prop::array::uniform3(500..60_000_usize),
        ) {
            let way = Way { bytes_per_s: kb_per_s * 1000.0, length, jitter, sizes };
            let passes = |bytes: usize| bytes as f64 / way.bytes_per_s;
            let largest = passes(*sizes.iter().max().unwrap());
            let mean = sizes.iter().map(|size| passes(*size)).sum::<f64>() / 3.0;

            let fared = play(way, &mut Measured::new(), 40.0 * (length + mean).max(0.2));

            // One update on its way, the head start of the next, and what the clock's step and a fresh measurement cost.
            prop_assert!(fared.oldest < 1.3 * (largest + length / 2.0) + 0.04 + jitter, "{fared:?}");
            prop_assert!(fared.per_s > 0.5 / (mean + jitter).max(FRAME), "{fared:?} of {}", 1.0 / mean.max(FRAME));
        }
    }
}
