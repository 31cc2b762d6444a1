//! Desktops.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use protocol::{
    DesktopId,
    desktop::{CreateDesktop, Desktop, DesktopState, PatchDesktop},
    error::{Code, Problem},
};
use tokio::sync::Mutex;

use super::{
    Shared,
    caller::{Owner, Viewer},
    extract::{Json, Path},
    stream,
};
use crate::{desktops, error::ApiError, hub::Change};

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// All desktops of the user.
#[utoipa::path(get, path = "/desktops", responses((status = 200, body = Vec<Desktop>), (status = "4XX", body = Problem)))]
pub async fn list(State(app): State<Shared>, viewer: Viewer) -> Result<axum::Json<Vec<Desktop>>, ApiError> {
    Ok(axum::Json(desktops::list(&app, viewer.id()).await?))
}

/// Requests a desktop. Follow its way to `ready` in `desktops/events`.
#[utoipa::path(post, path = "/desktops", request_body = CreateDesktop,
    params(("idempotency-key" = Option<String>, Header, description = "The same key again answers the same desktop")),
    responses((status = 201, body = Desktop), (status = "4XX", body = Problem)))]
pub async fn create(
    State(app): State<Shared>,
    owner: Owner,
    headers: HeaderMap,
    Json(wish): Json<CreateDesktop>,
) -> Result<(StatusCode, axum::Json<Desktop>), ApiError> {
    let key = headers.get(IDEMPOTENCY_KEY).map(|value| value.to_str()).transpose();
    let key = key.map_err(|_| Problem::new(Code::InvalidValue, "An Idempotency-Key is printable ASCII."))?;
    Ok((StatusCode::CREATED, axum::Json(desktops::create(&app, owner.id(), wish, key).await?)))
}

/// A stream of desktops as JSON: first all, then each that changed, and once more as `deleted`.
#[utoipa::path(get, path = "/desktops/events", responses(
    (status = 200, content_type = "text/event-stream", body = Desktop), (status = "4XX", body = Problem)))]
pub async fn events(State(app): State<Shared>, Viewer(caller): Viewer) -> Result<impl IntoResponse, ApiError> {
    let listener = app.hub.listen();
    let (mine, who) = (caller.user_id.clone(), caller.clone());
    let known: Arc<Mutex<HashMap<DesktopId, Desktop>>> = Arc::default();
    let look = move || {
        let (app, caller, known) = (app.clone(), caller.clone(), known.clone());
        async move {
            stream::demand_still(&app, &caller).await?;
            let now = desktops::list(&app, &caller.user_id).await?;
            let mut known = known.lock().await;
            let mut events = Vec::new();
            let gone: Vec<_> =
                known.keys().filter(|id| !now.iter().any(|desktop| desktop.id == **id)).cloned().collect();
            for id in gone {
                if let Some(last) = known.remove(&id) {
                    events.push(stream::event(&Desktop { state: DesktopState::Deleted, ..last })?);
                }
            }
            for desktop in now {
                if known.get(&desktop.id) != Some(&desktop) {
                    events.push(stream::event(&desktop)?);
                    known.insert(desktop.id.clone(), desktop);
                }
            }
            Ok((events, false))
        }
    };
    Ok(stream::looking(
        listener,
        who,
        move |change| matches!(change, Change::Desktop { user_id } if *user_id == mine),
        look,
    ))
}

/// One desktop.
#[utoipa::path(get, path = "/desktops/{id}", params(("id" = DesktopId, Path)), responses((status = 200, body = Desktop), (status = "4XX", body = Problem)))]
pub async fn get(
    State(app): State<Shared>,
    viewer: Viewer,
    Path(id): Path<DesktopId>,
) -> Result<axum::Json<Desktop>, ApiError> {
    Ok(axum::Json(desktops::get(&app, viewer.id(), &id).await?))
}

/// Renames a desktop.
#[utoipa::path(patch, path = "/desktops/{id}", params(("id" = DesktopId, Path)), request_body = PatchDesktop, responses(
    (status = 200, body = Desktop), (status = "4XX", body = Problem)))]
pub async fn patch(
    State(app): State<Shared>,
    owner: Owner,
    Path(id): Path<DesktopId>,
    Json(wish): Json<PatchDesktop>,
) -> Result<axum::Json<Desktop>, ApiError> {
    Ok(axum::Json(desktops::patch(&app, owner.id(), &id, wish).await?))
}

/// Deletes a desktop with its home, its sessions and their records.
#[utoipa::path(delete, path = "/desktops/{id}", params(("id" = DesktopId, Path)), responses(
    (status = 202, body = Desktop), (status = "4XX", body = Problem)))]
pub async fn delete(
    State(app): State<Shared>,
    owner: Owner,
    Path(id): Path<DesktopId>,
) -> Result<(StatusCode, axum::Json<Desktop>), ApiError> {
    Ok((StatusCode::ACCEPTED, axum::Json(desktops::delete(&app, owner.id(), &id).await?)))
}

/// Starts a stopped or failed desktop.
#[utoipa::path(post, path = "/desktops/{id}/start", params(("id" = DesktopId, Path)), responses(
    (status = 202, body = Desktop), (status = "4XX", body = Problem)))]
pub async fn start(
    State(app): State<Shared>,
    owner: Owner,
    Path(id): Path<DesktopId>,
) -> Result<(StatusCode, axum::Json<Desktop>), ApiError> {
    Ok((StatusCode::ACCEPTED, axum::Json(desktops::start(&app, owner.id(), &id).await?)))
}

/// Stops a desktop; its home stays.
#[utoipa::path(post, path = "/desktops/{id}/stop", params(("id" = DesktopId, Path)), responses(
    (status = 202, body = Desktop), (status = "4XX", body = Problem)))]
pub async fn stop(
    State(app): State<Shared>,
    owner: Owner,
    Path(id): Path<DesktopId>,
) -> Result<(StatusCode, axum::Json<Desktop>), ApiError> {
    Ok((StatusCode::ACCEPTED, axum::Json(desktops::stop(&app, owner.id(), &id).await?)))
}

/// Gives a running desktop a fresh VM.
#[utoipa::path(post, path = "/desktops/{id}/reboot", params(("id" = DesktopId, Path)), responses(
    (status = 202, body = Desktop), (status = "4XX", body = Problem)))]
pub async fn reboot(
    State(app): State<Shared>,
    owner: Owner,
    Path(id): Path<DesktopId>,
) -> Result<(StatusCode, axum::Json<Desktop>), ApiError> {
    Ok((StatusCode::ACCEPTED, axum::Json(desktops::reboot(&app, owner.id(), &id).await?)))
}
