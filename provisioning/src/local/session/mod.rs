//! The first process inside of a desktop's fence: starts the X server and the session, and keeps them alive.
//!
//! Order: X server and message bus → screen size and keyboard → window manager, panel, wallpaper, desk.
//! What dies is started again, except the X server: with it all windows are gone, so the fence ends and
//! a new one is launched.

mod look;
mod part;
mod screen;

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use protocol::desktop::Size;
use serde::{Deserialize, Serialize};

use self::{look::Look, part::Part};
use super::{
    child,
    fence::inside,
    first::{First, Woken, reap},
};

/// What the session is told by the supervisor outside, as one argument.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionSpec {
    pub size: Size,
    /// Whom the desk lets in, as seen from inside.
    pub gate_uid: u32,
}

/// Why the session ended by itself, as the exit code of the fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum End {
    Asked = 0,
    /// Said on stderr.
    CouldNotStart = 40,
    DisplayDied = 41,
    DisplayDidNotStart = 42,
}

impl End {
    /// For a person, from the exit code of a fence.
    pub(crate) fn describe(code: Option<i32>) -> String {
        match code {
            Some(0) => "its session ended".to_owned(),
            Some(c) if c == Self::CouldNotStart as i32 => "its session could not start".to_owned(),
            Some(c) if c == Self::DisplayDied as i32 => "its X server ended".to_owned(),
            Some(c) if c == Self::DisplayDidNotStart as i32 => "its X server did not start".to_owned(),
            Some(code) => format!("its fence ended with exit code {code}"),
            None => "its fence was killed".to_owned(),
        }
    }
}

const XORG_LOG: &str = "/run/cloudbot/log/xorg-server.log";
const DISPLAY_START_BOUND: Duration = Duration::from_secs(20);
/// How long programs may take to save what they have when the desktop stops.
const STOP_BOUND: Duration = Duration::from_secs(3);
const LOG_CHECK: Duration = Duration::from_secs(10);

/// Runs the session until it is told to stop or the X server dies.
pub fn run(spec: &SessionSpec) -> ExitCode {
    let end = match Session::start(spec) {
        Ok(mut session) => session.keep(),
        Err(Failed { end, error }) => {
            tracing::error!(error = format!("{error:#}"), "start the session");
            end
        }
    };
    ExitCode::from(end as u8)
}

struct Failed {
    end: End,
    error: anyhow::Error,
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self { end: End::CouldNotStart, error }
    }
}

struct Session {
    first: First,
    /// The X server and the bus, which outlive all others when the session ends.
    display: Part,
    bus: Part,
    parts: Vec<Part>,
    next_log_check: Instant,
}

impl Session {
    fn start(spec: &SessionSpec) -> Result<Self, Failed> {
        let first = First::take_over().context("take over the signals")?;
        // Not bubblewrap does this: as root without its capabilities it may not enter the home.
        std::env::set_current_dir(inside::HOME).context("enter the home")?;
        let runtime = make_folders().context("make the session's folders")?;
        let look = Look::write(&runtime.join("cloudbot")).context("write the session's settings")?;
        let environment = environment(&runtime, &look);
        let part = |name: &'static str, command: &[&str]| Part::new(name, command, &environment);

        let mut bus = part(
            "dbus",
            &["dbus-daemon", "--session", "--nofork", "--nopidfile", &format!("--address={}", bus_address(&runtime))],
        );
        let mut display = part("xorg", &xorg_command(&look));
        let mut started = || -> anyhow::Result<_> {
            Ok((display.start_reporting("-displayfd")?, bus.start_reporting("--print-address")?))
        };
        let (display_ready, bus_ready) = started().map_err(|error| Failed { end: End::DisplayDidNotStart, error })?;
        let deadline = Instant::now() + DISPLAY_START_BOUND;
        part::wait_for_report(display_ready, deadline)
            .context("wait for the X server, see xorg.log")
            .map_err(|error| Failed { end: End::DisplayDidNotStart, error })?;
        part::wait_for_report(bus_ready, deadline).context("wait for the message bus, see dbus.log")?;

        screen::set_up(spec.size, &look, &environment)?;
        let gate_uid = spec.gate_uid.to_string();
        let mut parts = vec![
            part("openbox", &["openbox", "--config-file", path(&look.openbox), "--sm-disable"]),
            part("wallpaper", &["pcmanfm", "--desktop", "--profile", "cloudbot"]),
            part("panel", &["tint2", "-c", path(&look.tint2)]),
            part("desk", &[inside::SIDECAR, "desk", "--socket", inside::DESK_SOCKET, "--gate-uid", &gate_uid]),
        ];
        for part in &mut parts {
            part.start();
        }
        Ok(Self { first, display, bus, parts, next_log_check: Instant::now() + LOG_CHECK })
    }

    /// Starts again what dies, until the end.
    fn keep(&mut self) -> End {
        loop {
            for (pid, status) in reap() {
                if self.display.is(pid) {
                    tracing::error!(?status, "the X server ended");
                    return End::DisplayDied;
                }
                for part in self.parts.iter_mut().chain([&mut self.bus]) {
                    part.note_end(pid, status);
                }
            }
            let now = Instant::now();
            for part in self.parts.iter_mut().chain([&mut self.bus]) {
                part.start_when_due(now);
            }
            if now >= self.next_log_check {
                child::bound_logs(Path::new(inside::LOG));
                self.next_log_check = now + LOG_CHECK;
            }
            let due = self.parts.iter().chain([&self.bus]).filter_map(Part::due).min();
            let until = due.unwrap_or(self.next_log_check).min(self.next_log_check);
            match self.first.wait(Some(until)) {
                Woken::ToldToStop => {
                    self.stop();
                    return End::Asked;
                }
                Woken::Orphaned => return End::Asked,
                Woken::ChildEnded | Woken::TimeIsUp => {}
            }
        }
    }

    /// Asks every program to end and waits for them, the X server and the bus last. What is left then
    /// ends with this process, being the first of its PID namespace.
    fn stop(&mut self) {
        let stay = [self.display.pid(), self.bus.pid()];
        let deadline = Instant::now() + STOP_BOUND;
        for pid in others(&stay) {
            // Shells end on a hang-up only.
            let _ = kill(pid, Signal::SIGTERM);
            let _ = kill(pid, Signal::SIGHUP);
            let _ = kill(pid, Signal::SIGCONT);
        }
        loop {
            reap();
            if others(&stay).is_empty() || Instant::now() >= deadline {
                break;
            }
            self.first.wait(Some(deadline));
        }
        for pid in stay.into_iter().flatten() {
            let _ = kill(pid, Signal::SIGTERM);
        }
    }
}

/// All processes of the fence but this one and `stay`.
fn others(stay: &[Option<Pid>]) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).map(Pid::from_raw);
    pids.filter(|pid| *pid != Pid::this() && !stay.contains(&Some(*pid))).collect()
}

fn make_folders() -> io::Result<PathBuf> {
    let runtime = PathBuf::from(format!("/run/user/{}", nix::unistd::getuid()));
    fs::DirBuilder::new().mode(0o700).recursive(true).create(&runtime)?;
    for shared in ["/tmp/.X11-unix", "/tmp/.ICE-unix"] {
        fs::create_dir_all(shared)?;
        fs::set_permissions(shared, fs::Permissions::from_mode(0o1777))?;
    }
    for folder in ["Desktop", "Documents", "Downloads", "Pictures"] {
        // The home is its owner's: what they put in a folder's place (a link to nowhere, a file, a full disk) must
        // not cost them the desktop.
        if let Err(error) = fs::create_dir_all(Path::new(inside::HOME).join(folder)) {
            tracing::warn!(folder, %error, "make a folder in the home");
        }
    }
    Ok(runtime)
}

fn bus_address(runtime: &Path) -> String {
    format!("unix:path={}/bus", runtime.display())
}

fn environment(runtime: &Path, look: &Look) -> BTreeMap<String, String> {
    let folder = look.folder.display();
    [
        ("DISPLAY", ":0".to_owned()),
        ("XDG_RUNTIME_DIR", runtime.display().to_string()),
        ("DBUS_SESSION_BUS_ADDRESS", bus_address(runtime)),
        ("XDG_CONFIG_DIRS", format!("{folder}/xdg:/etc/xdg")),
        ("XDG_DATA_DIRS", format!("{folder}/share:/usr/local/share:/usr/share")),
        ("XDG_SESSION_TYPE", "x11".to_owned()),
        ("BROWSER", look.browser.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn xorg_command(look: &Look) -> Vec<&str> {
    let mut command = vec!["/usr/lib/xorg/Xorg", ":0", "-config", path(&look.xorg), "-configdir", "/nonexistent"];
    command.extend(["-logfile", XORG_LOG, "-noreset", "-nolisten", "tcp", "-sharevts", "-novtswitch", "vt1"]);
    // No screensaver, key repeat as desktops have it, and the pixels' size that fonts are made for.
    command.extend(["-s", "0", "-ardelay", "400", "-arinterval", "33", "-dpi", "96"]);
    command
}

/// Our own paths are ASCII.
fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Runs a tool of the session to its end.
fn run_tool(environment: &BTreeMap<String, String>, command: &[&str]) -> anyhow::Result<()> {
    let tried = || format!("run {}", command.join(" "));
    let mut tool = Command::new(command[0]);
    tool.args(&command[1..]).envs(environment);
    child::inherit(&mut tool, &[], None);
    let output = tool.output().with_context(tried)?;
    anyhow::ensure!(output.status.success(), "{}: {}", tried(), String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
