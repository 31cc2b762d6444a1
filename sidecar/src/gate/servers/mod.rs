//! The MCP servers that a user added to this desktop: which there are, how each stands, and calls of their tools.

mod answers;
mod child;
mod client;
mod follow;
mod life;
mod logs;
pub mod names;
pub mod offer;
mod remote;
pub mod results;
mod way;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use protocol::{
    Millis,
    error::{Code, Problem},
    mcp::{McpLogLine, McpServerConfig, McpState, McpStatus, McpTool},
    vm::DeskHealth,
};
use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult, JsonObject},
    service::{Peer, ServiceError},
};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::life::Verb;
use self::{
    life::{Life, Order},
    logs::Logs,
    offer::Offered,
    results::Outcome,
};
use super::{
    agent::{journal::Journal, masks::Masks},
    clock,
    desk::Desk,
    lease::Lease,
    model::language::ToolDefinition,
};
use crate::link::child::Exit;

/// Of one message of a server, in bytes.
const MAX_MESSAGE: usize = 8 << 20;
const MAX_SERVERS: usize = 20;
/// Of all tools together, in a request of a model.
const MAX_DEFINITIONS: usize = 1 << 20;
/// A start, and a stop before it.
const OBEYED_WITHIN: Duration = Duration::from_secs(60);
const ORDERS: usize = 8;
/// For word of why a server does not answer any more.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Of a server's own words on what went wrong, in characters.
const MAX_ERROR: usize = 10_000;

/// How long a server may take.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// Seconds in which an MCP server has to be ready and list its tools.
    #[arg(long, env = "CLOUDBOT_MCP_START_SECONDS", default_value_t = 30, value_name = "SECONDS")]
    pub mcp_start_seconds: u64,
    /// Seconds in which a tool of an MCP server has to answer.
    #[arg(long, env = "CLOUDBOT_MCP_CALL_SECONDS", default_value_t = 120, value_name = "SECONDS")]
    pub mcp_call_seconds: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    start: Duration,
    call: Duration,
}

/// What servers are run with.
#[derive(Clone)]
struct World {
    desk: Desk,
    journal: Journal,
    lease: Lease,
    masks: Arc<Masks>,
    painted: watch::Receiver<DeskHealth>,
    /// Words for the chat on servers that ended by themselves.
    falls: broadcast::Sender<String>,
    bounds: Bounds,
}

/// All servers; cheap to clone.
#[derive(Clone)]
pub struct Servers(Arc<Inner>);

struct Inner {
    world: World,
    known: Mutex<BTreeMap<String, Known>>,
    /// control's list may have changed.
    look: Notify,
    /// One reading of it at a time, so that an older one never counts after a newer one.
    reading: tokio::sync::Mutex<()>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Known {
    config: watch::Sender<McpServerConfig>,
    orders: mpsc::Sender<Order>,
    standing: watch::Receiver<Standing>,
    /// What is hidden in all that it says.
    masks: Arc<Masks>,
    logs: Logs,
    gone: CancellationToken,
}

/// How a server stands.
#[derive(Clone)]
struct Standing {
    state: McpState,
    reason: Option<String>,
    since: Millis,
    /// While it runs.
    running: Option<Running>,
}

#[derive(Clone)]
struct Running {
    peer: Peer<RoleClient>,
    tools: Arc<[Offered]>,
    calls: Arc<Semaphore>,
}

/// How a server ended.
enum End {
    Exited(Exit),
    /// It sent more than a message may have.
    TooLong,
    /// It asks, and does not take the answers.
    Untaken,
    /// It closed its output, and stays.
    Silent,
    /// The desk is gone.
    Lost,
    /// It was left, and is somewhere else.
    Left,
}

impl Servers {
    pub fn new(
        (desk, journal, lease): (Desk, Journal, Lease),
        painted: watch::Receiver<DeskHealth>,
        args: &ServerArgs,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let seconds = Duration::from_secs;
        let bounds = Bounds { start: seconds(args.mcp_start_seconds), call: seconds(args.mcp_call_seconds) };
        let falls = broadcast::Sender::new(MAX_SERVERS);
        let world = World { desk, journal, lease, masks: Arc::default(), painted, falls, bounds };
        let known = Mutex::default();
        Self(Arc::new(Inner { world, known, look: Notify::new(), reading: Default::default(), tasks, stop }))
    }

    /// The secrets that are masked wherever they come back.
    pub fn masks(&self) -> &Arc<Masks> {
        &self.0.world.masks
    }

    /// From now on, words on servers that end by themselves.
    pub fn falls(&self) -> broadcast::Receiver<String> {
        self.0.world.falls.subscribe()
    }

    /// The tools of all that run, sorted by name.
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        let running: Vec<Running> = self.known().values().filter_map(|known| known.running()).collect();
        let mut room = MAX_DEFINITIONS;
        let mut definitions: Vec<ToolDefinition> = Vec::new();
        for offered in running.iter().flat_map(|running| running.tools.iter()) {
            let McpTool { description, input_schema, .. } = offered.tool.clone();
            let size = description.len() + input_schema.to_string().len();
            let Some(left) = room.checked_sub(size) else { continue };
            room = left;
            definitions.push(ToolDefinition { name: offered.called.clone(), description, input_schema });
        }
        definitions.sort_by(|one, other| one.name.cmp(&other.name));
        definitions
    }

    pub fn status(&self, name: &str) -> Result<McpStatus, Problem> {
        Ok(self.find(name)?.status(name))
    }

    pub fn tools(&self, name: &str) -> Result<Vec<McpTool>, Problem> {
        let running = self.find(name)?.running();
        Ok(running.iter().flat_map(|running| running.tools.iter().map(|offered| offered.tool.clone())).collect())
    }

    /// The lines until now, all that come from now on, and when there will be none any more.
    pub fn logs(
        &self,
        name: &str,
    ) -> Result<(Vec<McpLogLine>, broadcast::Receiver<McpLogLine>, CancellationToken), Problem> {
        let known = self.find(name)?;
        let (lines, live) = known.logs.follow();
        Ok((lines, live, known.gone))
    }

    /// Does it, and answers how the server stands then. What is started is started as control has it now.
    pub async fn order(&self, name: &str, verb: Verb) -> Result<McpStatus, Problem> {
        if verb != Verb::Stop {
            if self.0.world.lease.is_taken() {
                let why = "While a person drives no MCP server is started: hand control back first.";
                return Err(Problem::new(Code::PersonDrives, why));
            }
            // Without control what is known counts.
            if let Err(error) = self.read().await {
                tracing::warn!(%error, "read the list of MCP servers before a start");
            }
        }
        let known = self.find(name)?;
        let (done, obeyed) = oneshot::channel();
        let busy = || Problem::new(Code::TooManyRequests, "The server is being started and stopped already: wait.");
        known.orders.try_send(Order { verb, done: Some(done) }).map_err(|_| busy())?;
        // What takes longer is told as it is by then.
        let _ = tokio::time::timeout(OBEYED_WITHIN, obeyed).await;
        Ok(known.status(name))
    }

    /// Calls a tool by what the model calls it; the error is what the model reads. Nothing of both has to be masked.
    pub async fn call(&self, called: &str, input: &Value) -> Result<Outcome, String> {
        let all: Vec<(String, Known)> =
            self.known().iter().map(|(name, known)| (name.clone(), known.clone())).collect();
        for (name, known) in &all {
            let offered = known.running().and_then(|it| it.tools.iter().find(|tool| tool.called == called).cloned());
            if let Some(offered) = offered {
                return known.call(name, &offered.tool.name, input, self.0.world.bounds.call).await;
            }
        }
        let shown: String = called.chars().take(100).collect();
        let of = names::server_of(called).and_then(|server| all.iter().find(|(name, _)| name == server));
        Err(match of {
            Some((name, known)) if known.running().is_none() => known.is_not_running(name),
            Some((name, _)) => format!("Error: the MCP server {name} has no tool '{shown}' any more"),
            None => format!("Error: there is no tool '{shown}'"),
        })
    }

    /// Calls a tool of this server by the server's own name for it.
    pub async fn try_tool(&self, name: &str, tool: &str, input: &Value) -> Result<Result<Outcome, String>, Problem> {
        let known = self.find(name)?;
        if let Some(running) = known.running()
            && !running.tools.iter().any(|offered| offered.tool.name == tool)
        {
            return Err(Problem::new(Code::NotFound, format!("The MCP server {name} has no such tool.")));
        }
        Ok(known.call(name, tool, input, self.0.world.bounds.call).await)
    }

    fn find(&self, name: &str) -> Result<Known, Problem> {
        let known = self.known().get(name).cloned();
        known.ok_or_else(|| Problem::new(Code::NotFound, "This desktop has no MCP server of that name."))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn running(&self) -> Option<Running> {
        self.standing.borrow().running.clone()
    }

    fn status(&self, name: &str) -> McpStatus {
        let Standing { state, reason, since, running } = self.standing.borrow().clone();
        let tools = running.map_or(0, |running| running.tools.len() as u32);
        McpStatus { name: name.to_owned(), state, reason, since, tools }
    }

    async fn call(&self, name: &str, tool: &str, input: &Value, within: Duration) -> Result<Outcome, String> {
        let result = self.ask(name, tool, input, within).await?;
        Ok(results::read_apart(result, self.masks.clone()).await)
    }

    /// Dropping the future tells the server that nobody waits any more.
    async fn ask(&self, name: &str, tool: &str, input: &Value, within: Duration) -> Result<CallToolResult, String> {
        let Some(running) = self.running() else { return Err(self.is_not_running(name)) };
        let Ok(_place) = running.calls.try_acquire() else {
            return Err(format!("Error: the MCP server {name} has too much to do: wait, and try again"));
        };
        let arguments = match input {
            Value::Object(members) => members.clone(),
            Value::Null => JsonObject::new(),
            _ => return Err("Error: the input of a tool is an object".to_owned()),
        };
        let call = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let mut standing = self.standing.clone();
        let answered = tokio::select! {
            biased;
            answered = tokio::time::timeout(within, running.peer.call_tool_once(call)) => answered,
            _ = standing.wait_for(|standing| standing.running.is_none()) => return Err(self.is_not_running(name)),
        };
        match answered {
            Ok(Ok(CallToolResponse::Complete(result))) => Ok(result),
            Ok(Ok(_)) => {
                Err(format!("Error: the MCP server {name} wants to ask or to go on by itself, which it cannot here"))
            }
            Ok(Err(ServiceError::McpError(error))) => {
                Err(format!("Error: the MCP server {name} says: {}", self.shown(&error.message)))
            }
            Ok(Err(error)) => {
                // Why it is so is known in a moment.
                let ended = standing.wait_for(|standing| standing.running.is_none());
                match tokio::time::timeout(LAST_WORDS, ended).await {
                    Ok(_) => Err(self.is_not_running(name)),
                    Err(_) => {
                        Err(format!("Error: the MCP server {name} gave no answer: {}", self.shown(&error.to_string())))
                    }
                }
            }
            Err(_) => Err(format!("Error: the MCP server {name} did not answer within {} s", within.as_secs())),
        }
    }

    /// Masked before it is cut, so that no half of a secret is left.
    fn shown(&self, error: &str) -> String {
        self.masks.mask(error.to_owned()).chars().take(MAX_ERROR).collect()
    }

    fn is_not_running(&self, name: &str) -> String {
        let standing = self.standing.borrow();
        let why = standing.reason.clone().unwrap_or_else(|| standing.state.as_str().to_owned());
        format!("Error: the MCP server {name} is not running: {why}")
    }
}

impl Standing {
    fn of(state: McpState, reason: Option<String>) -> Self {
        Self { state, reason, since: clock::now(), running: None }
    }

    fn running(running: Running) -> Self {
        Self { running: Some(running), ..Self::of(McpState::Running, None) }
    }
}

impl End {
    fn words(&self) -> String {
        match self {
            End::Exited(exit) => format!("it ended with {exit}"),
            End::TooLong => format!("it sent a message of more than {} MiB", MAX_MESSAGE >> 20),
            End::Untaken => "it does not take the answers to what it asks".to_owned(),
            End::Silent => "it closed its output".to_owned(),
            End::Lost => "the desktop's helper has ended".to_owned(),
            End::Left => "left".to_owned(),
        }
    }
}
