//! Plays a desktop's sidecar: says what it saw, and echoes on WebSockets.

use std::{net::SocketAddr, sync::Arc};

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use protocol::VmId;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};
use tokio_util::task::TaskTracker;

use super::{
    ca::Ca,
    upstream::{Body, Handler, Seen, Upstream, json},
};

pub(crate) struct Sidecar {
    pub(crate) upstream: Upstream,
    pub(crate) vm: VmId,
    /// The WebSockets that are open.
    pub(crate) sockets: TaskTracker,
}

impl Sidecar {
    pub(crate) async fn start(ca: &Ca, vm: &VmId) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), ca, vm, &protocol::vm::server_name(vm)).await
    }

    /// At a given address, and with the certificate of `name`, which may be wrong.
    pub(crate) async fn start_at(address: SocketAddr, ca: &Ca, vm: &VmId, name: &str) -> Self {
        let sockets = TaskTracker::new();
        let upstream = Upstream::start_at(address, Some(ca.mutual_server(name)), handler(vm, &sockets)).await;
        Self { upstream, vm: vm.clone(), sockets }
    }
}

fn handler(vm: &VmId, sockets: &TaskTracker) -> Handler {
    let (vm, sockets) = (vm.to_string(), sockets.clone());
    Arc::new(move |request: Request<Incoming>| {
        let (vm, sockets) = (vm.clone(), sockets.clone());
        Box::pin(async move {
            if request.headers().contains_key(header::UPGRADE) {
                return upgrade(request, &vm, &sockets);
            }
            let mut answer = Seen::of(&vm, request).await.answer();
            // What a desktop must not be able to do on the app's origin.
            answer.headers_mut().insert("set-cookie", "cloudbot_access=stolen".parse().unwrap());
            answer
        })
    })
}

/// A WebSocket that first says what it saw of the request, and then echoes.
fn upgrade(mut request: Request<Incoming>, vm: &str, sockets: &TaskTracker) -> Response<Body> {
    let Some(key) = request.headers().get("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes())) else {
        return json(400, &"no key");
    };
    let upgrading = hyper::upgrade::on(&mut request);
    let protocol = request.headers().get("sec-websocket-protocol").cloned();
    let headers =
        request.headers().iter().map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()));
    let seen = Seen {
        by: vm.to_owned(),
        method: request.method().to_string(),
        path: request.uri().to_string(),
        headers: headers.collect(),
        body: 0,
    };
    sockets.spawn(async move {
        let Ok(io) = upgrading.await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, None).await;
        let _ = socket.send(serde_json::to_string(&seen).unwrap().into()).await;
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut answer = Response::builder()
        .status(101)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header("sec-websocket-accept", key);
    if let Some(protocol) = protocol {
        answer = answer.header("sec-websocket-protocol", protocol);
    }
    answer.body(Empty::new().boxed_unsync()).unwrap()
}
