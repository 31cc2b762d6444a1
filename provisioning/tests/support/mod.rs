//! A local provider on a temporary folder, with a stand-in for the sidecar, and desktops that end with the test.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    fs,
    future::Future,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use protocol::{DesktopId, VmId, desktop::Size, vm::UserData};
use provisioning::{
    Instance, InstanceState, LaunchSpec, Provisioner,
    local::{Local, LocalConfig},
};

/// A data folder whose desktops are ended when this goes, however the test ends.
pub(crate) struct House {
    folder: tempfile::TempDir,
}

impl House {
    /// With a sidecar whose `desk` runs `desk_script` (in `sh`, inside of the fence) and then stays,
    /// and whose `gate` stays.
    pub(crate) fn new(desk_script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sidecar = folder.path().join("sidecar");
        let text = format!(
            "#!/bin/sh\nif [ \"$1\" = desk ]; then\n{desk_script}\nfi\n\
             # The first process of a fence gets SIGTERM only when it has a handler for it.\n\
             trap 'exit 0' TERM\nwhile :; do sleep 1000 & wait $!; done\n"
        );
        fs::write(&sidecar, text).unwrap();
        fs::set_permissions(&sidecar, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// A provider on this data folder; another one later is a restarted control.
    pub(crate) fn provider(&self) -> Local {
        let supervisor = PathBuf::from(env!("CARGO_BIN_EXE_desktop-supervisor"));
        let (data_dir, sidecar) = (self.data(), self.folder.path().join("sidecar"));
        Local::new(LocalConfig { data_dir, sidecar, supervisor }).unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn desktop(&self, id: &DesktopId) -> PathBuf {
        self.data().join("desktops").join(id.as_str())
    }

    pub(crate) fn home(&self, id: &DesktopId) -> PathBuf {
        self.desktop(id).join("home")
    }

    pub(crate) fn vm(&self, spec: &LaunchSpec) -> PathBuf {
        self.desktop(&spec.desktop_id).join("vms").join(spec.vm_id.as_str())
    }

    /// A file that appears in the home of a desktop.
    pub(crate) async fn appears(&self, id: &DesktopId, name: &str) -> String {
        let path = self.home(id).join(name);
        eventually(&format!("{name} appears, logs:\n{}", self.logs(id)), || async { fs::read_to_string(&path).ok() })
            .await
    }

    pub(crate) fn logs(&self, id: &DesktopId) -> String {
        let mut text = String::new();
        for folder in ["log", "log/session"] {
            for entry in fs::read_dir(self.desktop(id).join(folder)).into_iter().flatten().flatten() {
                let log = fs::read_to_string(entry.path()).unwrap_or_default();
                let end: Vec<_> = log.lines().rev().take(15).collect();
                text.push_str(&format!("== {}\n", entry.path().display()));
                text.extend(end.iter().rev().map(|line| format!("{line}\n")));
            }
        }
        text
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let provider = self.provider();
        // Of its own, on a thread of its own: the test's runtime may be going down.
        let end = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                for vm in provider.observe().await.unwrap() {
                    provider.terminate(&vm.vm_id).await.unwrap();
                    provider.delete_home(&vm.desktop_id).await.unwrap();
                }
            });
        });
        let ended = end.join();
        assert!(ended.is_ok() || std::thread::panicking(), "end the desktops of the test");
    }
}

pub(crate) fn spec(desktop: &DesktopId, generation: i64) -> LaunchSpec {
    let vm_id = VmId::generate();
    LaunchSpec {
        vm_id: vm_id.clone(),
        desktop_id: desktop.clone(),
        generation,
        user_data: UserData {
            vm_id,
            edge_url: "https://127.0.0.1:1".into(),
            ca_pem: "no certificate".into(),
            enrolment_token: "a-token-of-the-test".into(),
            size: Size { width: 1024, height: 768 },
        },
    }
}

pub(crate) async fn observed(provider: &dyn Provisioner, vm: &VmId) -> Option<Instance> {
    provider.observe().await.unwrap().into_iter().find(|found| found.vm_id == *vm)
}

pub(crate) async fn reaches(provider: &dyn Provisioner, vm: &VmId, state: InstanceState) -> Instance {
    eventually(&format!("{vm} is {state:?}"), || async {
        observed(provider, vm).await.filter(|found| found.state == state)
    })
    .await
}

/// Waits until `look` finds something; fails with `what` after a minute.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut interval = tokio::time::interval(Duration::from_millis(20));
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        interval.tick().await;
    }
}

pub(crate) fn read_json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
