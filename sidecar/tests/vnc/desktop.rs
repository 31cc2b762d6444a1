//! A real X server for one test, and programs on it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use sidecar::desk::{
    clipboard::Clipboard,
    floor::Floor,
    input::Input,
    screen::{Method, Screen},
    vnc::{self, ServeError, Studio, Viewer},
};
use tempfile::TempDir;
use tokio::{
    io::DuplexStream,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;
use x11rb::{
    connection::Connection,
    protocol::xproto::{ConnectionExt, ImageFormat},
    rust_connection::RustConnection,
};

use crate::client::Client;

const XORG: &str = include_str!("../../../packer/files/xorg-dummy.conf");

/// An X server with eyes, hands and clipboard; all ends with it.
pub(crate) struct Desktop {
    pub(crate) folder: TempDir,
    display: String,
    server: Child,
    programs: Vec<Child>,
    screen: Screen,
    input: Input,
    clipboard: Clipboard,
    studio: Studio,
    pub(crate) floor: Floor,
    /// Whose the next viewer is.
    pub(crate) seat: &'static str,
    viewers: JoinSet<Result<(), ServeError>>,
    pub(crate) cancel: CancellationToken,
}

impl Desktop {
    /// Xvfb: its size is fixed.
    pub(crate) async fn fixed() -> Self {
        let mut command = Command::new("Xvfb");
        command.args(["-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"]);
        Self::start(command, tempfile::tempdir().unwrap()).await
    }

    /// Xvfb that lacks an extension.
    pub(crate) async fn without(extension: &str) -> Self {
        let mut command = Command::new("Xvfb");
        command.args(["-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset", "-extension", extension]);
        Self::start(command, tempfile::tempdir().unwrap()).await
    }

    /// Xorg without hardware, as a desktop has it: its size can change.
    pub(crate) async fn resizable() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("xorg.conf");
        std::fs::write(&config, XORG).unwrap();
        std::fs::create_dir(folder.path().join("conf.d")).unwrap();
        let mut command = Command::new("Xorg");
        command.args(["-noreset", "-nolisten", "tcp", "-sharevts", "-novtswitch"]);
        command.arg("-config").arg(config).arg("-configdir").arg(folder.path().join("conf.d"));
        command.arg("-logfile").arg(folder.path().join("xorg.log"));
        Self::start(command, folder).await
    }

    async fn start(mut command: Command, folder: TempDir) -> Self {
        let log = std::fs::File::create(folder.path().join("server.log")).unwrap();
        let mut server = command.args(["-displayfd", "1"]).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut number = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut number).unwrap();
        let display = format!(":{}", number.trim());
        if number.is_empty() {
            let _ = server.kill();
            panic!("the X server did not start: {}", read(&folder.path().join("server.log")));
        }
        let screen = Screen::open(Some(&display), Method::default()).await.unwrap();
        let input = Input::open(Some(&display)).await.unwrap();
        let clipboard = Clipboard::open(Some(&display)).await.unwrap();
        let cancel = CancellationToken::new();
        let (programs, viewers, studio) = (Vec::new(), JoinSet::new(), Studio::default());
        let (floor, seat) = (Floor::open(), "ada");
        Self { folder, display, server, programs, screen, input, clipboard, studio, floor, seat, viewers, cancel }
    }

    /// A viewer that may drive.
    pub(crate) async fn viewer(&mut self, encodings: &[i32]) -> Client<DuplexStream> {
        Client::connect(self.connect(true), encodings).await
    }

    /// A viewer that may only look.
    pub(crate) async fn onlooker(&mut self, encodings: &[i32]) -> Client<DuplexStream> {
        Client::connect(self.connect(false), encodings).await
    }

    pub(crate) fn connect(&mut self, control: bool) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let viewer = Viewer {
            control,
            seat: self.seat.into(),
            floor: self.floor.clone(),
            password: None,
            screen: self.screen.clone(),
            input: self.input.clone(),
            clipboard: self.clipboard.clone(),
            studio: self.studio.clone(),
            name: "Test – desktop".into(),
        };
        self.viewers.spawn(vnc::serve(theirs, viewer, self.cancel.clone()));
        ours
    }

    /// How the next viewer to leave was served.
    pub(crate) async fn served(&mut self) -> Result<Result<(), ServeError>, JoinError> {
        tokio::time::timeout(crate::client::DEADLINE, self.viewers.join_next()).await.unwrap().unwrap()
    }

    /// Starts a program on the display.
    pub(crate) fn run(&mut self, program: &str, arguments: &[&str]) -> &mut Child {
        let child = self.command(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        self.programs.push(child.unwrap_or_else(|e| panic!("start {program}: {e}")));
        self.programs.last_mut().unwrap()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.display).current_dir(self.folder.path()).stderr(Stdio::null());
        command
    }

    /// An xterm over the whole of a small screen that writes what is typed to a file.
    pub(crate) fn terminal(&mut self) {
        self.run("xterm", &["-geometry", "100x30+0+0", "-e", "sh", "-c", "echo ready > typed; cat >> typed"]);
    }

    /// Ends what runs on the display.
    pub(crate) fn end_programs(&mut self) {
        for mut child in self.programs.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends the X server alone, as a crash would.
    pub(crate) fn end_server(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// Which keys are down, by X's numbers.
    pub(crate) fn held_keys(&self) -> Vec<u8> {
        let keys = self.x().query_keymap().unwrap().reply().unwrap().keys;
        (0..=255).filter(|key| keys[usize::from(*key / 8)] & (1 << (key % 8)) != 0).collect()
    }

    /// The file that the terminal writes.
    pub(crate) fn typed(&self) -> String {
        read(&self.folder.path().join("typed"))
    }

    pub(crate) fn x(&self) -> RustConnection {
        x11rb::connect(Some(&self.display)).unwrap().0
    }

    /// The server's own pixels, by another way than the one under test.
    pub(crate) fn pixels(&self) -> Vec<u32> {
        let x = self.x();
        let root = x.setup().roots[0].root;
        let size = x.get_geometry(root).unwrap().reply().unwrap();
        let image = x.get_image(ImageFormat::Z_PIXMAP, root, 0, 0, size.width, size.height, !0).unwrap().reply();
        let colour = |p: &[u8]| u32::from_le_bytes(p.try_into().unwrap()) & 0x00ff_ffff;
        image.unwrap().data.chunks(4).map(colour).collect()
    }

    /// Is any key or button held down?
    pub(crate) fn is_anything_held(&self) -> bool {
        let x = self.x();
        let root = x.setup().roots[0].root;
        let keys = x.query_keymap().unwrap().reply().unwrap().keys;
        let buttons = u16::from(x.query_pointer(root).unwrap().reply().unwrap().mask) & 0x1f00;
        keys != [0; 32] || buttons != 0
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        self.cancel.cancel();
        for child in self.programs.iter_mut().chain([&mut self.server]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
