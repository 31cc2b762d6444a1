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
    window::Window,
};
use sidecar::link::{Answer, Call, Format, Refusal, ScreenshotCall, frame};
use tempfile::TempDir;
use tokio::{net::UnixStream, time::Instant};
use x11rb::{
    connection::Connection,
    protocol::xproto::{AtomEnum, ConnectionExt as _},
    rust_connection::RustConnection,
};

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
const XORG: &str = include_str!("../../../packer/files/xorg-dummy.conf");

/// An X server and all that was started on it; dropping it ends everything.
pub(crate) struct Display {
    pub(crate) name: String,
    pub(crate) folder: TempDir,
    children: Vec<Child>,
    /// What programs and desks find in their environment.
    variables: Vec<(String, String)>,
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
        let mut display = Display {
            name: String::new(),
            folder,
            children: vec![child.expect("start the X server")],
            variables: Vec::new(),
        };
        let mut number = String::new();
        BufReader::new(display.children[0].stdout.as_mut().unwrap()).read_line(&mut number).unwrap();
        assert!(!number.trim().is_empty(), "the X server did not start: {}", read(&display.path("x.log")));
        display.name = format!(":{}", number.trim());
        display
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A session bus, as sessions have one; programs and desks that are started later find it.
    pub(crate) fn bus(&mut self) {
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--nopidfile", "--print-address"]);
        bus.arg(format!("--address=unix:path={}", self.path("bus").display()));
        bus.env("DISPLAY", &self.name).env("XDG_RUNTIME_DIR", self.folder.path()).env("HOME", self.folder.path());
        let mut child = bus.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("start dbus-daemon");
        let mut address = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
        self.children.push(child);
        self.variables.push(("DBUS_SESSION_BUS_ADDRESS".into(), address.trim().into()));
        self.variables.push(("XDG_RUNTIME_DIR".into(), self.folder.path().display().to_string()));
    }

    /// openbox, once it manages windows: one that is mapped while it starts may be taken by nobody.
    pub(crate) async fn managed(&mut self) {
        self.run("openbox", &["--sm-disable"]);
        let (x, number) = self.connect();
        let root = x.setup().roots[number].root;
        let check = x.intern_atom(false, b"_NET_SUPPORTING_WM_CHECK").unwrap().reply().unwrap().atom;
        let get = || x.get_property(false, root, check, AtomEnum::WINDOW, 0, 1).unwrap().reply().unwrap();
        eventually("openbox manages the screen", async || get().length > 0).await;
    }

    /// Starts a program on the display.
    pub(crate) fn run(&mut self, program: &str, arguments: &[&str]) {
        let log = File::create(self.path(&format!("{program}.log"))).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).env("DISPLAY", &self.name).env("LC_ALL", "C.UTF-8").current_dir(self.folder.path());
        command.env("HOME", self.folder.path()).envs(self.variables.clone());
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
        command.envs(self.variables.clone());
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
        match self.call(&Call::Act { action, picture, secret: false }).await? {
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

    /// All windows, the topmost first, in pixels of the screen.
    pub(crate) async fn windows(&self) -> Vec<Window> {
        match self.call(&Call::Windows { picture: None }).await {
            Ok(Answer::Windows { windows }) => windows,
            other => panic!("{other:?}"),
        }
    }

    /// The window with this title, once it is there.
    pub(crate) async fn window(&self, title: &str) -> Window {
        eventually(title, async || self.windows().await.iter().any(|window| window.title == title)).await;
        self.windows().await.into_iter().find(|window| window.title == title).unwrap()
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
