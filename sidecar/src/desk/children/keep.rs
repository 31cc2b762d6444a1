//! `sidecar keep`: runs one program and keeps hold of all that comes of it, until nothing of it is left.
//!
//! The program itself would lose what its children leave behind as soon as it dies; this process adopts that, does
//! nothing else, and ends as the program ended. One that is killed is made up for by [`strays`].

use std::{
    fs::File,
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    process::{Command, ExitStatus},
    time::Duration,
};

use anyhow::Context;
use nix::{
    errno::Errno,
    libc,
    sys::{
        prctl,
        resource::{Resource, setrlimit},
        signal::{Signal, raise},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, getpid, setsid},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::strays;
use crate::desk::shell::family;

/// What was asked to end has so long for it.
pub(super) const GRACE: Duration = Duration::from_secs(3);
/// As a shell says that there is no such program.
const CANNOT_START: i32 = 127;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// Runs the program until it has ended, or until `stop`; then ends what is left of it. Exits as the program did.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    prctl::set_child_subreaper(true).context("adopt what is left behind")?;
    setsid().context("begin a session")?;
    if let Err(error) = strays::mark() {
        tracing::warn!(%error, "what comes of this program is not marked");
    }
    let mut died = signal(SignalKind::child()).context("listen for the ends of children")?;
    let (program, arguments) = args.command.split_first().context("no program was named")?;
    let main = match Command::new(program).args(arguments).spawn() {
        Ok(child) => Pid::from_raw(child.id() as i32),
        Err(error) => {
            let _ = writeln!(io::stderr(), "cannot start {program}: {error}");
            std::process::exit(CANNOT_START);
        }
    };
    // Who reads the pipes is to see them closed when the program closes them.
    let nothing = File::options().read(true).write(true).open("/dev/null").context("open /dev/null")?;
    dup2_stdin(&nothing).and_then(|()| dup2_stdout(&nothing)).and_then(|()| dup2_stderr(&nothing))?;

    let mut exit = None;
    let mut deadline = None;
    loop {
        if reap(main, &mut exit) == Left::Nothing {
            break;
        }
        // What outlives the program is not wanted either.
        if deadline.is_none() && (exit.is_some() || stop.is_cancelled()) {
            family::ask_to_end(getpid().as_raw());
            deadline = Some(Instant::now() + GRACE);
        }
        tokio::select! {
            _ = died.recv() => {}
            () = stop.cancelled(), if deadline.is_none() => {}
            () = over(deadline) => family::end_below(getpid().as_raw()),
        }
    }
    leave(exit)
}

#[derive(PartialEq)]
enum Left {
    Something,
    Nothing,
}

/// Takes note of all that has died by now.
fn reap(main: Pid, exit: &mut Option<ExitStatus>) -> Left {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == main => *exit = Some(ExitStatus::from_raw(code << 8)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => {
                *exit = Some(ExitStatus::from_raw(signal as i32))
            }
            Ok(WaitStatus::StillAlive) => return Left::Something,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return Left::Nothing,
        }
    }
}

async fn over(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => {
            tokio::time::sleep_until(deadline).await;
            // Not at once again: those that were killed are reaped as they go.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        None => std::future::pending().await,
    }
}

/// So that who waits for this process learns how the program ended.
fn leave(exit: Option<ExitStatus>) -> ! {
    if let Some(signal) = exit.and_then(|exit| exit.signal()).and_then(|signal| Signal::try_from(signal).ok()) {
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        // SAFETY: the default action of a signal runs no code of ours.
        let _ = unsafe { nix::sys::signal::signal(signal, nix::sys::signal::SigHandler::SigDfl) };
        let _ = raise(signal);
    }
    std::process::exit(exit.and_then(|exit| exit.code()).unwrap_or(libc::EXIT_FAILURE))
}
