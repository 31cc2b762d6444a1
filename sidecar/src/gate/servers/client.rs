//! What we are to a server: who asks for its tools, hears that they have changed, and gives nothing.

use std::sync::Arc;

use protocol::mcp::McpTool;
#[expect(deprecated, reason = "servers send it, and will for years")]
use rmcp::model::LoggingMessageNotificationParam;
use rmcp::{
    ClientHandler, RoleClient,
    model::{ClientCapabilities, ClientConfig, Implementation, PaginatedRequestParams},
    service::{NotificationContext, Peer},
};
use tokio::sync::Notify;

use super::{logs::Logs, offer};

const MAX_PAGES: usize = 64;
/// Of all pages together, as far as they are kept, in bytes.
const MAX_LIST: usize = 4 << 20;

/// What a server may ask of us: nothing. What it tells goes into its log.
pub(super) struct Client {
    pub(super) changed: Arc<Notify>,
    pub(super) logs: Logs,
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::default(), Implementation::new("cloudbot", env!("CARGO_PKG_VERSION")))
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }

    #[expect(deprecated, reason = "servers send it, and will for years")]
    async fn on_logging_message(&self, message: LoggingMessageNotificationParam, _: NotificationContext<RoleClient>) {
        let text = match &message.data {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // The text stays as it is, so that a secret in it is found.
        self.logs.say(&format!("{}: {text}", format!("{:?}", message.level).to_lowercase()));
    }
}

/// All tools of a server, as far as they can be used at all; the error is for a person.
pub(super) async fn list(peer: &Peer<RoleClient>) -> Result<Vec<McpTool>, String> {
    if peer.peer_info().is_some_and(|info| info.capabilities.tools.is_none()) {
        return Ok(Vec::new());
    }
    let (mut tools, mut size, mut cursor) = (Vec::new(), 0, None);
    for _ in 0..MAX_PAGES {
        let page = PaginatedRequestParams::default().with_cursor(cursor);
        let page = peer.list_tools(Some(page)).await.map_err(|error| format!("it does not list its tools: {error}"))?;
        for tool in page.tools.into_iter().take(offer::MAX_TOOLS + 1) {
            let tool = McpTool {
                name: tool.name.into_owned(),
                description: tool.description.unwrap_or_default().into_owned(),
                input_schema: serde_json::Value::Object((*tool.input_schema).clone()),
            };
            size += tool.name.len() + tool.description.len() + tool.input_schema.to_string().len();
            if size > MAX_LIST {
                return Err(format!("it lists more than {} MiB of tools", MAX_LIST >> 20));
            }
            tools.push(tool);
        }
        cursor = page.next_cursor;
        if cursor.is_none() || tools.len() > offer::MAX_TOOLS {
            break;
        }
    }
    Ok(tools)
}
