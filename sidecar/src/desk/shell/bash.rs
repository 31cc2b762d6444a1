//! One persistent bash, and the task that owns it.
//!
//! Commands go to its standard input. The shell's own standard error is a pipe of its own, on which it reports
//! the exit code of each command together with a number that nobody else knows: the command itself writes to
//! standard output only, so what it prints cannot be taken for the end of it, and a child that keeps the output
//! open does not hold up the answer.

use std::{
    io,
    os::fd::OwnedFd,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use nix::{errno::Errno, fcntl::OFlag, libc};
use protocol::action::ShellOutput;
use tokio::{
    io::AsyncWriteExt,
    net::unix::pipe,
    process::{Child, ChildStdin, Command},
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    family::{MARK, Reach},
    leftovers::Leftovers,
    output::Tail,
};
use crate::link::Refusal;

const MAX_COMMAND: usize = 256 << 10;
/// A background child that never stops printing must not hold up the answer of another command.
const MAX_DRAINED: usize = 4 << 20;
/// The report of a command is one short line; more is what the shell itself complains about.
const MAX_REPORT: usize = 64 << 10;

/// Said to the model, which would otherwise wonder where its variables went.
const ENDED: &str = "[the command ended the shell itself; the next one gets a fresh shell]\n";

pub(super) enum Order {
    Run { command: String, timeout: Duration, reply: oneshot::Sender<Result<ShellOutput, Refusal>> },
    Restart(oneshot::Sender<()>),
}

/// Refuses what no shell could run.
pub(super) fn check(command: &str) -> Result<(), Refusal> {
    if command.contains('\0') {
        return Err(Refusal::invalid("the command holds a NUL character, which no shell can read"));
    }
    if command.len() > MAX_COMMAND {
        let message =
            format!("the command has {} bytes; at most {MAX_COMMAND} are taken: write a script file", command.len());
        return Err(Refusal::invalid(message));
    }
    Ok(())
}

/// Obeys until nobody holds a sender any more; then it ends the shell and all it started.
pub(super) async fn serve(mut orders: mpsc::Receiver<Order>, leftovers: Leftovers, leader: Arc<AtomicI32>) {
    let mut shell: Option<Bash> = None;
    loop {
        let order = match &mut shell {
            // What background children print between commands is read, or they would block on a full pipe.
            Some(open) => tokio::select! {
                order = orders.recv() => order,
                () = open.listen() => continue,
            },
            None => orders.recv().await,
        };
        match order {
            None => break,
            Some(Order::Restart(reply)) => {
                leader.store(0, Ordering::SeqCst);
                if let Some(shell) = shell.take() {
                    shell.end(&leftovers).await;
                }
                let _ = reply.send(());
            }
            Some(Order::Run { command, timeout, mut reply }) => {
                let open = match shell.take() {
                    Some(open) => Ok(open),
                    None => Bash::start(&leftovers).map_err(|e| Refusal::failed(format!("start bash: {e}"))),
                };
                let mut open = match open {
                    Ok(open) => open,
                    Err(refusal) => {
                        let _ = reply.send(Err(refusal));
                        continue;
                    }
                };
                leader.store(open.session, Ordering::SeqCst);
                let end = open.run(&command, timeout, &mut reply).await;
                let (output, cut_bytes) = open.output.take();
                let mut answer = ShellOutput { output, exit_code: None, timed_out: false, cut_bytes };
                match end {
                    End::Exited(code) => {
                        answer.exit_code = Some(code);
                        shell = Some(open);
                    }
                    End::TimedOut => {
                        answer.timed_out = true;
                        open.end(&leftovers).await;
                    }
                    End::Abandoned => drop(open.end(&leftovers).await),
                    End::ShellEnded => {
                        let status = open.end(&leftovers).await;
                        answer.exit_code = status.and_then(|status| status.code());
                        answer.output.push_str(ENDED);
                    }
                }
                if shell.is_none() {
                    leader.store(0, Ordering::SeqCst);
                }
                let _ = reply.send(Ok(answer));
            }
        }
    }
    if let Some(shell) = shell {
        shell.end(&leftovers).await;
    }
}

enum End {
    Exited(i32),
    TimedOut,
    /// Nobody waits for the answer any more.
    Abandoned,
    /// The command ended the shell itself.
    ShellEnded,
}

struct Bash {
    child: Child,
    session: i32,
    commands: ChildStdin,
    printed: pipe::Receiver,
    reports: pipe::Receiver,
    report: Vec<u8>,
    output: Tail,
    /// Both pipes have been open until now.
    open: bool,
}

impl Bash {
    fn start(leftovers: &Leftovers) -> io::Result<Bash> {
        let (printed, print) = pair()?;
        let (reports, report) = pair()?;
        // A session of its own: no terminal to ask on, and one number by which all of it can be ended.
        let mut bash = Command::new("setsid");
        bash.args(["bash", "--noprofile", "--norc"]);
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_private(&name.to_string_lossy())) {
            bash.env_remove(name);
        }
        bash.env(MARK, "1").env("TERM", "dumb").env("PAGER", "cat").env("GIT_PAGER", "cat");
        if let Some(home) = std::env::var_os("HOME").filter(|home| Path::new(home).is_dir()) {
            bash.current_dir(home);
        }
        bash.stdin(Stdio::piped()).stdout(print).stderr(report).kill_on_drop(true);
        // SAFETY: prctl is async-signal-safe, and nothing is allocated.
        unsafe {
            bash.pre_exec(|| {
                Errno::result(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)).map(drop).map_err(io::Error::from)
            })
        };
        let mut child = bash.spawn()?;
        let commands = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let session = child.id().ok_or(io::ErrorKind::BrokenPipe)? as i32;
        leftovers.started(session);
        Ok(Bash { child, session, commands, printed, reports, report: Vec::new(), output: Tail::default(), open: true })
    }

    /// Reads what is printed while no command runs.
    async fn listen(&mut self) {
        if !self.open || self.printed.readable().await.is_err() {
            self.open = false;
            return std::future::pending().await;
        }
        self.open = read(&self.printed, |bytes| self.output.push(bytes));
    }

    async fn run(
        &mut self,
        command: &str,
        timeout: Duration,
        reply: &mut oneshot::Sender<Result<ShellOutput, Refusal>>,
    ) -> End {
        let nonce = rand::random::<u128>();
        let framed = frame(command, nonce);
        let late = tokio::time::sleep_until(Instant::now() + timeout);
        tokio::pin!(late);
        let mut rest = framed.as_bytes();
        loop {
            tokio::select! {
                biased;
                () = reply.closed() => return End::Abandoned,
                () = &mut late => return End::TimedOut,
                written = self.commands.write(rest), if !rest.is_empty() => match written {
                    Ok(n) if n > 0 => rest = &rest[n..],
                    _ => rest = &[],
                },
                ready = self.reports.readable() => {
                    let report = &mut self.report;
                    let open = ready.is_ok() && read(&self.reports, |bytes| report.extend_from_slice(bytes));
                    if let Some(code) = self.reported(nonce) {
                        self.drain();
                        return End::Exited(code);
                    }
                    if !open {
                        self.drain();
                        return End::ShellEnded;
                    }
                }
                // The shell can be gone while a child of it still holds its standard error.
                _ = self.child.wait() => {
                    self.drain();
                    return End::ShellEnded;
                }
                ready = self.printed.readable(), if self.open => {
                    let output = &mut self.output;
                    self.open = ready.is_ok() && read(&self.printed, |bytes| output.push(bytes));
                }
            }
        }
    }

    /// Looks for the report of the command `nonce`; other lines are the shell's own messages, and shown.
    fn reported(&mut self, nonce: u128) -> Option<i32> {
        let expected = format!("{nonce:032x} ");
        while let Some(end) = self.report.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.report.drain(..=end).collect();
            match line.strip_prefix(expected.as_bytes()) {
                Some(code) => return String::from_utf8_lossy(code).trim().parse().ok(),
                None => self.output.push(&line),
            }
        }
        if self.report.len() > MAX_REPORT {
            self.output.push(&std::mem::take(&mut self.report));
        }
        None
    }

    /// Reads all that was printed by now. It asks the kernel itself: the runtime may not have heard yet that
    /// there is something to read, and what was printed before the report belongs to this command.
    fn drain(&mut self) {
        let mut bytes = [0; 64 << 10];
        let mut drained = 0;
        while drained < MAX_DRAINED {
            match nix::unistd::read(&self.printed, &mut bytes) {
                Ok(0) => {
                    self.open = false;
                    return;
                }
                Ok(n) => {
                    drained += n;
                    self.output.push(&bytes[..n]);
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Kills the shell's whole session.
    async fn end(mut self, leftovers: &Leftovers) -> Option<ExitStatus> {
        leftovers.end(self.session, Reach::Session);
        let _ = self.child.start_kill();
        self.child.wait().await.ok()
    }
}

/// The text for the shell's standard input. `eval` takes a command as one word, so that a quote that is not
/// closed is an error of that command and does not swallow what follows. What it does to its outputs by `exec` is
/// undone at its end, for each of them is redirected here, `1>&2` included: the next command is heard again.
fn frame(command: &str, nonce: u128) -> String {
    let quoted = command.replace('\'', r"'\''");
    format!("{{ eval '{quoted}'\n}} </dev/null 2>&1 1>&2\nprintf '%s %d\\n' {nonce:032x} $? >&2\n")
}

/// Hands on what can be read at once; `false` when the other end is closed.
fn read(from: &pipe::Receiver, mut take: impl FnMut(&[u8])) -> bool {
    let mut bytes = [0; 64 << 10];
    match from.try_read(&mut bytes) {
        Ok(0) => false,
        Ok(n) => {
            take(&bytes[..n]);
            true
        }
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// A pipe whose end for the child is a plain blocking one.
fn pair() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    Ok((pipe::Receiver::from_owned_fd(reader)?, writer))
}

/// What configures the desk itself, or would make bash run something first.
pub(in crate::desk) fn is_private(name: &str) -> bool {
    name.starts_with("CLOUDBOT_") || matches!(name, "BASH_ENV" | "ENV" | "PROMPT_COMMAND" | "SHELLOPTS" | "BASHOPTS")
}
