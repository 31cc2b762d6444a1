//! Who drives: the agent's side, or one person who has taken control. It is kept on disk before it counts, so that
//! neither a crash nor a lost tab gives the desktop back; control is told, and tells the next VM.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use protocol::{
    Millis, SessionId, UserId,
    error::{Code, Problem},
    lease::{ControlStatus, Driver, Holder, PutLease},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    desk::Desk,
    edge::Edge,
    identity::key::StateDir,
    patience::{Backoff, Told},
};
use crate::link::{Answer, Call, FloorRule};

const FILE: &str = "lease.json";
/// So long a person waits for the desk to have heard of it.
const APPLIED_WITHIN: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(200);

/// The lease of this desktop; cheap to clone.
#[derive(Clone)]
pub struct Lease(Arc<Inner>);

struct Inner {
    state: StateDir,
    standing: watch::Sender<Standing>,
    /// What the desk last confirmed.
    applied: watch::Sender<Option<FloorRule>>,
    /// Held while the lease changes: what is on disk and what counts are the same.
    turn: Mutex<()>,
}

/// Who drives, and who wants to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    pub lease: protocol::lease::Lease,
    /// Gets control at the agent's next safe point.
    pub requested_by: Option<UserId>,
    /// What the agent works on.
    pub session: Option<SessionId>,
}

impl Standing {
    pub fn holder(&self) -> Option<&UserId> {
        self.lease.holder.as_ref().map(|holder| &holder.user_id)
    }

    pub fn status(&self) -> ControlStatus {
        let driver = match (&self.lease.holder, &self.session) {
            (Some(_), _) => Driver::Person,
            (None, Some(_)) => Driver::Agent,
            (None, None) => Driver::Nobody,
        };
        ControlStatus {
            driver,
            holder: self.lease.holder.clone(),
            requested_by: self.requested_by.clone(),
            session_id: self.session.clone(),
        }
    }

    fn floor(&self) -> FloorRule {
        match (self.holder(), &self.session) {
            (Some(user), _) => FloorRule::Only { seat: user.to_string() },
            (None, Some(_)) => FloorRule::Nobody,
            (None, None) => FloorRule::Anyone,
        }
    }
}

impl Lease {
    /// Goes on where this VM or the one before it was, whichever knows more.
    pub fn open(state: StateDir, known_to_control: protocol::lease::Lease) -> anyhow::Result<Self> {
        let kept = match state.read(FILE)? {
            Some(text) => serde_json::from_str(&text)
                .context("read who drives: the file lease.json is damaged; without it a takeover may be lost")?,
            None => protocol::lease::Lease::default(),
        };
        let lease = if kept.epoch >= known_to_control.epoch { kept } else { known_to_control };
        let standing = watch::Sender::new(Standing { lease, ..Standing::default() });
        Ok(Self(Arc::new(Inner { state, standing, applied: watch::Sender::new(None), turn: Mutex::default() })))
    }

    pub fn standing(&self) -> Standing {
        self.0.standing.borrow().clone()
    }

    pub fn watch(&self) -> watch::Receiver<Standing> {
        self.0.standing.subscribe()
    }

    pub fn is_taken(&self) -> bool {
        self.0.standing.borrow().lease.holder.is_some()
    }

    /// Waits until a person has taken control.
    pub async fn taken(&self) {
        self.taken_by_another(None).await;
    }

    /// Waits until somebody other than `user` has taken control.
    pub async fn taken_by_another(&self, user: Option<&UserId>) {
        let mut standing = self.watch();
        let by_another = |standing: &Standing| standing.holder().is_some_and(|holder| Some(holder) != user);
        if standing.wait_for(by_another).await.is_err() {
            std::future::pending().await
        }
    }

    /// The agent begins to work on a session, or has ended to.
    pub fn works_on(&self, session: Option<SessionId>) {
        self.0.standing.send_if_modified(|standing| {
            let changed = standing.session != session;
            standing.session = session;
            changed
        });
    }

    /// Gives `user` control, at once. Nothing of the agent's side acts any more when this returns; an error says that
    /// the desk has not confirmed it, and control is `user`'s all the same.
    pub async fn take(&self, user: &UserId, now: Millis) -> Result<(), Problem> {
        self.change(|standing| match standing.holder() {
            Some(holder) if holder == user => Ok(None),
            Some(_) => {
                Err(Problem::new(Code::PersonDrives, "Somebody else has taken control: ask them to hand it back."))
            }
            None => Ok(Some(Holder { user_id: user.clone(), since: now })),
        })?;
        self.applied().await
    }

    /// Gives `user` control at the agent's next safe point; at once where the agent does not work.
    pub async fn request(&self, user: &UserId, now: Millis) -> Result<(), Problem> {
        let standing = self.standing();
        if standing.lease.holder.is_some() || standing.session.is_none() {
            return self.take(user, now).await;
        }
        self.0.standing.send_modify(|standing| standing.requested_by = Some(user.clone()));
        Ok(())
    }

    /// The agent is at a safe point: who asked for control gets it.
    pub fn settle_request(&self, now: Millis) {
        let Some(user) = self.0.standing.borrow().requested_by.clone() else { return };
        let settled = self.change(|standing| match standing.holder() {
            Some(_) => Ok(None),
            None => Ok(Some(Holder { user_id: user, since: now })),
        });
        if let Err(problem) = settled {
            tracing::error!(%problem, "give control to who asked for it");
        }
    }

    /// Gives control back to the agent's side. What the agent is told of it has to be stored before.
    pub async fn release(&self) -> Result<(), Problem> {
        let _turn = self.0.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let lease = {
            let standing = self.0.standing.borrow();
            if standing.lease.holder.is_none() {
                return Ok(());
            }
            protocol::lease::Lease { epoch: standing.lease.epoch + 1, holder: None }
        };
        self.keep(&lease)?;
        self.0.standing.send_modify(|standing| {
            standing.lease = lease;
            standing.requested_by = None;
        });
        Ok(())
    }

    fn change(&self, decide: impl FnOnce(&Standing) -> Result<Option<Holder>, Problem>) -> Result<(), Problem> {
        let _turn = self.0.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let lease = {
            let standing = self.0.standing.borrow();
            let Some(holder) = decide(&standing)? else { return Ok(()) };
            protocol::lease::Lease { epoch: standing.lease.epoch + 1, holder: Some(holder) }
        };
        self.keep(&lease)?;
        self.0.standing.send_modify(|standing| {
            standing.lease = lease;
            standing.requested_by = None;
        });
        Ok(())
    }

    fn keep(&self, lease: &protocol::lease::Lease) -> Result<(), Problem> {
        let bytes = serde_json::to_vec(lease).unwrap_or_default();
        self.0.state.write(FILE, &bytes).map_err(|error| {
            tracing::error!(error = %format!("{error:#}"), "keep who drives");
            Problem::new(
                Code::StorageFull,
                "It cannot be written down who drives, so nothing has changed: is the disk full?",
            )
        })
    }

    /// Waits until the desk does as the lease says.
    pub async fn applied(&self) -> Result<(), Problem> {
        let wanted = self.0.standing.borrow().floor();
        let mut applied = self.0.applied.subscribe();
        let waited = tokio::time::timeout(APPLIED_WITHIN, applied.wait_for(|floor| floor.as_ref() == Some(&wanted)));
        match waited.await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Problem::new(
                Code::DesktopUnreachable,
                "You have control and the agent waits, but the desktop does not answer yet: look again in a moment.",
            )),
        }
    }

    /// Tells the desk whose input counts, whenever that changes and whenever a new desk does not know.
    pub async fn keep_floor(self, desk: Desk, mut knows: watch::Receiver<Option<bool>>, stop: CancellationToken) {
        let keeping = async {
            let mut standing = self.watch();
            loop {
                let wanted = standing.borrow_and_update().floor();
                let told = match desk.call(&Call::Floor { rule: wanted.clone() }, Duration::from_secs(10)).await {
                    Ok(Answer::Done) => true,
                    Ok(_) => false,
                    Err(error) => {
                        tracing::debug!(%error, "tell the desk who drives");
                        false
                    }
                };
                self.0.applied.send_replace(told.then_some(wanted));
                if !told {
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                tokio::select! {
                    _ = standing.changed() => {}
                    () = forgotten(&mut knows) => {}
                }
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = keeping => {} }
    }

    /// Tells control who drives, so that it survives this VM.
    pub async fn report(self, edge: Edge, generation: i64, over: CancellationToken, stop: CancellationToken) {
        let reporting = async {
            let (mut standing, mut told) = (self.watch(), Told::default());
            let mut known = protocol::lease::Lease::default();
            loop {
                let lease = standing.borrow_and_update().lease.clone();
                if lease != known {
                    let mut backoff = Backoff::of_edge();
                    let report = PutLease { generation, lease: lease.clone() };
                    while let Err(error) = edge.put("/vm/v1/lease", &report).await {
                        if error.is(Code::StaleGeneration) {
                            return over.cancel();
                        }
                        told.failed("tell control who drives", &error);
                        tokio::time::sleep(backoff.wait()).await;
                        if standing.has_changed().unwrap_or(true) {
                            break;
                        }
                    }
                    if !standing.has_changed().unwrap_or(true) {
                        told.succeeded("tell control who drives");
                        known = lease;
                    }
                    continue;
                }
                if standing.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = reporting => {} }
    }
}

/// A desk that was started again says that it knows nothing.
async fn forgotten(knows: &mut watch::Receiver<Option<bool>>) {
    loop {
        if knows.changed().await.is_err() {
            return std::future::pending().await;
        }
        if *knows.borrow_and_update() == Some(false) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(folder: &tempfile::TempDir, known: protocol::lease::Lease) -> Lease {
        Lease::open(StateDir::open(&folder.path().join("state")).unwrap(), known).unwrap()
    }

    fn taken(lease: &Lease, user: &UserId) -> Result<(), Code> {
        // Without a desk nobody confirms it; who holds is decided before.
        let decided = lease.change(|standing| match standing.holder() {
            Some(_) => Err(Problem::new(Code::PersonDrives, "")),
            None => Ok(Some(Holder { user_id: user.clone(), since: 7 })),
        });
        decided.map_err(|problem| problem.code)
    }

    #[tokio::test]
    async fn a_takeover_survives_the_process_and_ends_only_by_a_release() {
        let (folder, ada) = (tempfile::tempdir().unwrap(), UserId::generate());
        taken(&lease(&folder, Default::default()), &ada).unwrap();

        let again = lease(&folder, Default::default());
        assert_eq!(again.standing().holder(), Some(&ada));
        again.release().await.unwrap();

        let last = lease(&folder, Default::default());
        assert_eq!((last.standing().holder(), last.standing().lease.epoch), (None, 2));
    }

    #[tokio::test]
    async fn the_later_word_holds_whether_it_is_the_disks_or_controls() {
        let (folder, ada) = (tempfile::tempdir().unwrap(), UserId::generate());
        let holder = Some(Holder { user_id: ada.clone(), since: 1 });
        let of_the_vm_before = protocol::lease::Lease { epoch: 5, holder };

        let lease = super::tests::lease(&folder, of_the_vm_before.clone());
        assert_eq!(lease.standing().holder(), Some(&ada));
        lease.release().await.unwrap();

        assert_eq!(super::tests::lease(&folder, of_the_vm_before).standing().holder(), None);
    }

    #[tokio::test]
    async fn a_damaged_note_of_who_drives_is_no_permission_for_the_agent() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        state.write(FILE, b"{").unwrap();

        assert!(Lease::open(state, Default::default()).is_err());
    }

    #[tokio::test]
    async fn control_has_one_holder() {
        let (folder, ada, bob) = (tempfile::tempdir().unwrap(), UserId::generate(), UserId::generate());
        let lease = lease(&folder, Default::default());

        assert_eq!(taken(&lease, &ada), Ok(()));
        assert_eq!(taken(&lease, &bob), Err(Code::PersonDrives));
        assert_eq!(lease.take(&bob, 0).await.map_err(|problem| problem.code), Err(Code::PersonDrives));
        assert_eq!(lease.standing().floor(), FloorRule::Only { seat: ada.to_string() });
    }

    #[tokio::test]
    async fn who_asks_while_the_agent_works_gets_control_at_its_next_safe_point() {
        let (folder, ada) = (tempfile::tempdir().unwrap(), UserId::generate());
        let lease = lease(&folder, Default::default());
        lease.works_on(Some(SessionId::generate()));
        lease.request(&ada, 0).await.unwrap();
        assert_eq!((lease.standing().status().driver, lease.is_taken()), (Driver::Agent, false));

        lease.settle_request(3);

        assert_eq!((lease.standing().status().driver, lease.standing().requested_by), (Driver::Person, None));
    }
}
