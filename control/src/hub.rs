//! Who waits for what: changes are called out here, and whoever listens looks the thing up itself.
//!
//! A call says "look again" and carries no state, so one that is missed costs a moment, never a fact;
//! listeners also look again by themselves every ten seconds, which covers other controls on one database.

use std::time::Duration;

use protocol::{DesktopId, SessionId, UserId, edge::Revocation};
use tokio::sync::broadcast;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Desktop {
        user_id: UserId,
    },
    /// The session's record has grown, or its state changed.
    Session {
        session_id: SessionId,
        desktop_id: DesktopId,
        /// The desktop's own sidecar has written it, and need not be told.
        by_vm: bool,
    },
    /// A person asked that the session stops.
    Stop {
        session_id: SessionId,
        desktop_id: DesktopId,
    },
    /// Somebody may no longer do what they were let in for.
    Revoked(Revocation),
    /// The MCP servers that were added to the desktop.
    McpServers {
        desktop_id: DesktopId,
    },
}

#[derive(Clone)]
pub struct Hub {
    changes: broadcast::Sender<Change>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { changes: broadcast::Sender::new(256) }
    }
}

impl Hub {
    pub fn call(&self, change: Change) {
        // Nobody may be listening.
        let _ = self.changes.send(change);
    }

    pub fn revoke(&self, what: Revocation) {
        self.call(Change::Revoked(what));
    }

    pub fn listen(&self) -> Listener {
        Listener { changes: self.changes.subscribe() }
    }
}

pub struct Listener {
    changes: broadcast::Receiver<Change>,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Change(Change),
    /// Some changes were missed.
    Missed,
    /// Nothing for a while: time to look anyway.
    Quiet,
}

const QUIET: Duration = Duration::from_secs(10);

impl Listener {
    /// The next change that `concerns` the listener.
    pub async fn next(&mut self, concerns: impl Fn(&Change) -> bool) -> Heard {
        let until = tokio::time::Instant::now() + QUIET;
        loop {
            match tokio::time::timeout_at(until, self.changes.recv()).await {
                Ok(Ok(change)) if concerns(&change) => return Heard::Change(change),
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Heard::Missed,
                Err(_) => return Heard::Quiet,
            }
        }
    }
}
