//! THE route table of what the gate serves the edge, spelled as the public API spells it.

pub mod actions;
pub mod capability;
pub mod clipboard;
pub mod control;
pub mod mcp;
pub mod mcp_servers;
pub mod problem;
pub mod range;
pub mod recording;
pub mod serve;
pub mod shell;
pub mod things;
pub mod vnc;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{MethodRouter, get, post},
};
use protocol::{capability::Scope, error::Code};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{capability::Capabilities, control::Preview, problem::Refused};
use super::{agent::Agent, chat, desk::Desk, lease::Lease, mcp::Mcp, servers::Servers};

/// What every handler may use.
pub struct App {
    pub capabilities: Capabilities,
    pub desk: Desk,
    pub agent: Agent,
    pub lease: Lease,
    pub mcp: Arc<Mcp>,
    pub servers: Servers,
    pub preview: Preview,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

const MAX_BODY: usize = 1 << 20;

/// Every route with the scope that it takes.
pub fn router(app: Arc<App>) -> Router {
    // What sees or does something on the agent's side: nothing of it while a person drives.
    let shared = Router::new()
        .route("/actions", allow(Scope::Control, post(actions::act)))
        .route("/screenshot", allow(Scope::View, get(actions::screenshot)))
        .route("/shell", allow(Scope::Shell, post(shell::run)))
        .route(
            "/clipboard",
            allow(Scope::Control, get(clipboard::get).put(clipboard::put))
                .layer(DefaultBodyLimit::max(clipboard::MAX_BODY)),
        )
        .route("/windows", allow(Scope::Control, get(things::windows)))
        .route("/windows/{window}", allow(Scope::Control, post(things::window)))
        .route("/applications", allow(Scope::Control, get(things::applications).post(things::launch)))
        .route("/accessibility", allow(Scope::Control, get(things::accessibility)))
        // These run programs.
        .route("/mcp-servers/{name}/start", allow(Scope::Shell, post(mcp_servers::start)))
        .route("/mcp-servers/{name}/stop", allow(Scope::Shell, post(mcp_servers::stop)))
        .route("/mcp-servers/{name}/restart", allow(Scope::Shell, post(mcp_servers::restart)))
        .route("/mcp-servers/{name}/try", allow(Scope::Shell, post(mcp_servers::try_tool)))
        .route_layer(middleware::from_fn_with_state(app.clone(), control::demand_floor));
    let desktop = Router::new()
        .route("/vnc", allow(Scope::View, get(vnc::view)))
        .route("/chat", allow(Scope::Chat, get(chat::talk)))
        .route("/control", allow(Scope::View, get(control::status)))
        .route("/control/request", allow(Scope::Control, post(control::request)))
        .route("/control/take", allow(Scope::Control, post(control::take)))
        .route("/control/preview", allow(Scope::Control, get(control::preview)))
        .route("/control/release", allow(Scope::Control, post(control::release)))
        .route("/recording", allow(Scope::View, get(recording::status)))
        .route("/recording", allow(Scope::Control, post(recording::order)))
        .route("/recordings/{name}", allow(Scope::View, allow(Scope::Files, get(recording::fetch))))
        .route("/mcp-servers/{name}/status", allow(Scope::Chat, get(mcp_servers::status)))
        .route("/mcp-servers/{name}/tools", allow(Scope::Chat, get(mcp_servers::tools)))
        .route("/mcp-servers/{name}/logs", allow(Scope::Chat, get(mcp_servers::logs)))
        // Each tool takes a scope of its own, and none runs while a person drives; what there is may be asked always.
        .route("/mcp", post(mcp::speak).delete(mcp::end))
        .merge(shared)
        .method_not_allowed_fallback(wrong_method)
        .route_layer(middleware::from_fn_with_state(app.clone(), capability::demand));
    Router::new()
        .route("/healthz", get(healthz))
        .nest("/api/v1/desktops/{id}", desktop)
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
}

fn allow(scope: Scope, route: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    route.layer(middleware::from_fn(move |request, next| capability::demand_scope(scope, request, next)))
}

async fn healthz() -> &'static str {
    "ok"
}

async fn nothing_here() -> Refused {
    Refused::new(Code::NotFound, "the desktop's sidecar serves nothing under this address")
}

async fn wrong_method() -> Refused {
    Refused::new(Code::MethodNotAllowed, "read the API's description for the method of this address")
}
