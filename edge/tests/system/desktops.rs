//! Requests for a desktop: who may, and that they reach the right sidecar and no other.

use protocol::{
    DesktopId, VmId,
    error::{Code, Problem},
};

use crate::support::{World, ca::Ca, problem, raw, resolved, sidecar::Sidecar, until, upstream::Seen};

#[tokio::test]
async fn a_desktops_sidecar_gets_a_capability_in_place_of_the_credential() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;

    let answer = world
        .http
        .post(world.url(&format!("/api/v1/desktops/{desktop}/actions?x=1")))
        .header("authorization", "Bearer user-a")
        .header("cookie", "cloudbot_access=other; theme=dark")
        .header("x-cloudbot-capability", "forged")
        .body("{}")
        .send()
        .await
        .unwrap();

    assert!(!answer.headers().contains_key("set-cookie"), "a desktop signs nobody in");
    assert_eq!(answer.headers()["content-security-policy"], "default-src 'none'; frame-ancestors 'none'; sandbox");
    let seen = Seen::read(answer).await;
    assert_eq!(seen.by, sidecar.vm.as_str());
    assert_eq!(seen.path, format!("/api/v1/desktops/{desktop}/actions?x=1"));
    assert_eq!((seen.header("cookie"), seen.header("authorization")), (None, None));
    let capabilities: Vec<_> = seen.headers.iter().filter(|(name, _)| name == "x-cloudbot-capability").collect();
    assert!(matches!(capabilities[..], [(_, value)] if value.starts_with("header.")), "{capabilities:?}");
    assert!(seen.header("x-request-id").is_some());
}

#[tokio::test]
async fn nobody_is_asked_to_sign_in_and_a_stranger_finds_nothing() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let url = world.url(&format!("/api/v1/desktops/{desktop}/screenshot"));

    let nobody = world.http.get(&url).send().await.unwrap();
    let forged = world.http.get(&url).bearer_auth("forged").send().await.unwrap();
    let stranger = world.http.get(&url).bearer_auth("user-b").send().await.unwrap();

    assert_eq!(nobody.headers()["www-authenticate"], "Bearer");
    insta::assert_json_snapshot!(problem(nobody).await, @r#"
    {
      "status": 401,
      "code": "not_signed_in",
      "title": "You are not signed in",
      "detail": "Sign in, or send a personal access token as Authorization: Bearer."
    }
    "#);
    assert_eq!(problem(forged).await.code, Code::NotSignedIn);
    assert_eq!(problem(stranger).await.code, Code::NotFound);
    assert_eq!(sidecar.upstream.connections(), 0);
}

#[tokio::test]
async fn a_desktop_that_is_not_ready_says_so_in_controls_words() {
    let world = World::start().await;
    let desktop = DesktopId::generate();
    world.control.resolves("user-a", &desktop, Err(Problem::new(Code::DesktopNotReady, "It is booting.")));

    let answer = world
        .http
        .get(world.url(&format!("/api/v1/desktops/{desktop}/vnc")))
        .bearer_auth("user-a")
        .send()
        .await
        .unwrap();

    let told = problem(answer).await;
    assert_eq!((told.code, told.detail.as_str()), (Code::DesktopNotReady, "It is booting."));
}

#[tokio::test]
async fn a_browser_needs_its_cookie_its_origin_and_its_header() {
    let world = World::start().await;
    let (desktop, _sidecar) = world.desktop("user-a").await;
    let url = world.url(&format!("/api/v1/desktops/{desktop}/actions"));
    let post = || world.http.post(&url).header("cookie", "cloudbot_access=user-a").body("{}");

    let own = post().header("origin", world.origin()).header("x-cloudbot", "1").send().await.unwrap();
    let foreign = post().header("origin", "https://evil.example").header("x-cloudbot", "1").send().await.unwrap();
    let form = post().header("origin", world.origin()).send().await.unwrap();

    assert_eq!(own.status(), 200);
    insta::assert_json_snapshot!(problem(foreign).await, @r#"
    {
      "status": 403,
      "code": "forbidden_origin",
      "title": "The request came from another site",
      "detail": "A browser may do this only from CloudBot's own page. Open CloudBot at the address its operator gave."
    }
    "#);
    insta::assert_json_snapshot!(problem(form).await, @r#"
    {
      "status": 403,
      "code": "missing_request_header",
      "title": "The request lacks the x-cloudbot header",
      "detail": "Send the header x-cloudbot: 1 with every change."
    }
    "#);
}

#[tokio::test]
async fn what_a_desktop_serves_cannot_run_as_a_script_of_the_app() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let url = world.url(&format!("/api/v1/desktops/{desktop}/files/evil.js"));

    for wanted in ["script", "serviceworker", "iframe", "style"] {
        let answer = world.http.get(&url).header("cookie", "cloudbot_access=user-a").header("sec-fetch-dest", wanted);
        assert_eq!(answer.send().await.unwrap().status(), 403, "{wanted}");
    }
    assert_eq!(sidecar.upstream.connections(), 0);
}

#[tokio::test]
async fn control_is_asked_once_for_many_requests() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let url = world.url(&format!("/api/v1/desktops/{desktop}/screenshot"));

    let ask = async || assert_eq!(world.http.get(&url).bearer_auth("user-a").send().await.unwrap().status(), 200);
    // What it was told before it heard of revocations is not kept.
    until("it keeps an answer", async || {
        let before = world.control.resolved();
        ask().await;
        world.control.resolved() == before
    })
    .await;
    let before = world.control.resolved();

    for _ in 0..10 {
        ask().await;
    }

    assert_eq!(world.control.resolved(), before);
    assert_eq!(sidecar.upstream.connections(), 1, "and one connection serves them all");
}

#[tokio::test]
async fn a_desktop_that_moved_is_found_at_its_new_address() {
    let world = World::start().await;
    let (desktop, old) = world.desktop("user-a").await;
    let url = world.url(&format!("/api/v1/desktops/{desktop}/screenshot"));
    world.http.get(&url).bearer_auth("user-a").send().await.unwrap();

    let vm = VmId::generate();
    let new = Sidecar::start(&world.ca, &vm).await;
    world.control.resolves("user-a", &desktop, Ok(resolved(&vm, &new.upstream.address.to_string())));
    old.upstream.stop().await;
    let answer = world.http.get(&url).bearer_auth("user-a").send().await.unwrap();

    assert_eq!(Seen::read(answer).await.by, vm.as_str());
}

#[tokio::test]
async fn a_sidecar_of_another_name_is_not_believed() {
    let world = World::start().await;
    let vm = VmId::generate();
    let other = protocol::vm::server_name(&VmId::generate());

    for name in [other.as_str(), protocol::vm::CONTROL_SERVER_NAME, protocol::vm::EDGE_SERVER_NAME] {
        let sidecar = Sidecar::start_at("127.0.0.1:0".parse().unwrap(), &world.ca, &vm, name).await;
        let desktop = DesktopId::generate();
        world.control.resolves("user-a", &desktop, Ok(resolved(&vm, &sidecar.upstream.address.to_string())));

        let url = world.url(&format!("/api/v1/desktops/{desktop}/screenshot"));
        let answer = world.http.get(url).bearer_auth("user-a").send().await.unwrap();

        let mut told = problem(answer).await;
        told.request_id = None;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(told, @r#"
            {
              "status": 502,
              "code": "desktop_unreachable",
              "title": "The desktop does not answer",
              "detail": "The desktop does not answer. It may be starting or stopping: look at its state, and try again."
            }
            "#);
        }
    }
}

#[tokio::test]
async fn a_sidecar_of_another_ca_is_not_believed() {
    let world = World::start().await;
    let vm = VmId::generate();
    let sidecar = Sidecar::start(&Ca::new(), &vm).await;
    let desktop = DesktopId::generate();
    world.control.resolves("user-a", &desktop, Ok(resolved(&vm, &sidecar.upstream.address.to_string())));

    let url = world.url(&format!("/api/v1/desktops/{desktop}/screenshot"));
    let answer = world.http.get(url).bearer_auth("user-a").send().await.unwrap();

    assert_eq!(answer.status(), 502);
}

#[tokio::test]
async fn an_address_that_another_vm_got_later_answers_for_that_one_only() {
    let world = World::start().await;
    let (first, sidecar) = world.desktop("user-a").await;
    let address = sidecar.upstream.address;
    let url = |desktop: &DesktopId| world.url(&format!("/api/v1/desktops/{desktop}/screenshot"));
    assert_eq!(world.http.get(url(&first)).bearer_auth("user-a").send().await.unwrap().status(), 200);

    // Another desktop is said to be where a connection of the first one is still open.
    let (second, vm) = (DesktopId::generate(), VmId::generate());
    world.control.resolves("user-b", &second, Ok(resolved(&vm, &address.to_string())));
    let misled = world.http.get(url(&second)).bearer_auth("user-b").send().await.unwrap();
    assert_eq!(misled.status(), 502, "the first VM is not taken for the second");

    // The first VM is gone, and the second really is there.
    sidecar.upstream.stop().await;
    let successor = Sidecar::start_at(address, &world.ca, &vm, &protocol::vm::server_name(&vm)).await;
    let right = world.http.get(url(&second)).bearer_auth("user-b").send().await.unwrap();
    assert_eq!(Seen::read(right).await.by, vm.as_str());
    let stale = world.http.get(url(&first)).bearer_auth("user-a").send().await.unwrap();
    assert_eq!(stale.status(), 502);
    assert_eq!(successor.vm, vm);
}

#[tokio::test]
async fn a_new_generation_inherits_no_connection() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let url = world.url(&format!("/api/v1/desktops/{desktop}/screenshot"));
    world.http.get(&url).bearer_auth("user-a").send().await.unwrap();

    let mut next = resolved(&sidecar.vm, &sidecar.upstream.address.to_string());
    next.generation = 2;
    world.control.resolves("user-c", &desktop, Ok(next));
    world.http.get(&url).bearer_auth("user-c").send().await.unwrap();

    assert_eq!(sidecar.upstream.connections(), 2);
}

#[tokio::test]
async fn a_file_may_be_larger_than_another_body() {
    let world = World::start().await;
    let (desktop, _sidecar) = world.desktop("user-a").await;
    let put = |path: &str, size: usize| {
        let url = world.url(&format!("/api/v1/desktops/{desktop}/{path}"));
        world.http.put(url).bearer_auth("user-a").body(vec![0; size]).send()
    };

    assert_eq!(Seen::read(put("files/a%20b.bin", 16 << 20).await.unwrap()).await.body, 16 << 20);
    assert_eq!(put("files/a.bin", (16 << 20) + 1).await.unwrap().status(), 413);
    assert_eq!(put("actions", (1 << 20) + 1).await.unwrap().status(), 413);
}

#[tokio::test]
async fn no_upgrade_header_gets_past_the_sign_in() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;

    for upgrade in ["websocket", "h2c", "tls/1.0", "x", "WebSocket, x"] {
        for credential in ["", "authorization: Bearer forged\r\n", "cookie: cloudbot_access=user-a\r\n"] {
            let request = format!(
                "GET /api/v1/desktops/{desktop}/vnc HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: {upgrade}\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{credential}\r\n"
            );
            let answer =
                tokio::time::timeout(std::time::Duration::from_secs(20), first_line(world.edge().public, &request))
                    .await;
            let answer = answer.unwrap();
            assert!(answer.contains(" 401 ") || answer.contains(" 403 "), "{upgrade} {credential}: {answer}");
        }
    }
    assert_eq!(sidecar.upstream.connections(), 0);
    let closed = raw(world.edge().public, "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(closed.starts_with("HTTP/1.1 200"));
}

async fn first_line(address: std::net::SocketAddr, request: &str) -> String {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let mut tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut line = String::new();
    BufReader::new(tcp).read_line(&mut line).await.unwrap();
    line
}
