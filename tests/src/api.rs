//! The public API as a browser (cookies) or a program (a bearer token) uses it.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use protocol::{
    DesktopId, SessionId,
    action::{Action, ActionOutcome, ActionRequest, ShellOutput, ShellRequest},
    desktop::{CreateDesktop, Desktop, DesktopState},
    error::{Code, Problem},
    event::{Event, EventBody},
    paths,
    session::{CreateSession, Page, PostMessage, PostedMessage, Session, SessionState},
    user::{CreateToken, CreatedToken, Credentials, User},
};
use reqwest::cookie::{CookieStore, Jar};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use crate::{
    picture::Picture,
    wait,
    websocket::{self, Refused, Socket},
};

/// What every user of the tests signs in with.
pub const PASSWORD: &str = "correct horse battery staple";

/// A caller of the API with its credential.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: Url,
    cookies: Arc<Jar>,
    bearer: Option<String>,
    origin: Option<String>,
    /// Is no answer at all an answer, too?
    expects_outages: bool,
}

/// An answer that is no success.
#[derive(Debug)]
pub struct Failure {
    pub status: StatusCode,
    pub body: String,
}

impl Failure {
    /// The problem document; every error of the API is one.
    pub fn problem(&self) -> Problem {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{} came without a problem document ({error}): {}", self.status, self.body))
    }

    pub fn code(&self) -> Code {
        self.problem().code
    }
}

pub type Answer<T> = Result<T, Failure>;

impl Api {
    /// A caller without any credential, who sends what the web app sends.
    pub fn anonymous(base: &Url) -> Self {
        let cookies = Arc::new(Jar::default());
        let http = crate::http().cookie_provider(cookies.clone()).build().expect("an HTTP client");
        let origin = Some(base.origin().ascii_serialization());
        Self { http, base: base.clone(), cookies, bearer: None, origin, expects_outages: false }
    }

    /// A program with a token; it has no cookies and no origin.
    pub fn with_bearer(base: &Url, token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), origin: None, ..Self::anonymous(base) }
    }

    /// The same caller, as if its page came from another site.
    pub fn as_if_from(&self, origin: &str) -> Self {
        Self { origin: Some(origin.to_owned()), ..self.clone() }
    }

    /// The same caller, for whom an edge that is not there is a failure like another.
    pub fn expecting_outages(&self) -> Self {
        Self { expects_outages: true, ..self.clone() }
    }

    /// The same caller, with this cookie besides.
    pub fn with_cookie(self, cookie: &str) -> Self {
        self.cookies.add_cookie_str(cookie, &self.base);
        self
    }

    /// The value of a cookie that the server has set.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let all = self.cookies.cookies(&self.url("auth/refresh"))?;
        let all = all.to_str().ok()?.to_owned();
        all.split("; ").find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Answer<T> {
        self.call(Method::GET, path, None::<&()>).await
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Answer<T> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Answer<T> {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer<()> {
        self.send(Method::DELETE, path, None::<&()>).await.map(drop)
    }

    /// `POST` whose answer does not matter.
    pub async fn order(&self, path: &str) -> Answer<()> {
        self.send(Method::POST, path, None::<&()>).await.map(drop)
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Answer<T> {
        let said = format!("{method} {path}");
        let bytes = self.send(method, path, body).await?;
        // An empty answer reads as `null`, so that `()` is a type to ask for.
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        Ok(serde_json::from_slice(bytes).unwrap_or_else(|error| {
            panic!("{said} answered something unexpected ({error}): {}", String::from_utf8_lossy(bytes))
        }))
    }

    /// One request; the body of a success comes back as it is.
    pub async fn send(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Answer<Vec<u8>> {
        let said = format!("{method} {path}");
        let mut request = self.http.request(method, self.url(path)).headers(self.headers(false));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answered = async {
            let answer = request.send().await?;
            Ok::<_, reqwest::Error>((answer.status(), answer.bytes().await?))
        };
        let (status, body) = match answered.await {
            Ok(answer) => answer,
            Err(error) if self.expects_outages => {
                return Err(Failure { status: StatusCode::BAD_GATEWAY, body: format!("no answer: {error}") });
            }
            Err(error) => panic!("{said}: {error:?}"),
        };
        if status.is_success() {
            Ok(body.to_vec())
        } else {
            Err(Failure { status, body: String::from_utf8_lossy(&body).into_owned() })
        }
    }

    /// What an endless answer brings until it has said `words`.
    pub async fn stream_until(&self, path: &str, words: &str, within: Duration) -> String {
        let mut answer =
            self.http.get(self.url(path)).headers(self.headers(false)).send().await.expect("a stream of events");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let mut read = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&read).contains(words) {
                let piece = answer.chunk().await.expect("it goes on");
                read.extend_from_slice(&piece.expect("it does not end"));
            }
        };
        let done = tokio::time::timeout(within, reading).await;
        let read = String::from_utf8_lossy(&read).into_owned();
        done.unwrap_or_else(|_| panic!("{path} has not said {words:?} within {within:?}, but {read}"));
        read
    }

    pub async fn socket(&self, path: &str, subprotocol: Option<&'static str>) -> Result<Socket, Refused> {
        websocket::open(&self.url(path), &self.headers(true), subprotocol).await
    }

    pub fn url(&self, path: &str) -> Url {
        self.base.join(&format!("{}/{path}", paths::API)).expect("an address")
    }

    fn headers(&self, with_cookies: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = |text: &str| HeaderValue::from_str(text).expect("a header value");
        headers.insert(paths::REQUEST_HEADER, value("1"));
        if let Some(origin) = &self.origin {
            headers.insert(header::ORIGIN, value(origin));
        }
        if let Some(token) = &self.bearer {
            headers.insert(header::AUTHORIZATION, value(&format!("Bearer {token}")));
        }
        if with_cookies && let Some(cookies) = self.cookies.cookies(&self.url("desktops")) {
            headers.insert(header::COOKIE, cookies);
        }
        headers
    }
}

/// The verbs of a user's day.
impl Api {
    pub async fn sign_up(&self, email: &str) -> Answer<User> {
        let credentials = Credentials { email: email.to_owned(), password: PASSWORD.to_owned() };
        self.post("auth/signup", &credentials).await
    }

    pub async fn log_in(&self, email: &str) -> Answer<User> {
        let credentials = Credentials { email: email.to_owned(), password: PASSWORD.to_owned() };
        self.post("auth/login", &credentials).await
    }

    /// A program that may do all that this user may.
    pub async fn token(&self, name: &str) -> Api {
        let wanted = CreateToken { name: name.to_owned(), scopes: Vec::new(), expires_in_days: None };
        let made: CreatedToken = self.post("tokens", &wanted).await.expect("create a token");
        Api::with_bearer(&self.base, &made.secret)
    }

    /// Of Anthropic.
    pub async fn set_key(&self, key: &str) {
        let body = serde_json::json!({ "key": key });
        let _: serde_json::Value = self.put("keys/anthropic", &body).await.expect("store the provider key");
    }

    pub async fn create_desktop(&self) -> Desktop {
        self.post("desktops", &CreateDesktop::default()).await.expect("create a desktop")
    }

    /// Creates a desktop and waits until it is painted.
    pub async fn ready_desktop(&self) -> Desktop {
        let desktop = self.create_desktop().await;
        self.wait_for(&desktop.id, DesktopState::Ready).await
    }

    pub async fn desktop(&self, id: &DesktopId) -> Answer<Desktop> {
        self.get(&format!("desktops/{id}")).await
    }

    pub async fn wait_for(&self, id: &DesktopId, state: DesktopState) -> Desktop {
        let what = format!("{id} is {}", state.as_str());
        wait::until(&what, Duration::from_secs(90), async || {
            let desktop = self.desktop(id).await.expect("read a desktop");
            let failed = desktop.state == DesktopState::Failed && state != DesktopState::Failed;
            assert!(!failed, "{id} failed: {:?}", desktop.reason);
            (desktop.state == state).then_some(desktop)
        })
        .await
    }

    pub async fn stop(&self, id: &DesktopId) {
        self.order(&format!("desktops/{id}/stop")).await.expect("stop a desktop");
        self.wait_for(id, DesktopState::Stopped).await;
    }

    pub async fn start(&self, id: &DesktopId) -> Desktop {
        self.order(&format!("desktops/{id}/start")).await.expect("start a desktop");
        self.wait_for(id, DesktopState::Ready).await
    }

    /// Runs a command on the desktop's machine, as the agent's shell would.
    pub async fn shell(&self, id: &DesktopId, command: &str) -> ShellOutput {
        let request = ShellRequest { command: command.to_owned(), timeout_ms: Some(60_000) };
        self.post(&format!("desktops/{id}/shell"), &request)
            .await
            .unwrap_or_else(|failure| panic!("run {command:?}: {failure:?}"))
    }

    /// Waits until something on the desktop has made this file.
    pub async fn wait_for_file(&self, id: &DesktopId, path: &str) {
        wait::until(&format!("{path} is there"), Duration::from_secs(30), async || {
            (self.shell(id, &format!("test -e {path}")).await.exit_code == Some(0)).then_some(())
        })
        .await;
    }

    pub async fn act(&self, id: &DesktopId, action: Action) -> Answer<ActionOutcome> {
        self.post(&format!("desktops/{id}/actions"), &ActionRequest { action, picture: None }).await
    }

    pub async fn screenshot(&self, id: &DesktopId) -> Picture {
        let png = self.send(Method::GET, &format!("desktops/{id}/screenshot"), None::<&()>).await;
        Picture::from_png(&png.expect("take a screenshot"))
    }

    pub async fn create_session(&self, desktop: &DesktopId) -> Session {
        let wanted = CreateSession { desktop_id: Some(desktop.clone()), title: None, settings: Default::default() };
        self.post("sessions", &wanted).await.expect("create a session")
    }

    pub async fn session(&self, id: &SessionId) -> Session {
        self.get(&format!("sessions/{id}")).await.expect("read a session")
    }

    /// Says something to the agent; answers the event's number.
    pub async fn say(&self, id: &SessionId, text: &str) -> i64 {
        let message = PostMessage { text: text.to_owned(), client_id: format!("test-{:032x}", rand::random::<u128>()) };
        let posted: PostedMessage =
            self.post(&format!("sessions/{id}/messages"), &message).await.expect("post a message");
        posted.seq
    }

    /// The record of a session behind `after`, all pages of it.
    pub async fn events(&self, id: &SessionId, after: i64) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let seen = events.last().map_or(after, |event| event.seq);
            let page: Page<Event> =
                self.get(&format!("sessions/{id}/messages?after={seen}")).await.expect("read the record");
            let end = page.next.is_none() || page.items.is_empty();
            events.extend(page.items);
            if end {
                return events;
            }
        }
    }

    /// Waits until the agent has nothing to do any more, and answers the record behind `after`.
    pub async fn wait_until_done(&self, id: &SessionId, after: i64) -> Vec<Event> {
        let what = format!("{id} has come to an end");
        wait::until(&what, Duration::from_secs(120), async || {
            let session = self.session(id).await;
            if session.state.has_work() || session.last_seq <= after {
                return None;
            }
            let events = self.events(id, after).await;
            let begun = events.iter().any(|event| matches!(event.body, EventBody::AssistantMessage(_)));
            let ended = matches!(session.state, SessionState::Failed | SessionState::Cancelled);
            (begun || ended).then_some(events)
        })
        .await
    }

    /// Says something and waits for the end of what the agent does about it.
    pub async fn ask(&self, id: &SessionId, text: &str) -> Vec<Event> {
        let seq = self.say(id, text).await;
        self.wait_until_done(id, seq).await
    }
}
