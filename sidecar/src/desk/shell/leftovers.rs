//! Which sessions of commands run, kept in a file so that the next desk can end what a killed one left.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// All that a shell starts inherits it, so a number that was reused by another program is told apart.
pub(super) const MARK: &str = "DESK_SHELL";
/// A process may fork while it is being ended; its children are found the next time round.
const ROUNDS: usize = 20;

#[derive(Clone)]
pub(super) struct Leftovers {
    file: Arc<PathBuf>,
    sessions: Arc<Mutex<HashSet<i32>>>,
}

impl Leftovers {
    /// Ends what an earlier desk left running.
    pub(super) fn clear(file: PathBuf) -> Leftovers {
        let earlier = fs::read_to_string(&file).unwrap_or_default();
        let earlier: HashSet<i32> = earlier.lines().filter_map(|line| line.parse().ok()).filter(|s| *s > 1).collect();
        if !earlier.is_empty() {
            let ended = end(&earlier);
            tracing::info!(ended, "ended commands that an earlier desk left");
        }
        let _ = fs::remove_file(&file);
        Leftovers { file: Arc::new(file), sessions: Arc::default() }
    }

    pub(super) fn started(&self, session: i32) {
        self.change(|sessions| sessions.insert(session));
    }

    /// Ends all processes of a session.
    pub(super) fn end(&self, session: i32) {
        end(&HashSet::from([session]));
        self.change(|sessions| sessions.remove(&session));
    }

    /// Ends all processes of every session.
    pub(super) fn end_all(&self) {
        let all = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !all.is_empty() {
            end(&all);
        }
    }

    fn change(&self, change: impl FnOnce(&mut HashSet<i32>) -> bool) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut sessions);
        let lines: String = sessions.iter().map(|session| format!("{session}\n")).collect();
        if let Err(error) = fs::write(self.file.as_path(), lines) {
            tracing::warn!(%error, file = %self.file.display(), "cannot note which commands run");
        }
    }
}

/// Kills every marked process of `sessions`; answers how many there were.
fn end(sessions: &HashSet<i32>) -> usize {
    let mut ended = 0;
    for _ in 0..ROUNDS {
        let alive = members(sessions).unwrap_or_default();
        if alive.is_empty() {
            break;
        }
        ended += alive.len();
        for pid in alive {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    ended
}

fn members(sessions: &HashSet<i32>) -> io::Result<Vec<i32>> {
    let mut members = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let Some(pid) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse().ok()) else { continue };
        if session_of(&path).is_some_and(|session| sessions.contains(&session)) && is_marked(&path) {
            members.push(pid);
        }
    }
    Ok(members)
}

/// The session of a process that is not a zombie.
fn session_of(process: &Path) -> Option<i32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name stands in brackets and may hold spaces and brackets itself.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let session = fields.nth(2)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(session)
}

fn is_marked(process: &Path) -> bool {
    let prefix = format!("{MARK}=");
    let environment = fs::read(process.join("environ")).unwrap_or_default();
    environment.split(|b| *b == 0).any(|variable| variable.starts_with(prefix.as_bytes()))
}
