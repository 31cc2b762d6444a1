//! PostgreSQL for the tests: one server for all test processes of this user, one database a test.
//!
//! The first process that needs the server makes it, under a keeper that ends it, and removes its folder, once no
//! process uses it any more. Each user of it holds a shared lock, which the kernel releases however a process ends.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::{
        fs::{OpenOptionsExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use control::db::Db;
use nix::unistd::{Uid, User, chown};
use sha2::{Digest, Sha256};

/// Ends the server when nobody has held the lock for three looks in a row.
const KEEPER: &str = r#"
folder=$1 bin=$2; shift 2
"$@" "$bin/postgres" -D "$folder/cluster" -k "$folder" -c listen_addresses= -c max_connections=300 -F >"$folder/log" 2>&1 &
server=$! idle=0
while kill -0 "$server" 2>/dev/null; do
  sleep 1
  if flock --exclusive --nonblock "$folder/users" true; then idle=$((idle + 1)); else idle=0; fi
  if [ "$idle" -ge 3 ]; then
    exec 9<"$folder.lock"
    flock --exclusive 9
    if flock --exclusive --nonblock "$folder/users" true; then
      kill -INT "$server"; wait "$server"; rm -rf "$folder"; exit
    fi
    exec 9<&-; idle=0
  fi
done
"#;

/// A database of the test's own, made from a template with all tables; dropped with it.
pub(crate) struct Database {
    name: String,
    folder: PathBuf,
    /// Shared with other tests; the keeper waits for all of them.
    _in_use: File,
}

impl Database {
    pub(crate) async fn create() -> Self {
        let server = tokio::task::spawn_blocking(Server::join).await.expect("join the server");
        let name = format!("t_{:032x}", rand::random::<u128>());
        server.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {}", template()));
        Self { name, folder: server.folder, _in_use: server.in_use }
    }

    pub(crate) fn url(&self) -> String {
        url(&self.folder, &self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Connections of the test may still be open; what cannot be dropped ends with the server.
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = psql(&self.folder, "postgres", &sql).stderr(Stdio::null()).status();
    }
}

struct Server {
    folder: PathBuf,
    in_use: File,
}

impl Server {
    /// The running server, or a new one.
    fn join() -> Self {
        let folder = std::env::temp_dir().join(format!("cloudbot-control-pg-{}", Uid::effective()));
        let lock = folder.with_file_name(format!("{}.lock", folder.file_name().expect("a name").display()));
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(lock);
        let lock = lock.expect("open the lock of PostgreSQL");
        // One process at a time makes the server or the template, or ends the server.
        lock.lock().expect("lock PostgreSQL");
        if !answers(&folder) {
            let _ = fs::remove_dir_all(&folder);
            start(&folder);
        }
        let in_use = File::open(folder.join("users")).expect("open the users' lock");
        in_use.lock_shared().expect("join the users of PostgreSQL");
        let server = Self { folder, in_use };
        server.make_template();
        drop(lock);
        server
    }

    /// Called under the lock.
    fn make_template(&self) {
        let name = template();
        let known = psql(&self.folder, "postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"));
        let known = { known }.output().expect("run psql");
        if known.stdout.starts_with(b"1") {
            return;
        }
        let raw = format!("{name}_raw");
        self.psql("postgres", &format!("DROP DATABASE IF EXISTS {raw} WITH (FORCE)"));
        self.psql("postgres", &format!("CREATE DATABASE {raw}"));
        let url = url(&self.folder, &raw);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { Db::connect(&url).await.expect("make the tables").close().await });
        // Under its final name only when it is whole.
        self.psql("postgres", &format!("ALTER DATABASE {raw} RENAME TO {name}"));
    }

    fn psql(&self, database: &str, sql: &str) {
        let done = psql(&self.folder, database, sql).output().expect("run psql");
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

/// Another set of migrations is another template.
fn template() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("read migrations").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let mut hash = Sha256::new();
    files.iter().for_each(|file| hash.update(fs::read(file).expect("read a migration")));
    format!("template_{}", hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn url(folder: &Path, database: &str) -> String {
    format!("postgres:///{database}?user=postgres&host={}", folder.display())
}

fn start(folder: &Path) {
    let cluster = folder.join("cluster");
    fs::create_dir(folder).expect("create the server's folder");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("open the server's folder");
    fs::create_dir(&cluster).expect("create the cluster's folder");
    fs::set_permissions(&cluster, fs::Permissions::from_mode(0o700)).expect("close the cluster's folder");
    File::create(folder.join("users")).expect("create the users' lock");
    // PostgreSQL refuses to run as root.
    let user = Uid::effective().is_root().then(|| {
        let user = User::from_name("postgres").expect("read the users");
        user.expect("there is no user postgres: apt-get install postgresql")
    });
    if let Some(user) = &user {
        for path in [folder, &cluster] {
            chown(path, Some(user.uid), Some(user.gid)).expect("give a folder to postgres");
        }
    }
    let mut initdb = Command::new(programs().join("initdb"));
    initdb.args(["--auth=trust", "--no-sync", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D"]);
    initdb.arg(&cluster).current_dir("/");
    if let Some(user) = &user {
        initdb.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let made = initdb.output().expect("run initdb");
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

    let mut keeper = Command::new("setsid");
    keeper.args(["--fork", "sh", "-c", KEEPER, "keeper"]).arg(folder).arg(programs());
    match &user {
        Some(user) => keeper
            .args(["setpriv", "--init-groups"])
            .args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)]),
        None => keeper.arg("env"),
    };
    keeper.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(keeper.status().expect("start the keeper of PostgreSQL").success());
    let deadline = Instant::now() + Duration::from_secs(30);
    while !answers(folder) {
        let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(Instant::now() < deadline, "PostgreSQL does not start: {}", log());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn answers(folder: &Path) -> bool {
    folder.join("users").exists()
        && psql(folder, "postgres", "SELECT 1").stderr(Stdio::null()).output().is_ok_and(|done| done.status.success())
}

fn psql(folder: &Path, database: &str, sql: &str) -> Command {
    let mut psql = Command::new(programs().join("psql"));
    psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--username=postgres", "--dbname", database]);
    psql.arg("--host").arg(folder).args(["--command", sql]).current_dir("/").stdin(Stdio::null());
    psql
}

/// Debian keeps the programs out of the PATH, one folder a version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.retain(|bin| bin.join("initdb").is_file());
    folders.sort();
    folders.pop().expect("PostgreSQL is missing: apt-get install postgresql")
}
