//! The models that a session may choose.

use axum::extract::State;
use protocol::{error::Problem, key::ModelProvider, model::Model};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Shared, caller::Viewer};
use crate::error::ApiError;

/// A model of the operator's table.
#[derive(Serialize, ToSchema)]
pub struct ListedModel {
    name: String,
    provider: ModelProvider,
    /// Without prices no budget of money can be kept.
    has_prices: bool,
    /// It answers where a session chooses none.
    default: bool,
}

/// The operator's model table, the default first.
#[utoipa::path(get, path = "/models", responses((status = 200, body = Vec<ListedModel>), (status = "4XX", body = Problem)))]
pub async fn list(State(app): State<Shared>, _: Viewer) -> Result<axum::Json<Vec<ListedModel>>, ApiError> {
    let models = &app.settings.models;
    let listed = |model: &Model| ListedModel {
        name: model.name.clone(),
        provider: model.provider,
        has_prices: model.prices.is_some(),
        default: model.name == models.default().name,
    };
    Ok(axum::Json(models.all().iter().map(listed).collect()))
}
