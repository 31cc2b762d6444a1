//! Where a viewer's user sits: an X display of its own with the viewer's window, keys, pointer and clipboard.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use x11rb::{
    connection::Connection,
    protocol::{
        xproto::{
            BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConfigureWindowAux, ConnectionExt, InputFocus, KEY_PRESS_EVENT,
            KEY_RELEASE_EVENT, MOTION_NOTIFY_EVENT, MapState, Window,
        },
        xtest::ConnectionExt as _,
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use crate::{
    desktop::Desktop,
    display::eventually,
    picture::{Picture, Pointer},
};

/// Larger than any desktop of these tests with a viewer's own frame around it.
const SCREEN: &str = "1600x1200x24";

pub(crate) struct Seat {
    name: &'static str,
    folder: TempDir,
    display: String,
    x: RustConnection,
    server: Child,
    viewer: Child,
    programs: Vec<Child>,
    pub(crate) window: Window,
}

impl Seat {
    /// Starts a viewer and waits until its window is there; its pictures will be kept under `name`.
    pub(crate) async fn take(name: &'static str, program: &str, arguments: &[&str]) -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-screen", "0", SCREEN, "-nolisten", "tcp", "-noreset", "-displayfd", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("start Xvfb");
        let mut number = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut number).unwrap();
        let display = format!(":{}", number.trim());
        let (x, _) = x11rb::connect(Some(&display)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("viewer.log")).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).env("DISPLAY", &display).env("HOME", folder.path()).env("LC_ALL", "C.UTF-8");
        command.env("NO_AT_BRIDGE", "1").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let viewer = command.spawn().unwrap_or_else(|e| panic!("start {program}: {e}"));
        let mut seat = Self { name, folder, display, x, server, viewer, programs: Vec::new(), window: x11rb::NONE };
        eventually("the viewer's window is there", async || seat.largest_window().is_some()).await;
        seat.window = seat.largest_window().unwrap();
        seat
    }

    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.viewer.id() as i32)
    }

    /// What the viewer shows of the desktop: it fills the window's lower part, below a menu if there is one.
    pub(crate) fn picture(&self, desktop: &Desktop) -> Option<Picture> {
        let (width, height) = desktop.size();
        let (left, top, wide, high) = self.place();
        let menu = high.checked_sub(height)?;
        (wide == width).then(|| Picture::of_part(&self.x, left, top + menu as i16, width, height))
    }

    /// Where the window is: left, top, width, height.
    pub(crate) fn place(&self) -> (i16, i16, u16, u16) {
        let geometry = self.x.get_geometry(self.window).unwrap().reply().unwrap();
        (geometry.x, geometry.y, geometry.width, geometry.height)
    }

    /// Waits until the viewer shows exactly what the desktop's X server shows.
    pub(crate) async fn shows(&self, desktop: &Desktop) {
        eventually(&format!("{} shows the desktop", self.name), async || {
            self.picture(desktop).is_some_and(|seen| seen == desktop.picture())
        })
        .await;
        assert!(desktop.picture().colours() > 100, "the desktop is painted: {:?}", desktop.picture());
    }

    /// Gives the keyboard to the viewer and moves the pointer there, in pixels of the desktop.
    pub(crate) async fn enter(&self, desktop: &Desktop, x: i16, y: i16) {
        self.x.set_input_focus(InputFocus::PARENT, self.window, x11rb::CURRENT_TIME).unwrap();
        eventually("the pointer is there", async || {
            // Some viewers tell the desktop of no pointer that enters, only of one that moves.
            self.point(desktop, x - 1, y);
            self.point(desktop, x, y);
            desktop.pointer() == (x, y)
        })
        .await;
    }

    pub(crate) fn point(&self, desktop: &Desktop, x: i16, y: i16) {
        let (left, top, _, high) = self.place();
        let menu = high as i16 - desktop.size().1 as i16;
        self.fake(MOTION_NOTIFY_EVENT, 0, left + x, top + menu + y);
    }

    pub(crate) fn click(&self, button: u8) {
        self.fake(BUTTON_PRESS_EVENT, button, 0, 0);
        self.fake(BUTTON_RELEASE_EVENT, button, 0, 0);
    }

    /// Waits until the viewer shows the pointer as the desktop has it.
    pub(crate) async fn shows_the_pointer(&self, desktop: &Desktop) {
        eventually(&format!("{} shows {:?}", self.name, Pointer::of(&desktop.x)), async || {
            Pointer::of(&self.x) == Pointer::of(&desktop.x)
        })
        .await;
    }

    /// Types as a person at this display does; characters that its keyboard lacks get keys of their own first.
    pub(crate) fn type_text(&self, text: &str) {
        let setup = self.x.setup();
        let (first, count) = (setup.min_keycode, setup.max_keycode - setup.min_keycode + 1);
        let map = self.x.get_keyboard_mapping(first, count).unwrap().reply().unwrap();
        let per_key = usize::from(map.keysyms_per_keycode);
        let mut keys: Vec<Vec<u32>> = map.keysyms.chunks(per_key).map(<[u32]>::to_vec).collect();
        let shift = first + keys.iter().position(|key| key[0] == xkeysym::key::Shift_L).unwrap() as u8;
        let mut plan = Vec::new();
        for character in text.chars() {
            let keysym = match character {
                '\n' => xkeysym::key::Return,
                other => xkeysym::Keysym::from_char(other).raw(),
            };
            let known = |level: usize| keys.iter().position(|key| key[level] == keysym);
            let (index, level) = match (known(0), known(1)) {
                (Some(index), _) => (index, 0),
                (None, Some(index)) => (index, 1),
                (None, None) => {
                    let spare = keys.iter().rposition(|key| key.iter().all(|keysym| *keysym == 0)).unwrap();
                    keys[spare] = vec![keysym; per_key];
                    self.x.change_keyboard_mapping(1, first + spare as u8, per_key as u8, &keys[spare]).unwrap();
                    (spare, 0)
                }
            };
            plan.push((first + index as u8, level == 1));
        }
        for (keycode, shifted) in plan {
            if shifted {
                self.fake(KEY_PRESS_EVENT, shift, 0, 0);
            }
            self.fake(KEY_PRESS_EVENT, keycode, 0, 0);
            self.fake(KEY_RELEASE_EVENT, keycode, 0, 0);
            if shifted {
                self.fake(KEY_RELEASE_EVENT, shift, 0, 0);
            }
        }
    }

    fn fake(&self, kind: u8, detail: u8, x: i16, y: i16) {
        let root = self.x.setup().roots[0].root;
        self.x.xtest_fake_input(kind, detail, x11rb::CURRENT_TIME, root, x, y, 0).unwrap();
        self.x.sync().unwrap();
    }

    /// Makes the viewer's window another size, as a person pulls at its corner.
    pub(crate) fn resize(&self, width: u16, height: u16) {
        let size = ConfigureWindowAux::new().width(u32::from(width)).height(u32::from(height));
        self.x.configure_window(self.window, &size).unwrap();
        self.x.sync().unwrap();
    }

    /// Copies a text at this display, as a program beside the viewer does.
    pub(crate) fn copy(&mut self, text: &str) {
        let mut child = self.xclip("-in").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        self.programs.push(child);
    }

    /// What can be pasted at this display.
    pub(crate) fn paste(&self) -> String {
        let pasted = self.xclip("-out").stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&pasted.stdout).into_owned()
    }

    fn xclip(&self, way: &str) -> Command {
        let mut command = Command::new("xclip");
        command.args(["-quiet", "-selection", "clipboard", way]).env("DISPLAY", &self.display).stderr(Stdio::null());
        command.current_dir(self.folder.path());
        command
    }

    fn largest_window(&self) -> Option<Window> {
        let root = self.x.setup().roots[0].root;
        let windows = self.x.query_tree(root).unwrap().reply().unwrap().children;
        let size = |window: Window| {
            let is_shown = self.x.get_window_attributes(window).ok()?.reply().ok()?.map_state == MapState::VIEWABLE;
            let geometry = self.x.get_geometry(window).ok()?.reply().ok()?;
            (is_shown && geometry.width >= 640).then_some(u32::from(geometry.width) * u32::from(geometry.height))
        };
        windows.into_iter().filter_map(|window| Some((size(window)?, window))).max().map(|(_, window)| window)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let kept = Picture::of_screen(&self.x).keep(self.name);
        if std::thread::panicking() {
            let log = std::fs::read(self.folder.path().join("viewer.log")).unwrap_or_default();
            eprintln!("{} looked like {} and said:\n{}", self.name, kept.display(), String::from_utf8_lossy(&log));
        }
        for child in self.programs.iter_mut().chain([&mut self.viewer, &mut self.server]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
