//! MCP servers that a user adds to a desktop, so that the agent may use their tools.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{Millis, spelled::spelled};

/// How a server is reached. A value of `env` or `headers` may hold `{{secret:NAME}}`, which only the desktop's sidecar
/// puts in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum McpTransport {
    /// A child process on the desktop, as the desktop's user, spoken to over its standard input and output. What it is
    /// given in `env` can be read by everything that runs on the desktop, the agent's shell included.
    Stdio {
        /// A program by its path or its name in `PATH`.
        command: String,
        #[serde(default)]
        args: Vec<String>,
        #[serde(default)]
        env: BTreeMap<String, String>,
    },
    /// Streamable HTTP, reached from the desktop's own network. By `https://`, headers stay outside of the desktop. By
    /// `http://`, everything that runs on it can read them: such a server takes no `{{secret:NAME}}`.
    Http {
        url: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
}

/// Body of `POST desktops/{id}/mcp-servers`, which adds a server, and of `PUT desktops/{id}/mcp-servers/{name}`, which
/// changes it but for its name. Other fields are ignored: what was read as [`McpServer`] can be sent back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct McpServerConfig {
    /// 1 to 32 of `a-z`, `0-9` and `-`, with a letter or digit at both ends, unique on the desktop. Its tools are
    /// called `mcp__NAME__TOOL`, which can be read in one way only, since a name holds no `_`.
    pub name: String,
    pub transport: McpTransport,
    /// Does it start with the desktop?
    #[serde(default = "yes")]
    pub autostart: bool,
}

/// A server as its owner sees it: each value of `env` and `headers` is [`MASK`], unless it is one placeholder and
/// nothing else. Sent back with `PUT`, the mask stands for the value that is stored under that name, as long as the
/// value goes where it went: to the same command, or to a URL of the same scheme, host and port.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct McpServer {
    pub name: String,
    /// Absent where what is stored cannot be read any more. Such a server does not run; it can be stored anew with
    /// `PUT`, or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<McpTransport>,
    /// Does it start with the desktop?
    pub autostart: bool,
    pub created_at: Millis,
    pub updated_at: Millis,
}

/// What stands for a value that is not shown.
pub const MASK: &str = "••••";

/// Answer of `GET /vm/v1/mcp-servers`: all of this VM's desktop by name, values as they were given.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpServers {
    pub servers: Vec<McpServerConfig>,
}

spelled! {
    McpState, "state of an MCP server", {
        Stopped => "stopped",
        Starting => "starting",
        Running => "running",
        Stopping => "stopping",
        /// It could not be started, or ended by itself.
        Failed => "failed",
    }
}

/// Answer of `GET desktops/{id}/mcp-servers/{name}/status`, and of `start`, `stop` and `restart`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct McpStatus {
    pub name: String,
    pub state: McpState,
    /// For a person: why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub since: Millis,
    /// How many tools it offers.
    pub tools: u32,
}

/// A tool of a server. What the server says of its tool is shown, and not trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct McpTool {
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// A JSON Schema of an object.
    #[schema(value_type = Object)]
    pub input_schema: Value,
}

/// Body of `POST desktops/{id}/mcp-servers/{name}/try`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TryMcpTool {
    pub tool: String,
    #[serde(default)]
    #[schema(value_type = Object)]
    pub input: Value,
}

/// What a tool answered; pictures by their kind and size only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct McpTried {
    pub is_error: bool,
    pub text: String,
    pub took_ms: u64,
}

/// One event of `GET desktops/{id}/mcp-servers/{name}/logs` (SSE): a line that the server wrote to its standard error,
/// or a word of the sidecar on its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct McpLogLine {
    pub at: Millis,
    pub text: String,
}

fn yes() -> bool {
    true
}
