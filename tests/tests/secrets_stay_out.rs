//! What an agent with a shell can reach: its desktop, and nothing that would let it be somebody else.

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    path::PathBuf,
};

use harness::{
    Api, Options, Stack, Turn,
    model_server::{self, KEY, tool_use},
    processes::{self, Found},
    record::{results, words_of},
    stack::find,
};
use protocol::{DesktopId, session::SessionState};
use serde_json::json;

#[tokio::test]
async fn from_the_agents_shell_no_secret_can_be_read() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;

    the_shell_is_fenced(&stack, &ada, &desktop).await;
    the_gate_is_out_of_reach(&stack, &ada, &desktop).await;
    a_link_to_a_secret_opens_nothing(&stack, &ada, &desktop).await;
    the_machine_around_it_is_out_of_reach(&stack, &ada, &desktop).await;
    another_desktop_is_out_of_reach(&stack, &desktop).await;
}

#[tokio::test]
async fn the_provider_key_is_written_nowhere_in_plain_text() {
    let loud = "warn,control=trace,edge=trace,sidecar=trace,provisioning=trace";
    let options = Options { env: vec![("CLOUDBOT_LOG", loud.to_owned())], ..Options::default() };
    let stack = Stack::with(options).await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let program = ada.token("a program").await;
    let desktop = program.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    stack.model.script([
        Turn::is_overloaded(),
        Turn::asks([tool_use("bash", json!({ "command": "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'" }))]),
        Turn::ends("Nothing found."),
    ]);

    let events = ada.ask(&session, "Look for secrets").await;

    assert_eq!(ada.session(&session).await.state, SessionState::Idle, "{events:?}");
    let calls = stack.model.requests();
    assert_eq!(calls.len(), 3, "one was told to try again");
    assert!(calls.iter().all(|call| call.headers["x-api-key"] == KEY), "the edge adds the key");
    let seen = results(&events).iter().map(words_of).collect::<String>();
    assert!(seen.contains("HOME="), "the agent's own environment: {seen}");
    let secrets = secrets(&stack, &ada);
    for (name, secret) in &secrets {
        assert!(!seen.contains(secret.as_str()), "{name} stands in an environment of the desktop");
    }
    let shown: serde_json::Value = ada.get("keys").await.expect("list keys");
    assert!(shown.to_string().contains("3fQA") && !shown.to_string().contains(KEY), "{shown}");
    // Everything that was written: logs, database with its journal, the VM's files, the record, the homes.
    let mut database_was_read = false;
    for file in find(stack.folder(), |_| true) {
        let words = String::from_utf8_lossy(&fs::read(&file).unwrap_or_default()).into_owned();
        for (name, secret) in &secrets {
            assert!(!words.contains(secret.as_str()), "{name} stands in {}", file.display());
        }
        database_was_read |= words.contains("ada@example.org");
    }
    assert!(database_was_read, "her address stands in the database, so that was searched, too");
}

async fn the_shell_is_fenced(stack: &Stack, ada: &Api, desktop: &DesktopId) {
    let id = ada.shell(desktop, "id -u; grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status").await.output;
    let mut lines = id.lines();
    assert_ne!(lines.next(), Some("0"), "not root inside");
    for line in lines {
        assert!(line.trim_end().ends_with("0000000000000000"), "no capabilities: {id}");
    }
    let written = ada.shell(desktop, "touch /usr/x /etc/x /opt/x /root/x 2>&1; ls /usr/x /etc/x 2>&1").await.output;
    assert!(!written.lines().any(|line| line == "/usr/x" || line == "/etc/x"), "the system is read-only: {written}");
    // Neither the tests nor control nor edge nor any other program of the machine is to be seen.
    let seen = ada.shell(desktop, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await.output;
    for outside in [&stack.layout.data.display().to_string(), "enrolment", "sidecar gate", "user-data"] {
        assert!(!seen.contains(outside), "{outside:?} can be seen from inside: {seen}");
    }
    let sudo = ada.shell(desktop, "sudo -n true 2>&1 || su -c true < /dev/null 2>&1 || echo refused").await.output;
    assert!(sudo.contains("refused"), "{sudo}");
}

async fn the_gate_is_out_of_reach(stack: &Stack, ada: &Api, desktop: &DesktopId) {
    let gate = gate(stack);
    // Both numbers that it could go by: its own, and what the fence's namespace would call it.
    for pid in [gate.pid.to_string(), "[0-9]*".to_owned()] {
        let command = format!(
            "for file in /proc/{pid}/environ /proc/{pid}/cmdline; do tr '\\0' ' ' < $file; done 2>/dev/null; \
             head -c 100 /proc/{pid}/mem 2>&1 | head -n 3; true"
        );
        let seen = ada.shell(desktop, &command).await.output;
        assert!(!seen.contains("gate --user-data"), "{seen}");
    }
    let killed = ada.shell(desktop, &format!("kill -0 {} 2>&1 && echo it can be signalled", gate.pid)).await.output;
    assert!(!killed.contains("it can be signalled"), "{killed}");

    // What is kept outside, by the very paths that it has on this machine.
    for secret in secret_files(stack) {
        let read = ada.shell(desktop, &format!("cat '{}' && echo could be read", secret.display())).await;
        assert!(!read.output.contains("could be read"), "{}: {}", secret.display(), read.output);
    }
    let searched = ada
        .shell(
            desktop,
            "timeout 50 grep -rIlE 'PRIVATE KEY|enrolment_token' /home /tmp /run /var /etc /root /opt /srv /mnt \
             \"$HOME\" 2>/dev/null | head; true",
        )
        .await
        .output;
    let ours: Vec<&str> = searched.lines().filter(|line| !line.starts_with("/etc/ssl/private")).collect();
    assert!(ours.is_empty(), "a key can be found: {ours:?}");
}

async fn a_link_to_a_secret_opens_nothing(stack: &Stack, ada: &Api, desktop: &DesktopId) {
    ada.set_key(KEY).await;
    let session = ada.create_session(desktop).await.id;
    // The gate's own, by their names out here and by the names that they have where it lives.
    let mut targets: Vec<PathBuf> =
        secret_files(stack).into_iter().filter(|file| !file.starts_with(stack.layout.data.join("control"))).collect();
    targets.extend(["/run/cloudbot/user-data.json", "/run/cloudbot/gate/key.pem"].map(PathBuf::from));
    let mut contents = Vec::new();
    for (index, target) in targets.iter().enumerate() {
        contents.push(fs::read_to_string(target).unwrap_or_default());
        let command = format!("ln -sfn '{}' ~/link{index} && echo ~/link{index}", target.display());
        let link = ada.shell(desktop, &command).await.output.trim().to_owned();
        stack.model.script([
            Turn::asks([
                tool_use("str_replace_based_edit_tool", json!({ "command": "view", "path": link })),
                tool_use("bash", json!({ "command": format!("cat {link}") })),
            ]),
            Turn::ends("I looked."),
        ]);

        let events = ada.ask(&session, "Look at the link").await;

        let seen = results(&events);
        assert_eq!(seen.len(), 2, "{events:?}");
        assert!(seen[0].is_error, "the editor opened {}: {seen:?}", target.display());
        for result in &seen {
            let words = words_of(result);
            for line in contents[index].lines().filter(|line| line.len() > 16) {
                assert!(!words.contains(line), "{} could be read by a link: {words}", target.display());
            }
        }
    }
}

async fn the_machine_around_it_is_out_of_reach(stack: &Stack, ada: &Api, desktop: &DesktopId) {
    let layout = &stack.layout;
    // What a developer's careless server does: it listens on every interface.
    let server = TcpListener::bind("0.0.0.0:0").expect("listen on every interface");
    let careless = server.local_addr().expect("a port").port();
    // 10.0.2.2 is what slirp4netns calls the host.
    let mut hosts = vec!["127.0.0.1".to_owned(), "10.0.2.2".to_owned(), "169.254.169.254".to_owned()];
    hosts.extend(outward_address());
    for port in [layout.public, layout.vm, layout.metrics, layout.control, careless] {
        for host in &hosts {
            let tried = format!("timeout 3 bash -c 'exec 3<>/dev/tcp/{host}/{port}' 2>&1 && echo connected");
            let said = ada.shell(desktop, &tried).await.output;
            assert!(!said.contains("connected"), "{host}:{port} can be reached from inside");
        }
    }
    let metadata = "timeout 3 bash -c 'exec 3<>/dev/tcp/169.254.169.254/80' 2>&1 && echo connected";
    assert!(!ada.shell(desktop, metadata).await.output.contains("connected"), "a cloud's metadata can be reached");
    let sockets = "ls /tmp/.X11-unix; cat /proc/net/unix | grep -c '@/tmp/.X11-unix/X0$'";
    let own = ada.shell(desktop, &format!("echo $DISPLAY; {sockets}")).await.output;
    assert_eq!(own.lines().filter(|line| line.starts_with('X')).count(), 1, "only its own X server: {own}");
    let docker = ada.shell(desktop, "ls /var/run/docker.sock /run/dbus/system_bus_socket /run/postgresql 2>&1").await;
    assert!(docker.output.lines().all(|line| line.contains("cannot access")), "{}", docker.output);
}

async fn another_desktop_is_out_of_reach(stack: &Stack, desktop: &DesktopId) {
    let bob = stack.user("bob").await;
    let theirs = bob.ready_desktop().await.id;
    bob.shell(&theirs, "echo bobs-own-words > ~/private.txt; (exec -a bobs-process sleep 300) > /dev/null 2>&1 &")
        .await;
    let ada = stack.anonymous();
    ada.log_in("ada@example.org").await.expect("log in");

    let home = find(&stack.layout.data, |file| file.ends_with("private.txt"));
    let home = home.first().expect("the home is on this disk").display().to_string();
    let seen = ada
        .shell(desktop, &format!("cat '{home}' 2>&1; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; ls /tmp /dev/shm"))
        .await
        .output;

    assert!(!seen.contains("bobs-own-words") && !seen.contains("bobs-process"), "{seen}");
}

/// What must never be seen outside the program that it belongs to.
fn secrets(stack: &Stack, ada: &Api) -> Vec<(String, String)> {
    let cookie = |name| ada.cookie(name).expect("a cookie");
    let mut secrets = vec![
        ("the provider key".to_owned(), model_server::KEY.to_owned()),
        ("the password".to_owned(), harness::api::PASSWORD.to_owned()),
        ("the access token".to_owned(), cookie(protocol::paths::ACCESS_COOKIE)),
        ("the refresh token".to_owned(), cookie(protocol::paths::REFRESH_COOKIE)),
    ];
    secrets.retain(|(_, secret)| !secret.is_empty());
    assert!(stack.layout.data.is_dir());
    secrets
}

/// The address by which this machine is known to others, if it has one. Nothing is sent.
fn outward_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip().to_string())
}

fn gate(stack: &Stack) -> Found {
    processes::of_folder(&stack.layout.data)
        .into_iter()
        .find(|found| found.program() == "sidecar" && found.command.iter().any(|word| word == "gate"))
        .expect("the gate runs")
}

/// What the gate was given and keeps, and what control and edge keep: keys, certificates, tokens, the database.
fn secret_files(stack: &Stack) -> Vec<PathBuf> {
    let data = &stack.layout.data;
    let files = find(data, |file| {
        let below = file.strip_prefix(data).unwrap_or(file);
        let within = |folder: &str| below.iter().any(|part| part == folder);
        file.ends_with("user-data.json") || within("gate") || below.starts_with("control") || below.starts_with("edge")
    });
    assert!(files.iter().any(|file| file.ends_with("user-data.json")), "what the VM was born with: {files:?}");
    assert!(files.iter().any(|file| file.to_string_lossy().contains("/gate/")), "what the gate keeps: {files:?}");
    files
}
