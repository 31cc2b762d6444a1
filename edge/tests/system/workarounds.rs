//! The two bugs of pingora that the edge works around, provoked through real sockets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use protocol::{DesktopId, VmId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::{World, ca::Ca, resolved};

/// #935: an HTTP/2 body that ends with an empty DATA frame must not leave a second terminator in the pooled connection.
#[tokio::test]
async fn an_empty_last_frame_does_not_put_the_next_request_out_of_step() {
    let (public_ca, files) = (Ca::new(), tempfile::tempdir().unwrap());
    let tls = public_ca.issue("localhost").tls_files(files.path());
    let world = World::start_with(|config| config.tls = Some(tls)).await;
    let mut client = public_ca.client(None);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(world.edge().public).await.unwrap();
    let tls = TlsConnector::from(Arc::new(client)).connect("localhost".try_into().unwrap(), tcp).await.unwrap();
    let (mut http, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
    let mut driving = JoinSet::new();
    driving.spawn(async move {
        let _ = connection.await;
    });

    for n in 0..20 {
        // A stream does not know its last piece, so hyper ends it with an empty DATA frame.
        let pieces =
            futures_util::stream::iter([Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(b"{}")))]);
        let request = Request::post("https://localhost/api/v1/desktops").body(StreamBody::new(pieces)).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(10), http.send_request(request))
            .await
            .expect("an answer")
            .unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(status, 200, "request {n}: {}", String::from_utf8_lossy(&body));
    }
    assert_eq!(world.control.connections(), 1, "all of them on one pooled connection, or nothing was shown");
}

/// #946: no WebSocket is lost after its 101. The sharp test, with an upstream faster than any, is in `upgrade_socket`.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn every_websocket_that_is_opened_lives() {
    const SOCKETS: usize = 1_200;
    const AT_ONCE: usize = 16;
    let world = World::start().await;
    let vm = VmId::generate();
    let (address, _sidecar) = hasty_sidecar(&world.ca, &vm).await;
    let desktop = DesktopId::generate();
    world.control.resolves("user-a", &desktop, Ok(resolved(&vm, &address)));
    let lost = Arc::new(AtomicUsize::new(0));
    let public = world.edge().public;
    let request = format!(
        "GET /api/v1/desktops/{desktop}/vnc HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer user-a\r\nconnection: \
         upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );

    futures_util::stream::iter(0..SOCKETS)
        .for_each_concurrent(AT_ONCE, |_| async {
            let mut tcp = TcpStream::connect(public).await.unwrap();
            tcp.write_all(request.as_bytes()).await.unwrap();
            let head = read_head(&mut tcp).await;
            assert!(head.starts_with("HTTP/1.1 101"), "{head}");
            let mut echo = [0; 4];
            let echoed = async {
                tcp.write_all(b"ping").await?;
                tcp.read_exact(&mut echo).await
            };
            if tokio::time::timeout(Duration::from_secs(10), echoed).await.is_ok_and(|echoed| echoed.is_ok()) {
                assert_eq!(&echo, b"ping");
            } else {
                lost.fetch_add(1, Ordering::SeqCst);
            }
        })
        .await;

    assert_eq!(lost.load(Ordering::SeqCst), 0, "of {SOCKETS}");
}

/// Answers an upgrade the moment it has read it, then echoes bytes.
async fn hasty_sidecar(ca: &Ca, vm: &VmId) -> (String, JoinSet<()>) {
    let tls = TlsAcceptor::from(ca.mutual_server(&protocol::vm::server_name(vm)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut open = JoinSet::new();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            open.spawn(async move {
                tcp.set_nodelay(true).unwrap();
                let Ok(mut stream) = tls.accept(tcp).await else { return };
                let _ = read_head(&mut stream).await;
                let answer = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
                stream.write_all(answer).await.unwrap();
                let (mut read, mut write) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    (address, serving)
}

async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}
