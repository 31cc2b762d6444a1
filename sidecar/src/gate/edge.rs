//! The edge's VM listener, as this VM calls it: one host, one CA, bounded answers, problems as errors.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use futures_util::StreamExt;
use protocol::{
    error::{Code, Problem},
    vm::EDGE_SERVER_NAME,
};
use reqwest::{
    Body, Method, RequestBuilder, Response,
    dns::{Addrs, Name, Resolve, Resolving},
};
use rustls::ClientConfig;
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

/// 500 events of the largest kind are well below it.
const MAX_ANSWER: usize = 64 << 20;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Why the edge, or control behind it, did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// It answered, and said no.
    #[error("{0}")]
    Problem(Problem),
    /// It did not answer, or not in a way that can be read.
    #[error("{0}")]
    Unreachable(String),
}

impl EdgeError {
    pub fn is(&self, code: Code) -> bool {
        matches!(self, EdgeError::Problem(problem) if problem.code == code)
    }

    /// May the same request work later, without anybody changing it?
    pub fn may_pass(&self) -> bool {
        match self {
            EdgeError::Unreachable(_) => true,
            EdgeError::Problem(problem) => problem.status >= 500 || matches!(problem.status, 408 | 429),
        }
    }
}

/// The way to the edge; cheap to clone.
#[derive(Clone)]
pub struct Edge {
    client: reqwest::Client,
    base: Url,
}

impl Edge {
    /// `edge_url` says where to connect; the name in the certificate is always the same.
    pub fn new(edge_url: &str, tls: ClientConfig) -> anyhow::Result<Self> {
        let at = Url::parse(edge_url).with_context(|| format!("read the edge's address {edge_url:?}"))?;
        let (Some(host), Some(port)) = (at.host_str(), at.port_or_known_default()) else {
            bail!("the edge's address {edge_url:?} names no host")
        };
        if at.scheme() != "https" {
            bail!("the edge's address {edge_url:?} must begin with https");
        }
        let host = host.trim_matches(['[', ']']).to_owned();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .tcp_keepalive(Duration::from_secs(20))
            .pool_idle_timeout(Duration::from_secs(30))
            .dns_resolver(Arc::new(Always { host, port }))
            .build()
            .context("set up the client of the edge")?;
        let base = Url::parse(&format!("https://{EDGE_SERVER_NAME}:{port}/")).context("build the edge's address")?;
        Ok(Self { client, base })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, EdgeError> {
        read_json(self.request(Method::GET, path)?.timeout(ANSWER_WITHIN)).await
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, EdgeError> {
        read_json(self.request(Method::POST, path)?.timeout(ANSWER_WITHIN).json(body)).await
    }

    /// Posts and reads no answer but its status.
    pub async fn tell(&self, path: &str, body: &impl Serialize) -> Result<(), EdgeError> {
        send(self.request(Method::POST, path)?.timeout(ANSWER_WITHIN).json(body)).await.map(drop)
    }

    /// Puts and reads no answer but its status.
    pub async fn put(&self, path: &str, body: &impl Serialize) -> Result<(), EdgeError> {
        send(self.request(Method::PUT, path)?.timeout(ANSWER_WITHIN).json(body)).await.map(drop)
    }

    pub async fn put_bytes(&self, path: &str, media_type: &str, bytes: bytes::Bytes) -> Result<(), EdgeError> {
        let request = self.request(Method::PUT, path)?.timeout(ANSWER_WITHIN);
        send(request.header(http::header::CONTENT_TYPE, media_type).body(Body::from(bytes))).await.map(drop)
    }

    pub async fn get_bytes(&self, path: &str, limit: usize) -> Result<Vec<u8>, EdgeError> {
        let response = send(self.request(Method::GET, path)?.timeout(ANSWER_WITHIN)).await?;
        collect(response, limit).await
    }

    /// Opens a stream of server-sent events.
    pub async fn events(&self, path: &str) -> Result<Response, EdgeError> {
        send(self.request(Method::GET, path)?.header(http::header::ACCEPT, "text/event-stream")).await
    }

    /// A request whose answer the caller reads itself, whatever its status.
    pub fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, EdgeError> {
        let url = self.base.join(path).map_err(|error| EdgeError::Unreachable(error.to_string()))?;
        Ok(self.client.request(method, url))
    }
}

async fn read_json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, EdgeError> {
    let bytes = collect(send(request).await?, MAX_ANSWER).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| EdgeError::Unreachable(format!("the answer could not be read at line {}", error.line())))
}

async fn send(request: RequestBuilder) -> Result<Response, EdgeError> {
    let response = request.send().await.map_err(|error| EdgeError::Unreachable(explain(error)))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let bytes = collect(response, 64 << 10).await.unwrap_or_default();
    Err(match serde_json::from_slice::<Problem>(&bytes) {
        Ok(problem) => EdgeError::Problem(problem),
        Err(_) => EdgeError::Unreachable(format!("it answered {status} without saying why")),
    })
}

/// Reads a body of at most `limit` bytes.
pub async fn collect(response: Response, limit: usize) -> Result<Vec<u8>, EdgeError> {
    let mut stream = response.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| EdgeError::Unreachable(explain(error)))?;
        if bytes.len() + chunk.len() > limit {
            return Err(EdgeError::Unreachable(format!("the answer is larger than {limit} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The whole chain of causes, without the URL.
pub fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Resolves every name to the edge: the certificate's name need not be in any DNS.
struct Always {
    host: String,
    port: u16,
}

impl Resolve for Always {
    fn resolve(&self, _: Name) -> Resolving {
        let (host, port) = (self.host.clone(), self.port);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
