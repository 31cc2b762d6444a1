//! What is written down about desktops and VMs, so that a restarted control finds them again.
//!
//! ```text
//! <data>/desktops/<desktop>/
//!   lock            held while a launch or a deletion is under way
//!   accounts.json   the kernel uids of this desktop
//!   home/  log/
//!   vms/<vm>/
//!     record.json     written before anything starts
//!     lock            held by the VM's supervisor as long as it lives
//!     processes.json  every process to be ended with the VM
//!     ended.json      written when the VM is over: why
//!     user-data.json  gate/  desk/  etc/
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use nix::fcntl::{Flock, FlockArg};
use protocol::{DesktopId, VmId, desktop::Size};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{accounts::Accounts, process::ProcessId};

/// All desktops of one data folder.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    root: PathBuf,
}

/// The folder of one desktop.
#[derive(Debug, Clone)]
pub(crate) struct DesktopDir {
    path: PathBuf,
}

/// The folder of one VM.
#[derive(Debug, Clone)]
pub(crate) struct VmDir {
    path: PathBuf,
}

/// What a VM was launched as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) vm_id: VmId,
    pub(crate) desktop_id: DesktopId,
    pub(crate) generation: i64,
    pub(crate) size: Size,
    pub(crate) accounts: Accounts,
    pub(crate) sidecar: PathBuf,
}

/// How far a VM's supervisor has come, and what it has started.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Processes {
    pub(crate) phase: Phase,
    pub(crate) supervisor: Option<ProcessId>,
    /// The first process of each fence, with which all others of it end.
    pub(crate) fences: Vec<ProcessId>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    #[default]
    Starting,
    Running,
    Stopping,
}

/// A VM that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// `None` when it was asked to.
    pub(crate) why: Option<String>,
}

/// A lock file that is held as long as this lives.
pub(crate) type Lock = Flock<File>;

impl Registry {
    pub(crate) fn new(data: &Path) -> Self {
        Self { root: data.join("desktops") }
    }

    pub(crate) fn desktop(&self, id: &DesktopId) -> DesktopDir {
        DesktopDir { path: self.root.join(id.as_str()) }
    }

    pub(crate) fn create(&self) -> io::Result<()> {
        make_private(&self.root)
    }

    pub(crate) fn desktops(&self) -> anyhow::Result<Vec<DesktopDir>> {
        let named = |name: &str| name.parse::<DesktopId>().is_ok();
        Ok(folders(&self.root, named)?.into_iter().map(|path| DesktopDir { path }).collect())
    }

    /// Every VM there is a folder of.
    pub(crate) fn vms(&self) -> anyhow::Result<Vec<VmDir>> {
        let mut all = Vec::new();
        for desktop in self.desktops()? {
            all.extend(desktop.vms()?);
        }
        Ok(all)
    }

    pub(crate) fn find_vm(&self, id: &VmId) -> anyhow::Result<Option<VmDir>> {
        Ok(self.vms()?.into_iter().find(|vm| vm.path.file_name().is_some_and(|name| name == id.as_str())))
    }
}

impl DesktopDir {
    pub(crate) fn create(&self) -> io::Result<()> {
        make_private(&self.path)?;
        make_private(&self.path.join("vms"))?;
        make_private(&self.log())
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.exists()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path.join("home")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(crate) fn accounts(&self) -> PathBuf {
        self.path.join("accounts.json")
    }

    pub(crate) fn vm(&self, id: &VmId) -> VmDir {
        VmDir { path: self.path.join("vms").join(id.as_str()) }
    }

    pub(crate) fn vms(&self) -> anyhow::Result<Vec<VmDir>> {
        let named = |name: &str| name.parse::<VmId>().is_ok();
        Ok(folders(&self.path.join("vms"), named)?.into_iter().map(|path| VmDir { path }).collect())
    }

    /// One launch or deletion at a time, also between two programs on the same data. Blocks the thread.
    pub(crate) fn lock(&self) -> anyhow::Result<Lock> {
        let path = self.path.join("lock");
        Flock::lock(lock_file(&path)?, FlockArg::LockExclusive)
            .map_err(|(_, e)| anyhow!(e).context(path_text("lock", &path)))
    }
}

impl VmDir {
    /// A folder that is known to be a VM's.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(crate) fn create(&self) -> io::Result<()> {
        make_private(&self.path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn desktop(&self) -> DesktopDir {
        let path = self.path.parent().and_then(Path::parent).unwrap_or(&self.path);
        DesktopDir { path: path.to_owned() }
    }

    pub(crate) fn user_data(&self) -> PathBuf {
        self.path.join("user-data.json")
    }

    /// What the gate keeps: its key and its certificate.
    pub(crate) fn gate(&self) -> PathBuf {
        self.path.join("gate")
    }

    /// Where the desk's socket is, shared by the two fences.
    pub(crate) fn desk(&self) -> PathBuf {
        self.path.join("desk")
    }

    /// What stands under `/etc` in the fence.
    pub(crate) fn etc(&self) -> PathBuf {
        self.path.join("etc")
    }

    pub(crate) fn record(&self) -> anyhow::Result<Option<Record>> {
        read(&self.path.join("record.json"))
    }

    pub(crate) fn write_record(&self, record: &Record) -> anyhow::Result<()> {
        write(&self.path.join("record.json"), record)
    }

    pub(crate) fn processes(&self) -> anyhow::Result<Option<Processes>> {
        read(&self.path.join("processes.json"))
    }

    pub(crate) fn write_processes(&self, processes: &Processes) -> anyhow::Result<()> {
        write(&self.path.join("processes.json"), processes)
    }

    pub(crate) fn ended(&self) -> anyhow::Result<Option<Ended>> {
        read(&self.path.join("ended.json"))
    }

    /// Writes that the VM is over, unless that stands there already, and removes what only a running one needs.
    pub(crate) fn end(&self, why: Option<String>) -> anyhow::Result<()> {
        if self.ended()?.is_none() {
            write(&self.path.join("ended.json"), &Ended { why })?;
        }
        for secret in [self.user_data(), self.gate(), self.desk(), self.etc()] {
            super::home::remove(&secret).with_context(|| path_text("remove", &secret))?;
        }
        Ok(())
    }

    /// The lock of the VM's supervisor; `None` while a supervisor holds it.
    pub(crate) fn try_lock(&self) -> anyhow::Result<Option<Lock>> {
        let path = self.path.join("lock");
        match Flock::lock(lock_file(&path)?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, nix::Error::EWOULDBLOCK)) => Ok(None),
            Err((_, e)) => Err(anyhow!(e).context(path_text("lock", &path))),
        }
    }

    pub(crate) fn is_supervised(&self) -> anyhow::Result<bool> {
        Ok(self.try_lock()?.is_none())
    }
}

/// Makes a folder that only its owner enters, and its parents.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes JSON so that a reader finds the old text or the new one, never a part, also after a power cut.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        let new = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        Ok(())
    };
    write().with_context(|| path_text("write", path))
}

/// Reads JSON; `None` when there is no such file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| path_text("understand", path)).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| path_text("read", path)),
    }
}

fn folders(path: &Path, named: impl Fn(&str) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).with_context(|| path_text("list", path)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| path_text("list", path))?;
        if entry.file_name().to_str().is_some_and(&named) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn lock_file(path: &Path) -> anyhow::Result<File> {
    let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    open.with_context(|| path_text("open", path))
}

fn path_text(verb: &str, path: &Path) -> String {
    format!("{verb} {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_record_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let vm = VmDir::at(dir.path());
        fs::write(dir.path().join("record.json"), "{").unwrap();

        let refused = vm.record().unwrap_err().to_string();

        assert!(refused.contains("record.json"), "{refused}");
    }

    #[test]
    fn a_lock_is_seen_by_others_as_long_as_it_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let vm = VmDir::at(dir.path());

        let lock = vm.try_lock().unwrap();
        let held = vm.is_supervised().unwrap();
        drop(lock);

        assert!(held);
        assert!(!vm.is_supervised().unwrap());
    }

    #[test]
    fn the_first_reason_of_an_end_stays() {
        let dir = tempfile::tempdir().unwrap();
        let vm = VmDir::at(dir.path());

        vm.end(Some("the X server ended".into())).unwrap();
        vm.end(None).unwrap();

        assert_eq!(vm.ended().unwrap(), Some(Ended { why: Some("the X server ended".into()) }));
    }
}
