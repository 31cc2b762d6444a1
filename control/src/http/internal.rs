//! What edges ask: may this credential reach this desktop, and which key pays for this VM's model calls.

use std::{convert::Infallible, time::Duration};

use axum::{body::Body, extract::State, response::IntoResponse};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use protocol::{
    edge::{ALIVE_MS, AskGrants, Holds, MAX_GRANTS, ModelKey, ModelKeyRequest, Resolve, Resolved, Revocation},
    error::{Code, Problem},
};

use super::{Shared, extract::Json};
use crate::{
    error::ApiError,
    grants,
    hub::{Change, Heard},
};

pub async fn resolve(
    State(app): State<Shared>,
    Json(question): Json<Resolve>,
) -> Result<axum::Json<Resolved>, ApiError> {
    Ok(axum::Json(grants::resolve(&app, &question).await?))
}

pub async fn model_key(
    State(app): State<Shared>,
    Json(question): Json<ModelKeyRequest>,
) -> Result<axum::Json<ModelKey>, ApiError> {
    Ok(axum::Json(grants::model_key(&app, &question).await?))
}

pub async fn holds(
    State(app): State<Shared>,
    Json(AskGrants { grants }): Json<AskGrants>,
) -> Result<axum::Json<Holds>, ApiError> {
    if grants.len() > MAX_GRANTS {
        return Err(Problem::new(Code::InvalidValue, format!("At most {MAX_GRANTS} grants at once.")).into());
    }
    let mut holds = Vec::with_capacity(grants.len());
    for grant in &grants {
        holds.push(grants::holds(&app, grant).await?);
    }
    Ok(axum::Json(Holds { holds }))
}

/// What is taken back from now on, a line each.
pub async fn revocations(State(app): State<Shared>) -> impl IntoResponse {
    let lines = stream::unfold((app.hub.listen(), Some(Revocation::Alive)), |(mut listener, first)| async move {
        let revocation = match first {
            Some(first) => first,
            None => {
                let heard = listener.next(|change| matches!(change, Change::Revoked(_)));
                match tokio::time::timeout(Duration::from_millis(ALIVE_MS), heard).await {
                    Ok(Heard::Change(Change::Revoked(revocation))) => revocation,
                    Ok(Heard::Missed) => Revocation::Missed,
                    Ok(Heard::Change(_) | Heard::Quiet) | Err(_) => Revocation::Alive,
                }
            }
        };
        let mut line = serde_json::to_vec(&revocation).ok()?;
        line.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(line)), (listener, None)))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines))
}
