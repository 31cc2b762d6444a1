//! Waiting for a condition, with a deadline and a name: the only way in which a test lets time pass.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(25);

/// Asks `probe` until it answers something; panics with the name of what was awaited when the time is up.
pub async fn until<T>(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(begun.elapsed() < within, "waited {within:?} in vain: {what}");
        tokio::time::sleep(EVERY).await;
    }
}

/// The same without a runtime, for clean-up code. Answers whether it came to pass.
pub fn blocking(within: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if holds() {
            return true;
        }
        if begun.elapsed() >= within {
            return false;
        }
        std::thread::park_timeout(EVERY);
    }
}
