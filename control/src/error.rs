//! The one place where an error becomes an answer.

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

/// The answer's request id is set by the layer that knows it.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem_response(&problem),
            Self::Internal(error) => {
                let id = crate::secret::generate("err-")[..16].to_owned();
                tracing::error!(request = id, error = format!("{error:#}"), "internal error");
                let mut problem =
                    Problem::new(Code::Internal, "Try again; if it stays, give the operator this request id.");
                problem.request_id = Some(id);
                problem_response(&problem)
            }
        }
    }
}

/// A problem as `application/problem+json`.
pub fn problem_response(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(problem).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))], body).into_response()
}

/// Nothing here, whether it is not there or not theirs: who asks cannot tell.
pub fn not_found(what: &str) -> ApiError {
    Problem::new(Code::NotFound, format!("There is no such {what}, or it is not yours.")).into()
}
