//! A caller of the public API, and what it is answered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use protocol::{
    DesktopId, SessionId, UserId,
    desktop::Desktop,
    error::{Code, Problem},
    event::Event,
    session::{Page, Session},
    user::User,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{ORIGIN, PASSWORD};

/// A browser with its cookies, or a program with its token. A clone has cookies of its own.
pub(crate) struct Browser {
    router: Router,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
    pub(crate) headers: Vec<(String, String)>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Clone for Browser {
    fn clone(&self) -> Self {
        let cookies = self.cookies.lock().expect("cookies").clone();
        Self { router: self.router.clone(), cookies: Arc::new(Mutex::new(cookies)), headers: self.headers.clone() }
    }
}

impl Browser {
    pub(crate) fn new(router: Router) -> Self {
        let headers = [
            ("origin", ORIGIN),
            ("x-cloudbot", "1"),
            ("x-cloudbot-client", "203.0.113.7"),
            ("user-agent", "a browser of the tests"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { router, cookies: Arc::default(), headers }
    }

    /// A program of the same control, which has neither cookies nor an origin.
    pub(crate) fn program(&self, secret: &str) -> Self {
        let headers = vec![("authorization".to_owned(), format!("Bearer {secret}"))];
        Self { router: self.router.clone(), cookies: Arc::default(), headers }
    }

    /// The same caller at another control, or at the same one after a restart.
    pub(crate) fn at(&self, control: &super::Control) -> Self {
        Self { router: control.router.clone(), ..self.clone() }
    }

    /// Without this header, or with it if there is a value.
    pub(crate) fn with_header(&self, name: &str, value: Option<&str>) -> Self {
        let mut other = self.clone();
        other.headers.retain(|(known, _)| known != name);
        other.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        other
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().expect("cookies").get(name).cloned()
    }

    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().expect("cookies").insert(name.to_owned(), value.to_owned());
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(Method::POST, path, Some(body.into())).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body.to_string().into())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body.to_string().into())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// A request below `/api/v1`, or anywhere when the path begins with a slash.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Body>) -> Answer {
        let answer = self.router.clone().oneshot(self.request(method, path, body)).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        self.keep_cookies(&parts.headers);
        let body = body.collect().await.expect("the body of an answer").to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A request whose answer does not end.
    pub(crate) async fn open(&self, path: &str) -> http::Response<Body> {
        self.router.clone().oneshot(self.request(Method::GET, path, None)).await.expect("an answer")
    }

    fn request(&self, method: Method, path: &str, body: Option<Body>) -> Request<Body> {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/api/v1/{path}") };
        let mut request = Request::builder().method(method).uri(path);
        let json = self.headers.iter().all(|(name, _)| name != "content-type") && body.is_some();
        if json {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let cookies = self.cookies.lock().expect("cookies");
        if !cookies.is_empty() {
            let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        request.body(body.unwrap_or_default()).expect("a request")
    }

    fn keep_cookies(&self, headers: &HeaderMap) {
        let mut cookies = self.cookies.lock().expect("cookies");
        for line in headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().expect("a readable cookie");
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            if value.is_empty() || line.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// What people do.
impl Browser {
    pub(crate) async fn sign_up(&self, email: &str) -> Answer {
        self.post("auth/signup", json!({ "email": email, "password": PASSWORD }).to_string()).await
    }

    pub(crate) async fn log_in(&self, email: &str, password: &str) -> Answer {
        self.post("auth/login", json!({ "email": email, "password": password }).to_string()).await
    }

    pub(crate) async fn refresh(&self) -> Answer {
        self.send(Method::POST, "auth/refresh", None).await
    }

    /// A program of this user that may do what `scopes` say.
    pub(crate) async fn token(&self, scopes: &[&str]) -> Browser {
        let made: Value = self
            .post("tokens", json!({ "name": "a program", "scopes": scopes }).to_string())
            .await
            .expect_status(201)
            .json();
        self.program(made["secret"].as_str().expect("a secret"))
    }

    pub(crate) async fn order(&self, path: &str) -> Answer {
        self.send(Method::POST, path, None).await
    }

    pub(crate) async fn desktop(&self, id: &DesktopId) -> Desktop {
        self.get(&format!("desktops/{id}")).await.expect_status(200).json()
    }

    pub(crate) async fn create_session(&self, desktop: &DesktopId) -> Session {
        self.post("sessions", json!({ "desktop_id": desktop }).to_string()).await.expect_status(201).json()
    }

    pub(crate) async fn session(&self, id: &SessionId) -> Session {
        self.get(&format!("sessions/{id}")).await.expect_status(200).json()
    }

    pub(crate) async fn say(&self, id: &SessionId, client_id: &str, text: &str) -> Answer {
        let body = json!({ "text": text, "client_id": client_id });
        self.post(&format!("sessions/{id}/messages"), body.to_string()).await
    }

    pub(crate) async fn judge(&self, id: &SessionId, verdict: &str, approval: i64) -> Answer {
        self.post(&format!("sessions/{id}/{verdict}"), json!({ "approval": approval }).to_string()).await
    }

    pub(crate) async fn id(&self) -> UserId {
        self.get("me").await.expect_status(200).json::<User>().id
    }

    /// The first page of the record.
    pub(crate) async fn events(&self, id: &SessionId) -> Vec<Event> {
        let page: Page<Event> = self.get(&format!("sessions/{id}/messages")).await.expect_status(200).json();
        page.items
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn expect_success(self) -> Self {
        assert!(self.status.is_success(), "{} {}", self.status, self.text());
        self
    }

    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The problem document; every refusal is one.
    #[track_caller]
    pub(crate) fn problem(&self) -> Problem {
        let media_type = self.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
        assert_eq!(media_type, Some(&b"application/problem+json"[..]), "{} {}", self.status, self.text());
        let problem: Problem = self.json();
        assert_eq!(problem.status, self.status.as_u16(), "{problem:?}");
        assert!(!problem.detail.is_empty(), "{problem:?}");
        problem
    }

    #[track_caller]
    pub(crate) fn code(&self) -> Code {
        self.problem().code
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
