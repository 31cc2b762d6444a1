//! Personal access tokens.

use axum::{extract::State, http::StatusCode};
use protocol::{
    TokenId,
    error::Problem,
    user::{AccessToken, CreateToken, CreatedToken},
};

use super::{
    Shared,
    caller::Owner,
    extract::{Json, Path},
};
use crate::{error::ApiError, users::tokens};

/// The tokens, without their secrets.
#[utoipa::path(get, path = "/tokens", responses((status = 200, body = Vec<AccessToken>), (status = "4XX", body = Problem)))]
pub async fn list(State(app): State<Shared>, owner: Owner) -> Result<axum::Json<Vec<AccessToken>>, ApiError> {
    Ok(axum::Json(tokens::list(&app, owner.id()).await?))
}

/// Makes a token for a program; its secret is shown this once.
#[utoipa::path(post, path = "/tokens", request_body = CreateToken, responses((status = 201, body = CreatedToken), (status = "4XX", body = Problem)))]
pub async fn create(
    State(app): State<Shared>,
    owner: Owner,
    Json(wish): Json<CreateToken>,
) -> Result<(StatusCode, axum::Json<CreatedToken>), ApiError> {
    Ok((StatusCode::CREATED, axum::Json(tokens::create(&app, owner.id(), wish).await?)))
}

/// Ends a token.
#[utoipa::path(delete, path = "/tokens/{id}", params(("id" = TokenId, Path)), responses((status = 204, description = "Ended"), (status = "4XX", body = Problem)))]
pub async fn delete(State(app): State<Shared>, owner: Owner, Path(id): Path<TokenId>) -> Result<StatusCode, ApiError> {
    tokens::delete(&app, owner.id(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
