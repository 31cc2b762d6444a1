//! Processes that outlive the program that started them, named so that a recycled pid is never taken for one.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    time::{Duration, Instant},
};

use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout},
    sys::signal::Signal,
};
use serde::{Deserialize, Serialize};

/// A process as it can be written down: its pid, and when it started on which boot of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pid: i32,
    /// In clock ticks since the boot, as `/proc/PID/stat` says.
    started: u64,
    boot: String,
}

impl ProcessId {
    /// The process that has this pid now. Only its parent knows that it is the one it means.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        Ok(Self { pid, started: started(pid)?, boot: boot()? })
    }

    /// A handle to the process, `None` when it has ended.
    pub(crate) fn open(&self) -> io::Result<Option<Process>> {
        if boot()? != self.boot {
            return Ok(None);
        }
        let process = match Process::open(self.pid) {
            Ok(process) => process,
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            Err(e) => return Err(e),
        };
        // The handle stays with its process, so a start time that is right after opening was right before.
        match started(self.pid) {
            Ok(started) if started == self.started && !process.has_ended() => Ok(Some(process)),
            _ => Ok(None),
        }
    }
}

/// A handle to a process: signals sent by it reach that process or nobody.
#[derive(Debug)]
pub(crate) struct Process {
    fd: OwnedFd,
}

impl Process {
    /// The process that has this pid now.
    pub(crate) fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: pidfd_open takes two integers and touches no memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor, nobody else owns it.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd as i32) } })
    }

    /// Sends a signal; a process that has ended takes it in silence.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        // SAFETY: pidfd_send_signal reads nothing through its null pointer.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.fd.as_raw_fd(),
                signal as i32,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        match io::Error::last_os_error() {
            _ if sent == 0 => Ok(()),
            e if e.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            e => Err(e),
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Waits until the process has ended; `false` when it has not within `bound`. Blocks the thread.
    pub(crate) fn wait(&self, bound: Duration) -> bool {
        let deadline = Instant::now() + bound;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match nix::poll::poll(&mut [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) if left.is_zero() => return false,
                Ok(0) | Err(nix::Error::EINTR) => {}
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
    }
}

fn started(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses, which may itself hold blanks and parentheses.
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    after_name
        .split(' ')
        .nth(19)
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("read the start time in /proc/{pid}/stat")))
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_written_down_process_is_found_again_until_it_ends() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::of(child.id() as i32).unwrap();
        let id: ProcessId = serde_json::from_str(&serde_json::to_string(&id).unwrap()).unwrap();

        let process = id.open().unwrap().unwrap();
        process.signal(Signal::SIGKILL).unwrap();

        assert!(process.wait(Duration::from_secs(5)));
        assert!(id.open().unwrap().is_none(), "a zombie counts as ended");
        child.wait().unwrap();
        assert!(id.open().unwrap().is_none());
        process.signal(Signal::SIGKILL).unwrap();
    }

    #[test]
    fn another_process_under_the_same_pid_is_not_it() {
        let me = ProcessId::of(std::process::id() as i32).unwrap();
        let earlier = ProcessId { started: me.started - 1, ..me.clone() };
        let last_boot = ProcessId { boot: "another".into(), ..me };

        assert!(earlier.open().unwrap().is_none());
        assert!(last_boot.open().unwrap().is_none());
    }
}
