//! Can this machine fence a desktop in? If not: what is missing, and which command cures it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, anyhow, bail, ensure};
use nix::unistd::Uid;
use tokio::{process::Command, time::timeout};

use super::fence::Fence;

/// What must be there, and the Debian package that brings it. The first of several that do is named.
const NEEDED: &[(&[&str], &str)] = &[
    (&["bwrap"], "bubblewrap"),
    (&["slirp4netns"], "slirp4netns"),
    (&["ip"], "iproute2"),
    (&["nsenter"], "util-linux"),
    (&["setpriv"], "util-linux"),
    (&["/usr/lib/xorg/Xorg"], "xserver-xorg-core"),
    (&["/usr/lib/xorg/modules/drivers/dummy_drv.so"], "xserver-xorg-video-dummy"),
    (&["xrandr"], "x11-xserver-utils"),
    (&["setxkbmap"], "x11-xkb-utils"),
    (&["/usr/share/X11/xkb/rules/evdev"], "xkb-data"),
    (&["dbus-daemon"], "dbus-daemon"),
    (&["openbox"], "openbox"),
    (&["tint2"], "tint2"),
    (&["pcmanfm"], "pcmanfm"),
    (&["xfce4-terminal", "xterm"], "xfce4-terminal"),
    (&["/usr/bin/chromium", "/usr/bin/firefox-esr", "/usr/bin/falkon"], "chromium"),
];

/// Longer than a machine under load takes for a process.
const TRIAL_BOUND: Duration = Duration::from_secs(20);

pub(super) async fn check(binaries: &[&Path]) -> anyhow::Result<()> {
    for binary in binaries {
        let runs = fs::metadata(binary).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
        ensure!(runs, "{} is missing: build it by `cargo build --bins`", binary.display());
    }
    let missing = missing(&search_path());
    ensure!(
        missing.is_empty(),
        "desktops on this machine need packages that are not installed: run `sudo apt-get install --no-install-recommends {}`",
        missing.join(" ")
    );
    let uid = Uid::effective();
    try_fence(uid.is_root().then_some(65_534)).await?;
    if let Err(e) = try_nested(uid.is_root().then_some(65_534)).await {
        tracing::warn!(error = format!("{e:#}"), "the browser's own sandbox will not work inside of a desktop");
    }
    Ok(())
}

/// The fence of a desktop around a program that does nothing.
async fn try_fence(become_uid: Option<u32>) -> anyhow::Result<()> {
    let Err(said) = trial(Fence::trial(become_uid), &["true"]).await? else { return Ok(()) };
    let cure = cure(|path| fs::read_to_string(path).ok()).unwrap_or_else(|| {
        "bubblewrap must be allowed to make namespaces: in a container that takes privileges which this one does not have".to_owned()
    });
    Err(anyhow!("no fence can be made for desktops (bwrap: {said}), and there is no running without one. {cure}"))
}

/// Chromium fences its own processes in by a user namespace, inside of ours.
async fn try_nested(become_uid: Option<u32>) -> anyhow::Result<()> {
    match trial(Fence::trial(become_uid), &["unshare", "--user", "--map-root-user", "true"]).await? {
        Ok(()) => Ok(()),
        Err(said) => {
            let cure = cure(|path| fs::read_to_string(path).ok()).unwrap_or_default();
            Err(anyhow!("no user namespace can be made in a fence ({said}). {cure}"))
        }
    }
}

/// Runs a command in a fence; what it said when it failed.
async fn trial(fence: Fence, command: &[&str]) -> anyhow::Result<Result<(), String>> {
    let mut bwrap = Command::new("bwrap");
    bwrap.args(fence.around(command)).stdin(Stdio::null()).kill_on_drop(true);
    let Ok(output) = timeout(TRIAL_BOUND, bwrap.output()).await else {
        bail!("bwrap did not end within {TRIAL_BOUND:?}");
    };
    let output = output.context("run bwrap")?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(if output.status.success() { Ok(()) } else { Err(said) })
}

/// What stands in the way of user namespaces, by the switches of the kernels that have one.
fn cure(read: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is = |path: &str, value: &str| read(path).is_some_and(|text| text.trim() == value);
    if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return Some(
            "This kernel lets AppArmor restrict user namespaces (Ubuntu does since 23.10). Either allow them for bubblewrap: \
             `printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile bwrap /usr/bin/bwrap flags=(unconfined) { userns, }\\n' \
             | sudo tee /etc/apparmor.d/bwrap && sudo apparmor_parser -r /etc/apparmor.d/bwrap`, or for all programs: \
             `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`"
                .to_owned(),
        );
    }
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return Some("User namespaces are switched off: `sudo sysctl kernel.unprivileged_userns_clone=1`".to_owned());
    }
    if is("/proc/sys/user/max_user_namespaces", "0") {
        return Some("User namespaces are switched off: `sudo sysctl user.max_user_namespaces=15000`".to_owned());
    }
    None
}

/// The packages that are missing, each once.
fn missing(path: &[PathBuf]) -> Vec<&'static str> {
    let present = |name: &str| match name.strip_prefix('/') {
        Some(_) => Path::new(name).exists(),
        None => path.iter().any(|folder| folder.join(name).exists()),
    };
    let mut packages: Vec<&str> =
        NEEDED.iter().filter(|(any, _)| !any.iter().any(|name| present(name))).map(|(_, package)| *package).collect();
    packages.dedup();
    packages
}

fn search_path() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_by_its_package() {
        let empty = tempfile::tempdir().unwrap();
        fs::write(empty.path().join("bwrap"), "").unwrap();

        let missing = missing(&[empty.path().to_owned()]);

        assert!(!missing.contains(&"bubblewrap"));
        assert!(missing.contains(&"slirp4netns"));
        assert_eq!(missing.iter().filter(|package| **package == "util-linux").count(), 1);
    }

    #[test]
    fn each_switch_that_forbids_user_namespaces_has_its_command() {
        let with = |path: &'static str, value: &'static str| cure(move |p| (p == path).then(|| format!("{value}\n")));

        let apparmor = with("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1").unwrap();
        assert!(apparmor.contains("/etc/apparmor.d/bwrap"));
        assert!(apparmor.contains("kernel.apparmor_restrict_unprivileged_userns=0"));
        let debian = with("/proc/sys/kernel/unprivileged_userns_clone", "0").unwrap();
        assert!(debian.contains("kernel.unprivileged_userns_clone=1"));
        let none = with("/proc/sys/user/max_user_namespaces", "0").unwrap();
        assert!(none.contains("user.max_user_namespaces"));
        assert_eq!(with("/proc/sys/user/max_user_namespaces", "9000"), None);
    }

    #[tokio::test]
    async fn a_binary_that_was_not_built_is_told_by_its_name() {
        let refused = check(&[Path::new("/nonexistent/sidecar")]).await.unwrap_err().to_string();

        assert!(refused.contains("/nonexistent/sidecar"), "{refused}");
    }
}
