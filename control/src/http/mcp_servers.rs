//! MCP servers of a desktop. What runs of them is answered by the desktop's sidecar.

use axum::{extract::State, http::StatusCode};
use protocol::{
    DesktopId,
    error::Problem,
    mcp::{McpServer, McpServerConfig},
};

use super::{
    Shared,
    caller::Owner,
    extract::{Json, Path, unquoted},
};
use crate::{desktops::mcp_servers, error::ApiError};

const SHAPE: &str = r#"Send an object with `name` and `transport`: that is {"type": "stdio", "command": …, "args": […], "env": {…}} or {"type": "http", "url": …, "headers": {…}}, all values as text."#;

/// The MCP servers of a desktop. Values are masked, unless they are one placeholder of a secret and nothing else.
#[utoipa::path(get, path = "/desktops/{id}/mcp-servers", params(("id" = DesktopId, Path)), responses(
    (status = 200, body = Vec<McpServer>), (status = "4XX", body = Problem)))]
pub async fn list(
    State(app): State<Shared>,
    owner: Owner,
    Path(id): Path<DesktopId>,
) -> Result<axum::Json<Vec<McpServer>>, ApiError> {
    Ok(axum::Json(mcp_servers::list(&app, owner.id(), &id).await?))
}

/// Adds an MCP server, whose tools the agent may use.
#[utoipa::path(post, path = "/desktops/{id}/mcp-servers", params(("id" = DesktopId, Path)), request_body = McpServerConfig,
    responses((status = 201, body = McpServer), (status = "4XX", body = Problem)))]
pub async fn create(
    State(app): State<Shared>,
    owner: Owner,
    Path(id): Path<DesktopId>,
    config: Result<Json<McpServerConfig>, ApiError>,
) -> Result<(StatusCode, axum::Json<McpServer>), ApiError> {
    let Json(config) = config.map_err(|refused| unquoted(refused, SHAPE))?;
    Ok((StatusCode::CREATED, axum::Json(mcp_servers::add(&app, owner.id(), &id, config).await?)))
}

/// One MCP server of a desktop.
#[utoipa::path(get, path = "/desktops/{id}/mcp-servers/{name}", params(("id" = DesktopId, Path), ("name" = String, Path)),
    responses((status = 200, body = McpServer), (status = "4XX", body = Problem)))]
pub async fn get(
    State(app): State<Shared>,
    owner: Owner,
    Path((id, name)): Path<(DesktopId, String)>,
) -> Result<axum::Json<McpServer>, ApiError> {
    Ok(axum::Json(mcp_servers::get(&app, owner.id(), &id, &name).await?))
}

/// Changes an MCP server. A value of `••••` stays what it is.
#[utoipa::path(put, path = "/desktops/{id}/mcp-servers/{name}", params(("id" = DesktopId, Path), ("name" = String, Path)),
    request_body = McpServerConfig, responses((status = 200, body = McpServer), (status = "4XX", body = Problem)))]
pub async fn put(
    State(app): State<Shared>,
    owner: Owner,
    Path((id, name)): Path<(DesktopId, String)>,
    config: Result<Json<McpServerConfig>, ApiError>,
) -> Result<axum::Json<McpServer>, ApiError> {
    let Json(config) = config.map_err(|refused| unquoted(refused, SHAPE))?;
    Ok(axum::Json(mcp_servers::put(&app, owner.id(), &id, &name, config).await?))
}

/// Takes an MCP server away from a desktop.
#[utoipa::path(delete, path = "/desktops/{id}/mcp-servers/{name}", params(("id" = DesktopId, Path), ("name" = String, Path)),
    responses((status = 204, description = "Deleted"), (status = "4XX", body = Problem)))]
pub async fn delete(
    State(app): State<Shared>,
    owner: Owner,
    Path((id, name)): Path<(DesktopId, String)>,
) -> Result<StatusCode, ApiError> {
    mcp_servers::delete(&app, owner.id(), &id, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
