//! The open connections: counted, and each one can be cut.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use protocol::VmId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub(crate) struct Connections {
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    draining: AtomicBool,
    places: Arc<Semaphore>,
}

/// What the edge knows of a connection, as long as it is open.
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    /// From its certificate; always absent on the public listener.
    pub(crate) vm: Option<VmId>,
    pub(crate) cut: CancellationToken,
    long_lived: AtomicBool,
    /// Is a request under way whose head is complete?
    busy: AtomicBool,
    heads: AtomicU64,
    all: Arc<Connections>,
}

impl Connections {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::default(),
            next: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            places: Arc::new(Semaphore::new(max)),
        })
    }

    /// A place for one more connection, if there is one.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Admitted> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        Some(Admitted { all: self.clone(), place })
    }

    /// Cuts WebSockets and event streams, now and from now on.
    pub(crate) fn cut_long_lived(&self) {
        self.draining.store(true, Ordering::SeqCst);
        for connection in self.lock().values().filter(|c| c.long_lived.load(Ordering::SeqCst)) {
            connection.cut.cancel();
        }
    }

    pub(crate) fn cut_all(&self) {
        for connection in self.lock().values() {
            connection.cut.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// A request's head has come.
    pub(crate) fn head_came(&self) {
        self.busy.store(true, Ordering::SeqCst);
        self.heads.fetch_add(1, Ordering::SeqCst);
    }

    /// Its answer is done.
    pub(crate) fn answer_went(&self) {
        self.busy.store(false, Ordering::SeqCst);
    }

    /// How many heads have come.
    pub(crate) fn heads(&self) -> u64 {
        self.heads.load(Ordering::SeqCst)
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst)
    }

    /// Marks it as one that lasts until somebody ends it.
    pub(crate) fn mark_long_lived(&self) {
        self.long_lived.store(true, Ordering::SeqCst);
        if self.all.draining.load(Ordering::SeqCst) {
            self.cut.cancel();
        }
    }
}

/// A place that is taken; no TLS handshake has been done yet.
pub(crate) struct Admitted {
    all: Arc<Connections>,
    place: OwnedSemaphorePermit,
}

impl Admitted {
    pub(crate) fn register(self, peer: SocketAddr, vm: Option<VmId>) -> Registered {
        let connection = Arc::new(Connection {
            peer,
            vm,
            cut: CancellationToken::new(),
            long_lived: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            heads: AtomicU64::new(0),
            all: self.all.clone(),
        });
        let id = self.all.next.fetch_add(1, Ordering::Relaxed);
        self.all.lock().insert(id, connection.clone());
        Registered { id, connection, _place: self.place }
    }
}

/// An open connection; dropping it forgets it.
pub(crate) struct Registered {
    id: u64,
    connection: Arc<Connection>,
    _place: OwnedSemaphorePermit,
}

impl Registered {
    pub(crate) fn shared(&self) -> Arc<Connection> {
        self.connection.clone()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.connection.all.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> SocketAddr {
        "127.0.0.1:1".parse().unwrap()
    }

    #[test]
    fn draining_cuts_long_lived_connections_and_leaves_the_others() {
        let all = Connections::new(10);
        let (socket, request) =
            (all.admit().unwrap().register(peer(), None), all.admit().unwrap().register(peer(), None));
        socket.shared().mark_long_lived();

        all.cut_long_lived();

        assert!(socket.shared().cut.is_cancelled());
        assert!(!request.shared().cut.is_cancelled());
        request.shared().mark_long_lived();
        assert!(request.shared().cut.is_cancelled(), "one that becomes long-lived while draining is cut too");
    }

    #[test]
    fn a_full_house_admits_again_when_somebody_leaves() {
        let all = Connections::new(1);
        let first = all.admit().unwrap().register(peer(), None);
        assert!(all.admit().is_none());

        drop(first);

        assert!(all.admit().is_some());
        assert!(all.lock().is_empty());
    }
}
