//! A session as one JSON document, written piece by piece: a record may be larger than what one wants to hold at once.

use axum::{extract::State, http::header, response::IntoResponse};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::StreamExt;
use protocol::{SessionId, error::Problem, event::Event, session::Session};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Shared,
    caller::Viewer,
    extract::{Path, Query},
};
use crate::{error::ApiError, sessions};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct How {
    /// With the pictures themselves behind the events; without it they are named by their hashes.
    #[serde(default)]
    pictures: bool,
}

/// A session with its whole record.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is written piece by piece")]
pub struct Export {
    session: Session,
    events: Vec<Event>,
    /// Each once, if they were asked for.
    #[schema(nullable = false)]
    pictures: Option<Vec<ExportedPicture>>,
}

#[derive(Serialize, ToSchema)]
pub struct ExportedPicture {
    sha256: String,
    media_type: &'static str,
    /// The bytes in base64.
    data: String,
}

/// What is written next.
enum Next {
    /// The events behind this `seq`.
    Events { after: i64 },
    /// The pictures behind this hash.
    Pictures { after: String },
}

/// The whole record as one JSON document.
#[utoipa::path(get, path = "/sessions/{id}/export", params(("id" = SessionId, Path), How), responses((status = 200, body = Export), (status = "4XX", body = Problem)))]
pub async fn export(
    State(app): State<Shared>,
    viewer: Viewer,
    Path(id): Path<SessionId>,
    Query(how): Query<How>,
) -> Result<impl IntoResponse, ApiError> {
    let session = sessions::get(&app, viewer.id(), &id).await?;
    let name = format!("attachment; filename=\"{id}.json\"");
    let head = serde_json::to_string(&session).map_err(anyhow::Error::from)?;
    let head = Bytes::from(format!("{{\"session\":{head},\"events\":["));
    let pieces = futures_util::stream::try_unfold(Some(Next::Events { after: 0 }), move |next| {
        let (app, id) = (app.clone(), id.clone());
        async move {
            match next {
                None => Ok::<_, std::io::Error>(None),
                Some(Next::Events { after }) => events(&app, &id, after, how.pictures).await.map(Some),
                Some(Next::Pictures { after }) => picture(&app, &id, &after).await.map(Some),
            }
        }
    });
    let body = futures_util::stream::once(async { Ok(head) }).chain(pieces);
    let headers = [(header::CONTENT_DISPOSITION, name), (header::CONTENT_TYPE, "application/json".to_owned())];
    Ok((headers, axum::body::Body::from_stream(body)))
}

async fn events(
    app: &Shared,
    id: &SessionId,
    after: i64,
    then_pictures: bool,
) -> std::io::Result<(Bytes, Option<Next>)> {
    let page = sessions::events(app, id, after, sessions::MAX_EVENTS).await.map_err(broken_off)?;
    let mut text = String::new();
    for event in &page.items {
        text.push_str(if event.seq == 1 { "" } else { "," });
        text.push_str(&serde_json::to_string(event)?);
    }
    let more = page.items.last().filter(|_| page.next.is_some());
    let next = match more {
        Some(event) => Some(Next::Events { after: event.seq }),
        None if then_pictures => {
            text.push_str("],\"pictures\":[");
            Some(Next::Pictures { after: String::new() })
        }
        None => {
            text.push_str("]}");
            None
        }
    };
    Ok((text.into(), next))
}

async fn picture(app: &Shared, id: &SessionId, after: &str) -> std::io::Result<(Bytes, Option<Next>)> {
    let Some((sha256, bytes, media_type)) = sessions::next_picture(app, id, after).await.map_err(broken_off)? else {
        return Ok((Bytes::from_static(b"]}"), None));
    };
    let picture = ExportedPicture { sha256, media_type, data: STANDARD.encode(bytes) };
    let comma = if after.is_empty() { "" } else { "," };
    let text = format!("{comma}{}", serde_json::to_string(&picture)?);
    Ok((text.into(), Some(Next::Pictures { after: picture.sha256 })))
}

fn broken_off(_: ApiError) -> std::io::Error {
    std::io::Error::other("the record could not be read to its end")
}
