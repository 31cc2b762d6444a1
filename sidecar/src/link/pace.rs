//! How fast something may come that nobody waits for.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What may come at once: as much as this takes.
const BURST: Duration = Duration::from_secs(1);
/// A part costs as much as so many bytes, however small it is.
const LEAST: usize = 1 << 10;

/// A bound on bytes a second, beyond which one waits.
pub struct Pace {
    bytes_a_second: usize,
    /// Until when all that came would have taken.
    paid: Instant,
}

impl Pace {
    pub fn new(bytes_a_second: usize) -> Self {
        Self { bytes_a_second, paid: Instant::now() }
    }

    /// So much has come.
    pub fn spend(&mut self, bytes: usize) {
        self.spend_at(bytes, Instant::now());
    }

    /// Waits until more may come.
    pub async fn ready(&self) {
        if let Some(at) = self.ready_at() {
            sleep_until(at).await;
        }
    }

    fn spend_at(&mut self, bytes: usize, now: Instant) {
        let takes = bytes.max(LEAST) as f64 / self.bytes_a_second as f64;
        self.paid = self.paid.max(now) + Duration::from_secs_f64(takes);
    }

    fn ready_at(&self) -> Option<Instant> {
        self.paid.checked_sub(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_free_and_what_comes_after_it_waits_for_its_turn() {
        let mut pace = Pace::new(100 << 10);
        let start = pace.paid;

        pace.spend_at(100 << 10, start);
        assert!(pace.ready_at() <= Some(start));
        pace.spend_at(100 << 10, start);
        assert_eq!(pace.ready_at(), Some(start + BURST));

        // Small parts are not for nothing, and what was not used is not kept.
        let later = start + Duration::from_secs(60);
        for _ in 0..200 {
            pace.spend_at(1, later);
        }
        assert_eq!(pace.ready_at(), Some(later + BURST));
    }
}
