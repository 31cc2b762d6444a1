//! What came of a child whose keeper was killed, as a child may do: nobody adopts that any more, and it may have left
//! its session and cleared its environment.
//!
//! A keeper lowers a limit that the desktop has no other use for. All that comes of it inherits the lower one, and
//! nobody without privileges can raise it again, so whatever has it and stands below no keeper is a stray.

use std::{fs, io};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::desk::shell::family;

/// On bytes in POSIX message queues, in `/proc/PID/limits`.
const LIMIT: Resource = Resource::RLIMIT_MSGQUEUE;
const LIMIT_NAME: &str = "Max msgqueue size";

/// Marks this process, and all that comes of it.
pub(super) fn mark() -> io::Result<()> {
    let (soft, hard) = getrlimit(LIMIT)?;
    let lower = hard.saturating_sub(1);
    Ok(setrlimit(LIMIT, soft.min(lower), lower)?)
}

/// Ends every stray; answers how many there were.
pub(super) fn end() -> usize {
    let ended = family::kill_all(|| strays().unwrap_or_default());
    if ended > 0 {
        tracing::warn!(ended, "ended what a child left whose keeper was killed");
    }
    ended
}

/// Which there are, and whether each is stopped already.
fn strays() -> io::Result<Vec<(i32, bool)>> {
    let all = family::processes()?;
    let (_, own) = getrlimit(LIMIT)?;
    let name = name("self");
    let is_marked = |pid: i32| limit(pid).is_some_and(|limit| limit < own);
    let is_stray = |pid: i32| {
        let mut at = pid;
        // No line of parents is longer than the list of all.
        for _ in 0..all.len() {
            // What is just ending is looked at the next time round.
            let Some(parent) = all.get(&at).map(|process| process.parent).filter(|it| all.contains_key(it)) else {
                return false;
            };
            if !is_marked(parent) {
                // The uppermost is a keeper while a desk is above it: this one, or that of another desktop. Nothing that
                // is marked could put itself below a desk, because a desk adopts nobody.
                return self::name(&parent.to_string()) != name;
            }
            at = parent;
        }
        false
    };
    Ok(all.iter().filter(|(pid, _)| is_marked(**pid) && is_stray(**pid)).map(|(pid, it)| (*pid, it.stopped)).collect())
}

fn limit(pid: i32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let hard = limits.lines().find_map(|line| line.strip_prefix(LIMIT_NAME))?.split_ascii_whitespace().nth(1)?;
    if hard == "unlimited" { Some(u64::MAX) } else { hard.parse().ok() }
}

fn name(process: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{process}/comm")).ok()
}
