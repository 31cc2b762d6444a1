//! Secrets that the agent types for its user.

use axum::{extract::State, http::StatusCode};
use protocol::{
    error::Problem,
    secret::{PutSecret, Secret},
};

use super::{
    Shared,
    caller::Owner,
    extract::{Json, Path, unquoted},
};
use crate::{error::ApiError, users::secrets};

const SHAPE: &str = "Send an object with the secret as text under `value`, and nothing else.";

/// The names of the stored secrets.
#[utoipa::path(get, path = "/secrets", responses((status = 200, body = Vec<Secret>), (status = "4XX", body = Problem)))]
pub async fn list(State(app): State<Shared>, owner: Owner) -> Result<axum::Json<Vec<Secret>>, ApiError> {
    Ok(axum::Json(secrets::list(&app, owner.id()).await?))
}

/// Stores a secret, for the agent to type as `{{secret:NAME}}`. It is never shown again.
#[utoipa::path(put, path = "/secrets/{name}", params(("name" = String, Path)), request_body = PutSecret, responses(
    (status = 200, body = Secret), (status = "4XX", body = Problem)))]
pub async fn put(
    State(app): State<Shared>,
    owner: Owner,
    Path(name): Path<String>,
    wish: Result<Json<PutSecret>, ApiError>,
) -> Result<axum::Json<Secret>, ApiError> {
    let Json(wish) = wish.map_err(|refused| unquoted(refused, SHAPE))?;
    Ok(axum::Json(secrets::put(&app, owner.id(), &name, &wish.value).await?))
}

/// Forgets a secret.
#[utoipa::path(delete, path = "/secrets/{name}", params(("name" = String, Path)), responses(
    (status = 204, description = "Forgotten"), (status = "4XX", body = Problem)))]
pub async fn delete(State(app): State<Shared>, owner: Owner, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    secrets::delete(&app, owner.id(), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
