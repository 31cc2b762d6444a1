//! The one place where an error becomes an answer.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use protocol::error::{Code, Problem};

use crate::db;

/// Why a verb was not done: a problem that its caller may see, or one of ours.
#[derive(Debug)]
pub enum ApiError {
    Problem(Problem),
    Internal(anyhow::Error),
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        if db::is_full(&error) {
            tracing::error!(%error, "the database's disk is full");
            return storage_full().into();
        }
        if db::is_away(&error) {
            tracing::error!(%error, "the database does not answer");
            return Problem::new(Code::Unavailable, "The database does not answer. Try again in a moment.").into();
        }
        Self::Internal(anyhow::Error::new(error).context("ask the database"))
    }
}

impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull {
            tracing::error!(%error, "the data folder's disk is full");
            return storage_full().into();
        }
        Self::Internal(error.into())
    }
}

fn storage_full() -> Problem {
    Problem::new(
        Code::StorageFull,
        "The disk that holds CloudBot's data is full. Nothing was stored: free some space, then try again.",
    )
}

/// Why an answer is a 500: for the log alone. It travels beside the answer to the layer that knows the request's id.
#[derive(Clone)]
pub struct Cause(pub Arc<anyhow::Error>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem_response(&problem),
            Self::Internal(cause) => {
                let detail = "Try again; if it stays, give the operator this request id.";
                let mut response = problem_response(&Problem::new(Code::Internal, detail));
                response.extensions_mut().insert(Cause(Arc::new(cause)));
                response
            }
        }
    }
}

impl ApiError {
    /// For those who end with it and answer nobody.
    pub fn into_cause(self) -> anyhow::Error {
        match self {
            Self::Problem(problem) => problem.into(),
            Self::Internal(cause) => cause,
        }
    }
}

/// A problem as `application/problem+json`.
pub fn problem_response(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let media_type = HeaderValue::from_static("application/problem+json");
    let mut response = (status, [(header::CONTENT_TYPE, media_type)], body).into_response();
    response.extensions_mut().insert(problem.clone());
    response
}

/// Nothing here, whether it is not there or not theirs: who asks cannot tell.
pub fn not_found(what: &str) -> ApiError {
    Problem::new(Code::NotFound, format!("There is no such {what}, or it is not yours.")).into()
}
