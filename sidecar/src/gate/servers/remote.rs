//! A server that is reached by HTTP from the desktop's own network: the desk connects, and TLS and HTTP are spoken here,
//! so that no header is seen on the desktop.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyDataStream, BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
    },
};
use rustls::pki_types::ServerName;
use sse_stream::{Sse, SseStream};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    time::Instant,
};
use tokio_rustls::TlsConnector;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;
use zeroize::Zeroizing;

use super::MAX_MESSAGE;
use crate::gate::{agent::masks::Masks, desk::Desk};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";
const MAX_HEADERS: usize = 64 << 10;
const MAX_REFUSAL: usize = 4 << 10;
const TLS_WITHIN: Duration = Duration::from_secs(10);
/// At once, to one server: as many as it may be called, and some. All servers share what the desk allows.
const MAX_CONNECTIONS: usize = 24;
/// Between two times that its events are asked for. How soon it wants to be asked again is its own word.
const EVENTS_REST: Duration = Duration::from_secs(1);
/// These are HTTP's and MCP's own business.
const RESERVED: [&str; 9] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-session-id",
    "transfer-encoding",
    "upgrade",
];

/// The way to one server; cheap to clone.
#[derive(Clone)]
pub(super) struct Remote(Arc<Inner>);

struct Inner {
    desk: Desk,
    host: String,
    port: u16,
    /// `None` for plain HTTP.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    authority: HeaderValue,
    path: String,
    headers: HeaderMap,
    masks: Arc<Masks>,
    connections: Arc<Semaphore>,
    /// When its events may be asked for again.
    events_at: Mutex<Instant>,
    tasks: TaskTracker,
    over: CancellationToken,
    /// It sent more than is taken.
    too_long: CancellationToken,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failure(String);

type Error = StreamableHttpError<Failure>;

impl Remote {
    /// The error is for a person.
    pub(super) fn new(
        desk: Desk,
        masks: Arc<Masks>,
        url: &str,
        headers: &BTreeMap<String, Zeroizing<String>>,
    ) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("its address cannot be read: {error}"))?;
        let host = url.host_str().ok_or("its address names no host")?.trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().ok_or("its address names no port")?;
        let tls = match url.scheme() {
            "http" => None,
            "https" => Some(tls(&host)?),
            _ => return Err("its address must begin with http or https".to_owned()),
        };
        let authority = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self(Arc::new(Inner {
            desk,
            host,
            port,
            tls,
            authority: HeaderValue::from_str(&authority).map_err(|_| "its address names no host")?,
            path,
            headers: headers_of(headers)?,
            masks,
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            events_at: Mutex::new(Instant::now()),
            tasks: TaskTracker::new(),
            over: CancellationToken::new(),
            too_long: CancellationToken::new(),
        })))
    }

    /// Waits until it has sent more than is taken.
    pub(super) async fn too_long(&self) {
        self.0.too_long.cancelled().await;
    }

    /// Ends every connection.
    pub(super) async fn close(&self) {
        self.0.over.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    async fn send(
        &self,
        method: Method,
        body: Bytes,
        session: Option<&str>,
        more: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Response<Incoming>, Error> {
        let mut request = Request::builder().method(method).uri(&self.0.path).body(Full::new(body)).map_err(failure)?;
        let headers = request.headers_mut();
        headers.extend(self.0.headers.clone());
        // What is our own counts.
        headers.insert(header::HOST, self.0.authority.clone());
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        if let Some(session) = session {
            headers.insert(SESSION, HeaderValue::from_str(session).map_err(failure)?);
        }
        for (name, value) in more {
            headers.insert(name, value);
        }
        let place = self.0.connections.clone().try_acquire_owned();
        let place = place.map_err(|_| failure(format!("{MAX_CONNECTIONS} connections to it are open already")))?;
        let line = self.connect().await?;
        let mut http = hyper::client::conn::http1::Builder::new();
        let (mut sender, connection) =
            http.max_buf_size(MAX_HEADERS).handshake(TokioIo::new(line)).await.map_err(failure)?;
        let over = self.0.over.clone();
        self.0.tasks.spawn(async move {
            let _place = place;
            tokio::select! { _ = connection => {}, () = over.cancelled() => {} }
        });
        sender.send_request(request).await.map_err(failure)
    }

    async fn connect(&self) -> Result<Pin<Box<dyn Line>>, Error> {
        let stream = self.0.desk.connect_to(&self.0.host, self.0.port).await.map_err(failure)?;
        let Some((tls, name)) = &self.0.tls else { return Ok(Box::pin(stream)) };
        match tokio::time::timeout(TLS_WITHIN, tls.connect(name.clone(), stream)).await {
            Ok(Ok(stream)) => Ok(Box::pin(stream)),
            Ok(Err(error)) => Err(failure(format!("TLS with {}: {error}", self.0.host))),
            Err(_) => Err(failure(format!("TLS with {}: no answer", self.0.host))),
        }
    }

    async fn whole(&self, body: Incoming) -> Result<Bytes, Error> {
        match http_body_util::Limited::new(body, MAX_MESSAGE).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                self.0.too_long.cancel();
                Err(StreamableHttpError::ResponseBodyTooLarge { max_size: MAX_MESSAGE })
            }
            Err(error) => Err(failure(error)),
        }
    }

    /// Waits until the events may be asked for.
    async fn rest(&self) {
        let at = {
            let mut next = self.0.events_at.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(Instant::now());
            *next = at + EVENTS_REST;
            at
        };
        tokio::time::sleep_until(at).await;
    }

    async fn refused(&self, status: StatusCode, body: Incoming) -> Error {
        let body = http_body_util::Limited::new(body, MAX_REFUSAL).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        // Masked before it is cut, so that no half of a secret is left.
        let said = self.0.masks.mask(String::from_utf8_lossy(&body).into_owned());
        let said: String = said.chars().take(200).collect();
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => " (check its headers)",
            status if status.is_redirection() => " (redirects are not followed: give the address that it leads to)",
            _ => "",
        };
        failure(format!("it answered {status}{hint} {said}").trim_end())
    }

    fn events(&self, body: Incoming) -> BoxStream<'static, Result<Sse, SseError>> {
        let too_long = self.0.too_long.clone();
        SseStream::from_bytes_stream(bounded(BodyDataStream::new(body), too_long)).boxed()
    }
}

/// What a connection is made of.
trait Line: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Line for T {}

impl StreamableHttpClient for Remote {
    type Error = Failure;

    // What a message may have is the same for every kind of answer.
    async fn post_message(
        &self,
        _: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Error> {
        let is_request = matches!(message, ClientJsonRpcMessage::Request(_));
        let body = serde_json::to_vec(&message).map_err(failure)?;
        let response = self.send(Method::POST, body.into(), session.as_deref(), headers).await?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND && session.is_some() {
            return Err(StreamableHttpError::SessionExpired);
        }
        let kind = kind(response.headers());
        let named = response.headers().get(SESSION).and_then(|name| name.to_str().ok()).map(str::to_owned);
        match (status, kind) {
            (StatusCode::ACCEPTED | StatusCode::NO_CONTENT, _) => Ok(StreamableHttpPostResponse::Accepted),
            (status, _) if !status.is_success() => Err(self.refused(status, response.into_body()).await),
            (_, Kind::Events) => Ok(StreamableHttpPostResponse::Sse(self.events(response.into_body()), named)),
            (_, Kind::Json) => {
                let body = self.whole(response.into_body()).await?;
                match serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
                    Ok(message) => Ok(StreamableHttpPostResponse::Json(message, named)),
                    Err(_) if !is_request => Ok(StreamableHttpPostResponse::Accepted),
                    Err(error) => Err(failure(format!("its answer is no message of MCP: {error}"))),
                }
            }
            (_, Kind::Other) if !is_request => Ok(StreamableHttpPostResponse::Accepted),
            (_, Kind::Other) => Err(failure("its answer is neither JSON nor a stream of events")),
        }
    }

    async fn delete_session(
        &self,
        _: Arc<str>,
        session: Arc<str>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Error> {
        let response = self.send(Method::DELETE, Bytes::new(), Some(&session), headers).await?;
        match response.status() {
            // A server need not let its sessions be ended.
            StatusCode::METHOD_NOT_ALLOWED => Ok(()),
            status if status.is_success() => Ok(()),
            status => Err(failure(format!("it answered {status}"))),
        }
    }

    async fn get_stream(
        &self,
        _: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _: Option<String>,
        mut headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Error> {
        if let Some(last) = last_event {
            headers.insert(LAST_EVENT, HeaderValue::from_str(&last).map_err(failure)?);
        }
        self.rest().await;
        let response = self.send(Method::GET, Bytes::new(), session.as_deref(), headers).await?;
        match (response.status(), kind(response.headers())) {
            (StatusCode::METHOD_NOT_ALLOWED, _) => Err(StreamableHttpError::ServerDoesNotSupportSse),
            (status, Kind::Events) if status.is_success() => Ok(self.events(response.into_body())),
            (status, _) if status.is_success() => Err(StreamableHttpError::ServerDoesNotSupportSse),
            (status, _) => Err(self.refused(status, response.into_body()).await),
        }
    }
}

enum Kind {
    Events,
    Json,
    Other,
}

fn kind(headers: &HeaderMap) -> Kind {
    match headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) {
        Some(kind) if kind.starts_with(EVENTS.as_bytes()) => Kind::Events,
        Some(kind) if kind.starts_with(JSON.as_bytes()) => Kind::Json,
        _ => Kind::Other,
    }
}

/// Ends with an error as soon as an event is larger than a message may be.
fn bounded<E: std::error::Error + Send + Sync + 'static>(
    stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    too_long: CancellationToken,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let mut event = Event::default();
    stream.map(move |chunk| {
        let chunk = chunk.map_err(io::Error::other)?;
        if event.is_too_long(&chunk) {
            too_long.cancel();
            return Err(io::Error::other("an event is larger than is taken"));
        }
        Ok(chunk)
    })
}

/// How much of an event has come.
#[derive(Default)]
struct Event {
    bytes: usize,
    line_is_empty: bool,
}

impl Event {
    fn is_too_long(&mut self, chunk: &[u8]) -> bool {
        for byte in chunk {
            self.bytes += 1;
            match byte {
                // An empty line ends an event.
                b'\n' if self.line_is_empty => self.bytes = 0,
                b'\n' => self.line_is_empty = true,
                b'\r' => {}
                _ => self.line_is_empty = false,
            }
            if self.bytes > MAX_MESSAGE {
                return true;
            }
        }
        false
    }
}

fn headers_of(headers: &BTreeMap<String, Zeroizing<String>>) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let unfit = || format!("its header {name:?} is none that can be sent");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
        if RESERVED.contains(&name.as_str()) {
            return Err(format!("its header {:?} cannot be chosen", name.as_str()));
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| unfit())?;
        value.set_sensitive(true);
        map.append(name, value);
    }
    Ok(map)
}

/// By the certificates that this system trusts.
fn tls(host: &str) -> Result<(TlsConnector, ServerName<'static>), String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|_| "its address names no host")?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn failure(error: impl ToString) -> Error {
    StreamableHttpError::Client(Failure(error.to_string()))
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, net::UnixListener, sync::watch, task::JoinSet, time::timeout};

    use super::*;
    use crate::link::{Answer, Call, frame};

    const WITHIN: Duration = Duration::from_secs(5);

    /// A server to which the desk connects, and which never says anything; and how often it was asked.
    fn silent() -> (Remote, watch::Receiver<usize>, tempfile::TempDir, JoinSet<()>) {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("desk")).unwrap();
        let (asked, count) = watch::channel(0);
        let mut desk = JoinSet::new();
        desk.spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _: Call = frame::read_json(&mut stream).await.unwrap();
                frame::write_json(&mut stream, &Answer::Done).await.unwrap();
                stream.read_u8().await.unwrap();
                open.push(stream);
                asked.send_modify(|asked| *asked += 1);
            }
        });
        let way = Desk::new(folder.path().join("desk"), None);
        let remote = Remote::new(way, Arc::default(), "http://localhost:1/mcp", &BTreeMap::new()).unwrap();
        (remote, count, folder, desk)
    }

    async fn ask(remote: Remote) -> Result<StatusCode, String> {
        let asked = remote.send(Method::POST, Bytes::new(), None, HashMap::new()).await;
        asked.map(|response| response.status()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn one_server_has_so_many_connections_and_gets_one_back_when_a_call_is_given_up() {
        let (remote, mut count, _folder, _desk) = silent();
        let mut asked = JoinSet::new();
        for _ in 0..MAX_CONNECTIONS {
            asked.spawn(ask(remote.clone()));
        }
        timeout(WITHIN, count.wait_for(|count| *count == MAX_CONNECTIONS)).await.unwrap().unwrap();

        let refused = timeout(WITHIN, ask(remote.clone())).await.unwrap().unwrap_err();
        asked.shutdown().await;

        assert!(refused.contains("24 connections to it are open already"), "{refused}");
        let all = remote.0.connections.acquire_many(MAX_CONNECTIONS as u32);
        assert!(timeout(WITHIN, all).await.is_ok());
    }

    fn headers(name: &str, value: &str) -> BTreeMap<String, Zeroizing<String>> {
        BTreeMap::from([(name.to_owned(), Zeroizing::new(value.to_owned()))])
    }

    #[test]
    fn what_is_https_own_business_is_no_header_of_a_server() {
        assert!(headers_of(&headers("authorization", "Bearer x")).unwrap()["authorization"].is_sensitive());
        for (name, value) in [("Host", "x"), ("Content-Length", "1"), ("a b", "x"), ("x", "a\r\nb: c")] {
            assert!(headers_of(&headers(name, value)).is_err(), "{name}");
        }
    }

    #[test]
    fn an_event_is_counted_from_its_own_beginning() {
        let mut event = Event::default();
        let half = [b"data: ".to_vec(), vec![b'x'; MAX_MESSAGE / 2], b"\r\n".to_vec()].concat();

        assert!(!event.is_too_long(&half) && !event.is_too_long(b"\r\n"));
        assert!(!event.is_too_long(&half));
        assert!(event.is_too_long(&half), "two lines of the same event");
    }
}
