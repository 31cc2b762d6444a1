//! What the first process of a fence has to do besides its own work: take signals, bury orphans, and end
//! when the supervisor outside is gone.
//!
//! The kernel cannot kill it then: it has another uid than bubblewrap, which has given up the right to
//! kill. So its stdin is a pipe whose other end only the supervisor holds.

use std::{
    io,
    os::fd::AsFd,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout},
    sys::{
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::child;

pub(crate) struct First {
    signals: SignalFd,
}

/// Why [`First::wait`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    ChildEnded,
    ToldToStop,
    /// The supervisor is gone: whoever hears this ends at once, and with it the fence.
    Orphaned,
    TimeIsUp,
}

impl First {
    pub(crate) fn take_over() -> nix::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block()?;
        // Others of the same uid run in this fence: they must not debug this process.
        nix::sys::prctl::set_dumpable(false)?;
        Ok(Self { signals: SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)? })
    }

    pub(crate) fn wait(&mut self, until: Option<Instant>) -> Woken {
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Woken::TimeIsUp;
            }
            // Rounded up: waking a fraction of a millisecond early would spin.
            let timeout = left.map_or(PollTimeout::NONE, |left| {
                PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
            });
            let stdin = io::stdin();
            let mut polled =
                [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN), PollFd::new(stdin.as_fd(), PollFlags::empty())];
            if nix::poll::poll(&mut polled, timeout).is_err() {
                continue;
            }
            if polled[1].revents().is_some_and(|seen| seen.contains(PollFlags::POLLHUP)) {
                return Woken::Orphaned;
            }
            match self.signals.read_signal() {
                Ok(Some(info)) if info.ssi_signo == Signal::SIGCHLD as u32 => return Woken::ChildEnded,
                Ok(Some(_)) => return Woken::ToldToStop,
                _ => {}
            }
        }
    }
}

/// Every child that has ended, the adopted ones included.
pub(crate) fn reap() -> Vec<(Pid, WaitStatus)> {
    let mut ended = Vec::new();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return ended,
            Ok(status) => ended.extend(status.pid().map(|pid| (pid, status))),
            Err(Errno::EINTR) => {}
            Err(_) => return ended,
        }
    }
}

/// Runs one command as all that a fence is for: the gate.
pub fn run(command: &[String]) -> ExitCode {
    match run_command(command) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            tracing::error!(error = %e, "run the command of a fence");
            ExitCode::FAILURE
        }
    }
}

fn run_command(command: &[String]) -> io::Result<u8> {
    let mut first = First::take_over()?;
    let [program, args @ ..] = command else { return Err(io::ErrorKind::InvalidInput.into()) };
    let mut only = Command::new(program);
    only.args(args).stdin(Stdio::null());
    child::inherit(&mut only, &[], None);
    let only = Pid::from_raw(only.spawn()?.id() as i32);
    loop {
        match first.wait(None) {
            Woken::ChildEnded => {
                for (pid, status) in reap() {
                    match status {
                        WaitStatus::Exited(_, code) if pid == only => return Ok(code as u8),
                        _ if pid == only => return Ok(1),
                        _ => {}
                    }
                }
            }
            Woken::ToldToStop => kill(only, Signal::SIGTERM)?,
            Woken::Orphaned => return Ok(1),
            Woken::TimeIsUp => {}
        }
    }
}
