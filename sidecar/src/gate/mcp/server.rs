//! The desktop as an MCP server: which tools a caller sees, and what a call of one comes to.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use protocol::capability::Capability;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, ToolAnnotations,
    },
    service::RequestContext,
};
use serde_json::Value;

use super::seats::{Seat, Seats};
use crate::gate::{
    agent::{
        catalogue::{self, Tool, Touch},
        doer::{Did, Doer, Failure},
        tools::{self, Task},
        words,
    },
    desk::Desk,
    lease::Lease,
};

const INSTRUCTIONS: &str = "A Linux desktop. Take a screenshot before the first click and after every step whose result \
    is not certain; coordinates are pixels of the latest one. The shell and the editor work on the same machine. A \
    person may take control at any time: calls are refused until it is handed back.";

/// Answers requests; made anew for each.
#[derive(Clone)]
pub struct Server {
    pub desk: Desk,
    pub lease: Lease,
    pub seats: Arc<Seats>,
}

/// Who makes a request, by that request's own capability: it lives shorter than the session.
#[derive(Clone)]
pub struct Caller {
    pub capability: Capability,
    pub seat: Arc<Seat>,
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("cloudbot-desktop", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = Caller::of(&context)?;
        let allowed = catalogue::tools().into_iter().filter(|tool| caller.may(tool));
        Ok(ListToolsResult::with_all_items(allowed.map(shown).collect()))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = Caller::of(&context)?;
        let Some(tool) = catalogue::tools().into_iter().find(|tool| tool.name == call.name) else {
            let name: String = call.name.chars().take(100).collect();
            return Err(ErrorData::invalid_params(format!("there is no tool '{name}'"), None));
        };
        if !caller.may(&tool) {
            let scope = format!("{:?}", tool.scope).to_lowercase();
            return Err(ErrorData::invalid_params(format!("'{}' takes the scope {scope}", tool.name), None));
        }
        let input = Value::Object(call.arguments.unwrap_or_default());
        let content = match self.run(&caller.seat, &tool, input, &context).await {
            Ok(content) => CallToolResult::success(vec![content]),
            Err(Failure(text)) => CallToolResult::error(vec![ContentBlock::text(text)]),
        };
        Ok(content.into())
    }
}

impl Server {
    /// MCP is on the agent's side, whoever sends it: while a person drives nothing is done for it.
    async fn run(
        &self,
        seat: &Seat,
        tool: &Tool,
        input: Value,
        context: &RequestContext<RoleServer>,
    ) -> Result<ContentBlock, Failure> {
        if self.lease.is_taken() {
            return Err(Failure::new(words::NOT_WHILE_A_PERSON_DRIVES));
        }
        let task = tools::plan(&tool.used(input)).map_err(Failure)?;
        let turn = self.seats.begin(seat, context.id.to_string()).map_err(Failure)?;
        tokio::select! {
            biased;
            () = self.lease.taken() => Err(Failure::new(words::TAKEN_MEANWHILE)),
            // Nobody reads what is said then.
            () = turn.cancelled.cancelled() => Err(Failure::new("Cancelled.")),
            () = context.ct.cancelled() => Err(Failure::new("Cancelled.")),
            done = self.perform(seat, &task) => done,
        }
    }

    async fn perform(&self, seat: &Seat, task: &Task) -> Result<ContentBlock, Failure> {
        let shell = match task {
            Task::Bash(_) | Task::BashRestart => Some(self.seats.shell_of(seat).map_err(Failure)?),
            _ => None,
        };
        let doer = Doer { desk: &self.desk, shell, picture: seat.picture() };
        match doer.run(task).await.map_err(|failure| Failure(failure.words()))? {
            Did::Told(text) | Did::Moved { text, .. } => Ok(ContentBlock::text(text)),
            Did::Seen(shot, format) => {
                if *task == Task::Screenshot {
                    seat.saw(shot.picture);
                }
                Ok(ContentBlock::image(STANDARD.encode(&shot.bytes), format.media_type()))
            }
        }
    }
}

impl Caller {
    fn of(context: &RequestContext<RoleServer>) -> Result<&Caller, ErrorData> {
        let request = context.extensions.get::<http::request::Parts>();
        let caller = request.and_then(|request| request.extensions.get::<Caller>());
        caller.ok_or_else(|| ErrorData::internal_error("the request carries no capability", None))
    }

    fn may(&self, tool: &Tool) -> bool {
        self.capability.scopes.contains(&tool.scope)
    }
}

fn shown(tool: Tool) -> rmcp::model::Tool {
    let Tool { name, description, input, touch, .. } = tool;
    let schema = match input {
        Value::Object(schema) => schema,
        _ => serde_json::Map::new(),
    };
    let annotations = match touch {
        Touch::Nothing => ToolAnnotations::new().read_only(true),
        Touch::Adds => ToolAnnotations::new().read_only(false).destructive(false),
        Touch::Everything => ToolAnnotations::new().read_only(false).destructive(true),
    };
    rmcp::model::Tool::new(name, description, schema).with_annotations(annotations)
}
