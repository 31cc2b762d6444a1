//! Provider keys.

use axum::{extract::State, http::StatusCode};
use protocol::{
    error::Problem,
    key::{KeyCheck, ProviderKey, ProviderName, PutKey},
};

use super::{
    Shared,
    caller::Owner,
    extract::{Json, Path},
};
use crate::{error::ApiError, keys};

/// The stored keys, masked.
#[utoipa::path(get, path = "/keys", responses((status = 200, body = Vec<ProviderKey>), (status = "4XX", body = Problem)))]
pub async fn list(State(app): State<Shared>, owner: Owner) -> Result<axum::Json<Vec<ProviderKey>>, ApiError> {
    Ok(axum::Json(keys::list(&app, owner.id()).await?))
}

/// Stores a key. It is never shown again.
#[utoipa::path(put, path = "/keys/{provider}", params(("provider" = ProviderName, Path)), request_body = PutKey, responses(
    (status = 200, body = ProviderKey), (status = "4XX", body = Problem)))]
pub async fn put(
    State(app): State<Shared>,
    owner: Owner,
    Path(provider): Path<ProviderName>,
    Json(wish): Json<PutKey>,
) -> Result<axum::Json<ProviderKey>, ApiError> {
    Ok(axum::Json(keys::put(&app, owner.id(), &provider, &wish.key).await?))
}

/// Forgets a key.
#[utoipa::path(delete, path = "/keys/{provider}", params(("provider" = ProviderName, Path)), responses(
    (status = 204, description = "Forgotten"), (status = "4XX", body = Problem)))]
pub async fn delete(
    State(app): State<Shared>,
    owner: Owner,
    Path(provider): Path<ProviderName>,
) -> Result<StatusCode, ApiError> {
    keys::delete(&app, owner.id(), &provider).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks the provider whether it accepts the stored key.
#[utoipa::path(post, path = "/keys/{provider}/check", params(("provider" = ProviderName, Path)), responses(
    (status = 200, body = KeyCheck), (status = "4XX", body = Problem), (status = 502, body = Problem)))]
pub async fn check(
    State(app): State<Shared>,
    owner: Owner,
    Path(provider): Path<ProviderName>,
) -> Result<axum::Json<KeyCheck>, ApiError> {
    Ok(axum::Json(keys::check::check(&app, owner.id(), &provider).await?))
}
