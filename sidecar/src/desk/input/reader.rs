//! Whether the program that gets the keys has dealt with what it was sent: then all of it sleeps at some moment, for one
//! with something to read would not.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use x11rb::{
    errors::ReplyError,
    protocol::res::{ClientIdMask, ClientIdSpec, ConnectionExt as _},
    rust_connection::RustConnection,
};

/// A program on this machine, looked at from time to time.
pub(super) struct Reader {
    pid: u32,
    /// How often it was found asleep.
    asleep: u32,
    /// What its threads had run for when they were seen asleep, and since when that is so.
    still: Option<(u64, Instant)>,
}

/// Which of its threads have to be asleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    All,
    /// The one that reads keys, in nearly all programs.
    Main,
}

/// Asleep for another reason, it is not so often.
const OFTEN: u32 = 3;

impl Reader {
    /// The program that a window belongs to, if the server knows it and it can be looked at.
    pub(super) fn of(x: &RustConnection, window: u32) -> Result<Option<Reader>, ReplyError> {
        let spec = ClientIdSpec { client: window, mask: ClientIdMask::LOCAL_CLIENT_PID };
        // Without the extension the request fails, and the answer is that nobody knows.
        let ids = x.res_query_client_ids(&[spec]).map_err(ReplyError::from).and_then(|ids| ids.reply());
        let pid = ids.ok().and_then(|ids| ids.ids.first()?.value.first().copied()).filter(|pid| *pid > 0);
        let here = pid.filter(|pid| PathBuf::from(format!("/proc/{pid}/task")).is_dir());
        Ok(here.map(|pid| Reader { pid, asleep: 0, still: None }))
    }

    /// Looks at it: has it done nothing at all for so long?
    pub(super) fn has_rested(&mut self, how_long: Duration, now: Instant) -> bool {
        let ran = self.ran_before_sleep(Threads::All);
        match self.still {
            Some((before, since)) if ran == Some(before) => now >= since + how_long,
            _ => {
                self.still = ran.map(|ran| (ran, now));
                false
            }
        }
    }

    /// Looks at it, or at its main thread alone: has it been asleep often enough by now? One that is gone is.
    pub(super) fn has_slept(&mut self, which: Threads) -> bool {
        // Threads are looked at one after another: one may wake another that was seen asleep, and fall asleep itself.
        let ran = self.ran_before_sleep(which);
        if ran.is_some() && ran == self.ran_before_sleep(which) {
            self.asleep += 1;
        }
        self.asleep >= OFTEN
    }

    /// The nanoseconds that its threads have run for, unless one of them is at work.
    fn ran_before_sleep(&self, which: Threads) -> Option<u64> {
        let all = PathBuf::from(format!("/proc/{}/task", self.pid));
        let tasks = match which {
            Threads::Main => vec![all.join(self.pid.to_string())],
            Threads::All => fs::read_dir(all).into_iter().flatten().flatten().map(|task| task.path()).collect(),
        };
        let mut ran = 0;
        for task in tasks {
            let read = |file: &str| fs::read_to_string(task.join(file)).unwrap_or_default();
            if is_at_work(&read("stat")) {
                return None;
            }
            ran += read("schedstat").split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
        }
        Some(ran)
    }
}

/// The state stands behind the name, which is in parentheses and may hold any character.
fn is_at_work(stat: &str) -> bool {
    // Running or about to, or waiting for a disk.
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['R', 'D']))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        thread,
    };

    use super::*;

    #[test]
    fn a_state_is_read_behind_any_name() {
        assert!(is_at_work("12 (a) S (b) R 1 2"));
        assert!(!is_at_work("12 (R) S 1 2"));
        assert!(!is_at_work(""));
    }

    #[test]
    fn who_works_does_not_sleep_and_who_waits_does() {
        let end = Arc::new(AtomicBool::new(false));
        let worker = thread::spawn({
            let end = end.clone();
            move || while !end.load(Ordering::Relaxed) {}
        });
        let mut reader = Reader { pid: std::process::id(), asleep: 0, still: None };
        let until = Instant::now() + Duration::from_millis(50);
        while Instant::now() < until {
            assert!(!reader.has_slept(Threads::All));
            thread::park_timeout(Duration::from_millis(4));
        }
        end.store(true, Ordering::Relaxed);
        worker.join().unwrap();

        let mut child = std::process::Command::new("sleep").arg("20").spawn().unwrap();
        let mut sleeper = Reader { pid: child.id(), asleep: 0, still: None };
        let deadline = Instant::now() + Duration::from_secs(10);
        while !sleeper.has_slept(Threads::All) {
            assert!(Instant::now() < deadline, "a program that waits sleeps");
            thread::park_timeout(Duration::from_millis(4));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
