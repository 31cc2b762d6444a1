//! Takes requests off the socket, and answers each by the script.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    ELSEWHERE, State, checker::Checker, dialect::Dialect, lock, messages, recorded::Recorded, script::Turn, wire,
};

type Body = BoxBody<Bytes, BrokenOff>;

/// How an answer's body ends when the provider hangs up in the middle.
#[derive(Debug)]
pub(super) struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script breaks off here")
    }
}

impl std::error::Error for BrokenOff {}

pub(super) async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, stop: CancellationToken) {
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
    let (path, dialect) = (head.uri.path(), Dialect::of(head.uri.path()));
    if path.starts_with(ELSEWHERE) {
        lock(&state).visits.push(head.headers);
        return Ok(error(dialect, StatusCode::NOT_FOUND, "not_found_error", ELSEWHERE));
    }
    let Ok(body) = body.collect().await else {
        return Ok(error(dialect, StatusCode::BAD_REQUEST, "invalid_request_error", "the body broke off"));
    };
    if let Some(refusal) = lock(&state).refuse_the_key(dialect, &head.headers) {
        return Ok(refusal);
    }
    Ok(match head.method {
        Method::GET if path.starts_with(dialect.models_path()) => plain(StatusCode::OK, &[], &dialect.models()),
        Method::POST if path == "/v1/messages/count_tokens" => {
            plain(StatusCode::OK, &[], &json!({ "input_tokens": 1 }))
        }
        Method::POST if path == dialect.path() => match serde_json::from_slice(&body.to_bytes()) {
            // A check of the key asks for an answer of its own, not for the script's next turn.
            Ok(body) if dialect == Dialect::Messages && body_is_a_check(&body) => {
                plain(StatusCode::OK, &[], &messages::shortest_answer())
            }
            Ok(body) => take_turn(dialect, head.headers, body, state, stop).await?,
            Err(bad) => error(dialect, StatusCode::BAD_REQUEST, "invalid_request_error", &bad.to_string()),
        },
        _ => error(dialect, StatusCode::NOT_FOUND, "not_found_error", path),
    })
}

fn body_is_a_check(body: &Value) -> bool {
    body["max_tokens"] == 1 && body["stream"] != true
}

/// Takes the script's next turn for this request.
async fn take_turn(
    dialect: Dialect,
    headers: HeaderMap,
    body: Value,
    state: Arc<Mutex<State>>,
    stop: CancellationToken,
) -> Result<Response<Body>, BrokenOff> {
    let path = dialect.path().to_owned();
    let recorded = Recorded { path, headers, body, came_at: Instant::now(), answered_at: None };
    let (index, verdict) = {
        let mut locked = lock(&state);
        locked.requests.push(recorded.clone());
        (locked.requests.len() - 1, locked.check(dialect, &recorded))
    };
    let broken = match verdict {
        Some(verdict) => verdict.await,
        None => None,
    };
    let (turn, number, whole) = {
        let mut locked = lock(&state);
        if let Some(broken) = broken {
            locked.violations.push(format!("request {}: {broken}", index + 1));
            return Ok(error(dialect, StatusCode::BAD_REQUEST, "invalid_request_error", &broken));
        }
        let Some(turn) = locked.script.pop_front() else {
            let broken = "the script has no turn for this request".to_owned();
            locked.violations.push(format!("request {}: {broken}: {}", index + 1, json!(recorded.newest())));
            return Ok(error(dialect, StatusCode::BAD_REQUEST, "invalid_request_error", &broken));
        };
        locked.answers += 1;
        (turn, locked.answers, locked.whole)
    };

    let turn = turn.resolve(&recorded);
    lock(&state).remember(dialect, dialect.said(&turn, number));
    let response = match turn {
        Turn::Refuses { status, headers, kind } => {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            plain(status, &headers, &dialect.error(kind, kind))
        }
        Turn::ShowsAPage { status, html } => page(status, html),
        Turn::Redirects { to } => {
            plain(StatusCode::TEMPORARY_REDIRECT, &[(header::LOCATION.as_str(), &to)], &json!({}))
        }
        Turn::GoesAway => {
            done(&state, index);
            return Err(BrokenOff);
        }
        turn => {
            let feed = Feed { bytes: dialect.encode(&turn, number, &recorded), turn, whole, state, index, stop };
            return Ok(stream((dialect.request_id_header(), format!("req_{number:06}")), feed));
        }
    };
    done(&state, index);
    Ok(response)
}

impl State {
    fn refuse_the_key(&mut self, dialect: Dialect, headers: &HeaderMap) -> Option<Response<Body>> {
        if self.keyless && dialect == Dialect::Chat {
            let given = headers.get(dialect.key_header())?;
            let length = given.len();
            let broken = format!("a key of {length} bytes was given to a server that wants none");
            self.violations.push(broken.clone());
            return Some(error(dialect, StatusCode::BAD_REQUEST, "invalid_request_error", &broken));
        }
        let wrong = !dialect.has_the_key(headers);
        wrong.then(|| error(dialect, StatusCode::UNAUTHORIZED, dialect.wrong_key(), "this is not the key"))
    }

    /// Asks the SDK about a request.
    fn check(&mut self, dialect: Dialect, recorded: &Recorded) -> Option<impl Future<Output = Option<String>> + use<>> {
        if self.unchecked {
            return None;
        }
        let headers = recorded.headers.iter().filter(|(name, _)| *name != dialect.key_header());
        let headers: serde_json::Map<String, Value> =
            headers.map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes())))).collect();
        let question = json!({ "path": recorded.path, "headers": headers, "body": recorded.body });
        Some(self.checker(dialect).ask(question))
    }

    /// Keeps what the model says, for the next check.
    fn remember(&mut self, dialect: Dialect, said: Option<Value>) {
        if !self.unchecked {
            self.checker(dialect).hear(said);
        }
    }

    fn checker(&mut self, dialect: Dialect) -> &mut Checker {
        self.checkers.entry(dialect).or_insert_with(|| Checker::new(dialect.name()))
    }
}

/// What one stream is made of, and who hears of its end.
struct Feed {
    bytes: Vec<u8>,
    turn: Turn,
    whole: bool,
    state: Arc<Mutex<State>>,
    index: usize,
    stop: CancellationToken,
}

fn stream((id_header, id): (&str, String), feed: Feed) -> Response<Body> {
    let (sender, receiver) = mpsc::channel(1);
    #[expect(clippy::disallowed_methods, reason = "it ends with the connection that reads from it")]
    tokio::spawn(feed.send(sender));

    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-cache")
        .header(id_header, id)
        .body(StreamBody::new(tokio_stream(receiver)).boxed())
        .expect("a response")
}

impl Feed {
    async fn send(self, sender: mpsc::Sender<Result<Frame<Bytes>, BrokenOff>>) {
        let Self { bytes, turn, whole, state, index, stop } = self;
        let pieces = if whole { vec![Bytes::from(bytes)] } else { wire::cut_awkwardly(&bytes) };
        for piece in pieces {
            if sender.send(Ok(Frame::data(piece))).await.is_err() {
                return done(&state, index);
            }
            if !whole {
                // Lets the piece leave alone, so that the other side really reads it alone.
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
        }
        match turn {
            Turn::HangsUp { .. } => drop(sender.send(Err(BrokenOff)).await),
            Turn::FallsSilent { .. } => tokio::select! { () = sender.closed() => {}, () = stop.cancelled() => {} },
            _ => {}
        }
        done(&state, index);
    }
}

fn tokio_stream(
    receiver: mpsc::Receiver<Result<Frame<Bytes>, BrokenOff>>,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, BrokenOff>> {
    futures_util::stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) })
}

fn done(state: &Mutex<State>, index: usize) {
    lock(state).requests[index].answered_at = Some(Instant::now());
}

fn error(dialect: Dialect, status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    plain(status, &[], &dialect.error(kind, message))
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
