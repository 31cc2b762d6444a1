//! Trying again: how long to wait, and telling each cause once.

use std::{fmt::Display, time::Duration};

/// Waits that double from `first` to `most`, each cut by up to a half at random so that a crowd spreads.
pub struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { next: first, most }
    }

    /// What control and edge are tried again with.
    pub fn of_edge() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(10))
    }

    pub fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.most);
        wait.mul_f64(1.0 - rand::random::<f64>() / 2.0)
    }
}

/// Says a cause in the log when it is another one than before, and the recovery.
#[derive(Default)]
pub struct Told(Option<String>);

impl Told {
    /// Logs the failure of `what`; says whether it was news.
    pub fn failed(&mut self, what: &str, cause: &impl Display) -> bool {
        let cause = cause.to_string();
        let news = self.0.as_ref() != Some(&cause);
        if news {
            tracing::warn!(%cause, "{what}: failed, trying again");
            self.0 = Some(cause);
        }
        news
    }

    pub fn succeeded(&mut self, what: &str) {
        if self.0.take().is_some() {
            tracing::info!("{what}: works again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_most_and_never_vanish() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

        let waits: Vec<_> = (0..20).map(|_| backoff.wait()).collect();

        assert!(waits.iter().all(|wait| (Duration::from_millis(50)..=Duration::from_secs(1)).contains(wait)));
        assert!(waits[10..].iter().all(|wait| *wait >= Duration::from_millis(500)));
    }

    #[test]
    fn a_cause_is_told_once() {
        let mut told = Told::default();

        assert!(told.failed("x", &"refused"));
        assert!(!told.failed("x", &"refused"));
        assert!(told.failed("x", &"timed out"));
    }
}
