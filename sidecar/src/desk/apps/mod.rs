//! Applications: which there are, and launching one, or what opens a file or a web address, until its window is there.

mod entry;
mod evidence;
mod target;

use std::{
    collections::HashMap,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use protocol::window::{Application, Evidence, Launch, Window};
use tokio::process::{Child, Command};

use self::{
    evidence::{Scene, Traces},
    target::Target,
};
use super::{calls::blocking, windows::Wm};
use crate::link::Refusal;

/// What an agent's or a program's launch may be given for its window to come.
const MOST: Duration = Duration::from_secs(60);

/// All that a menu would show.
pub(super) fn list() -> Vec<Application> {
    entry::all().into_iter().map(|entry| entry.application).collect()
}

/// Starts it, and waits until its window is there or the time is up; the application lives on by itself. The window's
/// bounds are in pixels of the screen.
pub(super) async fn launch(what: Launch, within: Duration) -> Result<Option<(Window, Evidence)>, Refusal> {
    let mut launching = blocking(move || Launching::prepare(&what)).await?;
    let child = launching.start()?;
    blocking(move || launching.wait(child, within.min(MOST))).await
}

struct Launching {
    wm: Wm,
    command: Vec<String>,
    traces: Traces,
}

impl Launching {
    fn prepare(what: &Launch) -> Result<Launching, Refusal> {
        let has = |name: &str| target::find(name).is_some();
        let (command, mut classes) = match what {
            Launch::Application(name) => {
                let entry = find(name)?;
                let own = entry.class.clone().into_iter().chain([entry.application.id.clone()]);
                (entry.started(has), own.collect::<Vec<_>>())
            }
            Launch::File(path) => (target::opener(&Target::file(path)?, has)?, Vec::new()),
            Launch::Url(url) => (target::opener(&Target::web(url)?, has)?, Vec::new()),
        };
        let program = command.first().map(String::as_str).unwrap_or_default();
        classes.extend(names(program));
        let wm = Wm::open(None)?;
        let startup_id = format!("cloudbot-{:016x}_TIME{}", rand::random::<u64>(), wm.time()?);
        let before = wm.list()?.into_iter().map(|seen| (seen.window.id, seen.window)).collect::<HashMap<_, _>>();
        Ok(Launching { wm, command, traces: Traces { before, startup_id, classes } })
    }

    /// In a session of its own, so that no shell's end takes it along; the runtime reaps it when it ends.
    fn start(&mut self) -> Result<Child, Refusal> {
        let mut command = Command::new("setsid");
        command.args(&self.command).env("DESKTOP_STARTUP_ID", &self.traces.startup_id);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"CLOUDBOT_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(|e| Refusal::failed(format!("start {}: {e}", self.command[0])))
    }

    fn wait(self, mut child: Child, within: Duration) -> Result<Option<(Window, Evidence)>, Refusal> {
        let Launching { wm, command, traces } = self;
        let started = Instant::now();
        let mut exit = None;
        let mut best = None;
        let found = wm.wait_until(started + within, |wm| {
            if exit.is_none() {
                exit = child.try_wait().ok().flatten();
            }
            let now = wm.list()?;
            let scene = Scene { now: &now, elapsed: started.elapsed(), ended: exit.is_some() };
            let found = traces.judge(&scene, evidence::is_marked);
            let Some((id, evidence, sure)) = found else {
                return match exit.filter(|exit| !exit.success()) {
                    Some(exit) if started.elapsed() > evidence::HAND_OVER => {
                        Err(Refusal::failed(format!("{} did not start: {exit}", command.join(" "))))
                    }
                    _ => Ok(None),
                };
            };
            let window = now.iter().find(|seen| seen.window.id == id).map(|seen| seen.window.clone());
            best = window.map(|window| (window, evidence));
            Ok(sure.then_some(()))
        })?;
        if found.is_none() {
            tracing::debug!("a launch ended without a sure window");
        }
        // The window manager may have moved it since it came.
        Ok(match best {
            Some((window, evidence)) => wm.find(window.id)?.map(|seen| (seen.window, evidence)),
            None => None,
        })
    }
}

/// An application by its id, else by its name in any case.
fn find(name: &str) -> Result<entry::Entry, Refusal> {
    let entries = entry::all();
    let wanted = name.trim().trim_end_matches(".desktop").to_lowercase();
    let by_id = entries.iter().find(|entry| entry.application.id.to_lowercase() == wanted);
    let found = by_id.or_else(|| entries.iter().find(|entry| entry.application.name.to_lowercase() == wanted));
    found.cloned().ok_or_else(|| {
        let ids: Vec<&str> = entries.iter().map(|entry| entry.application.id.as_str()).take(40).collect();
        let name: String = name.chars().take(100).collect();
        Refusal::not_found(format!("there is no application {name:?}; there are: {}", ids.join(", ")))
    })
}

/// What the windows of a program may be called: by its own name, and by that of the program it is a link to.
fn names(program: &str) -> Vec<String> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let real = target::find(program).and_then(|path| path.canonicalize().ok());
    name(Path::new(program)).into_iter().chain(real.and_then(|path| name(&path))).collect()
}
