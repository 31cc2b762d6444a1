//! What edges ask: may this credential reach this desktop, and which key pays for this VM's model calls.

use axum::extract::State;
use protocol::edge::{ModelKey, ModelKeyRequest, Resolve, Resolved};

use super::{Shared, extract::Json};
use crate::{error::ApiError, grants};

pub async fn resolve(
    State(app): State<Shared>,
    Json(question): Json<Resolve>,
) -> Result<axum::Json<Resolved>, ApiError> {
    Ok(axum::Json(grants::resolve(&app, &question).await?))
}

pub async fn model_key(
    State(app): State<Shared>,
    Json(question): Json<ModelKeyRequest>,
) -> Result<axum::Json<ModelKey>, ApiError> {
    Ok(axum::Json(grants::model_key(&app, &question).await?))
}
