//! The open connections: counted, and each one can be cut.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use protocol::{Millis, VmId, edge::Grant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub(crate) struct Connections {
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    draining: AtomicBool,
}

/// What the edge knows of a connection, as long as it is open.
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    /// From its certificate; always absent on the public listener.
    pub(crate) vm: Option<VmId>,
    pub(crate) cut: CancellationToken,
    long_lived: AtomicBool,
    /// By what right something long goes on, if it does and that can be taken back.
    granted: Mutex<Option<Granted>>,
    /// Is a request under way whose head is complete?
    busy: AtomicBool,
    heads: AtomicU64,
    all: Arc<Connections>,
}

/// The right by which something that lasts was opened.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    pub(crate) grant: Grant,
    pub(crate) ends_at: Option<Millis>,
}

impl Connections {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), next: AtomicU64::new(0), draining: AtomicBool::new(false) })
    }

    /// One of the places for one more connection, if there is one.
    pub(crate) fn admit(self: &Arc<Self>, places: &Arc<Semaphore>) -> Option<Admitted> {
        let place = places.clone().try_acquire_owned().ok()?;
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

    /// Cuts what goes on by a right that is `taken`; answers how many.
    pub(crate) fn cut_granted(&self, taken: impl Fn(&Granted) -> bool) -> usize {
        let open = self.lock();
        let hit = open.values().filter(|connection| connection.granted().as_ref().is_some_and(&taken));
        hit.inspect(|connection| connection.cut.cancel()).count()
    }

    /// By what rights something goes on now, each once.
    pub(crate) fn granted(&self) -> Vec<Grant> {
        let mut grants: Vec<Grant> = Vec::new();
        let mut known = HashSet::new();
        for granted in self.lock().values().filter_map(|connection| connection.granted().clone()) {
            if known.insert(granted.grant.clone()) {
                grants.push(granted.grant);
            }
        }
        grants
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
        *self.granted() = None;
        self.busy.store(false, Ordering::SeqCst);
    }

    /// How many heads have come.
    pub(crate) fn heads(&self) -> u64 {
        self.heads.load(Ordering::SeqCst)
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst)
    }

    /// Something long begins, by this right.
    pub(crate) fn grant(&self, granted: Granted) {
        *self.granted() = Some(granted);
    }

    fn granted(&self) -> MutexGuard<'_, Option<Granted>> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
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
            granted: Mutex::default(),
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
    use protocol::{
        DesktopId, TokenId, UserId,
        edge::{CredentialId, Revocation},
    };

    use super::*;

    fn peer() -> SocketAddr {
        "127.0.0.1:1".parse().unwrap()
    }

    fn open(all: &Arc<Connections>) -> Registered {
        all.admit(&Arc::new(Semaphore::new(1))).unwrap().register(peer(), None)
    }

    #[test]
    fn draining_cuts_long_lived_connections_and_leaves_the_others() {
        let all = Connections::new();
        let (socket, request) = (open(&all), open(&all));
        socket.shared().mark_long_lived();

        all.cut_long_lived();

        assert!(socket.shared().cut.is_cancelled());
        assert!(!request.shared().cut.is_cancelled());
        request.shared().mark_long_lived();
        assert!(request.shared().cut.is_cancelled(), "one that becomes long-lived while draining is cut too");
    }

    #[test]
    fn what_goes_on_by_a_right_that_is_taken_is_cut_and_nothing_else() {
        let all = Connections::new();
        let grant = |token: &TokenId| Grant {
            user_id: UserId::generate(),
            credential_id: CredentialId::Token(token.clone()),
            desktop_id: DesktopId::generate(),
            generation: 1,
        };
        let (taken, kept) = (TokenId::generate(), TokenId::generate());
        let (hit, other, over, idle) = (open(&all), open(&all), open(&all), open(&all));
        for (connection, token) in [(&hit, &taken), (&other, &kept), (&over, &taken)] {
            connection.shared().grant(Granted { grant: grant(token), ends_at: None });
        }
        over.shared().answer_went();

        let revocation = Revocation::Credential { credential_id: CredentialId::Token(taken) };
        let cut = all.cut_granted(|granted| revocation.takes(&granted.grant));

        assert_eq!(cut, 1);
        let is_cut = [&hit, &other, &over, &idle].map(|connection| connection.shared().cut.is_cancelled());
        assert_eq!(is_cut, [true, false, false, false]);
        assert_eq!(all.granted().len(), 2);
    }

    #[test]
    fn a_full_house_admits_again_when_somebody_leaves() {
        let (all, places) = (Connections::new(), Arc::new(Semaphore::new(1)));
        let first = all.admit(&places).unwrap().register(peer(), None);
        assert!(all.admit(&places).is_none());

        drop(first);

        assert!(all.admit(&places).is_some());
        assert!(all.lock().is_empty());
    }
}
