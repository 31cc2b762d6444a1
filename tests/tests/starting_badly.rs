//! What is wrong at the start, or goes wrong with the disk, is said in words that tell what to do.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use harness::{
    Api, Options,
    processes::{Process, binary},
    stack::Layout,
    wait,
};
use http::StatusCode;
use nix::unistd::{Gid, Uid};
use protocol::error::Code;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_busy_port_is_named() {
    let (_folder, layout) = layout(Options::default());

    for (port, variable) in [
        (layout.public, "CLOUDBOT_LISTEN"),
        (layout.vm, "CLOUDBOT_VM_LISTEN"),
        (layout.metrics, "CLOUDBOT_METRICS_LISTEN"),
    ] {
        let _taken = TcpListener::bind(("127.0.0.1", port)).expect("take the port");
        let words = ends_badly(&layout, layout.command("edge"));
        says(&words, &[&port.to_string(), variable]);
    }
}

#[test]
fn a_second_control_on_the_same_port_is_told_so() {
    let (_folder, layout) = layout(Options::default());
    let _taken = TcpListener::bind(("127.0.0.1", layout.control)).expect("take the port");

    let words = ends_badly(&layout, layout.command("control"));

    says(&words, &[&layout.control.to_string(), "CLOUDBOT_CONTROL_LISTEN"]);
}

#[test]
fn a_missing_sidecar_is_named() {
    let env = vec![("CLOUDBOT_SIDECAR", "/nowhere/sidecar".to_owned())];
    let (_folder, layout) = layout(Options { env, ..Options::default() });

    let words = ends_badly(&layout, layout.command("control"));

    says(&words, &["/nowhere/sidecar", "CLOUDBOT_SIDECAR"]);
}

#[tokio::test]
async fn a_missing_web_app_is_named_with_what_builds_it() {
    let env = vec![("CLOUDBOT_WEB", "/nowhere/dist".to_owned())];
    let (_folder, layout) = layout(Options { env, ..Options::default() });
    let _control = running_control(&layout);
    let _edge = layout.start("edge");
    let http = harness::http().build().expect("an HTTP client");

    let page = wait::until("the edge answers", SOON, async || http.get(layout.url()).send().await.ok()).await;

    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    says(&page.text().await.expect("a page"), &["make web", "CLOUDBOT_WEB"]);
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let (folder, layout) = layout(Options::default());
    fs::write(folder.path().join("data"), "a file in the way").expect("write a file");

    let words = ends_badly(&layout, layout.command("control"));

    says(&words, &[&layout.data.display().to_string(), "CLOUDBOT_DATA"]);
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let (_folder, layout) = layout(Options::default());

    let words = ends_badly(&layout, on_a_disk(&layout, "ro,size=1m"));

    says(&words, &[&layout.data.display().to_string()]);
    assert!(words.to_lowercase().contains("read-only"), "{words}");
}

#[test]
fn a_disk_that_is_full_from_the_start_is_named() {
    let (_folder, layout) = layout(Options::default());

    let words = ends_badly(&layout, on_a_disk(&layout, "mode=0777,size=8k"));

    assert!(["no space left", "disk is full"].iter().any(|said| words.to_lowercase().contains(said)), "{words}");
}

#[test]
fn a_database_that_does_not_answer_is_named_without_its_password() {
    let database_url = Some("postgres://cloudbot:hunter2hunter2@127.0.0.1:9/cloudbot".to_owned());
    let (_folder, layout) = layout(Options { database_url, ..Options::default() });

    let words = ends_badly(&layout, layout.command("control"));

    says(&words, &["PostgreSQL", "CLOUDBOT_DATABASE_URL"]);
    assert!(!words.contains("hunter2hunter2"), "{words}");
}

#[test]
fn a_value_that_cannot_be_read_is_named() {
    for (program, variable) in [("control", "CLOUDBOT_CONTROL_LISTEN"), ("edge", "CLOUDBOT_LISTEN")] {
        let (_folder, layout) =
            layout(Options { env: vec![(variable, "everywhere".to_owned())], ..Options::default() });

        let words = ends_badly(&layout, layout.command(program));

        // clap names the option, from which the variable's name follows.
        let option = variable.trim_start_matches("CLOUDBOT_").trim_start_matches("CONTROL_").to_lowercase();
        says(&words, &["everywhere", &option]);
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_loses_nothing_and_says_so() {
    let folder = tempfile::Builder::new().prefix("cb-").tempdir().expect("a temporary folder");
    let edge_certs = |pid: i32, layout: &Layout| format!("/proc/{pid}/root{}/edge", layout.data.display());
    let layout = Layout::new(folder.path(), "http://127.0.0.1:9", Options::default());
    let control = Process::start("control", on_a_disk(&layout, "mode=0777,size=6m"), &layout.log("control"));
    let inside = format!("/proc/{}/root{}", control.pid(), layout.data.display());
    wait::until("control has written its certificates", SOON, async || {
        Path::new(&inside).join("edge/key.pem").exists().then_some(())
    })
    .await;
    let mut edge = layout.command("edge");
    edge.env("CLOUDBOT_EDGE_CERTS", edge_certs(control.pid(), &layout));
    let _edge = Process::start("edge", edge, &layout.log("edge"));
    let anonymous = Api::anonymous(&layout.url());
    let http = harness::http().build().expect("an HTTP client");
    wait::until("the stack is ready", SOON, async || {
        let answer = http.get(layout.url().join("/readyz").expect("an address")).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    let ada = anonymous.clone();
    ada.sign_up("ada@example.org").await.expect("sign up while there is room");

    let ballast = Path::new(&inside).join("ballast");
    fill(&ballast);
    let refused = wait::until("a write finds the disk full", SOON, async || {
        let name = format!("user{}@example.org", rand::random::<u64>());
        Api::anonymous(&layout.url()).sign_up(&name).await.err()
    })
    .await;

    assert_eq!(refused.status, StatusCode::INSUFFICIENT_STORAGE, "{refused:?}");
    let problem = refused.problem();
    assert_eq!(problem.code, Code::StorageFull);
    assert!(!problem.detail.is_empty());
    // Reading goes on, and writing does as soon as there is room again.
    let _: serde_json::Value = ada.get("me").await.expect("read with a full disk");
    fs::remove_file(&ballast).expect("make room");
    wait::until("writing works again", SOON, async || {
        let name = format!("user{}@example.org", rand::random::<u64>());
        Api::anonymous(&layout.url()).sign_up(&name).await.ok()
    })
    .await;
    let again = Api::anonymous(&layout.url());
    again.log_in("ada@example.org").await.expect("nothing is lost");
}

fn layout(options: Options) -> (TempDir, Layout) {
    let folder = tempfile::Builder::new().prefix("cb-").tempdir().expect("a temporary folder");
    let layout = Layout::new(folder.path(), "http://127.0.0.1:9", options);
    (folder, layout)
}

/// Control, once it has written what the edge needs.
fn running_control(layout: &Layout) -> Process {
    let mut control = layout.start("control");
    let written = wait::blocking(SOON, || layout.data.join("edge/key.pem").exists() || control.ended().is_some());
    assert!(written && control.ended().is_none(), "control did not start:\n{}", control.log());
    control
}

/// Runs a program that is to end by itself, with an error; answers what it said.
fn ends_badly(layout: &Layout, command: Command) -> String {
    let log = layout.logs.join(format!("{}.log", rand::random::<u64>()));
    let begun = Instant::now();
    let mut process = Process::start("the program", command, &log);
    let mut status = None;
    wait::blocking(SOON, || {
        status = process.ended();
        status.is_some()
    });
    let words = process.log();
    let status = status.unwrap_or_else(|| panic!("it still runs after {:?}:\n{words}", begun.elapsed()));
    assert!(!status.success(), "it ended as if all were well:\n{words}");
    assert!(!words.contains("panicked at"), "an error, not a panic:\n{words}");
    words
}

fn says(words: &str, parts: &[&str]) {
    for part in parts {
        assert!(words.contains(part), "{part:?} is not said in:\n{words}");
    }
}

/// Control on a data folder that is a small disk of its own, in a mount namespace that ends with it.
fn on_a_disk(layout: &Layout, options: &str) -> Command {
    fs::create_dir_all(&layout.data).expect("create the data folder");
    let (user, group) = (Uid::effective(), Gid::effective());
    let mut command = Command::new("unshare");
    command.arg("--mount");
    let mount = r#"mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@""#;
    if user.is_root() {
        command.args(["--", "sh", "-c", mount, "sh", options]).arg(&layout.data);
    } else {
        // Who may not mount becomes root for that in a user namespace, and itself again in another one.
        command.args(["--map-root-user", "--", "sh", "-c", mount, "sh", options]).arg(&layout.data);
        command.args(["unshare", &format!("--map-user={user}"), &format!("--map-group={group}"), "--"]);
    }
    command.arg(binary("control"));
    layout.dress(&mut command);
    command
}

/// Writes until nothing goes in any more.
fn fill(ballast: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(ballast).expect("create the ballast");
    for size in [64 << 10, 4 << 10, 1 << 10, 1] {
        while file.write_all(&vec![0x55; size]).is_ok() {}
    }
}
