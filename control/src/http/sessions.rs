//! Sessions and their records.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use protocol::{
    DesktopId, SessionId,
    approval::{Judge, Verdict},
    error::Problem,
    event::Event,
    session::{CreateSession, Page, PatchSession, PostMessage, PostedMessage, Session},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Shared,
    caller::{Talker, Viewer, demand_everything},
    extract::{Json, Path, Query},
    stream,
};
use crate::{
    error::ApiError,
    hub::Change,
    sessions::{self, Filter, approvals, journal},
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Only those of this desktop.
    desktop_id: Option<DesktopId>,
    /// Only those whose title contains this, in upper or lower case.
    search: Option<String>,
    /// Only those that are archived, or only those that are not.
    archived: Option<bool>,
    /// The `next` of the page before.
    cursor: Option<SessionId>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct From {
    /// Events behind this `seq`; 0 for all.
    #[serde(default)]
    after: i64,
    /// At most so many, 500 at the most.
    limit: Option<i64>,
}

/// The user's sessions, newest first.
#[utoipa::path(get, path = "/sessions", params(Which), responses((status = 200, body = Page<Session>), (status = "4XX", body = Problem)))]
pub async fn list(
    State(app): State<Shared>,
    viewer: Viewer,
    Query(which): Query<Which>,
) -> Result<axum::Json<Page<Session>>, ApiError> {
    let Which { desktop_id: desktop, search, archived, cursor } = which;
    let filter = Filter { desktop, search, archived };
    Ok(axum::Json(sessions::list(&app, viewer.id(), &filter, cursor.as_ref()).await?))
}

/// Begins a session; without a desktop one is created for it.
#[utoipa::path(post, path = "/sessions", request_body = CreateSession, responses((status = 201, body = Session), (status = "4XX", body = Problem)))]
pub async fn create(
    State(app): State<Shared>,
    talker: Talker,
    Json(wish): Json<CreateSession>,
) -> Result<(StatusCode, axum::Json<Session>), ApiError> {
    if wish.desktop_id.is_none() {
        // It creates a desktop, too.
        demand_everything(&talker.0)?;
    }
    Ok((StatusCode::CREATED, axum::Json(sessions::create(&app, talker.id(), wish).await?)))
}

/// One session.
#[utoipa::path(get, path = "/sessions/{id}", params(("id" = SessionId, Path)), responses((status = 200, body = Session), (status = "4XX", body = Problem)))]
pub async fn get(
    State(app): State<Shared>,
    viewer: Viewer,
    Path(id): Path<SessionId>,
) -> Result<axum::Json<Session>, ApiError> {
    Ok(axum::Json(sessions::get(&app, viewer.id(), &id).await?))
}

/// Renames or archives a session, or changes how it is to work.
#[utoipa::path(patch, path = "/sessions/{id}", params(("id" = SessionId, Path)), request_body = PatchSession, responses(
    (status = 200, body = Session), (status = "4XX", body = Problem)))]
pub async fn patch(
    State(app): State<Shared>,
    talker: Talker,
    Path(id): Path<SessionId>,
    Json(wish): Json<PatchSession>,
) -> Result<axum::Json<Session>, ApiError> {
    Ok(axum::Json(sessions::patch(&app, talker.id(), &id, wish).await?))
}

/// Deletes a session with its record.
#[utoipa::path(delete, path = "/sessions/{id}", params(("id" = SessionId, Path)), responses((status = 204, description = "Deleted"), (status = "4XX", body = Problem)))]
pub async fn delete(
    State(app): State<Shared>,
    talker: Talker,
    Path(id): Path<SessionId>,
) -> Result<StatusCode, ApiError> {
    sessions::delete(&app, talker.id(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The record, page by page: `next` is the `after` of the page that follows.
#[utoipa::path(get, path = "/sessions/{id}/messages", params(("id" = SessionId, Path), From), responses(
    (status = 200, body = Page<Event>), (status = "4XX", body = Problem)))]
pub async fn read(
    State(app): State<Shared>,
    viewer: Viewer,
    Path(id): Path<SessionId>,
    Query(from): Query<From>,
) -> Result<axum::Json<Page<Event>>, ApiError> {
    sessions::owned(&app, viewer.id(), &id).await?;
    Ok(axum::Json(sessions::events(&app, &id, from.after, from.limit.unwrap_or(200)).await?))
}

/// Says something to the agent. It wakes a stopped desktop; a repeat with the same `client_id` is stored once.
#[utoipa::path(post, path = "/sessions/{id}/messages", params(("id" = SessionId, Path)), request_body = PostMessage, responses(
    (status = 201, body = PostedMessage), (status = "4XX", body = Problem)))]
pub async fn say(
    State(app): State<Shared>,
    talker: Talker,
    Path(id): Path<SessionId>,
    Json(message): Json<PostMessage>,
) -> Result<(StatusCode, axum::Json<PostedMessage>), ApiError> {
    let session = sessions::owned(&app, talker.id(), &id).await?;
    Ok((StatusCode::CREATED, axum::Json(journal::say(&app, &session, talker.id(), message).await?)))
}

/// Stops whatever the agent does.
#[utoipa::path(post, path = "/sessions/{id}/stop", params(("id" = SessionId, Path)), responses((status = 202, body = Session), (status = "4XX", body = Problem)))]
pub async fn stop(
    State(app): State<Shared>,
    talker: Talker,
    Path(id): Path<SessionId>,
) -> Result<(StatusCode, axum::Json<Session>), ApiError> {
    Ok((StatusCode::ACCEPTED, axum::Json(sessions::stop(&app, talker.id(), &id).await?)))
}

/// Lets an action run that waits for a person's word. The first word on it counts; a repeat is harmless.
#[utoipa::path(post, path = "/sessions/{id}/approve", params(("id" = SessionId, Path)), request_body = Judge, responses(
    (status = 200, body = Session), (status = "4XX", body = Problem)))]
pub async fn approve(
    State(app): State<Shared>,
    talker: Talker,
    Path(id): Path<SessionId>,
    Json(Judge { approval }): Json<Judge>,
) -> Result<axum::Json<Session>, ApiError> {
    Ok(axum::Json(approvals::judge(&app, talker.id(), &id, approval, Verdict::Approved).await?))
}

/// Does not let it run; the agent is told so, and goes on.
#[utoipa::path(post, path = "/sessions/{id}/deny", params(("id" = SessionId, Path)), request_body = Judge, responses(
    (status = 200, body = Session), (status = "4XX", body = Problem)))]
pub async fn deny(
    State(app): State<Shared>,
    talker: Talker,
    Path(id): Path<SessionId>,
    Json(Judge { approval }): Json<Judge>,
) -> Result<axum::Json<Session>, ApiError> {
    Ok(axum::Json(approvals::judge(&app, talker.id(), &id, approval, Verdict::Denied).await?))
}

/// A stream of the record: what is behind `after` (or `Last-Event-ID`), then each event as it is stored.
#[utoipa::path(get, path = "/sessions/{id}/events", params(("id" = SessionId, Path), From), responses(
    (status = 200, content_type = "text/event-stream", body = Event), (status = "4XX", body = Problem)))]
pub async fn events(
    State(app): State<Shared>,
    Viewer(caller): Viewer,
    Path(id): Path<SessionId>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    sessions::owned(&app, &caller.user_id, &id).await?;
    let listener = app.hub.listen();
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
    let seen = Arc::new(AtomicI64::new(last.unwrap_or(from.after)));
    let (session, who) = (id.clone(), caller.clone());
    let look = move || {
        let (app, id, seen, caller) = (app.clone(), id.clone(), seen.clone(), caller.clone());
        async move {
            stream::demand_still(&app, &caller).await?;
            let page = sessions::events(&app, &id, seen.load(Ordering::Relaxed), sessions::MAX_EVENTS).await?;
            let mut sent = Vec::new();
            for event in &page.items {
                sent.push(stream::event(event)?.id(event.seq.to_string()));
                seen.store(event.seq, Ordering::Relaxed);
            }
            Ok((sent, page.next.is_some()))
        }
    };
    Ok(stream::looking(
        listener,
        who,
        move |change| matches!(change, Change::Session { session_id, .. } if *session_id == session),
        look,
    ))
}
