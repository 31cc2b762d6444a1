//! Pictures of a session's record.

use axum::{extract::State, http::header, response::IntoResponse};
use protocol::{SessionId, error::Problem};

use super::{Shared, caller::Viewer, extract::Path};
use crate::{
    error::{ApiError, not_found},
    sessions,
};

/// A picture that this session's record refers to. It never changes.
#[utoipa::path(get, path = "/sessions/{id}/pictures/{sha256}", params(("id" = SessionId, Path), ("sha256" = String, Path)), responses(
    (status = 200, content_type = "image/png", body = Vec<u8>), (status = "4XX", body = Problem)))]
pub async fn get(
    State(app): State<Shared>,
    viewer: Viewer,
    Path((id, sha256)): Path<(SessionId, String)>,
) -> Result<impl IntoResponse, ApiError> {
    sessions::owned(&app, viewer.id(), &id).await?;
    let (bytes, media_type) = sessions::picture(&app, &id, &sha256).await?.ok_or_else(|| not_found("picture"))?;
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
        (header::CONTENT_DISPOSITION, "inline"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, bytes))
}
