//! One program of the session: started, logged, and started again when it dies.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout},
    sys::wait::WaitStatus,
    unistd::Pid,
};

use crate::local::{backoff::Backoff, child, fence::inside};

pub(super) struct Part {
    name: &'static str,
    command: Vec<String>,
    environment: BTreeMap<String, String>,
    state: State,
    backoff: Backoff,
}

enum State {
    Stopped,
    Runs { pid: Pid, since: Instant },
    Waits { until: Instant },
}

impl Part {
    pub(super) fn new(name: &'static str, command: &[&str], environment: &BTreeMap<String, String>) -> Self {
        Self {
            name,
            command: command.iter().map(|arg| (*arg).to_owned()).collect(),
            environment: environment.clone(),
            state: State::Stopped,
            backoff: Backoff::default(),
        }
    }

    /// Starts it; what cannot be started is tried again later.
    pub(super) fn start(&mut self) {
        if let Err(e) = self.spawn(None) {
            self.failed(&e);
        }
    }

    /// Starts it with `flag` and a descriptor, to which it writes when it is ready.
    pub(super) fn start_reporting(&mut self, flag: &str) -> anyhow::Result<OwnedFd> {
        let (ready, report) = child::pipe().context("make a pipe")?;
        self.spawn(Some((flag, &report)))?;
        Ok(ready)
    }

    pub(super) fn is(&self, pid: Pid) -> bool {
        self.pid() == Some(pid)
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        match self.state {
            State::Runs { pid, .. } => Some(pid),
            _ => None,
        }
    }

    /// When it is to be started again.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Waits { until } => Some(until),
            _ => None,
        }
    }

    /// Notes the end of a process, which may be this part's.
    pub(super) fn note_end(&mut self, ended: Pid, status: WaitStatus) {
        let State::Runs { pid, since } = self.state else { return };
        if pid == ended {
            let pause = self.pause(since.elapsed());
            tracing::warn!(part = self.name, ?status, again_in_ms = pause.as_millis() as u64, "ended");
        }
    }

    pub(super) fn start_when_due(&mut self, now: Instant) {
        if self.due().is_some_and(|due| now >= due) {
            self.start();
        }
    }

    fn spawn(&mut self, report: Option<(&str, &OwnedFd)>) -> anyhow::Result<()> {
        let tried = || format!("start {}", self.name);
        let log = child::open_log(&Path::new(inside::LOG).join(format!("{}.log", self.name))).with_context(tried)?;
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).envs(&self.environment);
        match report {
            // dbus-daemon takes the number after "=", Xorg as an argument of its own.
            Some((flag, fd)) if flag.starts_with("--") => {
                command.arg(format!("{flag}={}", fd.as_raw_fd()));
                child::inherit(&mut command, &[fd], None);
            }
            Some((flag, fd)) => {
                command.arg(flag).arg(fd.as_raw_fd().to_string());
                child::inherit(&mut command, &[fd], None);
            }
            None => child::inherit(&mut command, &[], None),
        }
        child::log_to(&mut command, &log).with_context(tried)?;
        let child = command.spawn().with_context(tried)?;
        self.state = State::Runs { pid: Pid::from_raw(child.id() as i32), since: Instant::now() };
        Ok(())
    }

    fn failed(&mut self, error: &anyhow::Error) {
        let pause = self.pause(Duration::ZERO);
        tracing::warn!(
            part = self.name,
            error = format!("{error:#}"),
            again_in_ms = pause.as_millis() as u64,
            "failed"
        );
    }

    fn pause(&mut self, lived: Duration) -> Duration {
        let pause = self.backoff.after(lived);
        self.state = State::Waits { until: Instant::now() + pause };
        pause
    }
}

/// Waits for a line on `ready`; an end without one is an error.
///
/// The whole line, since the X server writes it in two parts and dies when the second finds nobody.
pub(super) fn wait_for_report(ready: OwnedFd, deadline: Instant) -> anyhow::Result<()> {
    let mut ready = File::from(ready);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match nix::poll::poll(&mut [PollFd::new(ready.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) if left.is_zero() => bail!("it was not ready in time"),
            Ok(0) | Err(nix::Error::EINTR) => continue,
            Ok(_) => {}
            Err(e) => return Err(e).context("wait"),
        }
        let mut part = [0; 256];
        let read = ready.read(&mut part).context("read its report")?;
        anyhow::ensure!(read > 0, "it ended before it was ready");
        if part[..read].contains(&b'\n') {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_report_is_awaited_to_the_end_of_its_line() {
        let (ready, report) = child::pipe().unwrap();
        let mut report = File::from(report);
        report.write_all(b"0").unwrap();
        let soon = Instant::now() + Duration::from_millis(20);
        let half = wait_for_report(ready.try_clone().unwrap(), soon).unwrap_err().to_string();

        report.write_all(b"\n").unwrap();

        assert_eq!(half, "it was not ready in time");
        wait_for_report(ready, Instant::now() + Duration::from_secs(5)).unwrap();
    }

    #[test]
    fn an_end_without_a_report_is_told_at_once() {
        let (ready, report) = child::pipe().unwrap();
        drop(report);

        let said = wait_for_report(ready, Instant::now() + Duration::from_secs(5)).unwrap_err().to_string();

        assert_eq!(said, "it ended before it was ready");
    }
}
