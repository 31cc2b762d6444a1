//! The agent on a real X screen: the real desk, a real terminal, only the provider and control stand in.

mod support;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use protocol::{
    SessionId,
    capability::Scope,
    event::{EventBody, ResultBlock},
    session::SessionState,
};
use serde_json::json;
use support::{
    House,
    desk::Desk,
    script::{bash, computer, message, text},
};

use x11rb::{
    connection::Connection,
    protocol::xproto::{AtomEnum, ConnectionExt as _},
};

/// A process that ends with the test, however that ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn screen() -> (Process, String) {
    let mut xvfb = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb is installed (package xvfb)");
    let stdout = xvfb.stdout.take().unwrap();
    let process = Process(xvfb);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    (process, format!(":{}", line.trim()))
}

fn on_screen(program: &str, display: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("DISPLAY", display).env("HOME", home).stdout(Stdio::null());
    command
}

async fn until_managed(display: &str) {
    let (x, number) = x11rb::connect(Some(display)).unwrap();
    let root = x.setup().roots[number].root;
    let check = x.intern_atom(false, b"_NET_SUPPORTING_WM_CHECK").unwrap().reply().unwrap().atom;
    let managed = async {
        while x.get_property(false, root, check, AtomEnum::WINDOW, 0, 1).unwrap().reply().unwrap().length == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), managed).await.expect("openbox manages the screen");
}

#[tokio::test]
async fn the_agent_sees_clicks_and_types_into_a_terminal() {
    let (_xvfb, display) = screen();
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let (socket, typed) = (folder.path().join("desk.sock"), home.join("typed"));
    let _openbox = Process(on_screen("openbox", &display, &home).spawn().expect("openbox is installed"));
    // A window that is mapped while the window manager starts may be taken by nobody, and stays unseen.
    until_managed(&display).await;
    // A screen that is all black is no desktop yet.
    let xterm = on_screen("xterm", &display, &home).args(["-geometry", "200x60+0+0", "-e", "sh"]).spawn().unwrap();
    let _xterm = Process(xterm);
    let mut desk = on_screen(env!("CARGO_BIN_EXE_sidecar"), &display, &home);
    desk.arg("desk").arg("--socket").arg(&socket).args(["--gate-uid", &nix::unistd::geteuid().to_string()]);
    let _desk = Process(desk.spawn().unwrap());
    let type_it = format!("echo Grüße > {}\n", typed.display());
    let house = House::open_at(folder, Desk::none(), |edge| {
        edge.with(|control| {
            control.session = Some(SessionId::generate());
            control.model = Some("m".to_owned());
            control.replies.extend([
                message(&[computer("t1", "screenshot", json!({}))], "tool_use", 9),
                message(
                    &[
                        computer("t2", "left_click", json!({"coordinate": [300, 200]})),
                        computer("t3", "type", json!({"text": type_it})),
                        computer("t4", "zoom", json!({"region": [0, 0, 320, 200]})),
                        bash("t5", "cd /tmp && X=1; echo $DISPLAY"),
                        bash("t6", "echo $X; pwd"),
                    ],
                    "tool_use",
                    100,
                ),
                message(&[text("Written.")], "end_turn", 100),
            ]);
        });
    })
    .await;

    house.edge.with(|control| control.say("write a greeting"));
    house.edge.until_state(SessionState::Idle).await;

    let written = async {
        while std::fs::read_to_string(&typed).unwrap_or_default() != "Grüße\n" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), written).await.expect("the terminal wrote what was typed");
    house.edge.with(|control| {
        let results: Vec<_> = control
            .events
            .iter()
            .filter_map(|event| if let EventBody::ToolResult(result) = &event.body { Some(result) } else { None })
            .collect();
        assert!(results.iter().all(|result| !result.is_error), "{results:#?}");
        let ResultBlock::Image { picture } = &results[0].content[0] else { panic!("no picture") };
        assert_eq!((picture.size.width, picture.size.height), (1280, 800));
        assert!(control.blobs[&picture.sha256].starts_with(b"\x89PNG"));
        assert_eq!(results[1].trace.mark.map(|mark| (mark.x, mark.y)), Some((300, 200)));
        assert!(results[1].trace.picture.is_some() && results[1].trace.settled.is_some());
        assert_eq!(results[4].content, [ResultBlock::Text { text: format!("{display}\n") }]);
        assert_eq!(results[5].content, [ResultBlock::Text { text: "1\n/tmp\n".to_owned() }]);
    });
    assert!(house.visitor(&[Scope::View]).get("screenshot").await.status().is_success());
}
