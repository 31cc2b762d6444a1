//! The MCP servers of the desktop: how each stands, what it offers, what it says; starting and stopping it, trying a tool.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt, stream};
use protocol::{
    error::Code,
    mcp::{McpLogLine, McpStatus, McpTool, McpTried, TryMcpTool},
};
use tokio::sync::broadcast::error::RecvError;

use super::{
    App,
    problem::{self, Refused},
};
use crate::gate::{clock, servers::Verb};

/// The desktop, and the server.
type Named = Path<(String, String)>;

/// `GET mcp-servers/{name}/status`.
pub async fn status(State(app): State<Arc<App>>, Path((_, name)): Named) -> Result<Json<McpStatus>, Refused> {
    app.servers.status(&name).map(Json).map_err(Refused)
}

/// `GET mcp-servers/{name}/tools`: of one that runs.
pub async fn tools(State(app): State<Arc<App>>, Path((_, name)): Named) -> Result<Json<Vec<McpTool>>, Refused> {
    app.servers.tools(&name).map(Json).map_err(Refused)
}

/// `GET mcp-servers/{name}/logs`: the last lines, then each as it comes.
pub async fn logs(
    State(app): State<Arc<App>>,
    Path((_, name)): Named,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    let (before, live, gone) = app.servers.logs(&name).map_err(Refused)?;
    let live = stream::unfold(live, |mut live| async move {
        match live.recv().await {
            Ok(line) => Some((line, live)),
            Err(RecvError::Lagged(missed)) => {
                let text = format!("[{missed} lines came too fast to be shown]");
                Some((McpLogLine { at: clock::now(), text }, live))
            }
            Err(RecvError::Closed) => None,
        }
    });
    let lines = stream::iter(before).chain(live).take_until(async move { gone.cancelled().await });
    let events = lines.map(|line| Ok(Event::default().json_data(line).unwrap_or_default()));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// `POST mcp-servers/{name}/start`.
pub async fn start(State(app): State<Arc<App>>, Path((_, name)): Named) -> Result<Json<McpStatus>, Refused> {
    app.servers.order(&name, Verb::Start).await.map(Json).map_err(Refused)
}

/// `POST mcp-servers/{name}/stop`.
pub async fn stop(State(app): State<Arc<App>>, Path((_, name)): Named) -> Result<Json<McpStatus>, Refused> {
    app.servers.order(&name, Verb::Stop).await.map(Json).map_err(Refused)
}

/// `POST mcp-servers/{name}/restart`.
pub async fn restart(State(app): State<Arc<App>>, Path((_, name)): Named) -> Result<Json<McpStatus>, Refused> {
    app.servers.order(&name, Verb::Restart).await.map(Json).map_err(Refused)
}

/// `POST mcp-servers/{name}/try`: calls a tool.
pub async fn try_tool(
    State(app): State<Arc<App>>,
    Path((_, name)): Named,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<McpTried>, Refused> {
    let TryMcpTool { tool, input } = problem::json(&headers, body)?;
    if app.lease.is_taken() {
        return Err(Refused::new(
            Code::PersonDrives,
            "while a person drives the servers stand still: hand control back first",
        ));
    }
    let started = Instant::now();
    let answered = app.servers.try_tool(&name, &tool, &input).await.map_err(Refused)?;
    let took_ms = started.elapsed().as_millis() as u64;
    let (is_error, text) = match answered {
        Ok(outcome) => (outcome.is_error, outcome.words()),
        Err(words) => (true, words),
    };
    Ok(Json(McpTried { is_error, text, took_ms }))
}
