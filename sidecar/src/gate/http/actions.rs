//! Single actions and screenshots, for programs that drive the desktop themselves.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use protocol::{
    action::{Action, ActionRequest},
    error::Code,
};

use super::{
    App,
    problem::{self, Refused},
};
use crate::{
    gate::desk::DeskError,
    link::{Answer, Call, Format, ScreenshotCall},
};

const PICTURE_WITHIN: Duration = Duration::from_secs(15);

/// `POST actions`: answers what the action did; `screenshot` and `zoom` answer the picture.
pub async fn act(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let ActionRequest { action, picture } = problem::json(&headers, body)?;
    let region = match &action {
        Action::Screenshot => Some(None),
        Action::Zoom { region } => Some(Some(*region)),
        _ => None,
    };
    if let Some(region) = region {
        return picture_of(&app, ScreenshotCall { format: Format::Png, region, picture, fit: None }).await;
    }
    let within = deadline(&action);
    match app.desk.call(&Call::Act { action, picture, secret: false }, within).await? {
        Answer::Acted(outcome) => Ok(Json(outcome).into_response()),
        _ => Err(DeskError::Nonsense.into()),
    }
}

/// `GET screenshot?format=png|jpeg`.
pub async fn screenshot(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Refused> {
    let format = match query.get("format").map(String::as_str) {
        None | Some("png") => Format::Png,
        Some("jpeg") => Format::Jpeg { quality: 80 },
        Some(_) => return Err(Refused::new(Code::InvalidValue, "`format` is png or jpeg")),
    };
    picture_of(&app, ScreenshotCall { format, region: None, picture: None, fit: None }).await
}

/// How long an action may take: what it was asked to take, and then some.
pub fn deadline(action: &Action) -> Duration {
    let asked = match action {
        Action::Wait { duration_ms } | Action::HoldKey { duration_ms, .. } => (*duration_ms).min(60_000),
        // A keystroke takes up to a few milliseconds.
        Action::Type { text } => (text.chars().count() as u64).saturating_mul(10).min(600_000),
        _ => 0,
    };
    Duration::from_millis(asked) + Duration::from_secs(30)
}

async fn picture_of(app: &App, call: ScreenshotCall) -> Result<Response, Refused> {
    let shot = app.desk.screenshot(call, PICTURE_WITHIN).await?;
    let headers = [(header::CONTENT_TYPE, call.format.media_type()), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, shot.bytes).into_response())
}
