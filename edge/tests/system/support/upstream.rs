//! An HTTP/1.1 server on a free port, with or without TLS, whose answers a test decides.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::BoxFuture};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;
pub(crate) type Handler = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    serving: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn start(tls: Option<Arc<ServerConfig>>, handler: Handler) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), tls, handler).await
    }

    pub(crate) async fn start_at(address: SocketAddr, tls: Option<Arc<ServerConfig>>, handler: Handler) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (tls, handler, counted) = (tls.clone(), handler.clone(), counted.clone());
                tcp.set_nodelay(true).unwrap();
                open.spawn(async move {
                    let service = service_fn(move |request| {
                        let answer = handler(request);
                        async move { Ok::<_, Infallible>(answer.await) }
                    });
                    let http = http1::Builder::new();
                    match tls {
                        Some(tls) => {
                            let Ok(stream) = TlsAcceptor::from(tls).accept(tcp).await else { return };
                            counted.fetch_add(1, Ordering::SeqCst);
                            let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
                        }
                        None => {
                            counted.fetch_add(1, Ordering::SeqCst);
                            let _ = http.serve_connection(TokioIo::new(tcp), service).with_upgrades().await;
                        }
                    }
                });
            }
        });
        Self { address, connections, serving }
    }

    /// Ends it: afterwards its port is free, and its connections are closed.
    pub(crate) async fn stop(mut self) {
        self.serving.shutdown().await;
    }

    /// How many connections got as far as a request.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// What an upstream saw of a request; it answers with this.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) by: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: usize,
}

impl Seen {
    pub(crate) async fn of(by: &str, request: Request<Incoming>) -> Self {
        let headers = request.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let headers = headers.collect();
        let (method, path) = (request.method().to_string(), request.uri().to_string());
        let body = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
        Self { by: by.to_owned(), method, path, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn answer(&self) -> Response<Body> {
        json(200, self)
    }

    pub(crate) async fn read(answer: reqwest::Response) -> Self {
        assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }
}

pub(crate) fn json(status: u16, value: &impl Serialize) -> Response<Body> {
    let body = Full::new(Bytes::from(serde_json::to_vec(value).unwrap()));
    Response::builder().status(status).header("content-type", "application/json").body(body.boxed_unsync()).unwrap()
}

/// An answer whose pieces go out when the stream gives them.
pub(crate) fn streamed(content_type: &str, pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let body = StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))).boxed_unsync();
    Response::builder().header("content-type", content_type).body(body).unwrap()
}
