//! The shells of the desk: one persistent bash for each session.

pub(in crate::desk) mod bash;
pub(in crate::desk) mod family;
pub(in crate::desk) mod leftovers;
mod output;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    time::Duration,
};

use protocol::{SessionId, action::ShellOutput};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use self::{bash::Order, family::Reach, leftovers::Leftovers};
use crate::link::Refusal;

/// The longest a command may run.
pub(super) const MAX_TIMEOUT: Duration = Duration::from_secs(600);
/// Sessions come one after another on a desktop; older shells are ended.
const MAX_SHELLS: usize = 8;

/// All shells, by session; calls without one share a shell.
pub(super) struct Shells {
    open: Mutex<Vec<Shell>>,
    tasks: TaskTracker,
    leftovers: Leftovers,
    frozen: AtomicBool,
}

#[derive(Clone)]
struct Shell {
    of: Option<SessionId>,
    orders: mpsc::Sender<Order>,
    /// The process that leads it; 0 while there is none.
    leader: Arc<AtomicI32>,
}

impl Shells {
    /// `note` is the file in which a killed desk leaves word of what it ran; all that is ended first.
    pub(super) fn new(note: PathBuf) -> Shells {
        Shells {
            open: Mutex::default(),
            tasks: TaskTracker::new(),
            leftovers: Leftovers::clear(note, Reach::Session),
            frozen: AtomicBool::new(false),
        }
    }

    /// Runs a command in the shell of `session`. Dropping the future kills the command and ends that shell.
    pub(super) async fn run(
        &self,
        session: Option<SessionId>,
        command: String,
        timeout: Duration,
    ) -> Result<ShellOutput, Refusal> {
        bash::check(&command)?;
        if timeout.is_zero() || timeout > MAX_TIMEOUT {
            let message = format!("a time limit of {timeout:?} was asked for; 1 ms to {MAX_TIMEOUT:?} is possible");
            return Err(Refusal::invalid(message));
        }
        if self.frozen.load(Ordering::SeqCst) {
            return Err(Refusal::unavailable("a person drives: the shell is frozen until control is handed back"));
        }
        let (reply, answer) = oneshot::channel();
        let shell = self.shell(session).await;
        let gone = || Refusal::failed("the shell was ended while the command waited or ran; run it again");
        shell.orders.send(Order::Run { command, timeout, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Ends the shell of `session` and all it started; the next command gets a fresh one.
    pub(super) async fn restart(&self, session: Option<SessionId>) {
        let found = self.open.lock().await.iter().find(|shell| shell.of == session).cloned();
        let Some(shell) = found else { return };
        let (reply, done) = oneshot::channel();
        if shell.orders.send(Order::Restart(reply)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Ends the shell of `session` and all that came of it, whatever it is doing and wherever that has gone.
    pub(super) async fn stop(&self, session: Option<SessionId>) {
        let mut open = self.open.lock().await;
        let Some(at) = open.iter().position(|shell| shell.of == session) else { return };
        // Held until all is over: without a sender the shell would end alone, and what it had adopted would be lost.
        let shell = open.remove(at);
        let leader = shell.leader.load(Ordering::SeqCst);
        if leader != 0 {
            let leftovers = self.leftovers.clone();
            let _ = tokio::task::spawn_blocking(move || leftovers.end(leader, Reach::Descent)).await;
        }
    }

    /// Stops every shell and all they started where they are, until [`Shells::thaw`]; new commands are refused.
    pub(super) async fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
        let leftovers = self.leftovers.clone();
        let frozen = tokio::task::spawn_blocking(move || leftovers.freeze()).await.unwrap_or_default();
        tracing::info!(processes = frozen, "the shells are frozen");
    }

    pub(super) async fn thaw(&self) {
        let leftovers = self.leftovers.clone();
        let _ = tokio::task::spawn_blocking(move || leftovers.thaw()).await;
        self.frozen.store(false, Ordering::SeqCst);
    }

    /// Ends every shell and all they started, a running command included.
    pub(super) async fn end_all(&self) {
        self.leftovers.end_all();
        self.open.lock().await.clear();
    }

    /// Ends everything and waits for it.
    pub(super) async fn shut_down(&self) {
        self.end_all().await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn shell(&self, session: Option<SessionId>) -> Shell {
        let mut open = self.open.lock().await;
        if let Some(at) = open.iter().position(|shell| shell.of == session) {
            // The one used last stands last.
            let shell = open.remove(at);
            open.push(shell.clone());
            return shell;
        }
        if open.len() == MAX_SHELLS {
            open.remove(0);
        }
        let (sender, orders) = mpsc::channel(16);
        let shell = Shell { of: session, orders: sender, leader: Arc::default() };
        self.tasks.spawn(bash::serve(orders, self.leftovers.clone(), shell.leader.clone()));
        open.push(shell.clone());
        shell
    }
}
