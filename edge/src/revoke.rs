//! What was let in and is still open is cut as soon as control takes back what let it in.
//!
//! control tells of every revocation while it is listened to. What may have been missed, because the stream broke, was too
//! slow, or another control took it back, is asked for now and then: of all that is open, which still holds?

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use protocol::edge::{ALIVE_MS, Grant, MAX_GRANTS, Revocation};
use tokio::{sync::Notify, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Clock, certs::Certs, listener::Connections, resolve::Resolver};

/// Who is silent for so long is gone.
const SILENCE: Duration = Duration::from_millis(3 * ALIVE_MS);
const AGAIN: Duration = Duration::from_millis(200);
const AGAIN_AT_MOST: Duration = Duration::from_secs(3);
/// How often it is looked for what has ended by itself.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) certs: Certs,
    pub(crate) connections: Arc<Connections>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) clock: Clock,
    /// How often it is asked for what nobody told of.
    pub(crate) every: Duration,
    pub(crate) missed: Arc<Notify>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Watch {
    pub(crate) async fn run(self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.follow_for_ever() => {}
            () = self.check_for_ever() => {}
            () = self.end_what_is_over() => {}
        }
    }

    async fn follow_for_ever(&self) {
        let mut again = AGAIN;
        loop {
            let mut heard = false;
            let Err(error) = self.follow(&mut heard).await;
            if heard {
                again = AGAIN;
                tracing::warn!(error = format!("{error:#}"), "control tells of no revocations any more");
            }
            tokio::time::sleep(again).await;
            again = (again * 2).min(AGAIN_AT_MOST);
        }
    }

    async fn follow(&self, heard: &mut bool) -> anyhow::Result<std::convert::Infallible> {
        let mut revocations = timeout(SILENCE, self.certs.now().control.revocations()).await.context("ask")??;
        loop {
            let revocation = timeout(SILENCE, revocations.next()).await.context("silence")??;
            let is_first = !std::mem::replace(heard, true);
            if is_first {
                tracing::info!("control tells of revocations");
            }
            if is_first || revocation == Revocation::Missed {
                self.resolver.revoke(|_| true);
                self.missed.notify_one();
            }
            if matches!(revocation, Revocation::Alive | Revocation::Missed) {
                continue;
            }
            self.resolver.revoke(|grant| revocation.takes(grant));
            let cut = self.connections.cut_granted(|granted| revocation.takes(&granted.grant));
            if cut > 0 {
                tracing::info!(cut, "revoked");
            }
        }
    }

    /// Asks which of all that is open still holds: at once when something was missed, and else now and then.
    async fn check_for_ever(&self) {
        loop {
            let _ = timeout(self.every, self.missed.notified()).await;
            let mut left = self.connections.granted();
            while !left.is_empty() {
                let mut failed = Vec::new();
                for grants in left.chunks(MAX_GRANTS) {
                    if let Err(problem) = self.check(grants).await {
                        tracing::warn!(detail = problem.detail, "ask which grants still hold");
                        failed.extend_from_slice(grants);
                    }
                }
                left = failed;
                tokio::time::sleep(if left.is_empty() { Duration::ZERO } else { AGAIN_AT_MOST }).await;
            }
        }
    }

    async fn check(&self, grants: &[Grant]) -> Result<(), protocol::error::Problem> {
        let holds = self.certs.now().control.holds(grants).await?;
        for (grant, _) in grants.iter().zip(holds).filter(|(_, holds)| !holds) {
            let cut = self.connections.cut_granted(|granted| granted.grant == *grant);
            tracing::info!(cut, user = %grant.user_id, desktop = %grant.desktop_id, "holds no longer");
        }
        Ok(())
    }

    /// Makes sure of one that was opened while something was revoked.
    pub(crate) fn make_sure(&self, grant: Grant) {
        let watch = self.clone();
        self.tasks.spawn(async move {
            let asking = async {
                while let Err(problem) = watch.check(std::slice::from_ref(&grant)).await {
                    tracing::warn!(detail = problem.detail, "ask whether a grant still holds");
                    tokio::time::sleep(AGAIN).await;
                }
            };
            watch.stop.run_until_cancelled(asking).await
        });
    }

    async fn end_what_is_over(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let now = (self.clock)();
            let cut = self.connections.cut_granted(|granted| granted.ends_at.is_some_and(|ends| ends <= now));
            if cut > 0 {
                tracing::info!(cut, "their credentials have expired");
            }
        }
    }
}
