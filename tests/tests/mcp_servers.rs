//! MCP servers that a user adds to a desktop: inside its fence, by its own network, for the agent's use.

use std::time::Duration;

use harness::{
    Api, Stack, Turn,
    api::Answer,
    model_server::{KEY, tool_use},
    record::{results, texts, words_of},
    repository, wait,
};
use protocol::{
    DesktopId,
    approval::{ApprovalPolicy, Risk},
    error::Code,
    event::EventBody,
    mcp::{McpServer, McpState, McpStatus, McpTool, McpTried},
    session::{CreateSession, Session},
    settings::SessionSettings,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(40);
const SECRET: &str = "the-word-that-nobody-reads";

#[tokio::test]
async fn the_agent_uses_the_servers_that_a_user_adds() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    ada.put::<Value>("secrets/OWNER", &json!({ "value": SECRET })).await.expect("store a secret");
    let desktop = ada.ready_desktop().await.id;
    put_the_server_on_the_desktop(&ada, &desktop).await;
    let servers = Servers { stack: &stack, ada: &ada, desktop: &desktop };

    servers.a_child_starts_as_soon_as_it_is_added().await;
    servers.a_tool_can_be_tried_and_what_it_writes_is_told().await;
    servers.the_agent_calls_a_tool_once_a_person_says_yes().await;
    servers.a_server_is_stopped_started_and_started_again().await;
    servers.a_server_that_dies_is_told_of_and_not_started_again().await;
    servers.a_server_of_the_desktops_own_network_is_spoken_to().await;
    servers.it_comes_back_with_the_desktops_next_machine().await;
    servers.a_deleted_server_ends().await;
}

async fn put_the_server_on_the_desktop(ada: &Api, desktop: &DesktopId) {
    let script = std::fs::read_to_string(repository().join("tests/mcp/notes.py")).expect("the server's script");
    let wrote = ada.shell(desktop, &format!("cat > ~/notes.py <<'PYTHON'\n{script}\nPYTHON")).await;
    assert_eq!(wrote.exit_code, Some(0), "{wrote:?}");
}

struct Servers<'a> {
    stack: &'a Stack,
    ada: &'a Api,
    desktop: &'a DesktopId,
}

impl Servers<'_> {
    async fn a_child_starts_as_soon_as_it_is_added(&self) {
        let transport = json!({ "type": "stdio", "command": "python3", "args": ["notes.py"],
            "env": { "NOTES_OF": "{{secret:OWNER}}" } });

        let added: McpServer = self.add("notes", transport).await;

        assert!(added.autostart);
        let status = self.becomes("notes", McpState::Running).await;
        assert_eq!(status.tools, 2);
        let tools: Vec<McpTool> = self.ada.get(&self.path("notes", "/tools")).await.expect("its tools");
        assert_eq!(tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["add", "die"]);
    }

    async fn a_tool_can_be_tried_and_what_it_writes_is_told(&self) {
        let tried = self.try_add("notes", "milk").await.expect("try it");

        // The server was given the secret, and what comes back does not show it.
        assert_eq!((tried.is_error, tried.text.as_str()), (false, "{{secret:OWNER}}: milk"));
        self.ada.stream_until(&self.path("notes", "/logs"), "\"1 notes\"", SOON).await;
    }

    async fn the_agent_calls_a_tool_once_a_person_says_yes(&self) {
        let settings = SessionSettings { approvals: ApprovalPolicy::Risky, ..SessionSettings::default() };
        let wish = CreateSession { desktop_id: Some(self.desktop.clone()), settings, ..CreateSession::default() };
        let session = self.ada.post::<Session>("sessions", &wish).await.expect("a session").id;
        self.stack
            .model
            .script([Turn::asks([tool_use("mcp__notes__add", json!({ "text": "bread" }))]), Turn::ends("Noted.")]);

        let seq = self.ada.say(&session, "Note bread").await;
        let (approval, risk) = wait::until("it asks", SOON, async || {
            let events = self.ada.events(&session, seq).await;
            events.iter().find_map(|event| match &event.body {
                EventBody::ApprovalAsked(asked) => Some((event.seq, asked.risk)),
                _ => None,
            })
        })
        .await;
        let path = format!("sessions/{session}/approve");
        self.ada.post::<Session>(&path, &json!({ "approval": approval })).await.expect("approve");
        let events = self.ada.wait_until_done(&session, seq).await;

        assert_eq!(risk, Some(Risk::Mcp));
        let told: Vec<String> = results(&events).iter().map(words_of).collect();
        assert_eq!(told, ["{{secret:OWNER}}: milk, bread"]);
        let requests = self.stack.model.requests();
        assert!(requests.iter().all(|request| !request.text().contains(SECRET)));
        assert!(requests[0].tool_names().contains(&"mcp__notes__add".to_owned()));
    }

    async fn a_server_is_stopped_started_and_started_again(&self) {
        let stopped = self.order("notes", "stop").await;
        let without = self.processes().await;
        let refused = self.try_add("notes", "x").await;
        let started = self.order("notes", "start").await;
        let first = self.processes().await;
        let again = self.order("notes", "restart").await;
        let second = self.processes().await;

        assert_eq!(
            [stopped.state, started.state, again.state],
            [McpState::Stopped, McpState::Running, McpState::Running]
        );
        assert_eq!((without.as_str(), first.lines().count(), second.lines().count()), ("", 1, 1));
        assert_ne!(first, second);
        assert!(refused.is_err() || refused.is_ok_and(|tried| tried.is_error && tried.text.contains("not running")));
    }

    async fn a_server_that_dies_is_told_of_and_not_started_again(&self) {
        let session = self.ada.create_session(self.desktop).await.id;
        self.stack.model.script([Turn::asks([tool_use("mcp__notes__die", json!({}))]), Turn::ends("It is gone.")]);

        let events = self.ada.ask(&session, "Let it die").await;

        let results = results(&events);
        assert!(results[0].is_error && words_of(&results[0]).contains("notes"), "{results:?}");
        assert!(texts(&events).contains("It is gone."), "the session goes on");
        let status = self.becomes("notes", McpState::Failed).await;
        let reason = status.reason.unwrap_or_default();
        assert!(reason.contains('7') && reason.contains("it was asked to die"), "{reason}");
        assert_eq!(self.processes().await, "");
        assert_eq!(self.order("notes", "start").await.state, McpState::Running);
    }

    async fn a_server_of_the_desktops_own_network_is_spoken_to(&self) {
        // On the desktop's loopback, which nothing outside of the fence can reach.
        self.ada.shell(self.desktop, "(setsid python3 ~/notes.py 7070 >/dev/null 2>&1 &)").await;
        let listens = "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 7070))'";
        wait::until("it listens", SOON, async || {
            (self.ada.shell(self.desktop, listens).await.exit_code == Some(0)).then_some(())
        })
        .await;
        let transport = |word: &str| json!({ "type": "http", "url": "http://127.0.0.1:7070/mcp", "headers": { "Authorization": format!("Bearer {word}") } });

        self.add("far", transport("let-me-in")).await;
        self.becomes("far", McpState::Running).await;
        let tried = self.try_add("far", "eggs").await.expect("try it");
        self.add("shut", transport("wrong")).await;
        let shut = self.becomes("shut", McpState::Failed).await;

        assert_eq!((tried.is_error, tried.text.as_str()), (false, "nobody: eggs"));
        assert!(shut.reason.is_some_and(|reason| reason.contains("401")), "it says why");
        for name in ["far", "shut"] {
            self.ada.delete(&self.path(name, "")).await.expect("delete");
        }
    }

    async fn it_comes_back_with_the_desktops_next_machine(&self) {
        self.ada.stop(self.desktop).await;
        let asleep = self.ada.get::<McpStatus>(&self.path("notes", "/status")).await.unwrap_err();
        self.ada.start(self.desktop).await;

        assert_eq!(asleep.code(), Code::DesktopNotReady);
        self.becomes("notes", McpState::Running).await;
        assert_eq!(self.try_add("notes", "new").await.expect("try it").text, "{{secret:OWNER}}: new");
    }

    async fn a_deleted_server_ends(&self) {
        self.ada.delete(&self.path("notes", "")).await.expect("delete");

        wait::until("its process is gone", SOON, async || self.processes().await.is_empty().then_some(())).await;
        let gone = self.ada.get::<McpStatus>(&self.path("notes", "/status")).await.unwrap_err();
        assert_eq!(gone.code(), Code::NotFound);
    }

    async fn add(&self, name: &str, transport: Value) -> McpServer {
        let path = format!("desktops/{}/mcp-servers", self.desktop);
        self.ada.post(&path, &json!({ "name": name, "transport": transport })).await.expect("add a server")
    }

    async fn becomes(&self, name: &str, state: McpState) -> McpStatus {
        wait::until(&format!("{name} is {}", state.as_str()), SOON, async || {
            let status = self.ada.get::<McpStatus>(&self.path(name, "/status")).await.ok()?;
            (status.state == state).then_some(status)
        })
        .await
    }

    async fn order(&self, name: &str, verb: &str) -> McpStatus {
        self.ada.post(&self.path(name, &format!("/{verb}")), &json!({})).await.expect(verb)
    }

    async fn try_add(&self, name: &str, text: &str) -> Answer<McpTried> {
        self.ada.post(&self.path(name, "/try"), &json!({ "tool": "add", "input": { "text": text } })).await
    }

    /// The children that run, a line each.
    async fn processes(&self) -> String {
        self.ada.shell(self.desktop, "pgrep -fx 'python3 notes.py'").await.output
    }

    fn path(&self, name: &str, rest: &str) -> String {
        format!("desktops/{}/mcp-servers/{name}{rest}", self.desktop)
    }
}
