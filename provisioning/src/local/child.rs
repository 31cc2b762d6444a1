//! What a child process gets from the one that starts it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::{fs::OpenOptionsExt, process::CommandExt},
    },
    path::Path,
    process::{Command, Stdio},
};

use nix::{
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl},
    libc,
    sys::{
        resource::{Resource, setrlimit},
        signal::SigSet,
    },
};

/// A log grows to this, then its older part is dropped.
const LOG_BYTES: u64 = 1 << 20;
const LOG_BYTES_KEPT: u64 = 256 << 10;

/// What a desktop may use of the machine, as far as limits per process and per uid go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Counts everything of the uid, so it is only set when the desktop has a uid of its own.
    pub(crate) processes: Option<u64>,
}

/// A pipe whose ends no child inherits unless it is told to.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(nix::unistd::pipe2(OFlag::O_CLOEXEC)?)
}

/// Lets the child inherit `keep`, with no signal blocked, within `limits`.
///
/// The descriptors must stay open until the child is spawned.
pub(crate) fn inherit(command: &mut Command, keep: &[&OwnedFd], limits: Option<Limits>) {
    let keep: Vec<RawFd> = keep.iter().map(|fd| fd.as_raw_fd()).collect();
    let in_child = move || {
        SigSet::empty().thread_set_mask()?;
        for &fd in &keep {
            // SAFETY: the caller holds the descriptor open across the fork.
            let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        if let Some(limits) = limits {
            setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
            if let Some(processes) = limits.processes {
                setrlimit(Resource::RLIMIT_NPROC, processes, processes)?;
            }
            be_killed_first();
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing and takes no lock, it only makes system calls.
    unsafe { command.pre_exec(in_child) };
}

/// The child is killed when this process ends, however it ends. Spawn it from the main thread: the
/// kernel counts the thread that spawned it as its parent.
pub(crate) fn die_with_parent(command: &mut Command) {
    // SAFETY: prctl with these arguments touches no memory.
    let in_child = || match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: the closure makes a system call and nothing else.
    unsafe { command.pre_exec(in_child) };
}

/// When memory runs out, a desktop goes before whatever else runs on the machine. Best effort.
fn be_killed_first() {
    // SAFETY: plain system calls on a constant path and a constant text.
    unsafe {
        let fd = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if fd >= 0 {
            libc::write(fd, c"500".as_ptr().cast(), 3);
            libc::close(fd);
        }
    }
}

/// A log file as both output streams of a child, and no input.
pub(crate) fn log_to(command: &mut Command, log: &File) -> io::Result<()> {
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    Ok(())
}

/// Opens a log for appending; a symlink is refused, since a log may lie where others can write.
pub(crate) fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).read(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Cuts every log of a folder that has grown too long, keeping its end. Those who write go on appending.
pub(crate) fn bound_logs(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let too_long = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() > LOG_BYTES);
        if too_long && let Err(e) = cut(&path) {
            tracing::warn!(log = %path.display(), error = %e, "cut a log");
        }
    }
}

fn cut(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let file = OpenOptions::new().read(true).append(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    let mut kept = vec![0; LOG_BYTES_KEPT as usize];
    let length = file.metadata()?.len();
    let read = file.read_at(&mut kept, length.saturating_sub(LOG_BYTES_KEPT))?;
    file.set_len(0)?;
    io::Write::write_all(&mut &file, &kept[..read])
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_that_grew_too_long_keeps_its_end_and_its_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("part.log");
        let mut writer = open_log(&path).unwrap();
        writer.write_all(&vec![b'.'; LOG_BYTES as usize]).unwrap();
        writer.write_all(b"end").unwrap();

        bound_logs(dir.path());
        writer.write_all(b", more").unwrap();

        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(".end, more"));
        assert_eq!(text.len() as u64, LOG_BYTES_KEPT + 6);
    }

    #[test]
    fn a_log_that_is_a_symlink_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path().join("target"), dir.path().join("part.log")).unwrap();

        assert!(open_log(&dir.path().join("part.log")).is_err());
        assert!(!dir.path().join("target").exists());
    }
}
