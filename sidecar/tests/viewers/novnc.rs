//! noVNC as its package comes, in Chromium, by a WebSocket: what the web app shows the desktop with.

use std::{
    io::{BufRead, BufReader, Write},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Instant,
};

use axum::{
    Router,
    extract::{Path as Rest, State, WebSocketUpgrade, ws},
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sidecar::link::{Call, frame};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixStream},
    task::JoinSet,
};

use crate::{
    desktop::Desktop,
    display::{DEADLINE, answer, eventually},
    picture::Picture,
};

const PAGE: &str = "<!doctype html><style>html, body { margin: 0; height: 100%; overflow: hidden }</style>
    <script type=module>import RFB from '/novnc/core/rfb.js'; window.RFB = RFB</script>";

/// A page in Chromium, driven by the system tests' own driver.
pub(crate) struct Browser {
    driver: Child,
    answers: BufReader<ChildStdout>,
    _profile: TempDir,
    _server: JoinSet<()>,
}

impl Browser {
    /// Opens a page as large as the desktop and waits until noVNC is connected.
    pub(crate) async fn open(desktop: &Desktop) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let app = Router::new()
            .route("/", get(async || Html(PAGE)))
            .route("/novnc/{*file}", get(module))
            .route("/screen", get(screen))
            .with_state(desktop.desk.socket.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new(here("../.venv/bin/node"))
            .arg(here("../tests/browser/driver.mjs"))
            .arg(url)
            .args([profile.path(), Path::new(env!("CARGO_TARGET_TMPDIR"))])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start Node; `scripts/setup test` fetches it");
        let answers = BufReader::new(driver.stdout.take().unwrap());
        let mut browser = Self { driver, answers, _profile: profile, _server: server };
        browser.read();
        let (width, height) = desktop.size();
        browser.step("connect", json!({ "width": width, "height": height }));
        browser
    }

    pub(crate) fn picture(&mut self) -> Picture {
        let png = self.step("picture", json!({}));
        Picture::from_png(&STANDARD.decode(png.as_str().unwrap()).unwrap())
    }

    /// Waits until the canvas shows exactly what the desktop's X server shows.
    pub(crate) fn shows(&mut self, desktop: &Desktop) {
        let deadline = Instant::now() + DEADLINE;
        while self.picture() != desktop.picture() {
            if Instant::now() > deadline {
                let seen = self.picture();
                let distance = desktop.picture().distance(&seen);
                panic!("noVNC never showed the desktop ({distance:?}), see {}", seen.keep("novnc-failed").display());
            }
        }
    }

    /// Runs a function of `tests/browser/novnc.mjs`.
    fn step(&mut self, step: &str, with: Value) -> Value {
        let line = json!({ "journey": "novnc", "step": step, "with": with });
        writeln!(self.driver.stdin.as_mut().unwrap(), "{line}").unwrap();
        self.read()
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line).expect("an answer of the browser's driver");
        assert_eq!(answer["error"], Value::Null);
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its input is the driver's sign to close Chromium.
        drop(self.driver.stdin.take());
        let _ = self.driver.wait();
    }
}

async fn module(Rest(file): Rest<String>) -> Response {
    let package = here("../web/node_modules/@novnc/novnc");
    match std::fs::read(package.join(&file)) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/javascript")], text).into_response(),
        Err(error) => panic!("read noVNC's {file} (`make web` fetches it): {error}"),
    }
}

async fn screen(State(socket): State<PathBuf>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols(["binary"]).on_upgrade(|viewer| pass(viewer, socket))
}

async fn pass(viewer: ws::WebSocket, socket: PathBuf) {
    let mut desk = UnixStream::connect(socket).await.unwrap();
    frame::write_json(&mut desk, &Call::Vnc { control: true, seat: "ada".into(), password: None }).await.unwrap();
    answer(&mut desk).await.unwrap();
    let (mut from_desk, mut to_desk) = desk.into_split();
    let (mut to_viewer, mut from_viewer) = viewer.split();
    let down = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_desk.read(&mut buffer).await {
            if to_viewer.send(ws::Message::Binary(buffer[..read].to_vec().into())).await.is_err() {
                break;
            }
        }
    };
    let up = async {
        while let Some(Ok(message)) = from_viewer.next().await {
            if to_desk.write_all(&message.into_data()).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = down => {}
        () = up => {}
    }
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_the_desktop_types_points_resizes_and_copies() {
    let desktop = Desktop::start().await;
    let mut page = Browser::open(&desktop).await;
    page.shows(&desktop);
    page.picture().keep("novnc");

    page.step("point", json!({ "x": 200, "y": 150 }));
    eventually("the pointer is there", async || desktop.pointer() == (200, 150)).await;
    page.step("type", json!({ "text": "Hello, World! ~@" }));
    // As they come from a German keyboard, and from an input method.
    let keys = [["ü", "BracketLeft"], ["Y", "KeyZ"], ["€", "KeyE"], ["你", ""], ["Enter", "Enter"]];
    page.step("press", json!({ "keys": keys }));
    eventually("it is typed", async || desktop.typed().ends_with('\n')).await;
    assert_eq!(desktop.typed(), "Hello, World! ~@üY€你\n");

    page.step("point", json!({ "x": 800, "y": 500 }));
    page.step("click", json!({}));
    page.step("wheel", json!({ "x": 0, "y": 120 }));
    page.step("wheel", json!({ "x": 0, "y": -120 }));
    page.step("wheel", json!({ "x": 120, "y": 0 }));
    let mut pressed = Vec::new();
    while pressed.len() < 6 {
        pressed.push(desktop.next_press().await);
    }
    assert_eq!(pressed, [1, 2, 3, 5, 4, 7], "left, middle, right, down, up, to the right");

    page.step("copy", json!({ "text": "from the page: ü€你🎉" }));
    eventually("it is on the desktop", async || desktop.paste().await == "from the page: ü€你🎉").await;
    desktop.copy("from the desktop: ü€你🎉").await;
    let deadline = Instant::now() + DEADLINE;
    while page.step("copied", json!({})) != json!(["from the desktop: ü€你🎉"]) {
        assert!(Instant::now() < deadline, "the page never heard of the desktop's text");
    }

    page.step("resize", json!({ "width": 1016, "height": 713 }));
    eventually("the desktop follows", async || desktop.size() == (1016, 713)).await;
    page.shows(&desktop);
}
