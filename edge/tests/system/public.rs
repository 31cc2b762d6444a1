//! The public listener: the web app, control's API, and what is refused.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{World, ca::Ca, problem, raw, upstream::Seen};

#[tokio::test]
async fn the_web_app_is_served_with_a_strict_policy() {
    let world = World::start().await;

    let page = world.get("/").await;
    let bundle = world.get("/assets/app-1a2b.js").await;

    assert_eq!((page.status().as_u16(), &page.headers()["cache-control"]), (200, &"no-cache".parse().unwrap()));
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'self'"), "{policy}");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");
    assert!(bundle.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    assert_eq!(bundle.text().await.unwrap(), "app()");
}

#[tokio::test]
async fn an_address_of_the_app_gets_its_page_and_a_missing_bundle_a_404() {
    let world = World::start().await;

    assert_eq!(world.get("/desktops/any").await.text().await.unwrap(), "<p>page</p>");
    assert_eq!(world.get("/assets/gone.js").await.status(), 404);
    assert_eq!(world.get("/api/v2/me").await.status(), 404);
    assert_eq!(world.http.post(world.url("/")).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn a_head_request_and_a_known_etag_get_no_body() {
    let world = World::start().await;
    let etag = world.get("/").await.headers()["etag"].clone();

    let head = world.http.head(world.url("/")).send().await.unwrap();
    let again = world.http.get(world.url("/")).header("if-none-match", etag).send().await.unwrap();

    assert_eq!((head.status().as_u16(), again.status().as_u16()), (200, 304));
    assert_eq!(world.get("/").await.text().await.unwrap(), "<p>page</p>", "the connection is still in step");
}

#[tokio::test]
async fn no_path_leads_out_of_the_web_folder() {
    let world = World::start().await;
    std::fs::write(world.web().join("secret.txt"), "secret").unwrap();

    for path in [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/..%5c..%5csecret.txt",
    ] {
        let answer =
            raw(world.edge().public, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
                .await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
        assert!(!answer.contains("secret\r\n"));
    }
}

#[tokio::test]
async fn the_api_goes_to_control_with_what_only_the_edge_may_say() {
    let world = World::start().await;

    let answer = world
        .http
        .post(world.url("/api/v1/auth/login?next=1"))
        .header("cookie", "cloudbot_refresh=r")
        .header("authorization", "Bearer cbp_x")
        .header("x-cloudbot", "1")
        .header("x-cloudbot-client", "6.6.6.6")
        .header("x-cloudbot-vm", "vm-forged")
        .header("x-cloudbot-capability", "forged")
        .header("x-request-id", "forged")
        .header("x-forwarded-for", "6.6.6.6")
        .body("{}")
        .send()
        .await
        .unwrap();

    let request_id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(answer.headers()["content-security-policy"].to_str().unwrap().contains("sandbox"));
    let seen = Seen::read(answer).await;
    assert_eq!((seen.by.as_str(), seen.path.as_str(), seen.body), ("control", "/api/v1/auth/login?next=1", 2));
    assert_eq!(seen.header("cookie"), Some("cloudbot_refresh=r"));
    assert_eq!(seen.header("authorization"), Some("Bearer cbp_x"));
    assert_eq!(seen.header("x-cloudbot"), Some("1"));
    assert_eq!(seen.header("x-cloudbot-client"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-request-id"), Some(request_id.as_str()));
    for name in ["x-cloudbot-vm", "x-cloudbot-capability", "x-forwarded-for"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert!(!seen.headers.iter().any(|(_, value)| value == "forged" || value == "6.6.6.6"));
}

#[tokio::test]
async fn what_is_internal_is_not_here() {
    let world = World::start().await;

    for path in [
        "/internal/v1/resolve",
        "/internal/v1/model-key",
        "/vm/v1/enrol",
        "/vm/v1/work",
        "/llm/anthropic/v1/messages",
        "/metrics",
    ] {
        let answer = world.http.post(world.url(path)).body("{}").send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    assert_eq!(world.control.connections(), 0);
}

#[tokio::test]
async fn an_upgrade_header_does_not_open_a_tunnel_to_control() {
    let world = World::start().await;

    for upgrade in ["websocket", "h2c", "anything"] {
        let answer = raw(
            world.edge().public,
            &format!(
                "GET /api/v1/me HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\nupgrade: {upgrade}\r\n\r\n"
            ),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(!answer.contains(&format!("\"{upgrade}\"")), "control does not see it: {answer}");
    }
}

#[tokio::test]
async fn a_request_that_two_programs_might_read_differently_is_refused() {
    let world = World::start().await;

    for (what, request) in [
        ("no host", "GET / HTTP/1.1\r\nconnection: close\r\n\r\n"),
        ("odd host", "GET / HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n"),
        ("user in host", "GET / HTTP/1.1\r\nhost: a@b\r\nconnection: close\r\n\r\n"),
        ("two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n"),
        ("empty segment", "GET //api/v1/me HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        ("encoded slash", "GET /api%2fv1/me HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        ("encoded backslash", "GET /api/v1/%5c HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        ("nul", "GET /api/v1/%00 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        ("dots", "GET /api/v1/../../internal/v1/resolve HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        ("encoded dots", "GET /api/v1/%2e%2E/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        ("absolute form", "GET http://a/api/v1/me HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        ("bad length", "POST /api/v1/me HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\nconnection: close\r\n\r\n"),
    ] {
        let answer = raw(world.edge().public, request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{what}: {answer}");
    }
    assert_eq!(world.control.connections(), 0, "nothing of it reached control");
}

#[tokio::test]
async fn long_headers_and_large_bodies_are_refused() {
    let world = World::start().await;

    let long = world.http.get(world.url("/api/v1/me")).header("x", "y".repeat(40_000)).send().await.unwrap();
    assert_eq!(long.status(), 400);

    let large = world.http.post(world.url("/api/v1/desktops")).body(vec![b' '; (1 << 20) + 1]).send().await.unwrap();
    insta::assert_json_snapshot!(problem(large).await, @r#"
    {
      "status": 413,
      "code": "body_too_large",
      "title": "The request is too large",
      "detail": "This address takes at most 1 MiB."
    }
    "#);

    // Without a Content-Length it is counted as it comes.
    let pieces = futures_util::stream::iter((0..3).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 19]))));
    let body = reqwest::Body::wrap_stream(pieces);
    let endless = world.http.post(world.url("/api/v1/desktops")).body(body).send().await.unwrap();
    assert_eq!(endless.status(), 413);
    let fits = world.http.post(world.url("/api/v1/desktops")).body(vec![b' '; 1 << 20]).send().await.unwrap();
    assert_eq!(Seen::read(fits).await.body, 1 << 20);
}

#[tokio::test]
async fn events_of_control_arrive_one_by_one_as_they_happen() {
    let world = World::start().await;
    let events = world.control.streams();

    let mut answer = world.get("/api/v1/desktops/events").await;

    for n in 0..3 {
        let event = Bytes::from(format!("data: {n}\n\n"));
        events.send(event.clone()).await.unwrap();
        let arrived = tokio::time::timeout(Duration::from_secs(5), answer.chunk()).await.expect("it is not held back");
        assert_eq!(arrived.unwrap(), Some(event));
    }
}

#[tokio::test]
async fn without_control_the_edge_says_so_and_serves_the_app() {
    let mut world = World::start().await;
    let gone = crate::support::control::Control::start(&Ca::new()).await;
    assert_eq!(world.get("/readyz").await.status(), 200);
    // Nothing of the old control is left, neither its port nor an open connection.
    std::mem::replace(&mut world.control, gone).upstream.stop().await;

    let ready = world.get("/readyz").await;
    let api = world.get("/api/v1/me").await;

    assert_eq!(world.get("/healthz").await.status(), 200);
    assert_eq!(ready.status(), 503);
    let mut told = problem(api).await;
    assert!(told.request_id.take().is_some_and(|id| id.len() == 32));
    insta::assert_json_snapshot!(told, @r#"
    {
      "status": 503,
      "code": "unavailable",
      "title": "The service is not available",
      "detail": "CloudBot's control service does not answer. Try again in a moment."
    }
    "#);
    assert_eq!(world.get("/").await.status(), 200);
}

#[tokio::test]
async fn metrics_are_on_their_own_listener() {
    let world = World::start().await;

    let metrics = world.http.get(format!("http://{}/metrics", world.edge().metrics)).send().await.unwrap();
    let other = world.http.get(format!("http://{}/", world.edge().metrics)).send().await.unwrap();

    assert_eq!((metrics.status().as_u16(), other.status().as_u16()), (200, 404));
}

#[tokio::test]
async fn under_tls_the_host_bound_cookie_counts_and_the_plain_one_does_not() {
    let (public_ca, files) = (Ca::new(), tempfile::tempdir().unwrap());
    let tls = public_ca.issue("localhost").tls_files(files.path());
    let world = World::start_with(|config| config.tls = Some(tls)).await;
    let (desktop, _sidecar) = world.desktop("user-a").await;
    let origin = format!("https://localhost:{}", world.edge().public.port());

    for alpn in ["h2", "http/1.1"] {
        let mut trusting = public_ca.client(None);
        trusting.alpn_protocols = vec![alpn.into()];
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(trusting)
            .resolve("localhost", world.edge().public)
            .no_proxy()
            .build()
            .unwrap();
        let act = async |cookie: &str| {
            let post = client.post(format!("{origin}/api/v1/desktops/{desktop}/actions")).header("cookie", cookie);
            post.header("origin", &origin).header("x-cloudbot", "1").body("{}").send().await.unwrap()
        };

        let bound = act("__Host-cloudbot_access=user-a").await;
        assert!(bound.headers().contains_key("strict-transport-security"));
        assert_eq!(Seen::read(bound).await.body, 2, "{alpn}");
        assert_eq!(act("cloudbot_access=user-a").await.status(), 401, "{alpn}");
        let control = Seen::read(client.get(format!("{origin}/api/v1/me")).send().await.unwrap()).await;
        assert_eq!(control.header("x-cloudbot-client"), Some("127.0.0.1"), "{alpn}");
    }
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_and_a_connection_between_two_requests_is_not() {
    let patience = Duration::from_millis(400);
    let world = World::start_with(|config| config.head_patience = patience).await;
    let head = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut kept = TcpStream::connect(world.edge().public).await.unwrap();
    kept.write_all(head).await.unwrap();
    assert_eq!(read_answer(&mut kept).await, 200);

    let mut slow = TcpStream::connect(world.edge().public).await.unwrap();
    let trickling = async {
        for byte in std::iter::repeat(b'a') {
            if slow.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), trickling).await.expect("it is cut");

    // The other one was idle for all that time.
    kept.write_all(head).await.unwrap();
    assert_eq!(read_answer(&mut kept).await, 200);
}

async fn read_answer(tcp: &mut TcpStream) -> u16 {
    let mut answer = Vec::new();
    while !answer.ends_with(b"}\n") {
        answer.push(tcp.read_u8().await.expect("an answer"));
    }
    std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap()
}
