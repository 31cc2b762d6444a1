//! A house with MCP servers on a real desk, and what people and the model ask of them.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use protocol::{
    SessionId,
    capability::Scope,
    error::{Code, Problem},
    event::{EventBody, ResultBlock, ToolResult},
    mcp::{McpServerConfig, McpState, McpStatus, McpTransport, McpTried},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    House,
    desk::Desk,
    edge::{Control, Edge, Reply},
    screen::Screen,
    script::{message, text},
};

/// A house on a real screen, where a model says this.
pub async fn house(servers: Vec<McpServerConfig>, replies: Vec<Reply>) -> (Screen, House) {
    house_with(servers, replies, |_| {}).await
}

pub async fn house_with(
    servers: Vec<McpServerConfig>,
    replies: Vec<Reply>,
    prepare: impl FnOnce(&Edge),
) -> (Screen, House) {
    let folder = tempfile::tempdir().unwrap();
    let screen = Screen::open(folder.path()).await;
    let house = House::open_at(folder, Desk::none(), |edge| {
        edge.with(|control| {
            control.session = Some(SessionId::generate());
            control.model = Some("m".to_owned());
            control.mcp_servers = servers;
            control.replies.extend(replies);
        });
        prepare(edge);
    })
    .await;
    (screen, house)
}

pub fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The reference server, which others wrote, as a program.
pub fn everything() -> (String, String) {
    let server = repository().join("tests/mcp/node_modules/@modelcontextprotocol/server-everything/dist/index.js");
    assert!(server.exists(), "scripts/setup test installs {}", server.display());
    let node = repository().join(".venv/bin/node").canonicalize().expect("scripts/setup installs Node");
    (node.to_str().unwrap().to_owned(), server.canonicalize().unwrap().to_str().unwrap().to_owned())
}

/// `mark` is an argument that means nothing to it.
pub fn reference(mark: &str) -> McpServerConfig {
    let (node, server) = everything();
    stdio("everything", &node, &[&server, "stdio", mark], &[])
}

pub fn stdio(name: &str, command: &str, args: &[&str], env: &[(&str, &str)]) -> McpServerConfig {
    let own = |text: &&str| (*text).to_owned();
    let env: BTreeMap<_, _> = env.iter().map(|(name, value)| (own(name), own(value))).collect();
    let transport = McpTransport::Stdio { command: command.to_owned(), args: args.iter().map(own).collect(), env };
    McpServerConfig { name: name.to_owned(), transport, autostart: true }
}

/// A server that goes wrong in this way, and is called so.
pub fn bad(how: &str) -> McpServerConfig {
    bad_with(how, &[], &[])
}

pub fn bad_with(how: &str, args: &[&str], env: &[(&str, &str)]) -> McpServerConfig {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/bad_server.py");
    stdio(&how.replace('_', "-"), "python3", &[&[script, how], args].concat(), env)
}

pub fn tool(id: &str, name: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}

pub fn uses(tools: &[Value]) -> Reply {
    message(tools, "tool_use", 50)
}

pub fn ends() -> Reply {
    message(&[text("Done.")], "end_turn", 50)
}

/// What people ask of a server.
pub struct Servers<'a>(pub &'a House);

impl Servers<'_> {
    pub async fn status(&self, name: &str) -> McpStatus {
        self.get(&format!("{name}/status")).await
    }

    pub async fn get<T: serde::de::DeserializeOwned>(&self, rest: &str) -> T {
        let answer = self.0.visitor(&[Scope::Chat]).get(&format!("mcp-servers/{rest}")).await;
        read(answer).await
    }

    pub async fn order(&self, name: &str, verb: &str) -> McpStatus {
        read(self.post(&format!("{name}/{verb}"), Value::Null).await).await
    }

    pub async fn call(&self, name: &str, tool: &str, input: Value) -> McpTried {
        read(self.post(&format!("{name}/try"), json!({"tool": tool, "input": input})).await).await
    }

    pub async fn post(&self, rest: &str, body: Value) -> reqwest::Response {
        self.0.visitor(&[Scope::Shell]).post(&format!("mcp-servers/{rest}"), body).await
    }

    pub async fn until(&self, name: &str, state: McpState) -> McpStatus {
        self.until_it(name, &format!("{state:?}"), |status| status.state == state).await
    }

    pub async fn until_it(&self, name: &str, is: &str, holds: impl Fn(&McpStatus) -> bool) -> McpStatus {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = self.0.visitor(&[Scope::Chat]).get(&format!("mcp-servers/{name}/status")).await;
            let status: Option<McpStatus> = serde_json::from_slice(&answer.bytes().await.unwrap()).ok();
            match status {
                Some(status) if holds(&status) => return status,
                status => assert!(Instant::now() < deadline, "{name} is never {is}, but {status:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Reads the live log until this stands in it.
    pub async fn until_logged(&self, name: &str, wanted: &str) -> String {
        let mut answer = self.0.visitor(&[Scope::Chat]).get(&format!("mcp-servers/{name}/logs")).await;
        let mut seen = String::new();
        let reading = async {
            while !seen.contains(wanted) {
                seen += &String::from_utf8_lossy(&answer.chunk().await.unwrap().expect("the log goes on"));
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), reading).await.is_ok();
        assert!(in_time, "never logged: {wanted}; but {seen}");
        seen
    }
}

pub async fn read<T: serde::de::DeserializeOwned>(answer: reqwest::Response) -> T {
    let status = answer.status();
    let body = answer.text().await.unwrap();
    assert!(status.is_success(), "{status}: {body}");
    serde_json::from_str(&body).unwrap()
}

pub async fn refused(answer: reqwest::Response) -> Code {
    serde_json::from_slice::<Problem>(&answer.bytes().await.unwrap()).unwrap().code
}

pub fn results(control: &Control) -> BTreeMap<String, ToolResult> {
    let result = |body: &EventBody| if let EventBody::ToolResult(result) = body { Some(result.clone()) } else { None };
    control.events.iter().filter_map(|event| result(&event.body)).map(|r| (r.tool_use_id.clone(), r)).collect()
}

pub fn words(result: &ToolResult) -> (bool, &str) {
    match &result.content[..] {
        [ResultBlock::Text { text }, ..] => (result.is_error, text),
        other => panic!("not a text: {other:?}"),
    }
}

pub fn notices(control: &Control) -> Vec<String> {
    let notice = |body: &EventBody| if let EventBody::Notice { text } = body { Some(text.clone()) } else { None };
    control.events.iter().filter_map(|event| notice(&event.body)).collect()
}

/// How many processes have this among their arguments, and are no zombies.
pub fn count(argument: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|b| *b == 0).any(|a| a == argument.as_bytes())).count()
}
