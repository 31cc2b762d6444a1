//! Who waits for what: changes are called out here, and whoever listens looks the thing up itself.
//!
//! A call says "look again" and carries no state, so one that is missed costs a moment, never a fact;
//! listeners also look again by themselves every ten seconds, which covers other controls on one database.

use protocol::{DesktopId, SessionId, UserId};
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
    },
    /// A person asked that the session stops.
    Stop {
        session_id: SessionId,
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

    pub fn listen(&self) -> Listener {
        Listener { changes: self.changes.subscribe() }
    }
}

pub struct Listener {
    changes: broadcast::Receiver<Change>,
}

impl Listener {
    /// The next change; `None` means that some were missed, or that it is time to look anyway.
    pub async fn next(&mut self) -> Option<Change> {
        match tokio::time::timeout(std::time::Duration::from_secs(10), self.changes.recv()).await {
            Ok(Ok(change)) => Some(change),
            Ok(Err(_)) | Err(_) => None,
        }
    }
}
