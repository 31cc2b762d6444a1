//! The supervisor of one VM: a process of its own outside of the fence, so that control may come and go.
//!
//! It starts the desktop's fence, its network and the gate, starts again what can be started again, and
//! ends all of it when told to (SIGTERM) or when the desktop ends. Whatever kills the supervisor kills
//! all of the VM: every child has asked the kernel to die with it.

use std::{
    cell::RefCell,
    fs::File,
    io::Write,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    pin::pin,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use nix::sys::signal::Signal;
use serde::Deserialize;
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    process::{Child, Command as AsyncCommand},
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    backoff::Backoff,
    child::{self, Limits},
    etc,
    fence::{DesktopFiles, Fence, GateFiles, inside},
    network::Network,
    process::{Process, ProcessId},
    registry::{Phase, Processes, Record, VmDir},
    session::{End, SessionSpec},
};

/// What the supervisor says on its stdout once, in a line: this, or why the VM could not be started.
pub(crate) const RUNNING: &str = "running";

/// How long bubblewrap may take to set up the fence.
const FENCE_BOUND: Duration = Duration::from_secs(20);
/// How long a fence may take to end once it was asked to; the session inside has its own, shorter bound.
const STOP_BOUND: Duration = Duration::from_secs(5);
const LOG_CHECK: Duration = Duration::from_secs(10);
const PROCESSES_PER_DESKTOP: u64 = 4096;

/// Supervises the VM of this folder until it ends.
pub fn run(folder: &Path) -> ExitCode {
    let vm = VmDir::at(folder);
    // One thread: the kernel kills the children when the thread ends that spawned them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(supervise(&vm)),
        Err(e) => Err(anyhow!(e).context("start the runtime")),
    };
    let Err(e) = outcome else { return ExitCode::SUCCESS };
    tracing::error!(vm = %folder.display(), error = format!("{e:#}"), "the VM could not be started");
    say(&format!("{e:#}"));
    ExitCode::FAILURE
}

async fn supervise(vm: &VmDir) -> anyhow::Result<()> {
    let Some(_lock) = vm.try_lock()? else { bail!("another supervisor runs this VM") };
    let record = vm.record()?.context("this VM has no record")?;
    let mut told_to_stop = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    leave_keyring();
    let machine = Machine::new(vm, record)?;
    let mut desktop = machine.start().await?;

    let stop = CancellationToken::new();
    let mut gate = pin!(machine.keep_gate(&stop));
    let mut network = pin!(machine.keep_network(&mut desktop.network, &stop));
    machine.note(|processes| processes.phase = Phase::Running)?;
    say(RUNNING);
    tracing::info!(vm = %machine.record.vm_id, "running");

    let mut why = None;
    let mut log_check = tokio::time::interval(LOG_CHECK);
    loop {
        tokio::select! {
            _ = told_to_stop.recv() => break,
            status = desktop.fence.monitor.wait() => {
                why = Some(End::describe(status.ok().and_then(|status| status.code())));
                break;
            }
            () = &mut gate => {}
            () = &mut network => {}
            _ = log_check.tick() => child::bound_logs(&machine.log),
        }
    }

    machine.note(|processes| processes.phase = Phase::Stopping)?;
    stop.cancel();
    // The network goes last: programs that end may still have something to say.
    tokio::join!(desktop.fence.end(), gate);
    network.await;
    tracing::info!(vm = %machine.record.vm_id, why, "ended");
    vm.end(why)
}

struct Machine<'a> {
    vm: &'a VmDir,
    record: Record,
    log: PathBuf,
    processes: RefCell<Processes>,
}

struct Desktop {
    fence: Fenced,
    network: Connected,
}

/// The fence's network, and the slirp4netns that carries it.
struct Connected {
    namespace: Network,
    slirp: Child,
}

impl<'a> Machine<'a> {
    fn new(vm: &'a VmDir, record: Record) -> anyhow::Result<Self> {
        let me = ProcessId::of(std::process::id() as i32).context("look at the own process")?;
        let processes = Processes { phase: Phase::Starting, supervisor: Some(me), fences: Vec::new() };
        vm.write_processes(&processes)?;
        Ok(Self { vm, record, log: vm.desktop().log(), processes: RefCell::new(processes) })
    }

    /// Starts the desktop: its command runs only once the network is shut and connected.
    async fn start(&self) -> anyhow::Result<Desktop> {
        let (fence, release) = self.spawn_desktop().await.context("set up the desktop's fence by bubblewrap")?;
        let connect = async {
            let namespace = Network::of(fence.pid)?;
            namespace.shut().await?;
            let slirp = namespace.connect(&self.open_log("slirp4netns")?).await?;
            anyhow::Ok(Connected { namespace, slirp })
        };
        let network = match connect.await {
            Ok(network) => network,
            Err(e) => {
                // Closing the pipe would let the command run: first the fence must be gone.
                fence.end().await;
                return Err(e.context("connect the desktop's fence to the network"));
            }
        };
        File::from(release).write_all(b"\n").context("let the desktop's session begin")?;
        Ok(Desktop { fence, network })
    }

    async fn spawn_desktop(&self) -> anyhow::Result<(Fenced, OwnedFd)> {
        let Record { accounts, size, sidecar, .. } = &self.record;
        let etc = self.vm.etc();
        let machine_id = self.record.desktop_id.as_str().rsplit('-').next().unwrap_or_default();
        let etc_files = etc::write(&etc, accounts.desktop, machine_id).context("write the fence's /etc")?;
        let supervisor = std::env::current_exe().context("find the own executable")?;
        let desktop = self.vm.desktop();
        let fence = Fence::desktop(
            self.become_uid(accounts.desktop),
            &DesktopFiles {
                home: &desktop.home(),
                log: &desktop.log().join("session"),
                desk: &self.vm.desk(),
                etc: &etc,
                etc_files: &etc_files,
                supervisor: &supervisor,
                sidecar,
            },
        );
        let spec = SessionSpec { size: *size, gate_uid: accounts.gate };
        let command = [inside::SUPERVISOR, "session", &serde_json::to_string(&spec)?];
        let limits = Limits { processes: accounts.are_separate().then_some(PROCESSES_PER_DESKTOP) };
        let environment = desktop_environment();
        self.spawn(fence, &command, &environment, "session", Some(limits)).await
    }

    /// Keeps the gate running until `stop`.
    async fn keep_gate(&self, stop: &CancellationToken) {
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            let since = Instant::now();
            match self.spawn_gate().await {
                Ok(mut gate) => {
                    let ended = tokio::select! {
                        ended = gate.monitor.wait() => ended,
                        () = stop.cancelled() => return gate.end().await,
                    };
                    tracing::warn!(?ended, "the gate ended");
                }
                Err(e) => tracing::warn!(error = format!("{e:#}"), "start the gate"),
            }
            pause(backoff.after(since.elapsed()), stop).await;
        }
    }

    async fn spawn_gate(&self) -> anyhow::Result<Fenced> {
        let supervisor = std::env::current_exe().context("find the own executable")?;
        let files = GateFiles {
            supervisor: &supervisor,
            sidecar: &self.record.sidecar,
            user_data: &self.vm.user_data(),
            state: &self.vm.gate(),
            desk: &self.vm.desk(),
        };
        let fence = Fence::gate(self.become_uid(self.record.accounts.gate), &files);
        let command = [
            inside::SUPERVISOR,
            "only",
            inside::SIDECAR,
            "gate",
            "--user-data",
            inside::USER_DATA,
            "--state",
            inside::GATE_STATE,
            "--desk-socket",
            inside::DESK_SOCKET,
            "--listen",
            "127.0.0.1:0",
        ];
        let mut environment = vec![("PATH", "/usr/bin".to_owned()), ("LANG", "C.UTF-8".to_owned())];
        environment.extend(std::env::var("CLOUDBOT_LOG").map(|filter| ("CLOUDBOT_LOG", filter)));
        let (gate, release) = self.spawn(fence, &command, &environment, "gate", None).await?;
        File::from(release).write_all(b"\n").context("let the gate begin")?;
        Ok(gate)
    }

    /// Keeps slirp4netns running until `stop`. The routes that shut the namespace outlive it.
    async fn keep_network(&self, network: &mut Connected, stop: &CancellationToken) {
        let mut backoff = Backoff::default();
        let mut since = Instant::now();
        loop {
            let ended = tokio::select! {
                ended = network.slirp.wait() => ended,
                () = stop.cancelled() => break,
            };
            tracing::warn!(?ended, "slirp4netns ended");
            pause(backoff.after(since.elapsed()), stop).await;
            since = Instant::now();
            let connect = async { network.namespace.connect(&self.open_log("slirp4netns")?).await };
            match connect.await {
                Ok(slirp) => network.slirp = slirp,
                Err(e) => tracing::warn!(error = format!("{e:#}"), "start slirp4netns"),
            }
        }
        let _ = network.slirp.kill().await;
    }

    /// Spawns a command in a fence, held until something is written to the descriptor that comes back.
    async fn spawn(
        &self,
        mut fence: Fence,
        command: &[&str],
        environment: &[(&str, String)],
        log: &str,
        limits: Option<Limits>,
    ) -> anyhow::Result<(Fenced, OwnedFd)> {
        let (info, info_in) = child::pipe().context("make a pipe")?;
        let (block_out, block) = child::pipe().context("make a pipe")?;
        let (lifeline_out, lifeline) = child::pipe().context("make a pipe")?;
        let log_name = log;
        let log = self.open_log(log)?;
        fence.hold(&info_in, &block_out);
        let mut bwrap = Command::new("bwrap");
        bwrap.args(fence.around(command)).env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
        // bubblewrap itself is looked for in the path of this process.
        child::log_to(&mut bwrap, &log).context("open its log")?;
        bwrap.stdin(lifeline_out);
        child::inherit(&mut bwrap, &[&info_in, &block_out], limits);
        let mut monitor = AsyncCommand::from(bwrap).kill_on_drop(true).spawn().context("run bwrap")?;
        drop((info_in, block_out));

        let mut text = String::new();
        let info = pipe::Receiver::from_owned_fd(info).context("listen to bwrap")?;
        let read = timeout(FENCE_BOUND, info.take(4096).read_to_string(&mut text)).await;
        read.with_context(|| format!("bwrap did not answer within {FENCE_BOUND:?}"))?.context("listen to bwrap")?;
        let Ok(info) = serde_json::from_str::<Info>(&text) else {
            let status = monitor.wait().await.context("wait for bwrap")?;
            bail!(
                "bwrap ended ({status}), see {log_name}.log: {}",
                last_line(&self.log.join(format!("{log_name}.log")))
            );
        };
        let first = Process::open(info.child_pid).context("open the fence's first process")?;
        let id = ProcessId::of(info.child_pid).context("look at the fence's first process")?;
        self.note(|processes| {
            processes.fences.retain(|known| known.open().is_ok_and(|found| found.is_some()));
            processes.fences.push(id);
        })?;
        Ok((Fenced { monitor, first, pid: info.child_pid, _lifeline: lifeline }, block))
    }

    fn become_uid(&self, uid: u32) -> Option<u32> {
        self.record.accounts.are_separate().then_some(uid)
    }

    fn open_log(&self, name: &str) -> anyhow::Result<File> {
        child::open_log(&self.log.join(format!("{name}.log"))).with_context(|| format!("open {name}.log"))
    }

    fn note(&self, change: impl FnOnce(&mut Processes)) -> anyhow::Result<()> {
        let mut processes = self.processes.borrow_mut();
        change(&mut processes);
        self.vm.write_processes(&processes)
    }
}

/// A fence that runs. Dropping it kills all that is in it.
struct Fenced {
    /// bubblewrap outside, whose exit code is that of the first process inside.
    monitor: Child,
    first: Process,
    pid: i32,
    /// Closed with this process, however it ends, which ends the fence. See [`super::first`].
    _lifeline: OwnedFd,
}

/// What bubblewrap tells about a fence.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Info {
    child_pid: i32,
}

impl Fenced {
    /// Asks the first process to end, then kills it; with it ends the whole fence.
    async fn end(mut self) {
        self.ask_and_kill().await;
    }

    async fn ask_and_kill(&mut self) {
        let _ = self.first.signal(Signal::SIGTERM);
        if timeout(STOP_BOUND, self.monitor.wait()).await.is_err() {
            let _ = self.first.signal(Signal::SIGKILL);
            let _ = timeout(STOP_BOUND, self.monitor.wait()).await;
        }
    }
}

impl Drop for Fenced {
    fn drop(&mut self) {
        let _ = self.first.signal(Signal::SIGKILL);
    }
}

fn desktop_environment() -> Vec<(&'static str, String)> {
    let fixed = [
        ("HOME", inside::HOME),
        ("USER", "user"),
        ("LOGNAME", "user"),
        ("SHELL", "/bin/bash"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games:/usr/sbin:/sbin"),
        ("LANG", "C.UTF-8"),
    ];
    fixed.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

async fn pause(pause: Duration, stop: &CancellationToken) {
    tokio::select! { () = sleep(pause) => {}, () = stop.cancelled() => {} }
}

/// The fences must not inherit the keys of the developer's login session.
fn leave_keyring() {
    const JOIN_SESSION_KEYRING: nix::libc::c_int = 1;
    // SAFETY: a null name asks for a new anonymous keyring; no memory is touched.
    let joined = unsafe { nix::libc::syscall(nix::libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<u8>()) };
    if joined < 0 {
        tracing::debug!(error = %std::io::Error::last_os_error(), "leave the session keyring");
    }
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().next_back().unwrap_or_default().chars().take(500).collect()
}

fn say(line: &str) {
    // Whoever launched this may be gone, which is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{}", line.replace('\n', " "));
}
