//! A model's provider that answers by script: real HTTP and SSE, deltas cut at awkward places, faults on demand.
//!
//! It speaks Anthropic's Messages API, OpenAI's Responses API and Chat Completions ([`dialect`]), and one script of
//! turns is for all of them. Like the real ones it knows one key, and refuses a request that the provider's SDK would
//! not send or that breaks the rules ([`checker`]).

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use http::HeaderMap;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

mod checker;
mod dialect;
mod listener;
mod messages;
mod openai;
mod recorded;
mod script;
mod wire;

use checker::Checker;
use dialect::Dialect;
pub use recorded::Recorded;
pub use script::{Content, Turn, computer, safety_check, text, thinking, tool, tool_text, tool_use};

/// The one key that it accepts. Its form is Anthropic's, so that a check of the form lets it through.
pub const KEY: &str = "sk-ant-api03-the-tests-own-key-000000000000000000000000000000000000-3fQA";

/// Where nobody has anything to look for.
const ELSEWHERE: &str = "/elsewhere";

#[derive(Default)]
struct State {
    script: VecDeque<Turn>,
    requests: Vec<Recorded>,
    visits: Vec<HeaderMap>,
    violations: Vec<String>,
    answers: u64,
    checkers: HashMap<Dialect, Checker>,
    whole: bool,
    unchecked: bool,
    keyless: bool,
}

/// The base of OpenAI's API on a server at this URL.
pub fn openai_url(url: &str) -> String {
    format!("{url}/openai/v1")
}

/// The base of an API that speaks Chat Completions there.
pub fn compatible_url(url: &str) -> String {
    format!("{url}/compatible/v1")
}

pub struct ModelServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl ModelServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the model server");
        let address = listener.local_addr().expect("the model server's address");
        let state = Arc::new(Mutex::new(State::default()));
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the model server owns it and aborts it when dropped")]
        let task = tokio::spawn(listener::serve(listener, state.clone(), stop.clone()));
        Self { address, state, stop, task }
    }

    /// The base of Anthropic's API.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base of OpenAI's API.
    pub fn openai_url(&self) -> String {
        openai_url(&self.url())
    }

    /// The base of an API that speaks Chat Completions.
    pub fn compatible_url(&self) -> String {
        compatible_url(&self.url())
    }

    /// A place on this server for a turn to redirect to; nobody should come there.
    pub fn elsewhere(&self) -> String {
        format!("{}{ELSEWHERE}", self.url())
    }

    /// With which headers somebody came to what is elsewhere.
    pub fn visits_elsewhere(&self) -> Vec<HeaderMap> {
        self.state().visits.clone()
    }

    /// From now on the Chat Completions want no key, and whoever sends one gives it away.
    pub fn needs_no_key(&self) {
        self.state().keyless = true;
    }

    /// Adds turns: each answers one request.
    pub fn script(&self, turns: impl IntoIterator<Item = Turn>) {
        self.state().script.extend(turns);
    }

    /// Puts these turns in the place of those that nobody has asked for.
    pub fn rescript(&self, turns: impl IntoIterator<Item = Turn>) {
        self.state().script = turns.into_iter().collect();
    }

    /// Checks no request from now on: for measuring.
    pub fn check_nothing(&self) {
        self.state().unchecked = true;
    }

    /// Sends every answer in one piece from now on.
    pub fn answer_in_one_piece(&self) {
        self.state().whole = true;
    }

    /// Every request for an answer of the model so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state().requests.clone()
    }

    /// Turns that nobody has asked for yet.
    pub fn turns_left(&self) -> usize {
        self.state().script.len()
    }

    /// What the real API would have refused, or what came after the script's end.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
