//! Which processes a shell has started, found in /proc however they tried to get away: a shell adopts what its
//! children leave behind (it is a child subreaper), and all of it inherits a mark in its environment.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::Path,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// In the environment of all that a shell starts, so that a number that was reused by another program is told apart.
pub(in crate::desk) const MARK: &str = "DESK_SHELL";
/// A process may fork while it is being stopped; its children are found the next time round.
const ROUNDS: usize = 50;

pub(in crate::desk) struct Process {
    pub(in crate::desk) parent: i32,
    session: i32,
    marked: bool,
    pub(in crate::desk) stopped: bool,
}

/// How far a family goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::desk) enum Reach {
    /// What stayed in the shell's session: a program that was put into one of its own is left for the user to see.
    Session,
    /// All that came of it.
    Descent,
}

/// Stops all that came of these shells, wherever it is in what it does; answers how many processes that are.
pub(in crate::desk) fn freeze(shells: &HashSet<i32>, reach: Reach) -> usize {
    stop(|| members(shells, reach).unwrap_or_default())
}

fn stop(family: impl Fn() -> Vec<(i32, bool)>) -> usize {
    let mut count = 0;
    for _ in 0..ROUNDS {
        let family = family();
        count = family.len();
        let awake: Vec<i32> = family.into_iter().filter(|(_, stopped)| !stopped).map(|(pid, _)| pid).collect();
        if awake.is_empty() {
            break;
        }
        signal(&awake, Signal::SIGSTOP);
    }
    count
}

/// Lets it go on.
pub(in crate::desk) fn thaw(shells: &HashSet<i32>) {
    let family = members(shells, Reach::Descent).unwrap_or_default();
    signal(&pids(family), Signal::SIGCONT);
}

/// Kills it; answers how many processes there were. They are stopped first: what runs could start others faster than
/// they are found, and what loses its shell could not be found any more.
pub(in crate::desk) fn end(shells: &HashSet<i32>, reach: Reach) -> usize {
    kill_all(|| members(shells, reach).unwrap_or_default())
}

/// Asks all that came of `leader`, itself left out, to end.
pub(in crate::desk) fn ask_to_end(leader: i32) {
    signal(&pids(below(leader)), Signal::SIGTERM);
}

/// Kills all that came of `leader`, itself left out.
pub(in crate::desk) fn end_below(leader: i32) {
    kill_all(|| below(leader));
}

fn below(leader: i32) -> Vec<(i32, bool)> {
    let mut family = members(&HashSet::from([leader]), Reach::Descent).unwrap_or_default();
    family.retain(|(pid, _)| *pid != leader);
    family
}

/// Kills all that is found; answers how many processes there were. What is found is told with whether it is stopped.
pub(in crate::desk) fn kill_all(family: impl Fn() -> Vec<(i32, bool)>) -> usize {
    let ended = stop(&family);
    for _ in 0..ROUNDS {
        let family = family();
        if family.is_empty() {
            break;
        }
        signal(&pids(family), Signal::SIGKILL);
    }
    ended
}

/// The processes of these shells, and which of them are stopped already.
fn members(shells: &HashSet<i32>, reach: Reach) -> io::Result<Vec<(i32, bool)>> {
    let all = processes()?;
    let is_shell = |pid: i32| shells.contains(&pid) && all.get(&pid).is_some_and(|process| process.marked);
    let descends = |pid: i32| {
        // No line of parents is longer than the list of all.
        let mut at = pid;
        for _ in 0..all.len() {
            if is_shell(at) {
                return true;
            }
            match all.get(&at) {
                Some(process) if process.parent > 1 => at = process.parent,
                _ => return false,
            }
        }
        false
    };
    let belongs = |pid: i32, process: &Process| {
        (process.marked && shells.contains(&process.session)) || (reach == Reach::Descent && descends(pid))
    };
    Ok(all.iter().filter(|(pid, it)| belongs(**pid, it)).map(|(pid, it)| (*pid, it.stopped)).collect())
}

fn pids(family: Vec<(i32, bool)>) -> Vec<i32> {
    family.into_iter().map(|(pid, _)| pid).collect()
}

/// All processes but zombies.
pub(in crate::desk) fn processes() -> io::Result<HashMap<i32, Process>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let Some(pid) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse().ok()) else { continue };
        if let Some(process) = read(&path) {
            found.insert(pid, process);
        }
    }
    Ok(found)
}

/// A process that is not a zombie.
fn read(path: &Path) -> Option<Process> {
    let stat = fs::read_to_string(path.join("stat")).ok()?;
    // The name stands in brackets and may hold spaces and brackets itself.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    Some(Process { parent, session, marked: is_marked(path), stopped: matches!(state, "T" | "t") })
}

fn is_marked(process: &Path) -> bool {
    let prefix = format!("{MARK}=");
    let environment = fs::read(process.join("environ")).unwrap_or_default();
    environment.split(|b| *b == 0).any(|variable| variable.starts_with(prefix.as_bytes()))
}

fn signal(pids: &[i32], signal: Signal) {
    for pid in pids {
        // One that has ended meanwhile is no concern.
        let _ = kill(Pid::from_raw(*pid), signal);
    }
}
