//! A PostgreSQL of the test's own: on a Unix socket in a temporary folder, as an unprivileged user.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::unistd::{Uid, User, chown};
use tempfile::TempDir;

use crate::{processes::Process, wait};

pub struct Postgres {
    _server: Process,
    folder: TempDir,
}

impl Postgres {
    /// Makes a cluster and starts it. PostgreSQL refuses to run as root: then it runs as the user `postgres`.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("cb-pg-").tempdir().expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("open the folder");
        let cluster = folder.path().join("cluster");
        fs::create_dir(&cluster).expect("create the cluster's folder");
        fs::set_permissions(&cluster, fs::Permissions::from_mode(0o700)).expect("close the cluster's folder");
        let user = unprivileged();
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid), Some(user.gid)).expect("give the folder away");
            chown(&cluster, Some(user.uid), Some(user.gid)).expect("give the folder away");
        }

        let mut initdb = command("initdb", user.as_ref());
        initdb.args(["--auth=trust", "--no-sync", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D"]);
        let made = initdb.arg(&cluster).output().expect("run initdb");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

        let mut server = command("postgres", user.as_ref());
        server.arg("-D").arg(&cluster).arg("-k").arg(folder.path()).args(["-c", "listen_addresses=", "-F"]);
        let server = Process::start("postgres", server, &folder.path().join("log"));
        let postgres = Self { _server: server, folder };
        let socket = postgres.folder.path().join(".s.PGSQL.5432");
        wait::until("PostgreSQL takes connections", Duration::from_secs(30), async || {
            let ready = command("pg_isready", None).arg("-q").arg("-h").arg(postgres.folder.path()).status();
            (socket.exists() && ready.is_ok_and(|status| status.success())).then_some(())
        })
        .await;
        postgres
    }

    /// The address of its database, for `CLOUDBOT_DATABASE_URL`.
    pub fn url(&self) -> String {
        format!("postgres:///postgres?user=postgres&host={}", self.folder.path().display())
    }

    /// Everything in it as text.
    pub fn dump(&self) -> String {
        let out = command("pg_dump", None)
            .args(["-U", "postgres", "-h"])
            .arg(self.folder.path())
            .arg("postgres")
            .output()
            .expect("run pg_dump");
        assert!(out.status.success(), "pg_dump: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }
}

fn command(program: &str, user: Option<&User>) -> Command {
    let mut command = Command::new(programs().join(program));
    command.current_dir("/");
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

fn unprivileged() -> Option<User> {
    Uid::effective().is_root().then(|| {
        User::from_name("postgres")
            .expect("read the users")
            .expect("there is no user postgres: apt-get install postgresql")
    })
}

/// Debian keeps the server's programs out of the PATH, one folder a version.
fn programs() -> PathBuf {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").is_file())
        .collect();
    versions.sort();
    versions.pop().unwrap_or_else(|| {
        assert!(Path::new("/usr/bin/initdb").exists(), "PostgreSQL is missing: apt-get install postgresql");
        PathBuf::from("/usr/bin")
    })
}
