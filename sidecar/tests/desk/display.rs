//! A display of its own for one test: X server, programs on it, and a desk that serves it.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use protocol::{
    action::{Action, ActionOutcome, ShellOutput},
    desktop::Size,
};
use sidecar::link::{Answer, Call, Format, Refusal, ScreenshotCall, frame};
use tempfile::TempDir;
use tokio::{net::UnixStream, time::Instant};
use x11rb::rust_connection::RustConnection;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
const XORG: &str = include_str!("../../../packer/files/xorg-dummy.conf");

/// An X server and all that was started on it; dropping it ends everything.
pub(crate) struct Display {
    pub(crate) name: String,
    pub(crate) folder: TempDir,
    children: Vec<Child>,
}

impl Display {
    /// Xvfb: one size for its life.
    pub(crate) fn fixed() -> Display {
        let mut server = Command::new("Xvfb");
        server.args(["-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"]);
        Display::start(server, tempfile::tempdir().unwrap())
    }

    /// Xorg without hardware, as desktops have it.
    pub(crate) fn resizable() -> Display {
        let folder = tempfile::tempdir().unwrap();
        let (config, more) = (folder.path().join("xorg.conf"), folder.path().join("conf.d"));
        std::fs::write(&config, XORG).unwrap();
        std::fs::create_dir(&more).unwrap();
        let mut server = Command::new("Xorg");
        server.args(["-noreset", "-nolisten", "tcp", "-sharevts", "-novtswitch"]);
        server.arg("-config").arg(config).arg("-configdir").arg(more);
        server.arg("-logfile").arg(folder.path().join("xorg.log"));
        Display::start(server, folder)
    }

    fn start(mut server: Command, folder: TempDir) -> Display {
        let log = File::create(folder.path().join("x.log")).unwrap();
        let child = server.args(["-displayfd", "1"]).stdout(Stdio::piped()).stderr(log).spawn();
        let mut display = Display { name: String::new(), folder, children: vec![child.expect("start the X server")] };
        let mut number = String::new();
        BufReader::new(display.children[0].stdout.as_mut().unwrap()).read_line(&mut number).unwrap();
        assert!(!number.trim().is_empty(), "the X server did not start: {}", read(&display.path("x.log")));
        display.name = format!(":{}", number.trim());
        display
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a program on the display.
    pub(crate) fn run(&mut self, program: &str, arguments: &[&str]) {
        let log = File::create(self.path(&format!("{program}.log"))).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).env("DISPLAY", &self.name).env("LC_ALL", "C.UTF-8").current_dir(self.folder.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.children.push(child.unwrap_or_else(|e| panic!("start {program}: {e}")));
    }

    /// Ends the X server alone, as a crash would.
    pub(crate) fn end_server(&mut self) {
        let _ = self.children[0].kill();
        let _ = self.children[0].wait();
    }

    pub(crate) fn connect(&self) -> (RustConnection, usize) {
        x11rb::connect(Some(&self.name)).unwrap()
    }

    /// A desk that serves this display.
    pub(crate) async fn desk(&self) -> Desk {
        self.desk_with(&[]).await
    }

    pub(crate) async fn desk_with(&self, arguments: &[&str]) -> Desk {
        let socket = self.path("desk.sock");
        let desk = Desk { child: self.desk_command(arguments).spawn().unwrap(), socket };
        eventually("the desk listens", async || UnixStream::connect(&desk.socket).await.is_ok()).await;
        desk
    }

    pub(crate) fn desk_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidecar"));
        command.args(["desk", "--gate-uid", &nix::unistd::getuid().to_string(), "--socket"]);
        command.arg(self.path("desk.sock")).args(arguments);
        command.env("DISPLAY", &self.name).env("HOME", self.folder.path()).env("CLOUDBOT_SECRET", "secret");
        command.stdin(Stdio::null()).stderr(File::create(self.path("desk.log")).unwrap());
        command
    }

    pub(crate) fn desk_log(&self) -> String {
        read(&self.path("desk.log"))
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A running `sidecar desk`.
pub(crate) struct Desk {
    pub(crate) child: Child,
    pub(crate) socket: PathBuf,
}

impl Desk {
    /// Begins a call; dropping the stream gives it up.
    pub(crate) async fn begin(&self, call: &Call) -> UnixStream {
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        frame::write_json(&mut stream, call).await.unwrap();
        stream
    }

    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, Refusal> {
        let mut stream = self.begin(call).await;
        answer(&mut stream).await
    }

    pub(crate) async fn act(&self, action: serde_json::Value) -> Result<ActionOutcome, Refusal> {
        self.act_in(action, None).await
    }

    /// Coordinates are those of a picture of size `picture`.
    pub(crate) async fn act_in(
        &self,
        action: serde_json::Value,
        picture: Option<Size>,
    ) -> Result<ActionOutcome, Refusal> {
        let action: Action = serde_json::from_value(action).unwrap();
        match self.call(&Call::Act { action, picture }).await? {
            Answer::Acted(outcome) => Ok(outcome),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn screenshot(&self, call: ScreenshotCall) -> Result<(Size, Vec<u8>), Refusal> {
        let mut stream = self.begin(&Call::Screenshot(call)).await;
        match answer(&mut stream).await? {
            Answer::Screenshot { picture, .. } => Ok((picture, frame::read_bytes(&mut stream).await.unwrap())),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn bash(&self, command: &str) -> ShellOutput {
        self.bash_within(command, 15_000).await
    }

    pub(crate) async fn bash_within(&self, command: &str, timeout_ms: u64) -> ShellOutput {
        match self.call(&bash(command, timeout_ms)).await {
            Ok(Answer::Shell(output)) => output,
            other => panic!("{command}: {other:?}"),
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Asked first, so that it ends the commands it started.
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

pub(crate) async fn answer(stream: &mut UnixStream) -> Result<Answer, Refusal> {
    match tokio::time::timeout(DEADLINE, frame::read_json(stream)).await.expect("an answer in time").unwrap() {
        Answer::Refused(refusal) => Err(refusal),
        answer => Ok(answer),
    }
}

pub(crate) fn bash(command: &str, timeout_ms: u64) -> Call {
    Call::Bash { session: None, command: command.into(), timeout_ms }
}

/// The whole screen as PNG.
pub(crate) fn whole() -> ScreenshotCall {
    ScreenshotCall { format: Format::Png, region: None, picture: None, fit: None }
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds().await {
        assert!(Instant::now() < deadline, "in vain waited until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
