//! A real X screen with something on it, and the real desk that serves it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{sys::signal::Signal, unistd::Pid};
use x11rb::{
    connection::Connection,
    protocol::xproto::{AtomEnum, ConnectionExt as _},
};

/// Ends with the test, however that ends.
pub struct Screen {
    pub display: String,
    pub home: PathBuf,
    /// The last one started ends first.
    processes: Vec<Process>,
}

impl Screen {
    /// With a desk whose socket is `desk.sock` in this folder.
    pub async fn open(folder: &Path) -> Self {
        let (xvfb, display) = screen();
        let home = folder.join("home");
        std::fs::create_dir(&home).unwrap();
        let openbox = Process(on_screen("openbox", &display, &home).spawn().expect("openbox is installed"));
        // A window that is mapped while the window manager starts may be taken by nobody, and stays unseen.
        until_managed(&display).await;
        // A screen that is all black is no desktop yet.
        let xterm = on_screen("xterm", &display, &home).args(["-geometry", "200x60+0+0", "-e", "sh"]).spawn().unwrap();
        let mut desk = on_screen(env!("CARGO_BIN_EXE_sidecar"), &display, &home);
        desk.arg("desk").arg("--socket").arg(folder.join("desk.sock"));
        desk.args(["--gate-uid", &nix::unistd::geteuid().to_string()]);
        let desk = Process(desk.spawn().unwrap());
        Self { display, home, processes: vec![desk, Process(xterm), openbox, xvfb] }
    }
}

impl Drop for Screen {
    /// The desk is asked first, so that it ends what it started.
    fn drop(&mut self) {
        let desk = &mut self.processes[0].0;
        let _ = nix::sys::signal::kill(Pid::from_raw(desk.id() as i32), Signal::SIGTERM);
        let _ = desk.wait();
    }
}

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
