//! What a fence lets in: the command lines of bubblewrap for the desktop and for the gate.
//!
//! When control is root, bubblewrap sets the fence up as root and the first thing that runs inside
//! gives up root and every capability for good: the kernel sees a uid that owns nothing but its home.
//! When control is a developer's own, bubblewrap does the same in a user namespace.

use std::{
    ffi::{OsStr, OsString},
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

/// The command line of one fence.
pub(crate) struct Fence {
    args: Vec<OsString>,
    /// The uid to become inside; `None` when bubblewrap runs as that uid already.
    become_uid: Option<u32>,
}

/// Where things stand inside of a fence.
pub(crate) mod inside {
    pub(crate) const HOME: &str = "/home/user";
    pub(crate) const SUPERVISOR: &str = "/run/cloudbot/bin/desktop-supervisor";
    pub(crate) const SIDECAR: &str = "/run/cloudbot/bin/sidecar";
    pub(crate) const DESK: &str = "/run/cloudbot/desk";
    pub(crate) const DESK_SOCKET: &str = "/run/cloudbot/desk/desk.sock";
    pub(crate) const LOG: &str = "/run/cloudbot/log";
    pub(crate) const USER_DATA: &str = "/run/cloudbot/user-data.json";
    pub(crate) const GATE_STATE: &str = "/run/cloudbot/gate";
    pub(crate) const HOSTNAME: &str = "cloudbot";

    /// A tmpfs in memory must not take all of it.
    pub(crate) const TMP_BYTES: &str = "2147483648";
    pub(crate) const SHM_BYTES: &str = "1073741824";
}

/// Of the host's `/etc` only what programs need to find their parts; the rest is made by [`super::etc`].
const ETC: &[&str] = &[
    "alternatives",
    "chromium/master_preferences",
    "fonts",
    "gtk-2.0",
    "ld.so.cache",
    "localtime",
    "ssl/certs",
    "ca-certificates.conf",
    "mime.types",
    "terminfo",
    "xdg",
    "X11/app-defaults",
    "X11/rgb.txt",
    "bash_completion.d",
    "gai.conf",
    "protocols",
    "services",
    "os-release",
];

/// The files that the desktop's fence is made of.
pub(crate) struct DesktopFiles<'a> {
    pub(crate) home: &'a Path,
    pub(crate) log: &'a Path,
    pub(crate) desk: &'a Path,
    pub(crate) etc: &'a Path,
    /// The names of the files in `etc`, folders of it included.
    pub(crate) etc_files: &'a [PathBuf],
    pub(crate) supervisor: &'a Path,
    pub(crate) sidecar: &'a Path,
}

/// The files that the gate's fence is made of.
pub(crate) struct GateFiles<'a> {
    pub(crate) supervisor: &'a Path,
    pub(crate) sidecar: &'a Path,
    pub(crate) user_data: &'a Path,
    pub(crate) state: &'a Path,
    pub(crate) desk: &'a Path,
}

impl Fence {
    /// The desktop's: no network but the one that is put in from outside.
    pub(crate) fn desktop(become_uid: Option<u32>, files: &DesktopFiles<'_>) -> Self {
        let mut fence = Self::base(become_uid);
        fence.flag(["--unshare-net", "--unshare-ipc"]);
        fence.flag(["--hostname", inside::HOSTNAME]);
        fence.flag(["--size", inside::SHM_BYTES, "--perms", "1777", "--tmpfs", "/dev/shm"]);
        fence.flag([
            "--perms",
            "0755",
            "--tmpfs",
            "/var",
            "--size",
            inside::TMP_BYTES,
            "--perms",
            "1777",
            "--tmpfs",
            "/var/tmp",
        ]);
        // Folders that bubblewrap makes on its own for what is in them are closed to others.
        for folder in
            ["/var/cache", "/etc/chromium", "/etc/chromium.d", "/etc/gtk-3.0", "/etc/ssl", "/etc/X11", "/home"]
        {
            fence.flag(["--perms", "0755", "--dir", folder]);
        }
        fence.flag(["--ro-bind-try", "/var/cache/fontconfig", "/var/cache/fontconfig"]);
        // X and the session's bus make their sockets here.
        fence.flag(["--size", "67108864", "--perms", "1777", "--tmpfs", "/run/user"]);
        for name in ETC {
            let path = Path::new("/etc").join(name);
            fence.mount("--ro-bind-try", &path, &path);
        }
        for name in files.etc_files {
            fence.mount("--ro-bind", &files.etc.join(name), Path::new("/etc").join(name));
        }
        fence.mount("--bind", files.home, inside::HOME);
        fence.mount("--bind", files.log, inside::LOG);
        fence.mount("--bind", files.desk, inside::DESK);
        fence.mount("--ro-bind", files.supervisor, inside::SUPERVISOR);
        fence.mount("--ro-bind", files.sidecar, inside::SIDECAR);
        fence.flag(["--remount-ro", "/run", "--remount-ro", "/var", "--remount-ro", "/", "--chdir", "/"]);
        fence
    }

    /// The gate's: the host's network, and none of the host's files but its own.
    pub(crate) fn gate(become_uid: Option<u32>, files: &GateFiles<'_>) -> Self {
        let mut fence = Self::base(become_uid);
        // Names of other machines (an edge that is not on this one) are looked up as the host does it.
        for path in ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/etc/localtime"] {
            fence.mount("--ro-bind-try", Path::new(path), path);
        }
        // It speaks TLS with the MCP servers that a user adds.
        fence.flag(["--perms", "0755", "--dir", "/etc/ssl"]);
        fence.mount("--ro-bind-try", Path::new("/etc/ssl/certs"), "/etc/ssl/certs");
        fence.mount("--ro-bind", files.supervisor, inside::SUPERVISOR);
        fence.mount("--ro-bind", files.sidecar, inside::SIDECAR);
        fence.mount("--ro-bind", files.user_data, inside::USER_DATA);
        fence.mount("--bind", files.state, inside::GATE_STATE);
        fence.mount("--ro-bind", files.desk, inside::DESK);
        fence.flag(["--remount-ro", "/run", "--remount-ro", "/", "--chdir", "/"]);
        fence
    }

    /// The fence that preflight tries: the namespaces of a desktop around a program of the system.
    pub(crate) fn trial(become_uid: Option<u32>) -> Self {
        let mut fence = Self::base(become_uid);
        fence.flag(["--unshare-net", "--unshare-ipc", "--remount-ro", "/"]);
        fence
    }

    /// bubblewrap writes the pid of the fence's first process to `info`, and starts the command only
    /// when something can be read from `block`.
    pub(crate) fn hold(&mut self, info: &OwnedFd, block: &OwnedFd) {
        self.flag(["--info-fd", &info.as_raw_fd().to_string(), "--block-fd", &block.as_raw_fd().to_string()]);
    }

    /// All of bubblewrap's arguments, for running `command` inside.
    pub(crate) fn around<I>(mut self, command: I) -> Vec<OsString>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.args.push("--".into());
        if let Some(uid) = self.become_uid {
            let uid = uid.to_string();
            self.flag(["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups", "--inh-caps=-all"]);
            self.flag(["--bounding-set=-all", "--no-new-privs", "--"]);
        }
        self.args.extend(command.into_iter().map(|arg| arg.as_ref().to_owned()));
        self.args
    }

    /// What both have in common: the system read-only, own processes, nothing else.
    fn base(become_uid: Option<u32>) -> Self {
        let mut fence = Self { args: Vec::new(), become_uid };
        fence.flag(["--die-with-parent", "--new-session", "--as-pid-1"]);
        fence.flag(["--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]);
        match become_uid {
            // Just enough to become nobody.
            Some(_) => {
                fence.flag(["--cap-drop", "ALL"]);
                fence.flag(["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]);
            }
            None => fence.flag(["--unshare-user"]),
        }
        fence.flag(["--ro-bind", "/usr", "/usr"]);
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            let usr = Path::new("/usr").join(name);
            if usr.is_dir() {
                fence.flag(["--symlink", &format!("usr/{name}"), &format!("/{name}")]);
            }
        }
        fence.flag(["--proc", "/proc", "--dev", "/dev"]);
        fence.flag(["--size", inside::TMP_BYTES, "--perms", "1777", "--tmpfs", "/tmp"]);
        fence.flag(["--perms", "0755", "--dir", "/etc", "--perms", "0755", "--tmpfs", "/run"]);
        fence.flag(["--perms", "0755", "--dir", "/run/cloudbot", "--perms", "0755", "--dir", "/run/cloudbot/bin"]);
        fence
    }

    fn flag<'a>(&mut self, args: impl IntoIterator<Item = &'a str>) {
        self.args.extend(args.into_iter().map(OsString::from));
    }

    fn mount(&mut self, how: &str, host: &Path, inside: impl AsRef<Path>) {
        self.args.extend([how.into(), host.into(), inside.as_ref().into()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_desktops_fence_lets_in_what_is_written_here_and_nothing_else() {
        insta::assert_snapshot!(lines(desktop(Some(1_900_000_000))));
    }

    #[test]
    fn the_gates_fence_lets_in_what_is_written_here_and_nothing_else() {
        let files = GateFiles {
            supervisor: Path::new("/bin/desktop-supervisor"),
            sidecar: Path::new("/bin/sidecar"),
            user_data: Path::new("/vm/user-data.json"),
            state: Path::new("/vm/gate"),
            desk: Path::new("/vm/desk"),
        };

        insta::assert_snapshot!(lines(Fence::gate(None, &files)));
    }

    fn desktop(become_uid: Option<u32>) -> Fence {
        let files = DesktopFiles {
            home: Path::new("/dsk/home"),
            log: Path::new("/dsk/log/session"),
            desk: Path::new("/vm/desk"),
            etc: Path::new("/vm/etc"),
            etc_files: &["passwd".into()],
            supervisor: Path::new("/bin/desktop-supervisor"),
            sidecar: Path::new("/bin/sidecar"),
        };
        Fence::desktop(become_uid, &files)
    }

    fn lines(fence: Fence) -> String {
        let mut text = String::new();
        for arg in fence.around(["program"]) {
            text.push(if arg.to_string_lossy().starts_with("--") { '\n' } else { ' ' });
            text.push_str(&arg.to_string_lossy());
        }
        // These two depend on the machine's architecture.
        text.lines()
            .filter(|l| !l.contains("lib32") && !l.contains("libx32") && !l.contains("lib64"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}
