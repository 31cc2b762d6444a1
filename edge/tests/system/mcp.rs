//! MCP through the edge: what clients and sidecars say to each other arrives, when it is said, and ends when it ends;
//! and what is asked of a desktop's own MCP servers reaches who knows it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use protocol::{DesktopId, VmId, vm::server_name};
use tokio::sync::mpsc;

use crate::support::{
    World, resolved,
    upstream::{Seen, Upstream, streamed},
};

#[tokio::test]
async fn what_a_client_says_of_its_session_reaches_the_sidecar() {
    let world = World::start().await;
    let (desktop, _sidecar) = world.desktop("user-a").await;
    let url = world.url(&format!("/api/v1/desktops/{desktop}/mcp"));
    let said = [
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-session-id", "0123"),
        ("mcp-protocol-version", "2025-06-18"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "bash"),
        ("last-event-id", "7"),
    ];

    for method in ["POST", "GET", "DELETE"] {
        let request = world.http.request(method.parse().unwrap(), &url).bearer_auth("user-a");
        let request = said.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let seen = Seen::read(request.send().await.unwrap()).await;

        assert_eq!(seen.method, method);
        for (name, value) in said {
            assert_eq!(seen.header(name), Some(value), "{method} {name}");
        }
    }
}

#[tokio::test]
async fn an_answer_arrives_as_it_is_said_however_long_it_is_silent_and_ends_with_its_client() {
    it_streams(|http, desktop| http.post(format!("{desktop}/mcp")).body("{}")).await;
}

#[tokio::test]
async fn what_a_server_logs_arrives_as_it_is_said_however_long_it_is_silent_and_ends_with_its_reader() {
    it_streams(|http, desktop| http.get(format!("{desktop}/mcp-servers/github/logs"))).await;
}

#[tokio::test]
async fn an_mcp_server_is_kept_by_control_and_run_by_the_sidecar() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let servers = world.url(&format!("/api/v1/desktops/{desktop}/mcp-servers"));
    let seen = async |method: &str, url: String| {
        let request = world.http.request(method.parse().unwrap(), url).bearer_auth("user-a");
        Seen::read(request.send().await.unwrap()).await
    };

    for (method, url) in [("GET", servers.clone()), ("POST", servers.clone()), ("PUT", format!("{servers}/github"))] {
        let seen = seen(method, url).await;
        assert_ne!(seen.by, sidecar.vm.as_str(), "{method} {}", seen.path);
        assert_eq!(seen.header("authorization"), Some("Bearer user-a"), "control itself asks who it is");
    }
    for (method, wanted) in [("GET", "status"), ("POST", "start"), ("POST", "try")] {
        let seen = seen(method, format!("{servers}/github/{wanted}")).await;
        assert_eq!(seen.by, sidecar.vm.as_str(), "{method} {}", seen.path);
        assert_eq!(seen.path, format!("/api/v1/desktops/{desktop}/mcp-servers/github/{wanted}"));
        assert_eq!(seen.header("authorization"), None);
        assert!(seen.header("x-cloudbot-capability").is_some());
    }
}

async fn it_streams(ask: impl FnOnce(&reqwest::Client, String) -> reqwest::RequestBuilder) {
    let silence = Duration::from_millis(300);
    let world = World::start_with(|config| config.client_read_timeout = silence).await;
    let (pieces, desktop, _sidecar) = streaming_desktop(&world).await;
    let request = ask(&world.http, world.url(&format!("/api/v1/desktops/{desktop}")));

    let mut answer = request.bearer_auth("user-a").send().await.unwrap();

    assert_eq!(answer.headers()["mcp-session-id"], "0123");
    for piece in [":\n\n", "data: {}\n\n"] {
        let waited = tokio::time::timeout(silence * 3, answer.chunk()).await;
        assert!(waited.is_err(), "a silent stream is not cut: {waited:?}");
        pieces.send(Bytes::from_static(piece.as_bytes())).await.unwrap();
        let arrived = tokio::time::timeout(Duration::from_secs(5), answer.chunk()).await.expect("it is not held back");
        assert_eq!(arrived.unwrap().as_deref(), Some(piece.as_bytes()));
    }
    drop(answer);
    tokio::time::timeout(Duration::from_secs(5), pieces.closed()).await.expect("the sidecar hears that nobody listens");
}

/// A desktop of `user-a` that answers one request with these pieces.
async fn streaming_desktop(world: &World) -> (mpsc::Sender<Bytes>, DesktopId, Upstream) {
    let (pieces, receiver) = mpsc::channel::<Bytes>(1);
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    let (vm, desktop) = (VmId::generate(), DesktopId::generate());
    let tls = world.ca.mutual_server(&server_name(&vm));
    let upstream = Upstream::start(
        Some(tls),
        Arc::new(move |_| {
            let receiver = receiver.lock().unwrap().take().expect("one request");
            Box::pin(async move {
                let pieces = futures_util::stream::unfold(receiver, |mut receiver| async move {
                    receiver.recv().await.map(|piece| (piece, receiver))
                });
                let mut answer = streamed("text/event-stream", pieces);
                answer.headers_mut().insert("mcp-session-id", "0123".parse().unwrap());
                answer
            })
        }),
    )
    .await;
    world.control.resolves("user-a", &desktop, Ok(resolved(&vm, &upstream.address.to_string())));
    (pieces, desktop, upstream)
}
