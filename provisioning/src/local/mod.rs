//! Desktops on this machine: each behind a fence of its own, watched over by a process of its own.
//!
//! [`Local`] writes a record, starts the VM's supervisor (`desktop-supervisor vm`) and is done; a
//! restarted control finds both again. Inside of the fence `desktop-supervisor session` is the first process.

mod accounts;
mod backoff;
mod child;
mod etc;
mod fence;
#[doc(hidden)]
pub mod first;
mod home;
mod network;
mod preflight;
mod process;
mod registry;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
pub mod supervise;

use std::{
    net::{IpAddr, Ipv4Addr},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use nix::sys::signal::Signal;
use protocol::{DesktopId, VmId};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command as AsyncCommand,
    time::timeout,
};

use self::{
    accounts::Accounts,
    process::Process,
    registry::{DesktopDir, Phase, Processes, Record, Registry, VmDir},
};
use crate::{Instance, InstanceState, LaunchSpec, ProvisionError, Provisioner};

/// What [`Local`] needs to know.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// Desktops live in `desktops/` below it.
    pub data_dir: PathBuf,
    /// The `sidecar` binary, run as gate outside and as desk inside of the fence.
    pub sidecar: PathBuf,
    /// The `desktop-supervisor` binary of this crate, one process a VM.
    pub supervisor: PathBuf,
}

impl LocalConfig {
    /// With the supervisor where the build puts it: beside the sidecar.
    pub fn new(data_dir: impl Into<PathBuf>, sidecar: impl Into<PathBuf>) -> Self {
        let sidecar = sidecar.into();
        Self { data_dir: data_dir.into(), supervisor: sidecar.with_file_name("desktop-supervisor"), sidecar }
    }
}

/// The provider of desktops on this machine.
#[derive(Debug, Clone)]
pub struct Local {
    registry: Registry,
    sidecar: PathBuf,
    supervisor: PathBuf,
}

/// How long a launch may take until the fence stands.
const LAUNCH_BOUND: Duration = Duration::from_secs(60);
/// How long a supervisor may take to end its VM before it is killed with it.
const TERMINATE_BOUND: Duration = Duration::from_secs(15);
/// How long the kernel may take to end what was killed.
const KILL_BOUND: Duration = Duration::from_secs(10);

impl Local {
    /// The desktops of a data folder, which is made unless it is there. See [`preflight`](Self::preflight).
    pub fn new(config: LocalConfig) -> Result<Self, ProvisionError> {
        let open = || -> anyhow::Result<Self> {
            registry::make_private(&config.data_dir)?;
            let data_dir = config.data_dir.canonicalize()?;
            let registry = Registry::new(&data_dir);
            registry.create()?;
            Ok(Self { registry, sidecar: config.sidecar.clone(), supervisor: config.supervisor.clone() })
        };
        let tried = || format!("use {} for desktops: check its owner and the free space", config.data_dir.display());
        open().with_context(tried).map_err(ProvisionError::Fatal)
    }

    /// Checks that this machine can fence a desktop in; the error names every missing package and what
    /// else there is to do. There is no running without the fence.
    pub async fn preflight(&self) -> Result<(), ProvisionError> {
        preflight::check(&[&self.sidecar, &self.supervisor]).await.map_err(ProvisionError::Fatal)
    }

    /// Prepares the VM's folder; `None` when the VM exists already, with what is to be answered.
    fn prepare(&self, spec: &LaunchSpec) -> Result<Prepared, ProvisionError> {
        let dir = self.registry.desktop(&spec.desktop_id);
        dir.create().with_context(|| format!("make {}", dir.path().display())).map_err(Self::fatal)?;
        let lock = dir.lock().map_err(Self::fatal)?;
        let vm = dir.vm(&spec.vm_id);
        for other in dir.vms().map_err(Self::fatal)? {
            if other.path() == vm.path() {
                continue;
            }
            if other.is_supervised().map_err(Self::fatal)? {
                return Err(ProvisionError::Transient(anyhow!(
                    "{} still uses the home of {}",
                    other.path().file_name().unwrap_or_default().display(),
                    spec.desktop_id
                )));
            }
            // It is over, and so is the interest in it: the next VM of this desktop is here.
            home::remove(other.path()).context("remove the former VM's folder").map_err(Self::fatal)?;
        }
        if let Some(record) = vm.record().map_err(Self::fatal)? {
            let was_started =
                vm.processes().map_err(Self::fatal)?.is_some() || vm.ended().map_err(Self::fatal)?.is_some();
            if was_started || vm.is_supervised().map_err(Self::fatal)? {
                return Ok(Prepared::Exists(instance(&vm, record).map_err(Self::fatal)?));
            }
        }
        self.write(spec, &dir, &vm).map_err(Self::fatal)?;
        Ok(Prepared::New { vm, _lock: lock })
    }

    fn write(&self, spec: &LaunchSpec, dir: &DesktopDir, vm: &VmDir) -> anyhow::Result<()> {
        let accounts = Accounts::of(&self.registry, dir, &spec.desktop_id)?;
        home::remove(vm.path()).context("remove what an earlier attempt left")?;
        vm.create().with_context(|| format!("make {}", vm.path().display()))?;
        let sidecar = self.sidecar.canonicalize().with_context(|| format!("find {}", self.sidecar.display()))?;
        vm.write_record(&Record {
            vm_id: spec.vm_id.clone(),
            desktop_id: spec.desktop_id.clone(),
            generation: spec.generation,
            size: spec.user_data.size,
            accounts,
            sidecar,
        })?;
        let own = |path: &Path, uid: u32| home::make(path, uid).with_context(|| format!("make {}", path.display()));
        own(&dir.home(), accounts.desktop)?;
        own(&dir.log().join("session"), accounts.desktop)?;
        own(&vm.desk(), accounts.desktop)?;
        own(&vm.gate(), accounts.gate)?;
        // The gate's account passes through to the socket.
        std::fs::set_permissions(vm.desk(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
        registry::write(&vm.user_data(), &spec.user_data)?;
        if accounts.are_separate() {
            chown(vm.user_data(), Some(accounts.gate), Some(accounts.gate))
                .context("give the user-data to the gate")?;
        }
        Ok(())
    }

    /// Starts the supervisor and waits until it says that the fence stands, or why it does not.
    async fn start(&self, vm: &VmDir) -> anyhow::Result<()> {
        let log = child::open_log(&vm.desktop().log().join("supervisor.log")).context("open supervisor.log")?;
        let mut command = Command::new(&self.supervisor);
        command.arg("vm").arg(vm.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        // Nothing of control's environment is for a desktop.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        if let Some(filter) = std::env::var_os("CLOUDBOT_LOG") {
            command.env("CLOUDBOT_LOG", filter);
        }
        child::inherit(&mut command, &[], None);
        // SAFETY: setsid is a system call and nothing else. Ctrl-C at control's terminal must not reach a desktop.
        unsafe { command.pre_exec(|| Ok(nix::unistd::setsid().map(drop)?)) };
        let tried = || format!("run {}", self.supervisor.display());
        let mut supervisor = AsyncCommand::from(command).spawn().with_context(tried)?;
        let said = BufReader::new(supervisor.stdout.take().with_context(tried)?.take(16 << 10));
        let line = timeout(LAUNCH_BOUND, said.lines().next_line()).await;
        match line {
            Ok(Ok(Some(line))) if line == supervise::RUNNING => Ok(()),
            Ok(Ok(Some(line))) => Err(anyhow!(line)),
            Ok(_) => Err(anyhow!("the VM's supervisor ended, see supervisor.log")),
            Err(_) => {
                let _ = supervisor.kill().await;
                Err(anyhow!("the VM's supervisor was not done within {LAUNCH_BOUND:?}, see supervisor.log"))
            }
        }
    }

    fn fatal(error: anyhow::Error) -> ProvisionError {
        ProvisionError::Fatal(error)
    }
}

enum Prepared {
    Exists(Instance),
    New { vm: VmDir, _lock: registry::Lock },
}

#[async_trait]
impl Provisioner for Local {
    async fn launch(&self, spec: &LaunchSpec) -> Result<Instance, ProvisionError> {
        let (local, wanted) = (self.clone(), spec.clone());
        let (vm, lock) = match blocking(move || local.prepare(&wanted)).await? {
            Prepared::Exists(instance) => return Ok(instance),
            Prepared::New { vm, _lock } => (vm, _lock),
        };
        let started = self.start(&vm).await;
        let launched = spec.vm_id.clone();
        blocking(move || {
            let _lock = lock;
            if let Err(e) = started {
                // As if it had never been launched, so that the same VM may be tried again.
                kill_all(&vm).map_err(Local::fatal)?;
                home::remove(vm.path()).context("remove the VM that could not be started").map_err(Local::fatal)?;
                return Err(ProvisionError::Fatal(e.context(format!("launch {launched}"))));
            }
            let record =
                vm.record().map_err(Local::fatal)?.ok_or_else(|| Local::fatal(anyhow!("the record is gone")))?;
            instance(&vm, record).map_err(Local::fatal)
        })
        .await
    }

    async fn observe(&self) -> Result<Vec<Instance>, ProvisionError> {
        let registry = self.registry.clone();
        blocking(move || {
            let mut instances = Vec::new();
            for vm in registry.vms().map_err(Local::fatal)? {
                if let Some(record) = vm.record().map_err(Local::fatal)? {
                    instances.push(instance(&vm, record).map_err(Local::fatal)?);
                }
            }
            Ok(instances)
        })
        .await
    }

    async fn terminate(&self, vm: &VmId) -> Result<(), ProvisionError> {
        let (registry, id) = (self.registry.clone(), vm.clone());
        blocking(move || {
            let Some(vm) = registry.find_vm(&id).map_err(Local::fatal)? else { return Ok(()) };
            terminate(&vm).with_context(|| format!("terminate {id}")).map_err(ProvisionError::Transient)
        })
        .await
    }

    async fn delete_home(&self, desktop: &DesktopId) -> Result<(), ProvisionError> {
        let (dir, id) = (self.registry.desktop(desktop), desktop.clone());
        blocking(move || {
            if !dir.exists() {
                return Ok(());
            }
            let _lock = dir.lock().map_err(Local::fatal)?;
            for vm in dir.vms().map_err(Local::fatal)? {
                if vm.is_supervised().map_err(Local::fatal)? {
                    return Err(ProvisionError::Transient(anyhow!("a VM still uses the home of {id}")));
                }
            }
            let removed = home::remove(&dir.home()).and_then(|()| home::remove(dir.path()));
            removed.with_context(|| format!("remove {}", dir.path().display())).map_err(Local::fatal)
        })
        .await
    }
}

/// A VM as its files and its lock tell.
fn instance(vm: &VmDir, record: Record) -> anyhow::Result<Instance> {
    let supervised = vm.is_supervised()?;
    let phase = vm.processes()?.map(|processes| processes.phase);
    let ended = vm.ended()?;
    let (state, detail) = match (supervised, phase, ended) {
        (true, None | Some(Phase::Starting), _) => (InstanceState::Pending, None),
        (true, Some(Phase::Running), _) => (InstanceState::Running, None),
        (true, Some(Phase::Stopping), ended) => (InstanceState::Terminating, ended.and_then(|ended| ended.why)),
        (false, _, Some(ended)) => (InstanceState::Terminated, ended.why),
        (false, None, None) => (InstanceState::Terminated, Some("its launch was interrupted".to_owned())),
        (false, Some(_), None) => (InstanceState::Terminated, Some("its supervisor was killed".to_owned())),
    };
    let host = (state == InstanceState::Running).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let Record { vm_id, desktop_id, generation, .. } = record;
    Ok(Instance { vm_id, desktop_id, generation, state, host, detail })
}

/// Asks the supervisor to end its VM; kills what is left.
fn terminate(vm: &VmDir) -> anyhow::Result<()> {
    let processes = vm.processes()?.unwrap_or_default();
    if let Some(supervisor) = open(&processes.supervisor)? {
        supervisor.signal(Signal::SIGTERM).context("signal the supervisor")?;
        supervisor.wait(TERMINATE_BOUND);
    }
    kill_all(vm)?;
    vm.end(None)
}

/// Kills supervisor and fences, and waits until the kernel has ended them.
fn kill_all(vm: &VmDir) -> anyhow::Result<()> {
    let deadline = Instant::now() + KILL_BOUND;
    // The supervisor first, for it would start things again; then what it had written down by then.
    for pass in ["supervisor", "fences"] {
        let Processes { supervisor, fences, .. } = vm.processes()?.unwrap_or_default();
        let ids = if pass == "supervisor" { supervisor.into_iter().collect() } else { fences };
        for id in ids {
            let Some(process) = open(&Some(id))? else { continue };
            process.signal(Signal::SIGKILL).with_context(|| format!("kill the VM's {pass}"))?;
            let ended = process.wait(deadline.saturating_duration_since(Instant::now()));
            anyhow::ensure!(ended, "the VM's {pass} did not end within {KILL_BOUND:?} after SIGKILL");
        }
    }
    Ok(())
}

fn open(id: &Option<process::ProcessId>) -> anyhow::Result<Option<Process>> {
    let Some(id) = id else { return Ok(None) };
    id.open().context("open a process of the VM")
}

/// Runs file and process work away from the runtime's own threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProvisionError> + Send + 'static,
) -> Result<T, ProvisionError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|e| Err(ProvisionError::Fatal(anyhow!(e).context("finish the work on a desktop's files"))))
}
