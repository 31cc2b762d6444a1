//! The desktop's clipboard, for programs: text and PNG.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use protocol::error::Code;

use super::{App, problem::Refused};
use crate::link::ClipboardForm;

/// The largest PNG that a clipboard takes, which is what the edge lets through as well; a text has its own bound.
pub const MAX_BODY: usize = 16 << 20;
const WITHIN: Duration = Duration::from_secs(30);

/// `GET clipboard?format=text|png`: as one of these, or as what is there, text first.
pub async fn get(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Refused> {
    let form = match query.get("format").map(String::as_str) {
        None => None,
        Some("text") => Some(ClipboardForm::Text),
        Some("png") => Some(ClipboardForm::Png),
        Some(_) => return Err(Refused::new(Code::InvalidValue, "`format` is text or png")),
    };
    let (form, bytes) = app.desk.clipboard(form, WITHIN).await?;
    let media_type = match form {
        ClipboardForm::Text => "text/plain; charset=utf-8",
        ClipboardForm::Png => "image/png",
    };
    Ok(([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-store")], bytes).into_response())
}

/// `PUT clipboard`: the body is the text or the picture, as its content type says.
pub async fn put(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Refused> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = match media_type.split(';').next().map(str::trim) {
        Some("text/plain") => ClipboardForm::Text,
        Some("image/png") => ClipboardForm::Png,
        _ => return Err(Refused::new(Code::UnsupportedMediaType, "send text/plain (UTF-8) or image/png")),
    };
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refused::new(Code::BodyTooLarge, "the clipboard takes 16 MiB"),
        _ => Refused::new(Code::MalformedRequest, "the body broke off"),
    })?;
    app.desk.set_clipboard(form, &body, WITHIN).await?;
    Ok(StatusCode::NO_CONTENT)
}
