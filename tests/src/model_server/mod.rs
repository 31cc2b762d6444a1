//! A Messages API that answers by script: real HTTP and SSE, deltas cut at awkward places, faults on demand.
//!
//! Like the real one it knows one key, and refuses a request that the provider's SDK would not send or that breaks the
//! rules ([`checker`]).

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

mod checker;
mod script;
mod wire;

use checker::Checker;
pub use script::{Content, Turn, text, thinking, tool, tool_text, tool_use};

/// The one key that it accepts. Its form is Anthropic's, so that a check of the form lets it through.
pub const KEY: &str = "sk-ant-api03-the-tests-own-key-000000000000000000000000000000000000-3fQA";

type Body = BoxBody<Bytes, BrokenOff>;

/// How an answer's body ends when the provider hangs up in the middle.
#[derive(Debug)]
struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script breaks off here")
    }
}

impl std::error::Error for BrokenOff {}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
    pub came_at: Instant,
    /// When the last byte of the answer was handed over, or the client went; nothing while it goes on.
    pub answered_at: Option<Instant>,
}

impl Recorded {
    /// The text of everything in it, for "does it contain" questions.
    pub fn text(&self) -> String {
        self.body.to_string()
    }

    /// The blocks of the last message.
    pub fn newest(&self) -> Vec<Value> {
        let last = self.body["messages"].as_array().and_then(|messages| messages.last()).cloned().unwrap_or_default();
        match &last["content"] {
            Value::String(text) => vec![json!({ "type": "text", "text": text })],
            Value::Array(blocks) => blocks.clone(),
            _ => Vec::new(),
        }
    }
}

#[derive(Default)]
struct State {
    script: VecDeque<Turn>,
    requests: Vec<Recorded>,
    violations: Vec<String>,
    answers: u64,
    /// What the model has said since the last check.
    said: Vec<Value>,
    checker: Option<Checker>,
    whole: bool,
    unchecked: bool,
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
        let task = tokio::spawn(serve(listener, state.clone(), stop.clone()));
        Self { address, state, stop, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
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

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let (state, stop) = (state.clone(), stop.clone());
                connections.spawn(async move {
                    let _ = stream.set_nodelay(true);
                    let service = hyper::service::service_fn(move |request| answer(request, state.clone(), stop.clone()));
                    // A client that goes away in the middle is part of the tests.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
    stop: CancellationToken,
) -> Result<Response<Body>, BrokenOff> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(error(StatusCode::BAD_REQUEST, "invalid_request_error", "the body broke off"));
    };
    if head.headers.get("x-api-key").is_none_or(|key| key != KEY) {
        return Ok(error(StatusCode::UNAUTHORIZED, "authentication_error", "invalid x-api-key"));
    }
    Ok(match (head.method, head.uri.path()) {
        (Method::GET, path) if path.starts_with("/v1/models") => {
            let model = json!({ "type": "model", "id": "claude-opus-5-5", "display_name": "Scripted" });
            plain(StatusCode::OK, &[], &json!({ "data": [model], "has_more": false }))
        }
        (Method::POST, "/v1/messages/count_tokens") => plain(StatusCode::OK, &[], &json!({ "input_tokens": 1 })),
        (Method::POST, "/v1/messages") => match serde_json::from_slice(&body.to_bytes()) {
            // A check of the key asks for an answer of its own, not for the script's next turn.
            Ok(body) if body_is_a_check(&body) => plain(StatusCode::OK, &[], &wire::shortest_answer()),
            Ok(body) => message(head.headers, body, state, stop).await?,
            Err(bad) => error(StatusCode::BAD_REQUEST, "invalid_request_error", &bad.to_string()),
        },
        (_, path) => error(StatusCode::NOT_FOUND, "not_found_error", path),
    })
}

fn body_is_a_check(body: &Value) -> bool {
    body["max_tokens"] == 1 && body["stream"] != true
}

/// Takes the script's next turn for this request.
async fn message(
    headers: HeaderMap,
    body: Value,
    state: Arc<Mutex<State>>,
    stop: CancellationToken,
) -> Result<Response<Body>, BrokenOff> {
    let recorded =
        Recorded { path: "/v1/messages".to_owned(), headers, body, came_at: Instant::now(), answered_at: None };
    let (index, verdict) = {
        let mut locked = lock(&state);
        locked.requests.push(recorded.clone());
        (locked.requests.len() - 1, locked.check(&recorded))
    };
    let broken = match verdict {
        Some(verdict) => verdict.await,
        None => None,
    };
    let (turn, number, whole) = {
        let mut locked = lock(&state);
        if let Some(broken) = broken {
            locked.violations.push(format!("request {}: {broken}", index + 1));
            return Ok(error(StatusCode::BAD_REQUEST, "invalid_request_error", &broken));
        }
        let Some(turn) = locked.script.pop_front() else {
            let broken = "the script has no turn for this request".to_owned();
            locked.violations.push(format!("request {}: {broken}: {}", index + 1, json!(recorded.newest())));
            return Ok(error(StatusCode::BAD_REQUEST, "invalid_request_error", &broken));
        };
        locked.answers += 1;
        (turn, locked.answers, locked.whole)
    };

    let turn = turn.resolve(&recorded);
    lock(&state).said.extend(wire::said(&turn, number));
    let response = match turn {
        Turn::Refuses { status, headers, kind } => {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            plain(status, &headers, &json!({ "type": "error", "error": { "type": kind, "message": kind } }))
        }
        Turn::ShowsAPage { status, html } => page(status, html),
        Turn::GoesAway => {
            done(&state, index);
            return Err(BrokenOff);
        }
        turn => return Ok(stream(turn, number, whole, state, index, stop)),
    };
    done(&state, index);
    Ok(response)
}

impl State {
    /// Asks the SDK about a request, and tells it what the model has said before.
    fn check(&mut self, recorded: &Recorded) -> Option<impl Future<Output = Option<String>> + use<>> {
        if self.unchecked {
            return None;
        }
        if self.checker.is_none() {
            self.checker = checker::of(&recorded.path);
        }
        let answers = std::mem::take(&mut self.said);
        let headers = recorded.headers.iter().filter(|(name, _)| *name != "x-api-key");
        let headers: serde_json::Map<String, Value> =
            headers.map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes())))).collect();
        let question = json!({ "path": recorded.path, "headers": headers, "body": recorded.body, "answers": answers });
        Some(self.checker.as_ref()?.ask(question))
    }
}

fn stream(
    turn: Turn,
    number: u64,
    whole: bool,
    state: Arc<Mutex<State>>,
    index: usize,
    stop: CancellationToken,
) -> Response<Body> {
    let (bytes, ending) = wire::encode(&turn, number);
    let pieces = if whole { vec![Bytes::from(bytes)] } else { wire::cut_awkwardly(&bytes) };
    let (sender, receiver) = mpsc::channel(1);
    let feed = async move {
        for piece in pieces {
            if sender.send(Ok(Frame::data(piece))).await.is_err() {
                return done(&state, index);
            }
            if !whole {
                // Lets the piece leave alone, so that the other side really reads it alone.
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
        }
        match ending {
            wire::Ending::Clean => {}
            wire::Ending::Broken => drop(sender.send(Err(BrokenOff)).await),
            wire::Ending::Silence => tokio::select! { () = sender.closed() => {}, () = stop.cancelled() => {} },
        }
        done(&state, index);
    };
    #[expect(clippy::disallowed_methods, reason = "it ends with the connection that reads from it")]
    tokio::spawn(feed);

    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-cache")
        .header("request-id", format!("req_{number:06}"))
        .body(StreamBody::new(tokio_stream(receiver)).boxed())
        .expect("a response")
}

fn tokio_stream(
    receiver: mpsc::Receiver<Result<Frame<Bytes>, BrokenOff>>,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, BrokenOff>> {
    futures_util::stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) })
}

fn done(state: &Mutex<State>, index: usize) {
    lock(state).requests[index].answered_at = Some(Instant::now());
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    plain(status, &[], &json!({ "type": "error", "error": { "type": kind, "message": message } }))
}

fn page(status: StatusCode, html: &'static str) -> Response<Body> {
    let body = Full::new(Bytes::from(html)).map_err(|never| match never {});
    Response::builder().status(status).header(header::CONTENT_TYPE, "text/html").body(body.boxed()).expect("a response")
}

fn plain(status: StatusCode, headers: &[(&str, &str)], body: &Value) -> Response<Body> {
    let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
    response.body(body.boxed()).expect("a response")
}
