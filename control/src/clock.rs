//! The time, as it comes into the program: tests move it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use protocol::Millis;

#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Set in tests: how far this clock is ahead of the system's, in milliseconds.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// Unix milliseconds.
    pub fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_millis() as Millis + self.ahead.load(Ordering::Relaxed)
    }

    /// Moves this clock and its clones ahead.
    pub fn advance(&self, millis: Millis) {
        self.ahead.fetch_add(millis, Ordering::Relaxed);
    }
}
