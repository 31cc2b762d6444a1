//! The desk as a process: whom it lets in, how it ends, what else it is asked.

use std::os::unix::fs::PermissionsExt;

use protocol::{desktop::Size, window::Launch};
use serde_json::json;
use sidecar::link::{Answer, Call, RefusalKind, frame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::display::{DEADLINE, Display, answer, eventually, read};

#[tokio::test(flavor = "multi_thread")]
async fn the_desktop_is_painted_once_a_window_manager_and_something_to_see_are_there() {
    let mut display = Display::fixed();
    let desk = display.desk().await;
    let health = async || match desk.call(&Call::Health).await {
        Ok(Answer::Health { painted, screen, detail, floor: None }) => (painted, screen, detail),
        other => panic!("{other:?}"),
    };

    let (painted, screen, detail) = health().await;
    assert_eq!((painted, screen), (false, Size::DEFAULT));
    assert!(detail.contains("no window manager"), "{detail}");

    display.run("openbox", &["--sm-disable"]);
    eventually("openbox manages", async || health().await.2.contains("one colour")).await;
    assert!(!health().await.0);

    display.run("xterm", &["-e", "sleep 60"]);
    eventually("it is painted", async || health().await.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_on_this_machine_is_not_let_in() {
    let display = Display::fixed();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sidecar"));
    command.args(["desk", "--gate-uid", "4294967294", "--socket"]).arg(display.path("desk.sock"));
    let child = command.env("DISPLAY", &display.name).stderr(std::process::Stdio::null()).spawn().unwrap();
    let desk = crate::display::Desk { child, socket: display.path("desk.sock") };
    eventually("it listens", async || UnixStream::connect(&desk.socket).await.is_ok()).await;

    let mut stream = UnixStream::connect(&desk.socket).await.unwrap();
    let _ = frame::write_json(&mut stream, &Call::Health).await;

    let mut heard = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut heard)).await.expect("it is closed");
    assert!(heard.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_call_are_refused_and_harm_no_other() {
    let display = Display::fixed();
    let desk = display.desk().await;

    for bytes in [&b"\0\0\0\x02{}"[..], b"\xff\xff\xff\xff", b"\0\0\0\x05\xff\xfe\0\0\0"] {
        let mut stream = UnixStream::connect(&desk.socket).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert_eq!(answer(&mut stream).await.unwrap_err().kind, RefusalKind::Invalid);
    }
    let _silent = UnixStream::connect(&desk.socket).await.unwrap();

    assert!(desk.call(&Call::Health).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_the_bound_are_told_so() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(desk.begin(&crate::display::bash("sleep 60", 60_000)).await);
    }
    eventually(
        "the bound is reached",
        async || matches!(desk.call(&Call::Health).await, Err(refusal) if refusal.kind == RefusalKind::Unavailable),
    )
    .await;

    drop(held);

    eventually("there is room again", async || desk.call(&Call::Health).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_whose_x_server_dies_ends_with_an_error_that_says_so() {
    let mut display = Display::fixed();
    let mut desk = display.desk().await;

    display.end_server();

    let ended = tokio::task::spawn_blocking(move || desk.child.wait().unwrap());
    assert_eq!(tokio::time::timeout(DEADLINE, ended).await.unwrap().unwrap().code(), Some(1));
    assert!(display.desk_log().contains("the X server has gone away"), "{}", display.desk_log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_socket_is_replaced_and_another_file_is_not() {
    let mut display = Display::fixed();
    let mut desk = display.desk().await;
    desk.child.kill().unwrap();
    desk.child.wait().unwrap();
    assert!(display.path("desk.sock").exists());

    drop(display.desk().await);

    std::fs::write(display.path("desk.sock"), "precious").unwrap();
    let ended = display.desk_command(&[]).status().unwrap();
    assert!(!ended.success());
    assert_eq!(read(&display.path("desk.sock")), "precious");
    assert!(display.desk_log().contains("is no socket"), "{}", display.desk_log());
    display.end_server();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_editor_and_the_opener_answer_over_the_socket() {
    let mut display = Display::fixed();
    display.managed().await;
    let opener = display.path("bin");
    std::fs::create_dir(&opener).unwrap();
    let script = "#!/bin/sh\necho \"$@ $(env | grep -c CLOUDBOT_)\" > \"$HOME/opened\"\n";
    for name in ["x-www-browser", "xdg-open"] {
        std::fs::write(opener.join(name), script).unwrap();
        std::fs::set_permissions(opener.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", opener.display(), std::env::var("PATH").unwrap());
    let child = display.desk_command(&[]).env("PATH", path).spawn().unwrap();
    let desk = crate::display::Desk { child, socket: display.path("desk.sock") };
    eventually("it listens", async || UnixStream::connect(&desk.socket).await.is_ok()).await;

    let open = |url: &str| Call::Launch { launch: Launch::Url(url.into()), timeout_ms: 50, picture: None };
    desk.call(&open("https://example.com/?q=a b;c")).await.unwrap();
    eventually("it is opened", async || read(&display.path("opened")).ends_with('\n')).await;
    assert_eq!(read(&display.path("opened")), "https://example.com/?q=a%20b;c 0\n");
    assert!(desk.call(&open("javascript:alert(1)")).await.is_err());

    let file = display.path("new.txt");
    let create = Call::Editor { input: json!({"command": "create", "path": file, "file_text": "one\n"}) };
    assert!(matches!(desk.call(&create).await, Ok(Answer::Text { .. })));
    assert_eq!(desk.call(&create).await.unwrap_err().kind, RefusalKind::Invalid);
    assert_eq!(read(&file), "one\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_have_a_bounded_number_of_places_and_leave_those_of_the_calls_alone() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let viewer = Call::Vnc { control: false, seat: "ada".into(), password: None };
    let mut held = Vec::new();
    let refused = loop {
        let mut stream = desk.begin(&viewer).await;
        match answer(&mut stream).await {
            Ok(_) => held.push(stream),
            Err(refusal) => break refusal,
        }
        assert!(held.len() <= 1000, "viewers without end");
    };

    assert_eq!((held.len(), refused.kind), (32, RefusalKind::Unavailable));
    assert!(refused.message.contains("already serves 32 viewers"), "{}", refused.message);
    assert!(desk.call(&Call::Health).await.is_ok());
    drop(held.pop());
    eventually("a place is free again", async || answer(&mut desk.begin(&viewer).await).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_with_a_password_has_to_show_it_and_a_wrong_one_stands_in_the_log() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let password = serde_json::from_str("\"S3cr3t!!\"").unwrap();
    let mut stream = desk.begin(&Call::Vnc { control: true, seat: "ada".into(), password: Some(password) }).await;
    assert_eq!(answer(&mut stream).await, Ok(Answer::Done));

    stream.write_all(b"RFB 003.008\n\x02").await.unwrap();
    stream.write_all(&[0; 16]).await.unwrap();
    let mut heard = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut heard)).await.expect("it hangs up").unwrap();

    assert!(heard.ends_with(b"the password is wrong; ask for a new one"));
    eventually("it stands in the log", async || display.desk_log().contains("its password is wrong")).await;
    assert!(!display.desk_log().contains("S3cr3t"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_the_raw_stream_of_rfb_after_the_answer() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let mut stream = UnixStream::connect(&desk.socket).await.unwrap();

    frame::write_json(&mut stream, &Call::Vnc { control: false, seat: "ada".into(), password: None }).await.unwrap();

    assert_eq!(answer(&mut stream).await, Ok(Answer::Done));
    let mut version = [0; 12];
    tokio::time::timeout(DEADLINE, stream.read_exact(&mut version)).await.unwrap().unwrap();
    assert_eq!(&version, b"RFB 003.008\n");
}
