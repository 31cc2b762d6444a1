//! Plays control: answers the edge's own questions from tables, and everything else with what it saw.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use protocol::{
    DesktopId, VmId,
    edge::{
        ALIVE_MS, AskGrants, Credential, CredentialId, Holds, ModelKey, ModelKeyRequest, Resolve, Resolved, Revocation,
    },
    error::{Code, Problem},
    key::ProviderName,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    ca::Ca,
    upstream::{Body, Seen, Upstream, json, streamed},
};

pub(crate) struct Control {
    pub(crate) upstream: Upstream,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    resolves: Mutex<HashMap<(String, DesktopId), Result<Resolved, Problem>>>,
    keys: Mutex<HashMap<(VmId, ProviderName), ModelKey>>,
    resolved: AtomicUsize,
    /// Answers wait until this is open.
    held: tokio::sync::RwLock<()>,
    /// Which credentials hold no longer, when it is asked.
    lost: Mutex<HashSet<CredentialId>>,
    listeners: Mutex<Vec<mpsc::Sender<Bytes>>>,
    /// How often somebody began to listen.
    listened: AtomicUsize,
    events: Mutex<Option<mpsc::Receiver<Bytes>>>,
    events_closed: CancellationToken,
}

impl Control {
    pub(crate) async fn start(ca: &Ca) -> Self {
        let state = Arc::new(State::default());
        let served = state.clone();
        let handler = Arc::new(move |request| {
            let state = served.clone();
            Box::pin(async move { state.answer(request).await }) as _
        });
        let tls = ca.mutual_server(protocol::vm::CONTROL_SERVER_NAME);
        Self { upstream: Upstream::start(Some(tls), handler).await, state }
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("https://{}", self.upstream.address)).unwrap()
    }

    /// What it answers when asked where `desktop` is for a cookie or token of the text `credential`.
    pub(crate) fn resolves(&self, credential: &str, desktop: &DesktopId, answer: Result<Resolved, Problem>) {
        self.state.resolves.lock().unwrap().insert((credential.to_owned(), desktop.clone()), answer);
    }

    pub(crate) fn pays(&self, vm: &VmId, provider: &str, key: ModelKey) {
        self.state.keys.lock().unwrap().insert((vm.clone(), provider.parse().unwrap()), key);
    }

    /// How often it was asked where a desktop is.
    pub(crate) fn resolved(&self) -> usize {
        self.state.resolved.load(Ordering::SeqCst)
    }

    /// Its answers to where a desktop is are made, and wait until what this gives is dropped.
    pub(crate) async fn hold_answers(&self) -> impl Drop + '_ {
        self.state.held.write().await
    }

    /// Tells every edge that listens.
    pub(crate) fn revoke(&self, revocation: &Revocation) {
        let line = line(revocation);
        self.state.listeners.lock().unwrap().retain(|listener| listener.try_send(line.clone()).is_ok());
    }

    /// How many connections carried other requests than the edge's listening.
    pub(crate) fn connections(&self) -> usize {
        self.upstream.connections() - self.state.listened.load(Ordering::SeqCst)
    }

    pub(crate) fn has_listener(&self) -> bool {
        !self.state.listeners.lock().unwrap().is_empty()
    }

    /// From now on it says, when asked, that this holds no longer.
    pub(crate) fn loses(&self, credential: &CredentialId) {
        self.state.lost.lock().unwrap().insert(credential.clone());
    }

    /// Ends the streams of those who listen.
    pub(crate) fn falls_silent(&self) {
        self.state.listeners.lock().unwrap().clear();
    }

    /// The next event stream asked for carries what is sent here.
    pub(crate) fn streams(&self) -> mpsc::Sender<Bytes> {
        let (sender, receiver) = mpsc::channel(8);
        *self.state.events.lock().unwrap() = Some(receiver);
        sender
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/readyz" => json(200, &"ready"),
            "/internal/v1/resolve" => {
                let answer = self.resolve(read(request).await);
                let _open = self.held.read().await;
                answer
            }
            "/internal/v1/grants" => {
                let AskGrants { grants } = read(request).await;
                let lost = self.lost.lock().unwrap();
                let holds = grants.iter().map(|grant| !lost.contains(&grant.credential_id)).collect();
                json(200, &Holds { holds })
            }
            "/internal/v1/revocations" => {
                let (sender, receiver) = mpsc::channel(100);
                sender.try_send(line(&Revocation::Alive)).unwrap();
                self.listened.fetch_add(1, Ordering::SeqCst);
                self.listeners.lock().unwrap().push(sender);
                let lines = futures_util::stream::unfold(receiver, async |mut lines| {
                    match tokio::time::timeout(Duration::from_millis(ALIVE_MS), lines.recv()).await {
                        Ok(told) => Some((told?, lines)),
                        Err(_) => Some((line(&Revocation::Alive), lines)),
                    }
                });
                streamed("application/x-ndjson", lines)
            }
            "/internal/v1/model-key" => self.model_key(&read(request).await),
            path if path.ends_with("/events") || path.ends_with("/notices") => match self.events.lock().unwrap().take()
            {
                Some(events) => {
                    let ended = self.events_closed.clone().drop_guard();
                    let events = futures_util::stream::unfold((events, ended), async |(mut events, ended)| {
                        Some((events.recv().await?, (events, ended)))
                    });
                    streamed("text/event-stream", events)
                }
                None => json(404, &Problem::new(Code::NotFound, "no stream was prepared")),
            },
            _ => Seen::of("control", request).await.answer(),
        }
    }

    fn resolve(&self, asked: Resolve) -> Response<Body> {
        self.resolved.fetch_add(1, Ordering::SeqCst);
        let (Credential::Cookie(secret) | Credential::Bearer(secret) | Credential::Ticket(secret)) = asked.credential;
        let known = self.resolves.lock().unwrap().get(&(secret.clone(), asked.desktop_id)).cloned();
        match known {
            Some(Ok(resolved)) => json(200, &resolved),
            Some(Err(problem)) => json(problem.status, &problem),
            None if secret.starts_with("user") => json(404, &Problem::new(Code::NotFound, "You have no such desktop.")),
            None => json(401, &Problem::new(Code::NotSignedIn, "Sign in again.")),
        }
    }

    fn model_key(&self, asked: &ModelKeyRequest) -> Response<Body> {
        match self.keys.lock().unwrap().get(&(asked.vm_id.clone(), asked.provider.clone())) {
            Some(key) => json(200, key),
            None => json(409, &Problem::new(Code::NoProviderKey, "Store a key of Anthropic in the settings.")),
        }
    }
}

fn line(revocation: &Revocation) -> Bytes {
    let mut line = serde_json::to_vec(revocation).unwrap();
    line.push(b'\n');
    line.into()
}

async fn read<T: serde::de::DeserializeOwned>(request: Request<Incoming>) -> T {
    serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap()
}
