//! The agent loop: which session it works on, who may stop it, and what the chat sees of it.

pub mod approve;
pub mod ask;
pub mod budget;
pub mod catalogue;
pub mod console;
pub mod doer;
pub mod hands;
pub mod journal;
pub mod live;
pub mod masks;
pub mod own;
pub mod record;
pub mod run;
pub mod secrets;
pub mod sight;
pub mod step;
pub mod stuck;
mod things;
pub mod tools;
pub mod waiting;
pub mod words;

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use protocol::{
    SessionId,
    error::Code,
    event::EventBody,
    journal::Append,
    session::SessionState,
    vm::{DeskHealth, Notice},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::{journal::Journal, live::Live, masks::Masks, record::Record, run::Runner, step::Memory};
use super::{
    desk::Desk,
    edge::EdgeError,
    lease::Lease,
    model::{call::Caller, language::ToolDefinition, notices},
    patience::{Backoff, Told},
    servers::Servers,
};

/// The agent of this desktop; cheap to clone.
#[derive(Clone)]
pub struct Agent(Arc<Inner>);

struct Inner {
    journal: Journal,
    desk: Desk,
    model: Caller,
    live: Live,
    lease: Lease,
    servers: Servers,
    current: Mutex<Option<Current>>,
    /// There may be work.
    wake: Notify,
    /// Sessions whose stop came when the agent was elsewhere.
    to_cancel: Mutex<Vec<SessionId>>,
    cancel: Notify,
}

/// What the agent works on, and what people said about it that control may not know yet.
#[derive(Clone)]
pub struct Current {
    session: SessionId,
    stop: CancellationToken,
    denied: Arc<Mutex<Vec<i64>>>,
}

impl Current {
    fn of(session: SessionId) -> Self {
        Self { session, stop: CancellationToken::new(), denied: Arc::default() }
    }

    fn denied(&self) -> Vec<i64> {
        self.denied.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    fn has_denied(&self, memory: &Memory) -> bool {
        self.denied().iter().any(|approval| !memory.judged.contains_key(approval))
    }
}

impl Agent {
    pub fn new(journal: Journal, desk: Desk, lease: Lease, servers: Servers) -> Self {
        let model = Caller::new(journal.edge.clone());
        Self(Arc::new(Inner {
            journal,
            desk,
            model,
            live: Live::default(),
            lease,
            servers,
            current: Mutex::new(None),
            wake: Notify::new(),
            to_cancel: Mutex::new(Vec::new()),
            cancel: Notify::new(),
        }))
    }

    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    pub fn live(&self) -> &Live {
        &self.0.live
    }

    pub fn lease(&self) -> &Lease {
        &self.0.lease
    }

    pub fn servers(&self) -> &Servers {
        &self.0.servers
    }

    /// The tools of the servers that the user added, for a model's request; sorted by name.
    pub fn mcp_tools(&self) -> Vec<ToolDefinition> {
        self.0.servers.definitions()
    }

    fn masks(&self) -> &Masks {
        self.0.servers.masks()
    }

    fn desk(&self) -> &Desk {
        &self.0.desk
    }

    /// There may be something to do.
    pub fn nudge(&self) {
        self.0.wake.notify_one();
    }

    /// A person does not let an action run: it will not, whether control can be told or not.
    pub fn deny(&self, session: &SessionId, approval: i64) {
        if let Some(current) = &*self.current()
            && current.session == *session
        {
            let mut denied = current.denied.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if denied.len() < 1024 && !denied.contains(&approval) {
                denied.push(approval);
            }
            self.nudge();
        }
    }

    /// The session's record may have moved on.
    pub fn look(&self, session: &SessionId) {
        self.0.live.look(session);
        self.nudge();
    }

    /// A person wants this session to stop: at once when it runs, else it is not begun.
    pub fn stop(&self, session: &SessionId) {
        match &*self.current() {
            Some(current) if current.session == *session => current.stop.cancel(),
            _ => {
                let mut to_cancel = self.0.to_cancel.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                if to_cancel.len() < 64 && !to_cancel.contains(session) {
                    to_cancel.push(session.clone());
                }
                drop(to_cancel);
                self.0.cancel.notify_one();
            }
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.0.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Works on what control says, one session after the other, until `stop` or until this generation is `over`.
    pub async fn work(self, mut desk: watch::Receiver<DeskHealth>, over: CancellationToken, stop: CancellationToken) {
        let ending = async {
            tokio::select! { () = stop.cancelled() => {}, () = over.cancelled() => {} }
        };
        let working = async {
            // Before the first picture there is nothing to act on.
            if desk.wait_for(|health| matches!(health, DeskHealth::Painted { .. })).await.is_ok() {
                self.work_on(&over).await;
            }
        };
        tokio::select! { () = ending => {}, () = working => {}, () = self.cancel_what_waits() => {} }
        *self.current() = None;
        self.lease().works_on(None);
    }

    async fn work_on(&self, over: &CancellationToken) {
        let (mut backoff, mut told) = (Backoff::of_edge(), Told::default());
        loop {
            let work = match self.0.journal.work().await {
                Ok(work) => {
                    told.succeeded("ask for work");
                    backoff = Backoff::of_edge();
                    work
                }
                Err(error) if error.is(Code::StaleGeneration) => return over.cancel(),
                Err(error) => {
                    told.failed("ask for work", &error);
                    self.rest(backoff.wait()).await;
                    continue;
                }
            };
            let Some(work) = work else {
                self.rest(Duration::from_secs(30)).await;
                continue;
            };
            let current = Current::of(work.session_id.clone());
            *self.current() = Some(current.clone());
            self.lease().works_on(Some(work.session_id.clone()));
            let ended = Runner::new(self, work, current).run().await;
            *self.current() = None;
            self.lease().works_on(None);
            match ended {
                run::Ended::AtRest { moved: true } => {}
                // control thinks there is work and the record has none: not a reason to spin.
                run::Ended::AtRest { moved: false } | run::Ended::Refused => self.rest(Duration::from_secs(5)).await,
                run::Ended::Stale => return over.cancel(),
            }
        }
    }

    async fn rest(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.0.wake.notified()).await;
    }

    /// Ends sessions that wait for their turn and were told to stop, while the agent works on another one.
    async fn cancel_what_waits(&self) {
        loop {
            self.0.cancel.notified().await;
            let sessions =
                std::mem::take(&mut *self.0.to_cancel.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
            for session in sessions {
                if let Err(error) = self.cancel(&session).await {
                    tracing::warn!(%error, %session, "cancel a waiting session");
                }
            }
        }
    }

    async fn cancel(&self, session: &SessionId) -> Result<(), EdgeError> {
        for _ in 0..5 {
            let mut record = Record::default();
            run::read_on(&self.0.journal, session, &mut record).await?;
            if !record.state().has_work() {
                return Ok(());
            }
            let expected_seq = record.last_seq() + 1;
            let append = Append {
                generation: self.0.journal.generation,
                expected_seq,
                client_id: format!("s:{expected_seq}:{}", SessionState::Cancelled.as_str()),
                body: EventBody::StateChanged { state: SessionState::Cancelled, reason: None },
            };
            match self.0.journal.append(session, &append).await {
                Ok(_) => {
                    self.look(session);
                    return Ok(());
                }
                Err(error) if error.is(Code::SequenceConflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Listens to control's notices: something to look at, something to stop.
    pub async fn heed_notices(self, over: CancellationToken, stop: CancellationToken) {
        let listening = async {
            let (mut backoff, mut told) = (Backoff::of_edge(), Told::default());
            loop {
                let heard = notices::listen(&self.0.journal.edge, |notice| {
                    told.succeeded("listen to notices");
                    backoff = Backoff::of_edge();
                    self.heed(&notice);
                });
                let Err(error) = heard.await else { continue };
                told.failed("listen to notices", &error);
                tokio::time::sleep(backoff.wait()).await;
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = over.cancelled() => {}, () = listening => {} }
    }

    fn heed(&self, notice: &Notice) {
        match notice {
            Notice::Hello => {
                self.0.live.look_everywhere();
                self.0.servers.look();
                self.0.wake.notify_one();
            }
            Notice::Work { session_id } => self.look(session_id),
            Notice::Stop { session_id } => self.stop(session_id),
            Notice::McpServers => self.0.servers.look(),
        }
    }
}
