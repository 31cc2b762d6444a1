//! A whole CloudBot for one test: control and edge on free ports, and through control the desktops of this machine.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use crate::{
    Api, ModelServer, artefacts, model_server,
    processes::{self, Process, binary},
    repository, wait,
};

/// Control ends its desktops before it ends itself.
const CONTROL_STOPS_WITHIN: Duration = Duration::from_secs(40);
const EDGE_STOPS_WITHIN: Duration = Duration::from_secs(20);

/// What a test may want otherwise.
#[derive(Default)]
pub struct Options {
    /// SQLite in the data folder unless told.
    pub database_url: Option<String>,
    /// Added to both programs' environment, stronger than what the stack itself sets.
    pub env: Vec<(&'static str, String)>,
    /// The operator's model table, for providers at this URL; Anthropic's one model unless told.
    pub models: Option<fn(&str) -> Value>,
}

/// Where everything of a stack stands: enough to write its programs' command lines.
pub struct Layout {
    pub data: PathBuf,
    pub logs: PathBuf,
    pub public: u16,
    pub vm: u16,
    pub metrics: u16,
    pub control: u16,
    env: Vec<(String, String)>,
}

impl Layout {
    /// Free ports, and folders below `folder`, which should be short: Unix sockets stand in it.
    pub fn new(folder: &Path, model_url: &str, options: Options) -> Self {
        let [public, vm, metrics, control] = free_ports();
        let (data, logs) = (folder.join("data"), folder.join("logs"));
        // Control looks for it beside the sidecar.
        binary("desktop-supervisor");
        std::fs::create_dir_all(&logs).expect("create the folder of the logs");
        let mut env: Vec<(String, String)> = [
            ("CLOUDBOT_DATA", data.display().to_string()),
            ("CLOUDBOT_LISTEN", format!("127.0.0.1:{public}")),
            ("CLOUDBOT_VM_LISTEN", format!("127.0.0.1:{vm}")),
            ("CLOUDBOT_METRICS_LISTEN", format!("127.0.0.1:{metrics}")),
            ("CLOUDBOT_CONTROL_LISTEN", format!("127.0.0.1:{control}")),
            ("CLOUDBOT_CONTROL_URL", format!("https://127.0.0.1:{control}")),
            ("CLOUDBOT_VM_URL", format!("https://127.0.0.1:{vm}")),
            ("CLOUDBOT_PUBLIC_URL", format!("http://localhost:{public}")),
            ("CLOUDBOT_WEB", repository().join("web/dist").display().to_string()),
            ("CLOUDBOT_ANTHROPIC_URL", model_url.to_owned()),
            ("CLOUDBOT_OPENAI_URL", model_server::openai_url(model_url)),
            ("CLOUDBOT_SIDECAR", binary("sidecar").display().to_string()),
            ("CLOUDBOT_STOP_DESKTOPS_ON_EXIT", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if let Some(models) = options.models {
            let file = folder.join("models.json");
            std::fs::write(&file, models(model_url).to_string()).expect("write the model table");
            env.push(("CLOUDBOT_MODELS".to_owned(), file.display().to_string()));
        }
        env.extend(options.database_url.map(|url| ("CLOUDBOT_DATABASE_URL".to_owned(), url)));
        env.extend(options.env.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Self { data, logs, public, vm, metrics, control, env }
    }

    /// The command line of `control` or `edge`.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        self.dress(&mut command);
        command
    }

    /// Gives a command this stack's environment, and nothing else of ours.
    pub fn dress(&self, command: &mut Command) {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CLOUDBOT_")) {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value))).current_dir("/");
    }

    pub fn log(&self, program: &str) -> PathBuf {
        self.logs.join(format!("{program}.log"))
    }

    pub fn start(&self, program: &str) -> Process {
        Process::start(program, self.command(program), &self.log(program))
    }

    /// As a browser spells it.
    pub fn url(&self) -> Url {
        Url::parse(&format!("http://localhost:{}", self.public)).expect("an address")
    }
}

/// A running CloudBot. When it is dropped everything of it ends, and the test fails if something stayed behind.
pub struct Stack {
    pub layout: Layout,
    pub model: ModelServer,
    control: Process,
    edge: Process,
    /// A killed control cannot end its desktops.
    control_was_killed: bool,
    over: bool,
    folder: TempDir,
}

impl Stack {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let folder = tempfile::Builder::new().prefix("cb-").tempdir().expect("a temporary folder");
        let model = ModelServer::start().await;
        let layout = Layout::new(folder.path(), &model.url(), options);
        let control = layout.start("control");
        // The edge needs the certificates that control writes when it first starts.
        let edge = layout.start("edge");
        let mut stack = Self { layout, model, control, edge, control_was_killed: false, over: false, folder };
        stack.wait_until_ready().await;
        stack
    }

    /// The folder of everything that this stack writes, logs included.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn url(&self) -> Url {
        self.layout.url()
    }

    /// Somebody without a credential.
    pub fn anonymous(&self) -> Api {
        Api::anonymous(&self.url())
    }

    /// A new user's browser, signed in.
    pub async fn user(&self, name: &str) -> Api {
        let api = self.anonymous();
        api.sign_up(&format!("{name}@example.org")).await.expect("sign up");
        api
    }

    pub fn control_pid(&self) -> i32 {
        self.control.pid()
    }

    pub fn edge_pid(&self) -> i32 {
        self.edge.pid()
    }

    pub fn control_log(&self) -> String {
        self.control.log()
    }

    pub fn edge_log(&self) -> String {
        self.edge.log()
    }

    /// Ends control as a crash would; its desktops are left alone.
    pub fn kill_control(&mut self) {
        self.control.kill();
        self.control_was_killed = true;
    }

    /// Starts control again, on the same data.
    pub async fn start_control(&mut self) {
        self.control = self.layout.start("control");
        self.control_was_killed = false;
        self.wait_until_ready().await;
    }

    pub fn is_control_dead(&mut self) -> bool {
        self.control.ended().is_some()
    }

    pub fn is_edge_dead(&mut self) -> bool {
        self.edge.ended().is_some()
    }

    /// Ends the edge as a crash would.
    pub fn kill_edge(&mut self) {
        self.edge.kill();
    }

    /// Starts the edge again.
    pub async fn start_edge(&mut self) {
        self.edge = self.layout.start("edge");
        self.wait_until_ready().await;
    }

    /// Ends control as an administrator does, and starts it again.
    pub async fn restart_control(&mut self) {
        self.control.stop(CONTROL_STOPS_WITHIN).expect("stop control");
        self.start_control().await;
    }

    /// Ends everything and answers what is wrong with how it ended.
    pub fn stop(mut self) -> Vec<String> {
        self.end()
    }

    async fn wait_until_ready(&mut self) {
        let anonymous = crate::http().build().expect("an HTTP client");
        let ready = self.url().join("/readyz").expect("an address");
        wait::until("control and edge are ready", Duration::from_secs(60), async || {
            for (name, process) in [("control", &mut self.control), ("edge", &mut self.edge)] {
                if let Some(status) = process.ended() {
                    panic!("{name} ended by itself ({status}):\n{}", tail(&process.log()));
                }
            }
            let answer = anonymous.get(ready.clone()).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    fn end(&mut self) -> Vec<String> {
        if std::mem::replace(&mut self.over, true) {
            return Vec::new();
        }
        let mut wrong: Vec<String> = Vec::new();
        wrong.extend(self.control.stop(CONTROL_STOPS_WITHIN).err());
        wrong.extend(self.edge.stop(EDGE_STOPS_WITHIN).err());
        let left = || processes::of_folder(&self.layout.data);
        if self.control_was_killed || !wait::blocking(Duration::from_secs(5), || left().is_empty()) {
            for process in left() {
                let command: String = process.command.join(" ").chars().take(160).collect();
                if !self.control_was_killed {
                    wrong.push(format!("stayed behind: {} {command}", process.pid));
                }
                process.kill();
            }
            wait::blocking(Duration::from_secs(5), || left().is_empty());
        }
        wrong.extend(self.model.violations().into_iter().map(|broken| format!("the model server refused {broken}")));
        wrong
    }

    /// What a person needs who looks at a failed test.
    fn explain(&self) {
        let kept = artefacts(&test_name()).join("logs");
        let _ = std::fs::create_dir_all(&kept);
        for (name, process) in [("control", &self.control), ("edge", &self.edge)] {
            eprintln!("--- the end of {name}'s log\n{}", tail(&process.log()));
        }
        for log in find(self.folder.path(), |path| path.extension().is_some_and(|extension| extension == "log")) {
            let flat = log.strip_prefix(self.folder.path()).unwrap_or(&log).display().to_string().replace('/', "_");
            let _ = std::fs::copy(&log, kept.join(flat));
        }
        eprintln!("--- all logs: {}", kept.display());
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let wrong = self.end();
        if std::thread::panicking() {
            for line in &wrong {
                eprintln!("besides: {line}");
            }
            self.explain();
        } else if !wrong.is_empty() {
            self.explain();
            panic!("the stack did not end well:\n{}", wrong.join("\n"));
        }
    }
}

/// Asks a process of this stack to freeze, go on or die.
pub fn signal(pid: i32, signal: Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal)
        .unwrap_or_else(|error| panic!("send {signal} to {pid}: {error}"));
}

/// Every file below `folder` that `wanted` picks; links are not followed.
pub fn find(folder: &Path, wanted: impl Fn(&Path) -> bool + Copy) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(find(&path, wanted)),
            Ok(kind) if kind.is_file() && wanted(&path) => found.push(path),
            _ => {}
        }
    }
    found
}

/// Ports that were free a moment ago. They are taken all at once, so that they differ.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("find a free port"));
    listeners.each_ref().map(|listener| listener.local_addr().expect("a port").port())
}

pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The test that runs on this thread.
pub fn test_name() -> String {
    std::thread::current().name().unwrap_or("unnamed").replace("::", "_")
}

/// The last lines, and before them what was warned of.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let (before, last) = lines.split_at(lines.len().saturating_sub(15));
    let is_warning = |line: &&&str| ["WARN", "ERROR", "panicked"].iter().any(|word| line.contains(word));
    let warned: Vec<&str> = before.iter().filter(is_warning).copied().collect();
    let warned = &warned[warned.len().saturating_sub(15)..];
    [warned, last].concat().join("\n")
}
