//! Starting and stopping the real program, and what it says when it cannot start.

use std::{path::Path, process::Stdio, time::Duration};

use edge::{Edge, config::Config};
use metrics_exporter_prometheus::PrometheusBuilder;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::support::{PATIENCE, ca::Ca};

async fn refused(config: Config) -> String {
    let started = Edge::start(config, PrometheusBuilder::new().build_recorder().handle()).await;
    format!("{:#}", started.err().expect("it does not start"))
}

fn certs_in(folder: &Path) -> Config {
    Config { edge_certs: folder.to_owned(), certs_patience: Duration::ZERO, ..Config::bounds() }
}

#[tokio::test]
async fn missing_certificates_are_named_with_who_writes_them() {
    let folder = tempfile::tempdir().unwrap();

    let said = refused(certs_in(folder.path())).await;

    assert!(
        said.contains("start control") && said.contains("CLOUDBOT_EDGE_CERTS") && said.contains("cert.pem"),
        "{said}"
    );
}

#[tokio::test]
async fn certificates_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::new();
    let write = || ca.issue(protocol::vm::EDGE_SERVER_NAME).write_to(folder.path(), &ca);

    for (file, content) in [
        ("cert.pem", ""),
        ("cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("key.pem", "none"),
        ("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("key.pem", &Ca::new().issue("other").key_pem),
    ] {
        write();
        std::fs::write(folder.path().join(file), content).unwrap();
        let said = refused(certs_in(folder.path())).await;
        assert!(said.contains(file), "{said}");
    }
}

#[tokio::test]
async fn the_program_waits_for_its_certificates_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut edge = program(folder.path());
    let mut lines = BufReader::new(edge.stderr.take().unwrap()).lines();
    let mut next_line_with = async |word: &str| {
        let reading = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(word) {
                    return;
                }
            }
            panic!("it ended without a word of {word:?}");
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("no word of {word:?}"));
    };
    next_line_with("waiting for control").await;

    let ca = Ca::new();
    ca.issue(protocol::vm::EDGE_SERVER_NAME).write_to(folder.path(), &ca);
    next_line_with("listening").await;
    kill(Pid::from_raw(edge.id().unwrap().try_into().unwrap()), Signal::SIGTERM).unwrap();

    let ended = tokio::time::timeout(Duration::from_secs(10), edge.wait()).await.expect("it stops").unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn the_program_can_be_stopped_while_it_waits() {
    let folder = tempfile::tempdir().unwrap();
    let mut edge = program(folder.path());
    let mut lines = BufReader::new(edge.stderr.take().unwrap()).lines();
    tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it says that it waits").unwrap();

    kill(Pid::from_raw(edge.id().unwrap().try_into().unwrap()), Signal::SIGTERM).unwrap();

    let ended = tokio::time::timeout(Duration::from_secs(10), edge.wait()).await.expect("it stops").unwrap();
    assert!(ended.success(), "{ended}");
}

/// The real program on free ports, with its certificates in `certs`; it ends with the test.
fn program(certs: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CLOUDBOT_")) {
        command.env_remove(name);
    }
    command
        .args([
            "--listen",
            "127.0.0.1:0",
            "--vm-listen",
            "127.0.0.1:0",
            "--metrics-listen",
            "127.0.0.1:0",
            "--edge-certs",
        ])
        .arg(certs)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
