//! The recording of the screen: how it stands, what is to be done, and the files.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use protocol::recording::{RecordingOrder, RecordingRequest, RecordingStatus};

use super::{
    App,
    problem::{self, Refused},
    range::{self, Wanted},
};
use crate::{
    gate::desk::{Desk, DeskError},
    link::{Answer, Call},
};

/// Starting one waits for its first picture, stopping one for its file.
const WITHIN: Duration = Duration::from_secs(30);
/// What the desk is asked for at once; it may give less.
const PART: u32 = 1 << 20;

/// `GET recording`.
pub async fn status(State(app): State<Arc<App>>) -> Result<Json<RecordingStatus>, Refused> {
    ask(&app, None).await
}

/// `POST recording`.
pub async fn order(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<RecordingStatus>, Refused> {
    let RecordingRequest { order } = problem::json(&headers, body)?;
    ask(&app, Some(order)).await
}

/// `GET recordings/{name}`: the file, or the part that `Range` asks for, so that a player can seek.
pub async fn fetch(
    State(app): State<Arc<App>>,
    Path((_, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let (total, _) = app.desk.recording(name.clone(), 0, 0, WITHIN).await?;
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, first, length) = match range::wanted(asked, total) {
        Wanted::All => (StatusCode::OK, 0, total),
        Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::Nothing => {
            let whole = [(header::CONTENT_RANGE, format!("bytes */{total}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, whole).into_response());
        }
    };
    let mut response = Body::from_stream(parts(app.desk.clone(), name, first, length)).into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The home is the agent's as well: whatever lies there is a film and nothing else.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(part) = format!("bytes {first}-{}/{total}", first + length - 1).parse()
    {
        headers.insert(header::CONTENT_RANGE, part);
    }
    Ok(response)
}

/// Reads as fast as the browser takes it, one part after the other.
fn parts(
    desk: Desk,
    name: String,
    first: u64,
    length: u64,
) -> impl futures_util::Stream<Item = Result<Vec<u8>, DeskError>> + Send {
    stream::try_unfold((desk, name, first, length), |(desk, name, at, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let (_, mut part) = desk.recording(name.clone(), at, PART.min(left.try_into().unwrap_or(PART)), WITHIN).await?;
        part.truncate(left.try_into().unwrap_or(usize::MAX));
        if part.is_empty() {
            // It has become shorter since its length was told.
            return Err(DeskError::Nonsense);
        }
        let read = part.len() as u64;
        Ok(Some((part, (desk, name, at + read, left - read))))
    })
}

async fn ask(app: &App, order: Option<RecordingOrder>) -> Result<Json<RecordingStatus>, Refused> {
    match app.desk.call(&Call::Recording { order }, WITHIN).await? {
        Answer::Recording(status) => Ok(Json(status)),
        _ => Err(DeskError::Nonsense.into()),
    }
}
