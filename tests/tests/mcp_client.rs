//! A desktop is driven over MCP by the official Python client, through the edge, with a personal access token.

use std::{process::Stdio, time::Duration};

use harness::{Api, Stack, picture::Picture, repository};
use protocol::{DesktopId, capability::Scope, lease::ControlStatus, user::CreateToken, user::CreatedToken};
use serde_json::{Value, json};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn the_official_client_drives_a_desktop_within_its_tokens_scopes_and_never_beside_a_person() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    let desktop = ada.ready_desktop().await.id;
    let client = Client { stack: &stack, desktop: &desktop, token: token(&ada, &[]).await };

    for mode in ["auto", "legacy"] {
        it_sees_the_screen_and_uses_the_shell(&client, &ada, mode).await;
    }
    a_person_who_drives_is_left_alone(&client, &ada).await;
    without_the_scope_there_is_no_shell(&stack, &ada, &desktop).await;
    who_is_nobody_does_not_get_in(&stack, &ada, &desktop).await;
}

async fn it_sees_the_screen_and_uses_the_shell(client: &Client<'_>, ada: &Api, mode: &str) {
    let command = format!("echo {mode} $((6 * 7)) | tee ~/by-mcp");
    let wanted = [("screenshot", json!({})), ("bash", json!({ "command": command }))];

    let steps = client.run(&["--mode", mode], &wanted).await;

    let [connected, tools, seen, ran, done] = &steps[..] else { panic!("{mode}: {steps:?}") };
    assert_eq!((connected["server"].as_str(), done["step"].as_str()), (Some("cloudbot-desktop"), Some("done")));
    for tool in ["screenshot", "left_click", "type", "bash"] {
        assert!(names(tools).contains(&tool), "{tool} is not among {tools}");
    }
    let content = &seen["content"][0];
    assert_eq!((seen["is_error"].as_bool(), content["mime_type"].as_str()), (Some(false), Some("image/png")), "{seen}");
    let file = content["file"].as_str().expect("the name of a file");
    let picture = Picture::from_png(&std::fs::read(file).expect("read the picture"));
    assert_eq!(picture.size, ada.screenshot(client.desktop).await.size);
    assert_eq!(ran["is_error"], false, "{ran}");
    assert!(text(ran).contains(&format!("{mode} 42")), "{ran}");
    assert_eq!(ada.shell(client.desktop, "cat ~/by-mcp").await.output.trim(), format!("{mode} 42"));
}

async fn a_person_who_drives_is_left_alone(client: &Client<'_>, ada: &Api) {
    let control = format!("desktops/{}/control", client.desktop);
    let wanted = [
        ("left_click", json!({ "coordinate": [5, 5] })),
        ("screenshot", json!({})),
        ("bash", json!({ "command": "id" })),
    ];
    let _: ControlStatus = ada.post(&format!("{control}/take"), &json!({})).await.expect("take control");

    let beside = client.run(&[], &wanted).await;
    let _: ControlStatus = ada.post(&format!("{control}/release"), &json!({})).await.expect("hand back");
    let afterwards = client.run(&[], &wanted).await;

    for refused in &beside[2..5] {
        assert_eq!(
            (refused["step"].as_str(), refused["is_error"].as_bool()),
            (Some("called"), Some(true)),
            "{refused}"
        );
        assert_eq!(text(refused), "Not executed: a person has taken control of the desktop.");
    }
    assert!(afterwards[2..5].iter().all(|step| step["is_error"] == false), "{afterwards:?}");
}

async fn without_the_scope_there_is_no_shell(stack: &Stack, ada: &Api, desktop: &DesktopId) {
    let token = token(ada, &[Scope::View, Scope::Control]).await;
    let client = Client { stack, desktop, token };

    let steps = client.run(&[], &[("bash", json!({ "command": "touch ~/beyond" })), ("screenshot", json!({}))]).await;

    let [_, tools, shell, seen, _] = &steps[..] else { panic!("{steps:?}") };
    assert!(names(tools).contains(&"left_click") && !names(tools).contains(&"bash"), "{tools}");
    assert_eq!(shell["step"], "refused", "{shell}");
    assert!(shell["error"].as_str().is_some_and(|error| error.contains("scope shell")), "{shell}");
    assert_eq!(seen["is_error"], false, "{seen}");
    assert_eq!(ada.shell(desktop, "test -e ~/beyond").await.exit_code, Some(1), "it ran all the same");
}

async fn who_is_nobody_does_not_get_in(stack: &Stack, ada: &Api, desktop: &DesktopId) {
    let mallory = token(&stack.user("mallory").await, &[]).await;
    let made: CreatedToken = ada.post("tokens", &wanted(&[])).await.expect("create a token");
    ada.delete(&format!("tokens/{}", made.token.id)).await.expect("delete the token");

    for token in ["cbp_nobody", &mallory, &made.secret] {
        let client = Client { stack, desktop, token: token.to_owned() };
        let steps = client.run(&[], &[("screenshot", json!({}))]).await;
        let [failed] = &steps[..] else { panic!("{steps:?}") };
        assert_eq!(failed["step"], "failed", "{failed}");
    }
}

/// The client as somebody runs it.
struct Client<'a> {
    stack: &'a Stack,
    desktop: &'a DesktopId,
    token: String,
}

impl Client<'_> {
    /// What it prints when it uses these tools.
    async fn run(&self, arguments: &[&str], calls: &[(&str, Value)]) -> Vec<Value> {
        let url = self.stack.anonymous().url(&format!("desktops/{}/mcp", self.desktop));
        let mut python = Command::new(repository().join(".venv/bin/python"));
        // Leaves no compiled files between the sources.
        python.arg("-B").arg(repository().join("tests/mcp/drive.py")).arg(url.as_str()).args(arguments);
        python.arg("--pictures").arg(self.stack.folder());
        for (tool, input) in calls {
            python.args(["--call", tool]).arg(input.to_string());
        }
        python.env("CLOUDBOT_TOKEN", &self.token).stdin(Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(PATIENCE, python.output()).await.expect("the client ends");
        let ended = ended.expect("start Python: `scripts/setup test` installs it");
        let (printed, log) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(!printed.is_empty(), "the client said nothing; `scripts/setup test` installs what it needs: {log}");
        printed.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

async fn token(user: &Api, scopes: &[Scope]) -> String {
    let made: CreatedToken = user.post("tokens", &wanted(scopes)).await.expect("create a token");
    made.secret
}

fn wanted(scopes: &[Scope]) -> CreateToken {
    CreateToken { name: "an MCP client".to_owned(), scopes: scopes.to_vec(), expires_in_days: None }
}

fn names(tools: &Value) -> Vec<&str> {
    tools["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn text(called: &Value) -> &str {
    called["content"][0]["text"].as_str().unwrap_or_default()
}
