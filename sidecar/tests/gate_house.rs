//! The gate's door: enrolment, the route table, capabilities, pictures, the viewer's pipe.

mod support;

use std::{io::ErrorKind, time::Duration};

use futures_util::{SinkExt, StreamExt};
use protocol::{
    DesktopId,
    capability::{self, Scope},
    error::{Code, Problem},
    vm::{EDGE_SERVER_NAME, server_name},
};
use serde_json::json;
use sidecar::link::Call;
use support::{House, desk::FILM, visit::Visitor};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};

async fn code(response: reqwest::Response) -> Code {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Problem = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(problem.status, status);
    problem.code
}

#[tokio::test]
async fn a_restart_keeps_key_and_certificate() {
    let mut house = House::open().await;

    house.stop().await;
    house.start().await;

    assert_eq!(house.edge.with(|control| control.enrolments.len()), 1);
    assert_eq!(house.edge.with(|control| control.enrolments[0].vm_id.clone()), *house.vm());
}

#[tokio::test]
async fn a_lost_certificate_is_asked_for_with_the_same_key() {
    let mut house = House::open().await;
    house.stop().await;
    std::fs::remove_file(house.folder.path().join("state/certificate.pem")).unwrap();

    house.start().await;

    let keys: Vec<Vec<u8>> = house.edge.with(|control| {
        let read = |pem: &str| rcgen::CertificateSigningRequestParams::from_pem(pem).unwrap();
        control
            .enrolments
            .iter()
            .map(|enrolment| rcgen::PublicKeyData::der_bytes(&read(&enrolment.csr_pem).public_key).to_vec())
            .collect()
    });
    assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
}

#[tokio::test]
async fn only_the_edge_is_let_in() {
    let house = House::open().await;
    let visitor = house.visitor(Scope::ALL);
    let other_vm = server_name(&protocol::VmId::generate());

    let health = |name: Option<&str>| visitor.client(name).get(visitor.url("/healthz")).send();

    assert_eq!(health(Some(EDGE_SERVER_NAME)).await.unwrap().text().await.unwrap(), "ok");
    assert!(health(None).await.is_err());
    assert!(health(Some(&other_vm)).await.is_err());
}

#[tokio::test]
async fn nothing_is_answered_without_a_capability_of_this_desktop() {
    let house = House::open().await;
    let edge = house.visitor(Scope::ALL).client(Some(EDGE_SERVER_NAME));
    let visitor = house.visitor(Scope::ALL);
    let paths = [
        "screenshot",
        "vnc",
        "chat?session=x",
        "actions",
        "shell",
        "clipboard",
        "windows",
        "windows/7",
        "applications",
        "accessibility",
    ];

    for path in paths {
        assert_eq!(code(edge.get(visitor.of_desktop(path)).send().await.unwrap()).await, Code::NotSignedIn, "{path}");
    }
    let elsewhere = visitor.url(&format!("/api/v1/desktops/{}/screenshot", DesktopId::generate()));
    let request = edge.get(elsewhere).header(capability::HEADER, &visitor.capability);
    assert_eq!(code(request.send().await.unwrap()).await, Code::NotFound);
    assert_eq!(code(visitor.get("unknown").await).await, Code::NotFound);
    assert_eq!(code(visitor.get("shell").await).await, Code::MethodNotAllowed);
}

#[tokio::test]
async fn every_route_takes_its_scope() {
    let house = House::open().await;
    let without = |scope: Scope| {
        let others: Vec<Scope> = Scope::ALL.iter().copied().filter(|other| *other != scope).collect();
        house.visitor(&others)
    };

    assert_eq!(code(without(Scope::View).get("screenshot").await).await, Code::MissingScope);
    assert_eq!(code(without(Scope::View).get("vnc").await).await, Code::MissingScope);
    assert_eq!(code(without(Scope::Chat).get("chat?session=x").await).await, Code::MissingScope);
    assert_eq!(code(without(Scope::Control).post("actions", json!({})).await).await, Code::MissingScope);
    assert_eq!(code(without(Scope::Shell).post("shell", json!({})).await).await, Code::MissingScope);
    assert_eq!(code(without(Scope::Control).get("clipboard").await).await, Code::MissingScope);
    for path in ["windows", "applications", "accessibility"] {
        assert_eq!(code(without(Scope::Control).get(path).await).await, Code::MissingScope, "{path}");
    }
    for path in ["windows/7", "applications"] {
        assert_eq!(code(without(Scope::Control).post(path, json!({})).await).await, Code::MissingScope, "{path}");
    }
    assert_eq!(code(without(Scope::Control).put("clipboard", "text/plain", "x").await).await, Code::MissingScope);
    assert_eq!(code(without(Scope::View).get("recording").await).await, Code::MissingScope);
    assert_eq!(code(without(Scope::Control).post("recording", json!({})).await).await, Code::MissingScope);
    assert_eq!(code(without(Scope::View).get("recordings/film.mp4").await).await, Code::MissingScope);
    assert_eq!(code(without(Scope::Files).get("recordings/film.mp4").await).await, Code::MissingScope);
    assert!(house.desk.with(|desk| desk.calls.iter().all(|call| *call == Call::ReleaseAll)));
}

#[tokio::test]
async fn a_recording_is_fetched_whole_or_from_where_a_player_seeks_to() {
    let house = House::open().await;
    let visitor = house.visitor(&[Scope::View, Scope::Files]);
    let seek = async |range: &str| {
        let request = visitor.client(Some(EDGE_SERVER_NAME)).get(visitor.of_desktop("recordings/film.mp4"));
        request.header(capability::HEADER, &visitor.capability).header("range", range).send().await.unwrap()
    };

    let whole = visitor.get("recordings/film.mp4").await;
    let part = seek("bytes=3-").await;
    let few = seek("bytes=18-19").await;
    let behind = seek("bytes=20-").await;

    let header = |answer: &reqwest::Response, name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((whole.status().as_u16(), header(&whole, "content-length")), (200, "20".to_owned()));
    let told = ["content-type", "accept-ranges", "x-content-type-options"].map(|name| header(&whole, name));
    assert_eq!(told, ["video/mp4", "bytes", "nosniff"]);
    assert_eq!(whole.bytes().await.unwrap(), FILM);
    assert_eq!((part.status().as_u16(), header(&part, "content-range")), (206, "bytes 3-19/20".to_owned()));
    assert_eq!(part.bytes().await.unwrap(), FILM[3..]);
    assert_eq!(few.bytes().await.unwrap(), FILM[18..]);
    assert_eq!((behind.status().as_u16(), header(&behind, "content-range")), (416, "bytes */20".to_owned()));
    assert_eq!(code(visitor.get("recordings/other.mp4").await).await, Code::NotFound);
}

#[tokio::test]
async fn a_screenshot_comes_in_the_format_that_was_asked_for() {
    let house = House::open().await;
    let visitor = house.visitor(&[Scope::View]);

    let png = visitor.get("screenshot").await;
    assert_eq!(png.headers()["content-type"], "image/png");
    let jpeg = visitor.get("screenshot?format=jpeg").await;
    assert_eq!(jpeg.headers()["content-type"], "image/jpeg");
    assert!(jpeg.bytes().await.unwrap().starts_with(b"\xff\xd8"));
    assert_eq!(code(visitor.get("screenshot?format=bmp").await).await, Code::InvalidValue);
}

#[tokio::test]
async fn the_clipboard_goes_both_ways_as_text_and_as_png() {
    let house = House::open().await;
    let visitor = house.visitor(&[Scope::Control]);
    let large = [&b"\x89PNG"[..], &[7; 3 << 20]].concat();

    let text = visitor.get("clipboard").await;
    let png = visitor.get("clipboard?format=png").await;
    let put = visitor.put("clipboard", "text/plain; charset=utf-8", "héllo").await;
    let put_png = visitor.put("clipboard", "image/png", large.clone()).await;

    assert_eq!(
        (&text.headers()["content-type"], &png.headers()["content-type"]),
        (&"text/plain; charset=utf-8".parse().unwrap(), &"image/png".parse().unwrap())
    );
    assert_eq!(
        (text.text().await.unwrap().as_str(), png.bytes().await.unwrap().starts_with(b"\x89PNG")),
        ("copied", true)
    );
    assert_eq!((put.status(), put_png.status()), (204.try_into().unwrap(), 204.try_into().unwrap()));
    assert!(house.desk.with(|desk| desk.copied == ["héllo".as_bytes().to_vec(), large]));
    assert_eq!(code(visitor.get("clipboard?format=bmp").await).await, Code::InvalidValue);
    assert_eq!(code(visitor.put("clipboard", "image/gif", "x").await).await, Code::UnsupportedMediaType);
    let too_large = vec![0; (16 << 20) + 1];
    assert_eq!(code(visitor.put("clipboard", "image/png", too_large).await).await, Code::BodyTooLarge);
}

#[tokio::test]
async fn windows_applications_and_the_tree_are_answered_by_the_desk() {
    let house = House::open().await;
    let visitor = house.visitor(&[Scope::Control]);
    let json = async |response: reqwest::Response| -> serde_json::Value {
        assert_eq!(response.status(), 200);
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    };

    let windows = json(visitor.get("windows").await).await;
    let moved = json!({"verb": "move_resize", "to": {"x": 1, "y": 2, "width": 3, "height": 4}});
    let moved = json(visitor.post("windows/7", moved).await).await;
    let applications = json(visitor.get("applications").await).await;
    let launched = json(visitor.post("applications", json!({"application": "xterm", "timeout_ms": 50})).await).await;
    let tree = json(visitor.get("accessibility?window=7&nodes=5").await).await;

    assert_eq!((&windows[0]["title"], &moved["window"]["id"]), (&json!("a terminal"), &json!(7)));
    assert_eq!((&applications[0]["id"], &launched["evidence"]), (&json!("xterm"), &json!("process")));
    assert_eq!(tree["nodes"][0]["role"], "push button");
    assert_eq!(code(visitor.post("windows/8", json!({"verb": "close"})).await).await, Code::NotFound);
    assert_eq!(code(visitor.post("windows/x", json!({"verb": "close"})).await).await, Code::NotFound);
    assert_eq!(code(visitor.post("windows/7", json!({"verb": "fly"})).await).await, Code::InvalidValue);
    assert_eq!(
        code(visitor.post("applications", json!({"url": "x", "timeout_ms": 0})).await).await,
        Code::InvalidValue
    );
    for query in ["nodes=0", "depth=x", "ms=10001", "colour=1"] {
        assert_eq!(code(visitor.get(&format!("accessibility?{query}")).await).await, Code::InvalidValue, "{query}");
    }
}

#[tokio::test]
async fn actions_and_commands_of_programs_reach_the_desk() {
    let house = House::open().await;
    let visitor = house.visitor(&[Scope::Control, Scope::Shell]);

    let acted = visitor.post("actions", json!({"action": "click", "at": {"x": 3, "y": 4}})).await;
    let acted: serde_json::Value = serde_json::from_slice(&acted.bytes().await.unwrap()).unwrap();
    let ran = visitor.post("shell", json!({"command": "ls"})).await;
    let ran: serde_json::Value = serde_json::from_slice(&ran.bytes().await.unwrap()).unwrap();

    assert_eq!(acted["waited_ms"], 12);
    assert_eq!(ran["output"], "ran ls\n");
}

#[tokio::test]
async fn bad_bodies_are_answered_with_what_is_wrong() {
    let house = House::open().await;
    let visitor = house.visitor(Scope::ALL);
    let client = visitor.client(Some(EDGE_SERVER_NAME));
    let send = |kind: &str, body: Vec<u8>| {
        let request = client.post(visitor.of_desktop("shell")).header(capability::HEADER, &visitor.capability);
        request.header("content-type", kind).body(body).send()
    };

    assert_eq!(code(send("text/plain", b"{}".to_vec()).await.unwrap()).await, Code::UnsupportedMediaType);
    assert_eq!(code(send("application/json", b"{".to_vec()).await.unwrap()).await, Code::MalformedRequest);
    assert_eq!(code(send("application/json", b"{}".to_vec()).await.unwrap()).await, Code::InvalidValue);
    let huge = format!("{{\"command\":\"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(code(send("application/json", huge.into()).await.unwrap()).await, Code::BodyTooLarge);
    let outside = json!({"action": "mouse_move", "to": {"x": 99999, "y": 0}});
    assert_eq!(code(visitor.post("actions", outside).await).await, Code::InvalidValue);
}

#[tokio::test]
async fn a_viewer_without_control_is_announced_as_one() {
    let house = House::open().await;

    let watching = echo(&house.visitor(&[Scope::View])).await;
    let driving = echo(&house.visitor(&[Scope::View, Scope::Control])).await;

    assert_eq!((watching, driving), (b"RFB 003.008\n".to_vec(), b"RFB 003.008\n".to_vec()));
    let controls: Vec<bool> = house.desk.with(|desk| {
        let vnc = |call: &Call| if let Call::Vnc { control, .. } = call { Some(*control) } else { None };
        desk.calls.iter().filter_map(vnc).collect()
    });
    assert_eq!(controls, [false, true]);
}

#[tokio::test]
async fn silent_connections_make_room_for_newer_ones_and_keep_no_edge_waiting() {
    let house = House::open().await;
    let visitor = house.visitor(&[Scope::View]);
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(("127.0.0.1", visitor.port())).await.unwrap());
    }
    let is_open = |stream: &TcpStream| matches!(stream.try_read(&mut [0]), Err(e) if e.kind() == ErrorKind::WouldBlock);

    let pushed_out = async {
        while silent.iter().filter(|stream| is_open(stream)).count() > 128 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), pushed_out).await.expect("the oldest make room");

    assert!(visitor.get("screenshot").await.status().is_success());
    // It was not by their own patience's end that the others went.
    assert!(is_open(silent.last().unwrap()));
}

#[tokio::test]
async fn a_viewers_password_is_handed_on_and_what_is_none_is_refused() {
    let house = House::open().await;
    let visitor = house.visitor(&[Scope::View]);
    let _viewer = visitor.socket_with_password("vnc", "S3cr3t!!").await.unwrap();

    let Err(Error::Http(refused)) = visitor.socket_with_password("vnc", "short").await else { panic!("it was opened") };

    assert_eq!(refused.status(), 422);
    house.desk.with(|desk| {
        let viewers: Vec<&Call> = desk.calls.iter().filter(|call| matches!(call, Call::Vnc { .. })).collect();
        let [Call::Vnc { control: false, password: Some(password), .. }] = viewers[..] else { panic!("{viewers:?}") };
        assert_eq!(password.bytes(), b"S3cr3t!!");
    });
}

async fn echo(visitor: &Visitor) -> Vec<u8> {
    let mut socket = visitor.socket("vnc", Some("binary")).await.unwrap();
    socket.send(Message::binary(b"RFB 003".to_vec())).await.unwrap();
    socket.send(Message::binary(b".008\n".to_vec())).await.unwrap();
    let mut bytes = Vec::new();
    while bytes.len() < 12 {
        if let Message::Binary(more) = socket.next().await.unwrap().unwrap() {
            bytes.extend_from_slice(&more);
        }
    }
    bytes
}

#[tokio::test]
async fn a_large_update_passes_whole_to_a_slow_viewer() {
    let house = House::open().await;
    let socket = house.visitor(&[Scope::View]).socket("vnc", Some("binary")).await.unwrap();
    let (mut to, mut from) = socket.split();
    let sent: Vec<u8> = (0..4 << 20).map(|n: u32| (n % 251) as u8).collect();

    let sending = async {
        for piece in sent.chunks(200_000) {
            to.send(Message::binary(piece.to_vec())).await.unwrap();
        }
    };
    let receiving = async {
        let mut bytes = Vec::new();
        while bytes.len() < sent.len() {
            if let Message::Binary(more) = from.next().await.unwrap().unwrap() {
                bytes.extend_from_slice(&more);
            }
        }
        bytes
    };
    let ((), received) = tokio::join!(sending, receiving);

    assert!(received == sent);
}

#[tokio::test]
async fn a_chat_of_an_unknown_session_is_not_opened() {
    let house = House::open().await;
    let visitor = house.visitor(&[Scope::Chat]);
    let stranger = format!("chat?session={}&after=0", protocol::SessionId::generate());

    for path in [stranger.as_str(), "chat?session=nonsense"] {
        let Err(Error::Http(refused)) = visitor.socket(path, None).await else { panic!("it was opened") };
        assert_eq!(refused.status(), 404);
    }
}
