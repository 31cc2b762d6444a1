//! vncdotool, which scripts use: no window, an update only when it asks, keys and clipboard as VNC first had them.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Instant,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    desktop::{Desktop, Door},
    display::{DEADLINE, eventually},
    picture::Picture,
};

pub(crate) struct Tool {
    folder: TempDir,
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Tool {
    pub(crate) fn open(door: &Door, encoding: &str) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = here.join("../.venv/bin/python");
        assert!(python.exists(), "{} is missing: `scripts/setup test` makes it", python.display());
        let mut child = Command::new(python)
            .arg(here.join("tests/viewers/lead_vncdotool.py"))
            .args([&door.port.to_string(), encoding])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { folder: tempfile::tempdir().unwrap(), child, answers }
    }

    /// Calls a method and waits for its end; answers the texts that the desktop has sent so far.
    pub(crate) fn call(&mut self, method: &[Value]) -> Vec<String> {
        writeln!(self.child.stdin.as_mut().unwrap(), "{}", Value::from(method)).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("vncdotool, asked for {method:?}, said {line:?}: {e}"))
    }

    pub(crate) fn picture(&mut self) -> Picture {
        let file: PathBuf = self.folder.path().join("seen.png");
        self.call(&[json!("save"), json!(file)]);
        Picture::from_png(&std::fs::read(&file).unwrap())
    }

    /// Asks for what is new until it shows what the desktop's X server shows.
    pub(crate) fn shows(&mut self, desktop: &Desktop) {
        self.refresh(desktop, true);
    }

    fn refresh(&mut self, desktop: &Desktop, incremental: bool) {
        let deadline = Instant::now() + DEADLINE;
        while desktop.picture() != self.picture() {
            assert!(Instant::now() < deadline, "vncdotool never showed the desktop");
            // What is new is sent only when there is something new: the tool's own patience ends a wait in vain.
            self.call(&[json!("refreshScreen"), json!(incremental)]);
        }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_captures_the_very_pixels_in_each_of_its_encodings() {
    let mut desktop = Desktop::start().await;

    for encoding in ["RAW", "HEXTILE", "ZRLE"] {
        let mut tool = Tool::open(&desktop.door().await, encoding);
        tool.call(&[json!("refreshScreen")]);

        // Its ZRLE takes rows of packed pixels to go on within a byte: only tiles of a width of 8 come out right.
        tool.refresh(&desktop, encoding != "ZRLE");

        tool.picture().keep(&format!("vncdotool-{encoding}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_types_points_and_follows_the_desktops_size() {
    let mut desktop = Desktop::start().await;
    let mut tool = Tool::open(&desktop.door().await, "RAW");
    tool.call(&[json!("mouseMove"), json!(200), json!(150)]);

    for key in ["H", "i", "!", "ü", "€", "enter"] {
        tool.call(&[json!("keyPress"), json!(key)]);
    }

    eventually("it is typed", async || desktop.typed().ends_with('\n')).await;
    assert_eq!(desktop.typed(), "Hi!ü€\n");
    assert_eq!(desktop.pointer(), (200, 150));

    tool.call(&[json!("refreshScreen")]);
    tool.shows(&desktop);
    desktop.resize("1152x864").await;
    tool.shows(&desktop);
}

#[tokio::test(flavor = "multi_thread")]
async fn latin_1_is_copied_both_ways() {
    let mut desktop = Desktop::start().await;
    let mut tool = Tool::open(&desktop.door().await, "RAW");

    tool.call(&[json!("paste"), json!("from the tool: héllo")]);
    eventually("it is on the desktop", async || desktop.paste().await == "from the tool: héllo").await;

    desktop.copy("from the desktop: ü€").await;
    let deadline = Instant::now() + DEADLINE;
    while !tool.call(&[json!("refreshScreen")]).contains(&"from the desktop: ü?".to_owned()) {
        assert!(Instant::now() < deadline, "the tool never heard of the desktop's text");
    }
}
