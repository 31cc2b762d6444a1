//! As `wire.rs`: what outsiders read of a desktop's MCP servers. A changed snapshot is a changed API.

use insta::assert_json_snapshot;
use protocol::{mcp::*, vm::Notice};
use serde_json::json;

fn process() -> McpServerConfig {
    McpServerConfig {
        name: "files".into(),
        transport: McpTransport::Stdio {
            command: "mcp-files".into(),
            args: vec!["--root".into(), "/home/user".into()],
            env: [("TOKEN".to_owned(), "{{secret:FILES}}".to_owned())].into(),
        },
        autostart: true,
    }
}

fn remote() -> McpServerConfig {
    McpServerConfig {
        name: "issues-2".into(),
        transport: McpTransport::Http {
            url: "https://issues.example/mcp".into(),
            headers: [("authorization".to_owned(), MASK.to_owned())].into(),
        },
        autostart: false,
    }
}

/// As its owner sees it.
fn seen() -> McpServer {
    let McpServerConfig { name, transport, autostart } = remote();
    McpServer { name, transport: Some(transport), autostart, created_at: 1, updated_at: 2 }
}

#[test]
fn servers_that_are_added_to_a_desktop() {
    assert_json_snapshot!([
        json!(process()),
        json!(seen()),
        json!(McpServers { servers: vec![process(), remote()] }),
        json!(Notice::McpServers),
    ]);
}

#[test]
fn servers_that_run() {
    assert_json_snapshot!([
        json!(McpStatus {
            name: "files".into(),
            state: McpState::Failed,
            reason: Some("there is no program mcp-files".into()),
            since: 1,
            tools: 0,
        }),
        json!(McpStatus { name: "files".into(), state: McpState::Running, reason: None, since: 1, tools: 3 }),
        json!(McpTool {
            name: "read".into(),
            description: "Reads a file".into(),
            input_schema: json!({ "type": "object", "properties": { "path": { "type": "string" } } }),
        }),
        json!(TryMcpTool { tool: "read".into(), input: json!({ "path": "notes.txt" }) }),
        json!(McpTried { is_error: false, text: "Milk".into(), took_ms: 12 }),
        json!(McpLogLine { at: 1, text: "listening".into() }),
        json!(McpState::ALL),
    ]);
}

#[test]
fn a_state_is_spelled_alike_in_json_and_as_text() {
    for state in McpState::ALL {
        assert_eq!(json!(state), json!(state.as_str()));
    }
}

#[test]
fn a_server_needs_no_more_than_what_it_is_and_starts_with_its_desktop() {
    let process: McpServerConfig =
        serde_json::from_value(json!({ "name": "a", "transport": { "type": "stdio", "command": "b" } })).unwrap();
    let remote: McpServerConfig =
        serde_json::from_value(json!({ "name": "a", "transport": { "type": "http", "url": "http://b/" } })).unwrap();

    assert!(process.autostart && remote.autostart);
    assert!(matches!(process.transport, McpTransport::Stdio { args, env, .. } if args.is_empty() && env.is_empty()));
    assert!(matches!(remote.transport, McpTransport::Http { headers, .. } if headers.is_empty()));
}

#[test]
fn a_server_that_cannot_be_read_any_more_has_no_transport() {
    let unread = json!(McpServer { transport: None, ..seen() });

    assert_json_snapshot!(unread);
    assert!(serde_json::from_value::<McpServerConfig>(unread).is_err(), "it is not sent back by mistake");
}

#[test]
fn what_was_read_can_be_sent_back_and_a_mistyped_transport_cannot() {
    let read = json!(seen());
    let mistyped = json!({ "name": "a", "transport": { "type": "stdio", "command": "b", "arg": ["c"] } });

    assert!(serde_json::from_value::<McpServerConfig>(read).is_ok_and(|config| config == remote()));
    assert!(serde_json::from_value::<McpServerConfig>(mistyped).is_err());
}
