//! control's HTTP: THE route table. Every connection is an edge's; `/vm` and `/internal` are for edges themselves.

pub mod audit;
pub mod auth;
pub mod caller;
pub mod cookies;
pub mod desktops;
pub mod export;
pub mod extract;
pub mod health;
pub mod internal;
pub mod keys;
pub mod mcp_servers;
pub mod models;
pub mod pictures;
mod refuse;
pub mod secrets;
pub mod serve;
pub mod sessions;
pub mod stream;
pub mod tickets;
pub mod tokens;
pub mod vm;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit};
use protocol::{
    chat::{ChatDown, ChatUp},
    error::{Code, Problem},
    lease::{ControlStatus, HandBack, Holder},
    mcp::{McpLogLine, McpStatus, McpTool, McpTried, TryMcpTool},
    paths::{API, INTERNAL, VM},
};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use crate::{app::App, error::problem_response, sessions::blobs};

/// What every handler is given.
pub type Shared = Arc<App>;

const MAX_BODY: usize = 1 << 20;

#[derive(OpenApi)]
#[openapi(
    info(title = "CloudBot", description = "Cloud desktops that an AI agent works on. Errors are RFC 9457 problem documents with a stable `code`. A browser authenticates with cookies and sends `x-cloudbot: 1` with every change; a program sends `Authorization: Bearer` with a personal access token."),
    // What sidecars answer is not in the table below, but part of the API: the chat socket's frames, who drives, MCP servers that run.
    components(schemas(
        ChatUp, ChatDown, ControlStatus, HandBack, Holder, McpStatus, McpTool, TryMcpTool, McpTried, McpLogLine
    )),
)]
struct Described;

/// All routes, with the document that describes the public ones.
pub fn router(app: Shared) -> Router {
    let (public, document) = public().split_for_parts();
    Router::new()
        .merge(public)
        .nest(VM, vm())
        .nest(INTERNAL, internal())
        .route("/healthz", axum::routing::get(health::healthz))
        .route("/readyz", axum::routing::get(health::readyz))
        .with_state(app)
        .merge(SwaggerUi::new(format!("{API}/docs")).url(format!("{API}/openapi.json"), document))
        .fallback(|| async { problem_response(&Problem::new(Code::NotFound, "There is nothing at this address.")) })
        .method_not_allowed_fallback(|| async {
            problem_response(&Problem::new(Code::MethodNotAllowed, "Look the address up in /api/v1/docs."))
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(health::panicked))
        .layer(axum::middleware::from_fn(refuse::explain))
}

/// The OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    public().into_openapi()
}

fn public() -> OpenApiRouter<Shared> {
    let routes = OpenApiRouter::new()
        .routes(routes!(auth::signup))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::me))
        .routes(routes!(auth::change_password))
        .routes(routes!(auth::list_logins, auth::end_other_logins))
        .routes(routes!(auth::end_login))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::delete))
        .routes(routes!(tickets::create))
        .routes(routes!(keys::list))
        .routes(routes!(keys::put, keys::delete))
        .routes(routes!(keys::check))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::put, secrets::delete))
        .routes(routes!(models::list))
        .routes(routes!(models::providers))
        .routes(routes!(desktops::list, desktops::create))
        .routes(routes!(desktops::events))
        .routes(routes!(desktops::get, desktops::patch, desktops::delete))
        .routes(routes!(desktops::start))
        .routes(routes!(desktops::stop))
        .routes(routes!(desktops::reboot))
        .routes(routes!(mcp_servers::list, mcp_servers::create))
        .routes(routes!(mcp_servers::get, mcp_servers::put, mcp_servers::delete))
        .routes(routes!(sessions::list, sessions::create))
        .routes(routes!(sessions::get, sessions::patch, sessions::delete))
        .routes(routes!(sessions::read, sessions::say))
        .routes(routes!(sessions::stop))
        .routes(routes!(sessions::approve))
        .routes(routes!(sessions::deny))
        .routes(routes!(sessions::events))
        .routes(routes!(export::export))
        .routes(routes!(pictures::get))
        .routes(routes!(audit::verify));
    OpenApiRouter::with_openapi(Described::openapi()).nest(API, routes)
}

/// What sidecars call, through the edge's VM listener.
fn vm() -> Router<Shared> {
    use axum::routing::{get, post, put};
    Router::new()
        .route("/enrol", post(vm::enrol))
        .route("/renew", post(vm::renew))
        .route("/assignment", get(vm::assignment))
        .route("/report", post(vm::report))
        .route("/lease", put(vm::put_lease))
        .route("/secrets/{name}", get(vm::secret))
        .route("/mcp-servers", get(vm::mcp_servers))
        .route("/notices", get(vm::notices))
        .route("/work", get(vm::work))
        .route("/sessions/{id}/messages", post(vm::say))
        .route("/sessions/{id}/verdicts", post(vm::judge))
        .route("/sessions/{id}/events", get(vm::read).post(vm::append).layer(DefaultBodyLimit::max(8 << 20)))
        .route("/blobs/{sha256}", get(vm::get_blob).put(vm::put_blob).layer(DefaultBodyLimit::max(blobs::MAX_BYTES)))
}

/// What edges ask.
fn internal() -> Router<Shared> {
    use axum::routing::{get, post};
    Router::new()
        .route("/resolve", post(internal::resolve))
        .route("/model-key", post(internal::model_key))
        .route("/grants", post(internal::holds))
        .route("/revocations", get(internal::revocations))
}
