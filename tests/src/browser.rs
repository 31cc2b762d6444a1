//! Chromium, driven by playwright-core in a Node child: each journey is a module in `tests/browser/`, its steps the
//! functions that it exports.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};
use url::Url;

use crate::{artefacts, processes, repository, stack::test_name, wait};

/// Longer than any wait inside a step: those say better what is wrong.
const STEP: Duration = Duration::from_secs(180);

pub struct Browser {
    node: Child,
    to: Option<ChildStdin>,
    from: Lines<BufReader<ChildStdout>>,
    profile: TempDir,
}

impl Browser {
    /// Starts Chromium with an empty profile; a page of `url` will be its first.
    pub async fn start(url: &Url) -> Self {
        let web = repository().join("web/dist/index.html");
        assert!(web.is_file(), "{} is missing: `make web` builds it", web.display());
        let profile = tempfile::Builder::new().prefix("cb-browser-").tempdir().expect("a temporary folder");
        let mut command = Command::new(node());
        command
            .arg(repository().join("tests/browser/driver.mjs"))
            .arg(url.as_str().trim_end_matches('/'))
            .arg(profile.path())
            .arg(artefacts(&test_name()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut node = command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let to = node.stdin.take();
        let from = BufReader::new(node.stdout.take().expect("a pipe")).lines();
        let mut browser = Self { node, to, from, profile };
        browser.read("start Chromium").await;
        browser
    }

    /// Runs the function `step` of the module `tests/browser/<journey>.mjs` and answers what it returns.
    pub async fn step(&mut self, journey: &str, step: &str, with: Value) -> Value {
        let line = format!("{}\n", json!({ "journey": journey, "step": step, "with": with }));
        let to = self.to.as_mut().expect("the pipe is open");
        to.write_all(line.as_bytes()).await.expect("write to the browser's driver");
        self.read(&format!("{journey}.{step}")).await
    }

    /// Where the pictures of this test's steps are.
    pub fn pictures(&self) -> PathBuf {
        artefacts(&test_name())
    }

    async fn read(&mut self, what: &str) -> Value {
        let line = timeout(STEP, self.from.next_line()).await.unwrap_or_else(|_| panic!("{what}: no answer"));
        let line = line.expect("read from the browser's driver");
        let line = line.unwrap_or_else(|| panic!("{what}: the browser's driver has ended, see its words above"));
        let mut answer: Value = serde_json::from_str(&line).expect("an answer of the browser's driver");
        if let Some(error) = answer["error"].as_str() {
            panic!("in the browser, {what}: {error}\n(pictures: {})", self.pictures().display());
        }
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its input is the driver's sign to close Chromium.
        drop(self.to.take());
        let ended = wait::blocking(Duration::from_secs(10), || !matches!(self.node.try_wait(), Ok(None)));
        if !ended {
            let _ = self.node.start_kill();
        }
        let left = || processes::of_folder(self.profile.path());
        if !wait::blocking(Duration::from_secs(5), || left().is_empty()) {
            left().iter().for_each(processes::Found::kill);
        }
    }
}

/// The project's own Node if `make` has fetched it, else the system's.
fn node() -> PathBuf {
    let own = repository().join(".venv/bin/node");
    if own.exists() { own } else { PathBuf::from("node") }
}
