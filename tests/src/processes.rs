//! Programs that a test starts, and the search for those that stayed behind.

use std::{
    fs::{self, File},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::{
        prctl,
        signal::{Signal, kill},
    },
    unistd::Pid,
};

use crate::wait;

/// A program of the test: with a log file of its own, ended when it is dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints goes to `log`, behind what stands there.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("open a log file");
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("clone a file handle"))
            .stderr(file)
            .process_group(0);
        die_with_us(&mut command);
        let child = command.spawn().unwrap_or_else(|error| panic!("start {name} ({command:?}): {error}"));
        Self { name: name.to_owned(), child, log: log.to_owned() }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    pub fn signal(&self, signal: Signal) {
        // It may have ended by itself a moment ago.
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("ask for a child's state")
    }

    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Asks it to end, and makes it when it does not listen: that is the error.
    pub fn stop(&mut self, within: Duration) -> Result<(), String> {
        if self.ended().is_some() {
            return Ok(());
        }
        self.signal(Signal::SIGTERM);
        if wait::blocking(within, || self.ended().is_some()) {
            return Ok(());
        }
        self.kill();
        Err(format!("{} did not end within {within:?} of SIGTERM", self.name))
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
    }
}

/// Ends a child by SIGTERM when the test process itself is killed, so that even then nothing stays behind.
fn die_with_us(command: &mut Command) {
    // SAFETY: prctl is async-signal-safe, and nothing else happens between fork and exec.
    unsafe {
        command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGTERM)?));
    }
}

/// The folder that this very test was built into (`target/debug`), where the binaries stand too.
pub fn target_folder() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this test");
    let folder = own.parent().expect("a folder");
    if folder.ends_with("deps") { folder.parent().expect("a folder").to_owned() } else { folder.to_owned() }
}

/// One of our binaries.
pub fn binary(name: &str) -> PathBuf {
    let path = target_folder().join(name);
    assert!(path.is_file(), "{} is missing: `make test` builds it, or `cargo build -p {name}`", path.display());
    path
}

/// A process of the machine, as `/proc` shows it.
#[derive(Debug, Clone)]
pub struct Found {
    pub pid: i32,
    pub parent: i32,
    pub command: Vec<String>,
}

impl Found {
    /// The file name of the program.
    pub fn program(&self) -> &str {
        self.command.first().map(|path| path.rsplit('/').next().unwrap_or(path)).unwrap_or_default()
    }

    pub fn kill(&self) {
        let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
    }
}

/// Every living process that belongs to a data folder: it is named in the command line or the environment, or it
/// is the working folder, or it is mounted where the process lives.
pub fn of_folder(folder: &Path) -> Vec<Found> {
    let needle = folder.to_str().expect("a data folder with a plain name");
    let own_mounts = mount_namespace("self");
    all()
        .into_iter()
        .filter(|found| {
            let file = |name: &str| fs::read(format!("/proc/{}/{name}", found.pid)).unwrap_or_default();
            found.command.iter().any(|word| word.contains(needle))
                || contains(&file("environ"), needle)
                || fs::read_link(format!("/proc/{}/cwd", found.pid)).is_ok_and(|cwd| cwd.starts_with(folder))
                || (mount_namespace(&found.pid.to_string()) != own_mounts && contains(&file("mountinfo"), needle))
        })
        .collect()
}

/// Every living process below `ancestor`, the nearest first.
pub fn descendants(ancestor: i32) -> Vec<Found> {
    let all = all();
    let mut family = vec![ancestor];
    let mut found: Vec<Found> = Vec::new();
    while let Some(parent) = family.pop() {
        for child in all.iter().filter(|process| process.parent == parent) {
            family.insert(0, child.pid);
            found.push(child.clone());
        }
    }
    found
}

fn all() -> Vec<Found> {
    let own = std::process::id().to_string();
    fs::read_dir("/proc")
        .expect("read /proc")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own)
        .filter_map(|name| {
            let stat = fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
            // The name in parentheses may hold anything; the fields begin behind the last one.
            let mut fields = stat.rsplit_once(") ")?.1.split(' ');
            let (state, parent) = (fields.next()?, fields.next()?);
            if matches!(state, "Z" | "X") {
                return None;
            }
            let command = fs::read(format!("/proc/{name}/cmdline")).ok()?;
            let command = command
                .split(|byte| *byte == 0)
                .filter(|word| !word.is_empty())
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect();
            Some(Found { pid: name.parse().ok()?, parent: parent.parse().ok()?, command })
        })
        .collect()
}

fn mount_namespace(pid: &str) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/mnt")).ok().map(|namespace| namespace.ino())
}

/// The search of the standard library's texts is compiled with optimisation, one over bytes here would not be.
fn contains(haystack: &[u8], needle: &str) -> bool {
    String::from_utf8_lossy(haystack).contains(needle)
}
