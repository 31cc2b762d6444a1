//! One server from its start to its end, and what it is asked meanwhile.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use protocol::{
    mcp::{McpServerConfig, McpState, McpTool},
    vm::DeskHealth,
};
use rmcp::{RoleClient, service::Peer};
use tokio::{
    sync::{Notify, Semaphore, mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    End, Masks, Running, Standing, World,
    client::list,
    logs::Logs,
    offer::{self, Offered},
    way::{self, Ending, Service, Serving, Way},
};

/// At the same time, of one server.
const MAX_CALLS: usize = 16;
/// A list that changes all the time is not read all the time.
const LIST_REST: Duration = Duration::from_secs(1);
/// Of what ends: to say so itself, and to be over.
const LAST_WORDS: Duration = Duration::from_secs(5);
const OVER_WITHIN: Duration = Duration::from_secs(10);
/// After the desk was lost.
const DESK_REST: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Start,
    Stop,
    Restart,
}

/// What a person, or control's list, wants.
pub(super) struct Order {
    pub(super) verb: Verb,
    /// Told when it is so, or has failed.
    pub(super) done: Option<oneshot::Sender<()>>,
}

/// One server; this alone starts and ends it.
pub(super) struct Life {
    pub(super) world: World,
    pub(super) name: String,
    pub(super) config: watch::Receiver<McpServerConfig>,
    pub(super) standing: watch::Sender<Standing>,
    pub(super) orders: mpsc::Receiver<Order>,
    /// What is hidden in all that it says.
    pub(super) masks: Arc<Masks>,
    pub(super) logs: Logs,
    /// It is no longer wanted at all.
    pub(super) gone: CancellationToken,
}

/// What is next.
enum Next {
    Stopped,
    Failed(String),
    Again,
    Gone,
}

/// Who is told when a server stands as it was ordered to.
type Waiting = Vec<oneshot::Sender<()>>;
type Listing = Pin<Box<dyn Future<Output = Result<Vec<McpTool>, String>> + Send>>;

impl Life {
    /// Obeys until it is gone.
    pub(super) async fn live(mut self) {
        loop {
            let order = tokio::select! {
                biased;
                () = self.gone.cancelled() => return,
                order = self.orders.recv() => order,
            };
            let Some(Order { verb, done }) = order else { return };
            let mut done: Waiting = done.into_iter().collect();
            if verb == Verb::Stop {
                self.stand(McpState::Stopped, None);
            } else {
                loop {
                    match self.run(&mut done).await {
                        Next::Again => continue,
                        Next::Stopped => self.stand(McpState::Stopped, None),
                        Next::Failed(why) => self.stand(McpState::Failed, Some(why)),
                        Next::Gone => return self.stand(McpState::Stopped, None),
                    }
                    break;
                }
            }
            tell(&mut done);
        }
    }

    /// Starts it, and sees it through to its end.
    async fn run(&mut self, done: &mut Waiting) -> Next {
        if let Some(next) = self.wait_for_the_desktop(done).await {
            return next;
        }
        // The desk thaws what stood still only when it has heard of a hand-back.
        let _ = self.world.lease.applied().await;
        self.stand(McpState::Starting, None);
        self.logs.say("[starting]");
        let config = self.config.borrow_and_update().clone();
        let changed = Arc::new(Notify::new());
        let deadline = tokio::time::sleep(self.world.bounds.start);
        tokio::pin!(deadline);
        let (world, masks, logs) = (self.world.clone(), self.masks.clone(), self.logs.clone());
        let lease = self.world.lease.clone();
        let way = tokio::select! {
            biased;
            // The desk starts nothing then, and that is no failure of the server.
            () = lease.taken() => return Next::Again,
            way = way::open(&world, (&masks, &logs), config, changed.clone()) => way,
            () = &mut deadline => Err(self.late()),
            next = interrupted(&mut self.orders, &self.gone, done, false) => return next,
        };
        let Way { serving, mut ending, stop, is_child } = match way {
            Ok(way) => way,
            Err(why) => return self.failed(why, None),
        };
        let begun = tokio::select! {
            biased;
            next = interrupted(&mut self.orders, &self.gone, done, false) => Err(Some(next)),
            // What stands still while a person drives could only be late.
            () = lease.taken() => Err(Some(Next::Again)),
            end = &mut ending => {
                let last = self.logs.finish();
                return self.failed(end.words(), last);
            }
            begun = begin(serving) => match begun {
                Ok(begun) => Ok(begun),
                Err(why) => {
                    // The end of a child says more than that it does not speak.
                    if is_child && let Ok(end) = timeout(LAST_WORDS, &mut ending).await {
                        let last = self.logs.finish();
                        return self.failed(end.words(), last);
                    }
                    self.end(&stop, &mut ending).await;
                    return self.failed(why, None);
                }
            },
            () = &mut deadline => Err(None),
        };
        let (service, listed) = match begun {
            Ok(begun) => begun,
            Err(next) => {
                self.end(&stop, &mut ending).await;
                return match next {
                    Some(next) => next,
                    None => {
                        let why = self.late();
                        self.failed(why, None)
                    }
                };
            }
        };
        let peer = service.peer().clone();
        let running =
            Running { peer: peer.clone(), tools: self.take(listed), calls: Arc::new(Semaphore::new(MAX_CALLS)) };
        let offered = running.tools.len();
        self.standing.send_replace(Standing::running(running));
        self.logs.say(&format!("[running, with {offered} tools]"));
        tell(done);
        let next = self.attend(service, &peer, &changed, &mut ending, &stop, done).await;
        self.logs.finish();
        next
    }

    /// Serves it while it runs; afterwards it is over.
    async fn attend(
        &mut self,
        service: Service,
        peer: &Peer<RoleClient>,
        changed: &Notify,
        ending: &mut Ending,
        stop: &CancellationToken,
        done: &mut Waiting,
    ) -> Next {
        let leave = service.cancellation_token();
        let mut waiting = Box::pin(service.waiting());
        let mut relist: Option<Listing> = None;
        let next = loop {
            tokio::select! {
                biased;
                next = interrupted(&mut self.orders, &self.gone, done, true) => break next,
                end = &mut *ending => return self.fell(end).await,
                _ = &mut waiting => {
                    let Ok(end) = timeout(LAST_WORDS, &mut *ending).await else {
                        self.end(stop, ending).await;
                        return self.fell(End::Silent).await;
                    };
                    return self.fell(end).await;
                }
                listed = ready(&mut relist) => {
                    relist = None;
                    self.relisted(listed);
                }
                () = changed.notified(), if relist.is_none() => relist = Some(Box::pin(list_again(peer.clone(), self.world.bounds.start))),
            }
        };
        self.stand(McpState::Stopping, None);
        leave.cancel();
        let _ = timeout(LAST_WORDS, waiting).await;
        self.end(stop, ending).await;
        next
    }

    /// Asks it to end, and waits until it has.
    async fn end(&mut self, stop: &CancellationToken, ending: &mut Ending) {
        stop.cancel();
        match timeout(OVER_WITHIN, ending).await {
            Ok(end) => self.logs.say(&format!("[{}]", end.words())),
            // What is dropped now closes the link, and the desk ends what is behind it.
            Err(_) => self.logs.say("[it does not end in time; it is left to the desktop to end it]"),
        }
    }

    /// It ended by itself.
    async fn fell(&mut self, end: End) -> Next {
        let is_lost = matches!(end, End::Lost);
        let last = self.logs.finish();
        let failed = self.failed(end.words(), last);
        if let Next::Failed(why) = &failed {
            // Nobody may be working.
            let _ = self.world.falls.send(format!("The MCP server {} has ended: {why}", self.name));
        }
        // That is no failure of the server: as it came with the desktop, it comes back with it.
        if is_lost && self.config.borrow().autostart {
            self.stand(McpState::Failed, Some("the desktop's helper has ended".to_owned()));
            let rested = self.gone.run_until_cancelled(tokio::time::sleep(DESK_REST)).await;
            return if rested.is_some() { Next::Again } else { Next::Gone };
        }
        failed
    }

    fn failed(&mut self, why: String, last: Option<String>) -> Next {
        let why = match last {
            Some(last) => format!("{why}: {last}"),
            None => why,
        };
        let why: String = self.masks.mask(why).chars().take(1_000).collect();
        self.logs.say(&format!("[failed: {why}]"));
        Next::Failed(why)
    }

    fn late(&self) -> String {
        format!("it did not answer within {} s", self.world.bounds.start.as_secs())
    }

    /// Nothing starts before the first picture, or while a person drives.
    async fn wait_for_the_desktop(&mut self, done: &mut Waiting) -> Option<Next> {
        let (mut painted, mut standing) = (self.world.painted.clone(), self.world.lease.watch());
        loop {
            let is_painted = matches!(*painted.borrow_and_update(), DeskHealth::Painted { .. });
            let is_taken = standing.borrow_and_update().holder().is_some();
            let why = match (is_painted, is_taken) {
                (true, false) => return None,
                (false, _) => "it waits for the desktop",
                (true, true) => "it waits until control is handed back",
            };
            self.stand(McpState::Starting, Some(why.to_owned()));
            tell(done);
            tokio::select! {
                changed = painted.changed() => if changed.is_err() { return Some(Next::Gone) },
                changed = standing.changed() => if changed.is_err() { return Some(Next::Gone) },
                next = interrupted(&mut self.orders, &self.gone, done, false) => return Some(next),
            }
        }
    }

    fn take(&self, listed: Vec<McpTool>) -> Arc<[Offered]> {
        // A server may have been given secrets, and may say them anywhere.
        let (listed, telling): (Vec<_>, Vec<_>) = listed
            .into_iter()
            .map(|tool| self.masked(tool))
            .partition(|tool| self.masks.mask(tool.name.clone()) == tool.name);
        let (offered, mut remarks) = offer::take(&self.name, listed);
        // By another name it could not be called.
        remarks.extend(
            telling.iter().map(|tool| format!("the tool '{}' is left out: its name tells a secret", tool.name)),
        );
        for remark in remarks {
            self.logs.say(&format!("[{remark}]"));
        }
        offered.into()
    }

    fn masked(&self, tool: McpTool) -> McpTool {
        let masks = &self.masks;
        let schema = masks.mask(tool.input_schema.to_string());
        McpTool {
            name: tool.name,
            description: masks.mask(tool.description),
            input_schema: serde_json::from_str(&schema).unwrap_or_default(),
        }
    }

    fn relisted(&self, listed: Result<Vec<McpTool>, String>) {
        match listed {
            Ok(listed) => {
                let tools = self.take(listed);
                self.logs.say(&format!("[its tools have changed: {} now]", tools.len()));
                self.standing.send_modify(|standing| {
                    if let Some(running) = &mut standing.running {
                        running.tools = tools;
                    }
                });
            }
            Err(why) => self.logs.say(&format!("[its tools have changed, and it does not list them: {why}]")),
        }
    }

    fn stand(&self, state: McpState, reason: Option<String>) {
        self.standing.send_replace(Standing::of(state, reason));
    }
}

/// What ends whatever a server is doing. Whoever wants what is begun already waits for it too, unless it `runs`.
async fn interrupted(
    orders: &mut mpsc::Receiver<Order>,
    gone: &CancellationToken,
    done: &mut Waiting,
    runs: bool,
) -> Next {
    loop {
        let order = tokio::select! {
            biased;
            () = gone.cancelled() => return Next::Gone,
            order = orders.recv() => order,
        };
        let Some(order) = order else { return Next::Gone };
        if order.verb != Verb::Start {
            // What was waited for is not to be any more.
            tell(done);
        }
        done.extend(order.done);
        match order.verb {
            Verb::Start if runs => tell(done),
            Verb::Start => {}
            Verb::Stop => return Next::Stopped,
            Verb::Restart => return Next::Again,
        }
    }
}

fn tell(done: &mut Waiting) {
    for done in done.drain(..) {
        // Who waited may have left.
        let _ = done.send(());
    }
}

async fn begin(serving: Serving) -> Result<(Service, Vec<McpTool>), String> {
    let service = serving.await.map_err(|error| format!("it does not begin as MCP says: {error}"))?;
    let listed = list(service.peer()).await?;
    Ok((service, listed))
}

async fn list_again(peer: Peer<RoleClient>, within: Duration) -> Result<Vec<McpTool>, String> {
    tokio::time::sleep(LIST_REST).await;
    timeout(within, list(&peer)).await.unwrap_or_else(|_| Err("it did not answer in time".to_owned()))
}

async fn ready(listing: &mut Option<Listing>) -> Result<Vec<McpTool>, String> {
    match listing {
        Some(listing) => listing.await,
        None => std::future::pending().await,
    }
}
