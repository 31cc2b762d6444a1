//! A small stand-in for the edge's VM listener with control and a model provider behind it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use protocol::{
    MessageId, SessionId, UserId,
    approval::{ApprovalAnswered, Verdict},
    error::{Code, Problem},
    event::{Event, EventBody},
    journal::{Append, Appended, Events, Judged, Say},
    lease::{Lease, PutLease},
    mcp::{McpServerConfig, McpServers},
    model::Model,
    secret::SecretValue,
    session::{PostedMessage, SessionState},
    settings::SessionSettings,
    vm::{EnrolRequest, Enrolled, Notice, Report, Work, WorkSession},
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use super::authority::{Authority, GENERATION};

/// What the scripted provider answers to one call.
pub enum Reply {
    Status(StatusCode, Vec<(&'static str, &'static str)>, String),
    /// Pieces of a stream, as they are sent; `Hold` waits until the test lets go.
    Stream(Vec<Piece>),
}

pub enum Piece {
    Bytes(Vec<u8>),
    Hold(watch::Receiver<bool>),
}

#[derive(Default)]
pub struct Control {
    pub session: Option<SessionId>,
    pub model: Option<String>,
    pub settings: SessionSettings,
    pub secrets: HashMap<String, String>,
    /// Secrets are read only when this is true.
    pub secrets_wait: Option<watch::Receiver<bool>>,
    /// The desktop's MCP servers; a change is told by [`Notice::McpServers`].
    pub mcp_servers: Vec<McpServerConfig>,
    /// What the gate told of who drives.
    pub leases: Vec<Lease>,
    pub events: Vec<Event>,
    pub blobs: HashMap<String, Bytes>,
    pub reports: Vec<Report>,
    pub enrolments: Vec<EnrolRequest>,
    /// All appends as they came, refused ones included.
    pub appends: Vec<Append>,
    /// Answers to the next appends, before any is looked at.
    pub refuse: VecDeque<Code>,
    /// What people say while the model speaks: stored when the next append comes, before it.
    pub interjections: VecDeque<String>,
    pub replies: VecDeque<Reply>,
    pub asked: Vec<(HeaderMap, Value)>,
    cut: bool,
    known: HashMap<String, i64>,
    notices: Vec<Notice>,
}

impl Control {
    fn state(&self) -> SessionState {
        let mut state = SessionState::Idle;
        for event in &self.events {
            match &event.body {
                EventBody::StateChanged { state: new, .. } => state = *new,
                EventBody::UserMessage { .. } if !state.has_work() => state = SessionState::Queued,
                EventBody::ApprovalAsked(_) => state = SessionState::WaitingApproval,
                EventBody::ApprovalAnswered(_) => state = SessionState::Running,
                _ => {}
            }
        }
        state
    }

    pub fn add(&mut self, body: EventBody) -> i64 {
        let seq = self.events.len() as i64 + 1;
        self.events.push(Event { seq, at: now(), body });
        seq
    }

    pub fn say(&mut self, text: &str) -> PostedMessage {
        let (message_id, user_id) = (MessageId::generate(), UserId::generate());
        let seq = self.add(EventBody::UserMessage { message_id: message_id.clone(), user_id, text: text.to_owned() });
        if let Some(session_id) = self.session.clone() {
            self.notices.push(Notice::Work { session_id });
        }
        PostedMessage { message_id, seq }
    }

    /// A person's word on what waits for it.
    pub fn judge(&mut self, approval: i64, verdict: Verdict) -> i64 {
        let seq =
            self.add(EventBody::ApprovalAnswered(ApprovalAnswered { approval, verdict, user_id: UserId::generate() }));
        if let Some(session_id) = self.session.clone() {
            self.notices.push(Notice::Work { session_id });
        }
        seq
    }

    fn brief(&self) -> (Option<Model>, SessionSettings) {
        (self.model.as_deref().map(Model::named), self.settings.clone())
    }

    /// From now on the desktop is to have these.
    pub fn serve_mcp(&mut self, servers: Vec<McpServerConfig>) {
        self.mcp_servers = servers;
        self.notices.push(Notice::McpServers);
    }

    pub fn notify(&mut self, notice: Notice) {
        self.notices.push(notice);
    }
}

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

type Shared = Arc<(Authority, Mutex<Control>)>;

pub struct Edge {
    pub port: u16,
    shared: Shared,
    _server: JoinSet<()>,
}

impl Edge {
    pub async fn start(authority: &Authority) -> Self {
        let shared: Shared = Arc::new((authority.clone(), Mutex::new(Control::default())));
        let router = Router::new()
            .route("/vm/v1/enrol", post(enrol))
            .route("/vm/v1/assignment", get(assignment))
            .route("/vm/v1/report", post(report))
            .route("/vm/v1/work", get(work))
            .route("/vm/v1/notices", get(notices))
            .route("/vm/v1/sessions/{id}/events", get(events).post(append))
            .route("/vm/v1/sessions/{id}/messages", post(say))
            .route("/vm/v1/sessions/{id}/verdicts", post(judge))
            .route("/vm/v1/lease", put(put_lease))
            .route("/vm/v1/secrets/{name}", get(get_secret))
            .route("/vm/v1/mcp-servers", get(mcp_servers))
            .route("/vm/v1/blobs/{name}", put(put_blob).get(get_blob))
            .route("/llm/anthropic/v1/messages", post(ask))
            .layer(DefaultBodyLimit::max(64 << 20))
            .layer(middleware::from_fn_with_state(shared.clone(), unless_cut))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(authority.edge_server()));
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = TowerToHyperService::new(router);
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { port, shared, _server: server }
    }

    /// From now on nothing gets through.
    pub fn cut(&self) {
        self.with(|control| control.cut = true);
    }

    pub fn mend(&self) {
        self.with(|control| control.cut = false);
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut Control) -> T) -> T {
        look(&mut self.shared.1.lock().unwrap())
    }

    pub async fn until(&self, what: &str, holds: impl Fn(&Control) -> bool) {
        let waiting = async {
            while !self.with(|control| holds(control)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), waiting).await.is_err() {
            panic!("it never came: {what}; the record is {:#?}", self.with(|control| control.events.clone()));
        }
    }

    /// Waits until the session is at rest in this state.
    pub async fn until_state(&self, state: SessionState) {
        self.until(state.as_str(), |control| {
            matches!(control.events.last(), Some(Event { body: EventBody::StateChanged { state: s, .. }, .. }) if *s == state)
        })
        .await;
    }
}

async fn unless_cut(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let cut = shared.1.lock().unwrap().cut;
    if cut { refused(Code::Unavailable) } else { next.run(request).await }
}

fn refused(code: Code) -> Response {
    let status = StatusCode::from_u16(code.status()).unwrap();
    (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(Problem::new(code, "scripted"))).into_response()
}

async fn enrol(State(shared): State<Shared>, Json(request): Json<EnrolRequest>) -> Json<Enrolled> {
    let certificate_pem = shared.0.certify(&request.csr_pem);
    shared.1.lock().unwrap().enrolments.push(request);
    Json(Enrolled { certificate_pem, expires_at: i64::MAX })
}

async fn assignment(State(shared): State<Shared>) -> impl IntoResponse {
    Json(shared.0.assignment())
}

async fn report(State(shared): State<Shared>, Json(report): Json<Report>) -> StatusCode {
    shared.1.lock().unwrap().reports.push(report);
    StatusCode::NO_CONTENT
}

async fn work(State(shared): State<Shared>) -> Json<Work> {
    let control = shared.1.lock().unwrap();
    let session = control.session.clone().filter(|_| control.state().has_work());
    let (model, settings) = control.brief();
    Json(Work { session: session.map(|session_id| WorkSession { session_id, model, settings }) })
}

async fn notices(State(shared): State<Shared>) -> impl IntoResponse {
    let stream = futures_util::stream::unfold((shared, None::<usize>), |(shared, sent)| async move {
        let Some(mut at) = sent else {
            let hello = format!("data: {}\n\n", serde_json::to_string(&Notice::Hello).unwrap());
            return Some((Ok::<_, std::io::Error>(hello), (shared, Some(0))));
        };
        loop {
            let next = shared.1.lock().unwrap().notices.get(at).cloned();
            if let Some(notice) = next {
                at += 1;
                let line = format!("data: {}\n\n", serde_json::to_string(&notice).unwrap());
                return Some((Ok(line), (shared, Some(at))));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream))
}

async fn events(
    State(shared): State<Shared>,
    Path(session): Path<SessionId>,
    Query(query): Query<HashMap<String, i64>>,
) -> Response {
    let control = shared.1.lock().unwrap();
    if control.session.as_ref() != Some(&session) {
        return refused(Code::NotFound);
    }
    let events = control.events.iter().filter(|event| event.seq > query["after"]).take(query["limit"] as usize);
    let (events, last_seq) = (events.cloned().collect(), control.events.len() as i64);
    let (model, settings) = control.brief();
    Json(Events { events, last_seq, state: control.state(), model, settings }).into_response()
}

async fn append(State(shared): State<Shared>, Json(append): Json<Append>) -> Response {
    let mut control = shared.1.lock().unwrap();
    control.appends.push(append.clone());
    if let Some(code) = control.refuse.pop_front() {
        return refused(code);
    }
    assert_eq!(append.generation, GENERATION);
    if let Some(seq) = control.known.get(&append.client_id) {
        return Json(Appended { seq: *seq, at: now() }).into_response();
    }
    if matches!(append.body, EventBody::AssistantMessage(_))
        && let Some(text) = control.interjections.pop_front()
    {
        control.say(&text);
    }
    if append.expected_seq != control.events.len() as i64 + 1 {
        return refused(Code::SequenceConflict);
    }
    let seq = control.add(append.body);
    control.known.insert(append.client_id, seq);
    Json(Appended { seq, at: now() }).into_response()
}

async fn say(State(shared): State<Shared>, Json(say): Json<Say>) -> Json<PostedMessage> {
    Json(shared.1.lock().unwrap().say(&say.text))
}

async fn judge(State(shared): State<Shared>, Json(judged): Json<Judged>) -> Json<Appended> {
    let seq = shared.1.lock().unwrap().judge(judged.approval, judged.verdict);
    Json(Appended { seq, at: now() })
}

async fn put_lease(State(shared): State<Shared>, Json(put): Json<PutLease>) -> StatusCode {
    shared.1.lock().unwrap().leases.push(put.lease);
    StatusCode::NO_CONTENT
}

async fn get_secret(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    let wait = shared.1.lock().unwrap().secrets_wait.clone();
    if let Some(mut wait) = wait {
        let _ = wait.wait_for(|open| *open).await;
    }
    match shared.1.lock().unwrap().secrets.get(&name) {
        Some(value) => Json(SecretValue { value: value.clone() }).into_response(),
        None => refused(Code::NotFound),
    }
}

async fn mcp_servers(State(shared): State<Shared>) -> Json<McpServers> {
    Json(McpServers { servers: shared.1.lock().unwrap().mcp_servers.clone() })
}

async fn put_blob(State(shared): State<Shared>, Path(name): Path<String>, bytes: Bytes) -> StatusCode {
    shared.1.lock().unwrap().blobs.insert(name, bytes);
    StatusCode::NO_CONTENT
}

async fn get_blob(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    match shared.1.lock().unwrap().blobs.get(&name) {
        Some(bytes) => bytes.clone().into_response(),
        None => refused(Code::NotFound),
    }
}

async fn ask(State(shared): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let reply = {
        let mut control = shared.1.lock().unwrap();
        control.asked.push((headers, body));
        control.replies.pop_front()
    };
    match reply {
        None => (StatusCode::BAD_REQUEST, "the script has ended").into_response(),
        Some(Reply::Status(status, headers, body)) => {
            let mut response = (status, body).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Some(Reply::Stream(pieces)) => {
            let stream = futures_util::stream::unfold(pieces.into_iter(), |mut pieces| async move {
                loop {
                    match pieces.next()? {
                        Piece::Bytes(bytes) => return Some((Ok::<_, std::io::Error>(bytes), pieces)),
                        Piece::Hold(mut gate) => {
                            let _ = gate.wait_for(|open| *open).await;
                        }
                    }
                }
            });
            ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response()
        }
    }
}
