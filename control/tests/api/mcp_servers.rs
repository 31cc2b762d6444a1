//! MCP servers of a desktop: kept sealed, shown masked, told in full to the desktop's own VM.

use std::time::Duration;

use protocol::{
    DesktopId,
    desktop::DesktopState,
    error::Code,
    mcp::{MASK, McpServer, McpServers},
    vm::Notice,
};
use serde_json::{Value, json};

use crate::{
    streams::Stream,
    support::{Browser, Control, Vm},
};

facts!(
    a_server_is_added_read_changed_and_deleted,
    a_value_is_shown_only_as_a_placeholder_of_a_secret,
    nothing_of_a_server_stands_in_the_database_as_it_was_given,
    a_vm_reads_all_of_its_own_desktop,
    a_vm_that_serves_no_more_reads_nothing,
    what_is_not_theirs_is_not_there,
    a_program_with_less_than_everything_sees_none,
    a_name_is_taken_once_and_stays,
    a_desktop_has_twenty_at_most,
    what_no_sidecar_could_start_is_refused_without_repeating_it,
    a_change_is_told_to_the_desktops_own_vm,
    a_change_at_another_control_is_told_too,
    a_stopped_desktop_takes_changes_all_the_same,
    a_deleted_desktop_leaves_no_server,
);

pub(crate) const TOKEN: &str = "correct-horse-battery-staple";

pub(crate) fn process(name: &str, env: Value) -> Value {
    let transport = json!({ "type": "stdio", "command": "mcp-issues", "args": ["--all"], "env": env });
    json!({ "name": name, "transport": transport, "autostart": false })
}

pub(crate) fn remote(name: &str, headers: Value) -> Value {
    json!({ "name": name, "transport": { "type": "http", "url": "https://issues.example/mcp", "headers": headers } })
}

pub(crate) async fn desktop_of(browser: &Browser) -> DesktopId {
    browser.post("desktops", "{}").await.expect_status(201).json::<protocol::desktop::Desktop>().id
}

pub(crate) async fn add(browser: &Browser, desktop: &DesktopId, server: Value) -> McpServer {
    browser.post(&format!("desktops/{desktop}/mcp-servers"), server.to_string()).await.expect_status(201).json()
}

pub(crate) async fn put(browser: &Browser, desktop: &DesktopId, server: &Value) -> Value {
    let name = server["name"].as_str().unwrap();
    browser.put(&format!("desktops/{desktop}/mcp-servers/{name}"), server.clone()).await.expect_status(200).json()
}

/// What a VM reads of the servers, values and all.
pub(crate) async fn read(vm: &Vm) -> Value {
    let servers: McpServers = vm.get("mcp-servers").await.expect_status(200).json();
    json!(servers.servers)
}

async fn a_server_is_added_read_changed_and_deleted(control: Control) {
    let browser = control.user("ada").await;
    let desktop = desktop_of(&browser).await;
    let (all, one) = (format!("desktops/{desktop}/mcp-servers"), format!("desktops/{desktop}/mcp-servers/issues"));

    let added = add(&browser, &desktop, process("issues", json!({}))).await;
    add(&browser, &desktop, remote("a", json!({}))).await;
    let listed: Vec<McpServer> = browser.get(&all).await.expect_status(200).json();
    control.pass_time(5_000);
    let mut wish: Value = browser.get(&one).await.expect_status(200).json();
    assert_eq!(wish, json!(added));
    assert_eq!(listed.iter().map(|server| server.autostart).collect::<Vec<_>>(), [true, false]);
    wish["transport"]["args"] = json!([]);
    let changed = put(&browser, &desktop, &wish).await;

    assert_eq!(listed.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["a", "issues"]);
    assert_eq!(changed["transport"]["args"], json!([]));
    assert_eq!(changed["created_at"], json!(added.created_at));
    assert!(changed["updated_at"].as_i64().is_some_and(|at| at >= added.updated_at + 5_000), "{changed}");
    assert_eq!(browser.get(&one).await.json::<Value>(), changed);
    browser.delete(&one).await.expect_status(204);
    for gone in [
        browser.get(&one).await,
        browser.put(&one, process("issues", json!({}))).await,
        browser.delete(&one).await,
        browser.get(&format!("{all}/iss%00ues")).await,
        browser.delete(&format!("{all}/iss%00ues")).await,
    ] {
        assert_eq!((gone.status.as_u16(), gone.code()), (404, Code::NotFound));
    }
    assert_eq!(browser.get(&all).await.json::<Vec<Value>>().len(), 1);
}

async fn a_value_is_shown_only_as_a_placeholder_of_a_secret(control: Control) {
    let browser = control.user("ada").await;
    let desktop = desktop_of(&browser).await;
    let (all, one) = (format!("desktops/{desktop}/mcp-servers"), format!("desktops/{desktop}/mcp-servers/a"));
    let env = json!({ "KEY": TOKEN, "BOTH": format!("{TOKEN} {{{{secret:A}}}}"), "REF": "{{secret:ISSUES}}" });

    let answers = [
        browser.post(&all, process("a", env.clone()).to_string()).await.expect_status(201),
        browser.post(&all, remote("b", json!({ "authorization": TOKEN })).to_string()).await.expect_status(201),
        browser.get(&all).await.expect_status(200),
        browser.get(&one).await.expect_status(200),
        browser.put(&one, process("a", env)).await.expect_status(200),
    ];

    assert!(answers.iter().all(|answer| !answer.text().contains("horse")));
    let shown = json!({ "BOTH": MASK, "KEY": MASK, "REF": "{{secret:ISSUES}}" });
    assert_eq!(browser.get(&one).await.json::<Value>()["transport"]["env"], shown);
    let listed: Value = answers[2].json();
    assert_eq!(listed[1]["transport"]["headers"], json!({ "authorization": MASK }));
}

async fn nothing_of_a_server_stands_in_the_database_as_it_was_given(control: Control) {
    let browser = control.user("ada").await;
    let desktop = desktop_of(&browser).await;

    add(&browser, &desktop, process("a", json!({ "KEY": TOKEN }))).await;
    put(&browser, &desktop, &process("a", json!({ "KEY": format!("{TOKEN}2") }))).await;
    add(&browser, &desktop, remote("b", json!({ "authorization": TOKEN }))).await;

    let rows = control.texts("SELECT name || ' ' || sealed || ' ' || key_id FROM mcp_servers").await;
    assert_eq!(rows.len(), 2);
    for given in [TOKEN, "mcp-issues", "issues.example"] {
        assert!(!rows.iter().any(|row| row.contains(given)), "{given} stands in a row: {rows:?}");
        for file in crate::keys::walk(control.folder.path()) {
            let bytes = std::fs::read(&file).unwrap_or_default();
            let found = bytes.windows(given.len()).any(|window| window == given.as_bytes());
            assert!(!found, "{given} stands in {}", file.display());
        }
    }
}

async fn a_vm_reads_all_of_its_own_desktop(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let (_, other) = control.ready_desktop(&browser).await;
    let none = read(&vm).await;
    let mut servers = json!([
        remote("a", json!({ "authorization": TOKEN, "x-ref": "{{secret:ISSUES}}" })),
        process("b", json!({ "KEY": TOKEN })),
    ]);
    for server in servers.as_array().unwrap().iter().rev() {
        add(&browser, &desktop.id, server.clone()).await;
    }

    let answer = vm.get("mcp-servers").await.expect_status(200);

    servers[0]["autostart"] = json!(true);
    assert_eq!(answer.json::<Value>(), json!({ "servers": servers }));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!((none, read(&other).await), (json!([]), json!([])));
    assert_eq!(control.anonymous().get("/vm/v1/mcp-servers").await.code(), Code::NotSignedIn);
}

async fn a_vm_that_serves_no_more_reads_nothing(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    add(&browser, &desktop.id, process("a", json!({ "KEY": TOKEN }))).await;
    browser.order(&format!("desktops/{}/reboot", desktop.id)).await.expect_success();
    control.settle().await;

    assert_eq!(vm.get("mcp-servers").await.code(), Code::StaleGeneration);
    assert_eq!(read(&control.vm_of(&desktop.id).await).await[0]["name"], "a");
}

async fn what_is_not_theirs_is_not_there(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    let (desktop, vm) = control.ready_desktop(&ada).await;
    let (all, one) = (format!("desktops/{}/mcp-servers", desktop.id), format!("desktops/{}/mcp-servers/a", desktop.id));
    add(&ada, &desktop.id, process("a", json!({ "KEY": TOKEN }))).await;
    let before = read(&vm).await;

    for refused in [
        mallory.get(&all).await,
        mallory.post(&all, process("b", json!({})).to_string()).await,
        mallory.get(&one).await,
        mallory.put(&one, process("a", json!({ "KEY": MASK }))).await,
        mallory.put(&one, process("a", json!({ "KEY": "hers" }))).await,
        mallory.delete(&one).await,
        mallory.get("desktops/dsk-0193a5b2c4d67e8f9a0b1c2d3e4f5061/mcp-servers").await,
    ] {
        assert_eq!((refused.status.as_u16(), refused.code()), (404, Code::NotFound));
        assert!(refused.text().contains("such desktop"), "as if there were no desktop: {}", refused.text());
    }
    assert_eq!(read(&vm).await, before);
}

async fn a_program_with_less_than_everything_sees_none(control: Control) {
    let browser = control.user("ada").await;
    let desktop = desktop_of(&browser).await;
    let (all, one) = (format!("desktops/{desktop}/mcp-servers"), format!("desktops/{desktop}/mcp-servers/a"));
    add(&browser, &desktop, process("a", json!({ "KEY": TOKEN }))).await;
    let program = browser.token(&["view", "control", "chat", "files"]).await;

    for refused in [
        program.get(&all).await,
        program.post(&all, process("b", json!({})).to_string()).await,
        program.get(&one).await,
        program.put(&one, process("a", json!({}))).await,
        program.delete(&one).await,
    ] {
        assert_eq!((refused.status.as_u16(), refused.code()), (403, Code::MissingScope));
    }
    browser.token(&[]).await.get(&one).await.expect_status(200);
}

async fn a_name_is_taken_once_and_stays(control: Control) {
    let browser = control.user("ada").await;
    let (first, second) = (desktop_of(&browser).await, desktop_of(&browser).await);
    let all = format!("desktops/{first}/mcp-servers");
    add(&browser, &first, process("a", json!({ "KEY": TOKEN }))).await;

    let again = browser.post(&all, remote("a", json!({})).to_string()).await;
    let renamed = browser.put(&format!("{all}/a"), process("b", json!({}))).await;

    assert_eq!((again.status.as_u16(), again.code()), (409, Code::Conflict));
    assert_eq!((renamed.status.as_u16(), renamed.code()), (422, Code::InvalidValue));
    let kept: Vec<Value> = browser.get(&all).await.json();
    assert_eq!(kept.iter().map(|server| &server["transport"]["type"]).collect::<Vec<_>>(), ["stdio"]);
    add(&browser, &second, process("a", json!({}))).await;
}

async fn a_desktop_has_twenty_at_most(control: Control) {
    let browser = control.user("ada").await;
    let desktop = desktop_of(&browser).await;
    let all = format!("desktops/{desktop}/mcp-servers");

    let bodies: Vec<String> = (0..24).map(|n| process(&format!("s{n}"), json!({})).to_string()).collect();
    let answers = futures_util::future::join_all(bodies.iter().map(|body| browser.post(&all, body.clone()))).await;

    assert_eq!(browser.get(&all).await.json::<Vec<Value>>().len(), 20);
    for refused in answers.iter().filter(|answer| !answer.status.is_success()) {
        assert_eq!((refused.status.as_u16(), refused.code()), (409, Code::Conflict));
    }
    let kept: Vec<McpServer> = browser.get(&all).await.json();
    put(&browser, &desktop, &process(&kept[0].name, json!({ "A": "a known one may change" }))).await;
    browser.delete(&format!("{all}/{}", kept[0].name)).await.expect_status(204);
    add(&browser, &desktop, process("one-more", json!({}))).await;
}

async fn what_no_sidecar_could_start_is_refused_without_repeating_it(control: Control) {
    let browser = control.user("ada").await;
    let desktop = desktop_of(&browser).await;
    let all = format!("desktops/{desktop}/mcp-servers");
    add(&browser, &desktop, process("a", json!({}))).await;
    let transport = |transport: Value| json!({ "name": "a", "transport": transport });

    for body in [
        process("A", json!({})),
        process("a", json!({ "A B": TOKEN })),
        process("a", json!({ "KEY": format!("{TOKEN}\0") })),
        process("a", json!({ "KEY": [TOKEN] })),
        process("a", json!(TOKEN)),
        remote("a", json!({ "host": TOKEN })),
        remote("a", json!({ "x-key": format!("{TOKEN}\n") })),
        transport(json!({ "type": "http", "url": format!("https://ada:{TOKEN}@issues.example/") })),
        transport(json!({ "type": "http", "url": "https://issues.example/", "env": { "KEY": TOKEN } })),
        transport(json!({ "type": "stdio", "command": "x", TOKEN: 1 })),
        transport(json!({ "type": TOKEN })),
        transport(json!(TOKEN)),
        json!(TOKEN),
    ] {
        for refused in
            [browser.post(&all, body.to_string()).await, browser.put(&format!("{all}/a"), body.clone()).await]
        {
            assert_eq!((refused.status.as_u16(), refused.code()), (422, Code::InvalidValue), "{body}");
            assert!(!refused.text().contains("horse"), "{body}: {}", refused.text());
        }
    }
}

async fn a_change_is_told_to_the_desktops_own_vm(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let (_, other) = control.ready_desktop(&browser).await;
    let (mut notices, mut elsewhere) = (Stream::of(vm.notices().await), Stream::of(other.notices().await));
    assert_eq!([notices.next::<Notice>().await, elsewhere.next().await], [Notice::Hello, Notice::Hello]);

    add(&browser, &desktop.id, process("a", json!({}))).await;
    assert_eq!(notices.next::<Notice>().await, Notice::McpServers);
    put(&browser, &desktop.id, &process("a", json!({ "A": "b" }))).await;
    assert_eq!(notices.next::<Notice>().await, Notice::McpServers);
    browser.delete(&format!("desktops/{}/mcp-servers/a", desktop.id)).await.expect_status(204);
    assert_eq!(notices.next::<Notice>().await, Notice::McpServers);

    assert!(elsewhere.is_quiet(Duration::from_millis(300)).await, "it is not the other desktop's business");
}

async fn a_change_at_another_control_is_told_too(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    add(&browser, &desktop.id, process("a", json!({}))).await;
    let mut notices = Stream::of(vm.notices().await);
    assert_eq!(notices.next::<Notice>().await, Notice::Hello);

    let other = control.restarted().await;
    let there = browser.at(&other);
    there.log_in("ada@example.org", crate::support::PASSWORD).await.expect_status(200);
    // One is as many as before.
    there.delete(&format!("desktops/{}/mcp-servers/a", desktop.id)).await.expect_status(204);
    add(&there, &desktop.id, process("a", json!({}))).await;

    assert_eq!(notices.next::<Notice>().await, Notice::Hello);
}

async fn a_stopped_desktop_takes_changes_all_the_same(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    browser.order(&format!("desktops/{}/stop", desktop.id)).await.expect_success();
    control.settle().await;
    assert_eq!(browser.desktop(&desktop.id).await.state, DesktopState::Stopped);

    add(&browser, &desktop.id, process("a", json!({}))).await;
    add(&browser, &desktop.id, process("b", json!({}))).await;
    put(&browser, &desktop.id, &process("a", json!({ "KEY": TOKEN }))).await;
    browser.delete(&format!("desktops/{}/mcp-servers/b", desktop.id)).await.expect_status(204);
    browser.order(&format!("desktops/{}/start", desktop.id)).await.expect_success();
    control.settle().await;

    let found = read(&control.vm_of(&desktop.id).await).await;
    assert_eq!(found, json!([process("a", json!({ "KEY": TOKEN }))]));
}

async fn a_deleted_desktop_leaves_no_server(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    add(&browser, &desktop.id, process("a", json!({ "KEY": TOKEN }))).await;

    browser.delete(&format!("desktops/{}", desktop.id)).await.expect_success();
    control.settle().await;

    assert_eq!(browser.get(&format!("desktops/{}/mcp-servers", desktop.id)).await.code(), Code::NotFound);
    assert!(control.texts("SELECT name FROM mcp_servers").await.is_empty());
}
