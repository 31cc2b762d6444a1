//! WebSockets through the edge: opened by the right people, left alone while idle, ended when the edge ends.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use protocol::DesktopId;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, handshake::client::Response},
};

use crate::support::{PATIENCE, World, upstream::Seen};

type Opened = Result<(WebSocketStream<TcpStream>, Response), Error>;

pub(crate) async fn open(world: &World, desktop: &DesktopId, headers: &[(&'static str, &str)]) -> Opened {
    let mut request = format!("ws://localhost:{}/api/v1/desktops/{desktop}/vnc", world.edge().public.port())
        .into_client_request()
        .unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let tcp = TcpStream::connect(world.edge().public).await.unwrap();
    tokio::time::timeout(PATIENCE, client_async(request, tcp)).await.expect("the handshake ends")
}

fn status(opened: Opened) -> u16 {
    match opened {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

async fn echoes(socket: &mut WebSocketStream<TcpStream>, text: &str) {
    socket.send(text.into()).await.unwrap();
    let echo = tokio::time::timeout(PATIENCE, socket.next()).await.expect("an echo").unwrap().unwrap();
    assert_eq!(echo.to_text().unwrap(), text);
}

#[tokio::test]
async fn a_browser_opens_one_with_cookie_origin_and_subprotocol() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let headers =
        [("cookie", "cloudbot_access=user-a"), ("origin", &world.origin()), ("sec-websocket-protocol", "binary")];

    let (mut socket, response) = open(&world, &desktop, &headers).await.unwrap();

    assert_eq!(response.headers()["sec-websocket-protocol"], "binary");
    let seen: Seen = serde_json::from_str(socket.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
    assert_eq!(seen.by, sidecar.vm.as_str());
    assert_eq!((seen.header("cookie"), seen.header("authorization")), (None, None));
    assert!(seen.header("x-cloudbot-capability").is_some());
    echoes(&mut socket, "hello").await;
    let large = Message::Binary(Bytes::from(vec![7; 3 << 20]));
    socket.send(large.clone()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), large);
}

#[tokio::test]
async fn a_ticket_opens_one_and_goes_no_further() {
    let world = World::start().await;
    let (desktop, _sidecar) = world.desktop("user-a").await;
    let headers = [("sec-websocket-protocol", "binary, ticket.user-a"), ("origin", "https://else.example")];
    let before = world.control.resolved();

    let (mut socket, response) = open(&world, &desktop, &headers).await.unwrap();
    open(&world, &desktop, &headers).await.unwrap();

    assert_eq!(response.headers()["sec-websocket-protocol"], "binary");
    let seen: Seen = serde_json::from_str(socket.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
    assert_eq!(seen.header("sec-websocket-protocol"), Some("binary"));
    assert!(!format!("{seen:?}").contains("user-a"), "{seen:?}");
    assert_eq!(world.control.resolved(), before + 2, "an answer to a ticket is not kept");
    let get = world.http.get(world.url(&format!("/api/v1/desktops/{desktop}/screenshot")));
    assert_eq!(get.header("sec-websocket-protocol", "ticket.user-a").send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn another_site_opens_none() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let cookie = ("cookie", "cloudbot_access=user-a");

    assert_eq!(status(open(&world, &desktop, &[cookie]).await), 403);
    assert_eq!(status(open(&world, &desktop, &[cookie, ("origin", "https://evil.example")]).await), 403);
    assert_eq!(status(open(&world, &desktop, &[cookie, ("origin", &format!("{}0", world.origin()))]).await), 403);
    assert_eq!(status(open(&world, &desktop, &[("origin", &world.origin())]).await), 401);
    assert_eq!(status(open(&world, &desktop, &[("authorization", "Bearer user-b")]).await), 404);
    assert_eq!(sidecar.upstream.connections(), 0);
}

#[tokio::test]
async fn a_program_opens_one_with_its_token() {
    let world = World::start().await;
    let (desktop, _sidecar) = world.desktop("user-a").await;

    let (mut socket, _) = open(&world, &desktop, &[("authorization", "Bearer user-a")]).await.unwrap();

    socket.next().await.unwrap().unwrap();
    echoes(&mut socket, "hello").await;
}

#[tokio::test]
async fn an_idle_one_outlives_the_time_a_request_may_be_silent() {
    let silence = Duration::from_millis(300);
    let world = World::start_with(|config| config.client_read_timeout = silence).await;
    let (desktop, _sidecar) = world.desktop("user-a").await;
    let (mut socket, _) = open(&world, &desktop, &[("authorization", "Bearer user-a")]).await.unwrap();
    socket.next().await.unwrap().unwrap();

    // A request that goes silent half-way is the clock: it is cut, several times over, while the socket idles.
    for _ in 0..3 {
        let began = Instant::now();
        let answer = crate::support::raw(
            world.edge().public,
            "POST /api/v1/desktops HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n{",
        )
        .await;
        assert!(began.elapsed() >= silence, "{answer}");
    }

    echoes(&mut socket, "still here").await;
}

#[tokio::test]
async fn closing_one_side_closes_the_other() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let (mut socket, _) = open(&world, &desktop, &[("authorization", "Bearer user-a")]).await.unwrap();
    socket.next().await.unwrap().unwrap();

    drop(socket);

    sidecar.sockets.close();
    tokio::time::timeout(PATIENCE, sidecar.sockets.wait()).await.expect("the sidecar's end closes too");
}

#[tokio::test]
async fn when_the_edge_stops_websockets_and_streams_end_at_once() {
    let mut world = World::start().await;
    let (desktop, _sidecar) = world.desktop("user-a").await;
    let (mut socket, _) = open(&world, &desktop, &[("authorization", "Bearer user-a")]).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let events = world.control.streams();
    let mut stream = world.get("/api/v1/desktops/events").await;
    events.send(Bytes::from_static(b"data: 1\n\n")).await.unwrap();
    stream.chunk().await.unwrap();
    let public = world.edge().public;

    let began = Instant::now();
    world.edge.take().unwrap().shut_down().await;

    assert!(
        began.elapsed() < Duration::from_secs(3),
        "well below the time that requests are given: {:?}",
        began.elapsed()
    );
    let ended = tokio::time::timeout(PATIENCE, socket.next()).await.expect("the WebSocket ends");
    assert!(!matches!(ended, Some(Ok(Message::Text(_)))));
    let ended = tokio::time::timeout(PATIENCE, stream.chunk()).await.expect("the stream ends");
    assert!(!matches!(ended, Ok(Some(_))));
    assert!(TcpStream::connect(public).await.is_err(), "and nobody new is let in");
}

#[tokio::test]
async fn when_the_edge_stops_a_request_may_finish() {
    let mut world = World::start().await;
    let http = world.http.clone();
    let url = world.url("/api/v1/desktops");
    let (body, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let pieces = futures_util::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let mut requests = tokio::task::JoinSet::new();
    requests
        .spawn(async move { http.post(url).body(reqwest::Body::wrap_stream(pieces)).send().await.unwrap().status() });
    body.send(Ok(Bytes::from_static(b"{"))).await.unwrap();
    crate::support::until("it reached control", || async { world.control.connections() == 1 }).await;

    let edge = world.edge.take().unwrap();
    let stopping = edge.shut_down();
    let finishing = async {
        body.send(Ok(Bytes::from_static(b"}"))).await.unwrap();
        drop(body);
        requests.join_next().await.unwrap().unwrap()
    };
    let ((), status) = tokio::join!(stopping, finishing);

    assert_eq!(status, 200);
}
