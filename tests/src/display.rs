//! An X server of its own, with programs on it; all of it ends with the value.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use protocol::desktop::Size;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use x11rb::{
    connection::Connection,
    protocol::xproto::{AtomEnum, ConnectionExt, ImageFormat},
    rust_connection::RustConnection,
};

use crate::{
    processes::{self, Process},
    wait,
};

/// Two cores may be busy with something else.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Display {
    pub name: String,
    programs: Vec<Process>,
    server: Process,
    folder: TempDir,
}

impl Display {
    pub fn xvfb(size: Size) -> Self {
        let mut command = Command::new("Xvfb");
        let screen = format!("{}x{}x24", size.width, size.height);
        command.args(["-screen", "0", &screen, "-nolisten", "tcp", "-noreset"]);
        Self::start(command)
    }

    /// Starts any X server that tells its number by `-displayfd`.
    pub fn start(mut command: Command) -> Self {
        let folder = tempfile::Builder::new().prefix(&prefix()).tempdir().expect("a temporary folder");
        command.args(["-displayfd", "1"]).current_dir(folder.path());
        let server = Process::start("the X server", command, &folder.path().join("x.log"));
        let mut name = None;
        wait::blocking(PATIENCE, || {
            let log = server.log();
            name = log.lines().find(|line| line.parse::<u32>().is_ok()).map(|number| format!(":{number}"));
            name.is_some()
        });
        let name = name.unwrap_or_else(|| panic!("the X server did not start:\n{}", server.log()));
        Self { name, programs: Vec::new(), server, folder }
    }

    /// Starts openbox and waits until it manages the windows.
    pub fn manage(&mut self) {
        self.run("openbox", &["--sm-disable"]);
        let (x, screen) = self.x();
        let root = x.setup().roots[screen].root;
        let check = x.intern_atom(false, b"_NET_SUPPORTING_WM_CHECK").expect("ask").reply().expect("an atom").atom;
        let managed = wait::blocking(PATIENCE, || {
            let property = x.get_property(false, root, check, AtomEnum::WINDOW, 0, 1).expect("ask").reply();
            property.is_ok_and(|property| property.value_len == 1)
        });
        assert!(managed, "openbox does not manage {}", self.name);
    }

    /// Starts a program on the display, in its folder.
    pub fn run(&mut self, program: &str, arguments: &[&str]) -> &Process {
        let mut command = Command::new(program);
        command.args(arguments);
        self.start_on(program, command)
    }

    pub fn start_on(&mut self, name: &str, mut command: Command) -> &Process {
        self.dress(&mut command);
        let log = self.path(&format!("{}.log", Path::new(name).file_name().expect("a name").display()));
        self.programs.push(Process::start(name, command, &log));
        self.programs.last().expect("just added")
    }

    /// Gives a command this display's environment.
    pub fn dress(&self, command: &mut Command) {
        command.env("DISPLAY", &self.name).env("HOME", self.folder.path()).env("LC_ALL", "C.UTF-8");
        command.env_remove("XAUTHORITY").env_remove("WAYLAND_DISPLAY").current_dir(self.folder.path());
    }

    /// Waits until this many top-level windows, managed or not, show something larger than a hint.
    pub fn wait_for_windows(&self, count: usize) {
        let (x, screen) = self.x();
        let root = x.setup().roots[screen].root;
        let shown = wait::blocking(PATIENCE, || {
            let windows = x.query_tree(root).expect("ask").reply().expect("the windows").children;
            let is_shown = |window: &u32| {
                let mapped = x.get_window_attributes(*window).ok()?.reply().ok()?.map_state;
                let place = x.get_geometry(*window).ok()?.reply().ok()?;
                (u8::from(mapped) == 2 && place.width > 100 && place.height > 100).then_some(())
            };
            windows.iter().filter_map(is_shown).count() >= count
        });
        assert!(shown, "{count} windows did not come up on {}", self.name);
    }

    pub fn x(&self) -> (RustConnection, usize) {
        x11rb::connect(Some(&self.name)).expect("connect to the X server")
    }

    /// The server's own pixels, `0x00RRGGBB` each, row by row, by the plainest way there is.
    pub fn pixels(&self) -> Vec<u32> {
        let (x, screen) = self.x();
        let root = &x.setup().roots[screen];
        let (width, height) = (root.width_in_pixels, root.height_in_pixels);
        let image = x.get_image(ImageFormat::Z_PIXMAP, root.root, 0, 0, width, height, !0).expect("ask");
        let colour = |pixel: &[u8]| u32::from_le_bytes([pixel[0], pixel[1], pixel[2], 0]);
        image.reply().expect("an image").data.chunks_exact(4).map(colour).collect()
    }

    pub fn server_pid(&self) -> i32 {
        self.server.pid()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Makes Ctrl-C and SIGTERM end this program, all that it started, and its displays' folders.
pub fn end_all_on_interrupt() {
    let wait = async {
        let mut interrupted = signal(SignalKind::interrupt()).expect("listen for Ctrl-C");
        let mut terminated = signal(SignalKind::terminate()).expect("listen for SIGTERM");
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    };
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime for signals").block_on(wait);
        for found in processes::descendants(std::process::id().cast_signed()) {
            found.kill();
        }
        for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix()) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        std::process::exit(130);
    });
}

/// Short, since a Unix socket stands in such a folder.
fn prefix() -> String {
    format!("cbd-{}-", std::process::id())
}
