//! How long to wait before a part that died is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// A part that lived as long as this has recovered: the next death counts as a first one.
const RECOVERED: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(crate) struct Backoff {
    deaths: u32,
}

impl Backoff {
    /// The pause after a part died that had lived for `lived`: doubled with each death in a row.
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= RECOVERED {
            self.deaths = 0;
        }
        let pause = FIRST.saturating_mul(1 << self.deaths.min(10)).min(LONGEST);
        self.deaths = self.deaths.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut backoff = Backoff::default();

        let pauses: Vec<_> = (0..40).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();

        assert_eq!(pauses[..7], [200, 400, 800, 1600, 3200, 6400, 10_000]);
        assert_eq!(pauses[39], 10_000);
    }

    #[test]
    fn a_long_life_makes_up_for_earlier_deaths() {
        let mut backoff = Backoff::default();
        backoff.after(Duration::ZERO);
        backoff.after(Duration::ZERO);

        assert_eq!(backoff.after(RECOVERED), FIRST);
    }
}
