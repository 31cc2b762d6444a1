//! Is it alive, and can it work?

use std::any::Any;

use axum::{extract::State, http::StatusCode, response::Response};
use protocol::error::{Code, Problem};

use super::Shared;
use crate::error::{ApiError, problem_response};

/// The process answers.
pub async fn healthz() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The database answers, too.
pub async fn readyz(State(app): State<Shared>) -> Result<StatusCode, ApiError> {
    app.db.ping().await.map_err(|error| {
        tracing::error!(%error, "the database does not answer");
        Problem::new(Code::Unavailable, "The database does not answer.")
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// A handler's panic is a bug of ours: the client gets a 500, the log the place.
pub fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    problem_response(&Problem::new(Code::Internal, "Try again; if it stays, tell the operator."))
}
