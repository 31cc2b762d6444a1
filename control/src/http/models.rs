//! The models that a session may choose.

use axum::extract::State;
use protocol::{
    error::Problem,
    key::{ModelProvider, ProviderName},
    model::Model,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Shared, caller::Viewer};
use crate::error::ApiError;

/// A model of the operator's table.
#[derive(Serialize, ToSchema)]
pub struct ListedModel {
    name: String,
    provider: ProviderName,
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
        provider: model.provider.clone(),
        has_prices: model.prices.is_some(),
        default: model.name == models.default().name,
    };
    Ok(axum::Json(models.all().iter().map(listed).collect()))
}

/// The providers of these models.
#[utoipa::path(get, path = "/providers", responses((status = 200, body = Vec<ModelProvider>), (status = "4XX", body = Problem)))]
pub async fn providers(State(app): State<Shared>, _: Viewer) -> Result<axum::Json<Vec<ModelProvider>>, ApiError> {
    Ok(axum::Json(app.settings.models.providers()))
}
