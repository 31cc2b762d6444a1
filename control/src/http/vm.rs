//! What sidecars call. The edge has checked the VM's certificate and says in a header whose it is.

use std::time::Duration;

use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
    response::{
        IntoResponse,
        sse::{KeepAlive, Sse},
    },
};
use futures_util::StreamExt;
use protocol::{
    SessionId, VmId,
    edge::VM_HEADER,
    error::{Code, Problem},
    journal::{Append, Appended, Events, Judged, Say},
    lease::PutLease,
    mcp::McpServers,
    secret::SecretValue,
    session::{PostMessage, PostedMessage},
    vm::{Assignment, EnrolRequest, Enrolled, RenewRequest, Report, Work},
};
use serde::Deserialize;

use super::{
    Shared,
    extract::{Bytes, Json, Path, Query},
    stream,
};
use crate::{
    desktops::mcp_servers as servers,
    error::{ApiError, not_found},
    sessions::{self, approvals, blobs, journal},
    users::secrets,
    vms,
};

/// The VM that calls.
pub struct Vm(VmId);

impl FromRequestParts<Shared> for Vm {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, ApiError> {
        let id = parts.headers.get(VM_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
        id.map(Self).ok_or_else(|| Problem::new(Code::NotSignedIn, "A VM's certificate is needed.").into())
    }
}

pub async fn enrol(
    State(app): State<Shared>,
    Json(request): Json<EnrolRequest>,
) -> Result<axum::Json<Enrolled>, ApiError> {
    Ok(axum::Json(vms::enrol(&app, request).await?))
}

pub async fn renew(
    State(app): State<Shared>,
    Vm(id): Vm,
    Json(request): Json<RenewRequest>,
) -> Result<axum::Json<Enrolled>, ApiError> {
    Ok(axum::Json(vms::renew(&app, &id, &request.csr_pem).await?))
}

pub async fn assignment(State(app): State<Shared>, Vm(id): Vm) -> Result<axum::Json<Assignment>, ApiError> {
    Ok(axum::Json(vms::assignment(&app, &id).await?))
}

pub async fn report(State(app): State<Shared>, Vm(id): Vm, Json(report): Json<Report>) -> Result<StatusCode, ApiError> {
    vms::report(&app, &id, report).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn put_lease(
    State(app): State<Shared>,
    Vm(id): Vm,
    Json(put): Json<PutLease>,
) -> Result<StatusCode, ApiError> {
    vms::put_lease(&app, &id, put).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A secret of the desktop's owner.
pub async fn secret(
    State(app): State<Shared>,
    Vm(vm): Vm,
    Path(name): Path<String>,
) -> Result<Unstored<SecretValue>, ApiError> {
    let (_, desktop) = vms::current(&app, &vm).await?;
    Ok(unstored(secrets::open(&app, &desktop.user_id, &name).await?))
}

/// The MCP servers of the desktop, with their values.
pub async fn mcp_servers(State(app): State<Shared>, Vm(vm): Vm) -> Result<Unstored<McpServers>, ApiError> {
    let (_, desktop) = vms::current(&app, &vm).await?;
    Ok(unstored(servers::of_vm(&app, &desktop).await?))
}

/// First "hello", then a word for each change that concerns this VM's desktop.
pub async fn notices(State(app): State<Shared>, Vm(id): Vm) -> Result<impl IntoResponse, ApiError> {
    let notices = vms::notices(app.clone(), id).await?;
    let events = notices.map(|notice| stream::event(&notice).map_err(|_| std::io::Error::other("write a notice")));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

pub async fn work(State(app): State<Shared>, Vm(id): Vm) -> Result<axum::Json<Work>, ApiError> {
    let (_, desktop) = vms::current(&app, &id).await?;
    Ok(axum::Json(sessions::work(&app, &desktop.id).await?))
}

pub async fn say(
    State(app): State<Shared>,
    Vm(vm): Vm,
    Path(id): Path<SessionId>,
    Json(say): Json<Say>,
) -> Result<axum::Json<PostedMessage>, ApiError> {
    let (vm, desktop) = vms::current(&app, &vm).await?;
    vms::demand_generation(&vm, say.generation)?;
    let session = sessions::of_desktop(&app, &desktop.id, &id).await?;
    let message = PostMessage { text: say.text, client_id: say.client_id };
    Ok(axum::Json(journal::say(&app, &session, &say.user_id, message).await?))
}

pub async fn judge(
    State(app): State<Shared>,
    Vm(vm): Vm,
    Path(id): Path<SessionId>,
    Json(judged): Json<Judged>,
) -> Result<axum::Json<Appended>, ApiError> {
    let (vm, desktop) = vms::current(&app, &vm).await?;
    let session = sessions::of_desktop(&app, &desktop.id, &id).await?;
    Ok(axum::Json(approvals::judge_in_chat(&app, &vm, &session, judged).await?))
}

#[derive(Deserialize)]
pub struct From {
    #[serde(default)]
    after: i64,
    limit: Option<i64>,
}

pub async fn read(
    State(app): State<Shared>,
    Vm(vm): Vm,
    Path(id): Path<SessionId>,
    Query(from): Query<From>,
) -> Result<axum::Json<Events>, ApiError> {
    let (_, desktop) = vms::current(&app, &vm).await?;
    let session = sessions::of_desktop(&app, &desktop.id, &id).await?;
    Ok(axum::Json(journal::read(&app, &session, from.after, from.limit.unwrap_or(sessions::MAX_EVENTS)).await?))
}

pub async fn append(
    State(app): State<Shared>,
    Vm(vm): Vm,
    Path(id): Path<SessionId>,
    Json(append): Json<Append>,
) -> Result<axum::Json<Appended>, ApiError> {
    let (vm, desktop) = vms::current(&app, &vm).await?;
    let session = sessions::of_desktop(&app, &desktop.id, &id).await?;
    Ok(axum::Json(journal::append(&app, &vm, &session, append).await?))
}

pub async fn put_blob(
    State(app): State<Shared>,
    Vm(vm): Vm,
    Path(sha256): Path<String>,
    Bytes(bytes): Bytes,
) -> Result<StatusCode, ApiError> {
    let (_, desktop) = vms::current(&app, &vm).await?;
    blobs::store(&app, &desktop.id, &sha256, &bytes).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A picture that this desktop has stored.
pub async fn get_blob(
    State(app): State<Shared>,
    Vm(vm): Vm,
    Path(sha256): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let (_, desktop) = vms::current(&app, &vm).await?;
    let (bytes, media_type) =
        blobs::of_desktop(&app, &desktop.id, &sha256).await?.ok_or_else(|| not_found("picture"))?;
    Ok(([(header::CONTENT_TYPE, media_type)], bytes))
}

/// An answer that is for its reader's memory alone.
type Unstored<T> = ([(header::HeaderName, &'static str); 1], axum::Json<T>);

fn unstored<T>(value: T) -> Unstored<T> {
    ([(header::CACHE_CONTROL, "no-store")], axum::Json(value))
}
