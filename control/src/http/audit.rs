//! Is the record whole?

use axum::extract::State;
use protocol::{SessionId, error::Problem};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Shared, caller::Owner};
use crate::{
    error::ApiError,
    sessions::audit::{self, Found},
};

/// What a walk along the chains of all of the user's sessions has found.
#[derive(Serialize, ToSchema)]
pub struct Audit {
    /// So many sessions were looked at.
    sessions: u64,
    events: u64,
    /// Events that were stored before there was a chain: nothing can be said of them.
    unchained: u64,
    /// Sessions whose record is not as it was written; empty when all are whole.
    broken: Vec<BrokenRecord>,
}

#[derive(Serialize, ToSchema)]
pub struct BrokenRecord {
    session_id: SessionId,
    /// The first event that was changed, moved or removed.
    seq: i64,
}

/// Checks the hash chain of every session of the user, to its end.
#[utoipa::path(get, path = "/audit/verify", responses((status = 200, body = Audit), (status = "4XX", body = Problem)))]
pub async fn verify(State(app): State<Shared>, owner: Owner) -> Result<axum::Json<Audit>, ApiError> {
    Ok(axum::Json(audit::verify(&app, owner.id()).await?.into()))
}

impl From<Found> for Audit {
    fn from(found: Found) -> Self {
        let Found { sessions, events, unchained, broken } = found;
        let broken = broken.into_iter().map(|(session_id, seq)| BrokenRecord { session_id, seq }).collect();
        Self { sessions, events, unchained, broken }
    }
}
