//! Extractors whose refusals are problem documents: axum's own answer with plain text.

use axum::{
    extract::{FromRequest, FromRequestParts, Request, rejection::JsonRejection},
    http::request::Parts,
};
use protocol::error::{Code, Problem};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(json_problem(&rejection).into()),
        }
    }
}

/// Parameters in the path.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // An id that cannot be one names nothing that is here.
        let refused = |_| Problem::new(Code::NotFound, "There is nothing at this address.");
        let axum::extract::Path(value) =
            axum::extract::Path::from_request_parts(parts, state).await.map_err(refused)?;
        Ok(Self(value))
    }
}

/// Parameters behind the question mark.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let refused = |e: axum::extract::rejection::QueryRejection| {
            Problem::new(Code::MalformedRequest, format!("{}.", e.body_text()))
        };
        let axum::extract::Query(value) =
            axum::extract::Query::from_request_parts(parts, state).await.map_err(refused)?;
        Ok(Self(value))
    }
}

/// A body of plain bytes, as far as the route's limit allows.
pub struct Bytes(pub bytes::Bytes);

impl<S: Send + Sync> FromRequest<S> for Bytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        bytes::Bytes::from_request(request, state).await.map(Self).map_err(|rejection| {
            let problem = if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
                too_large()
            } else {
                Problem::new(Code::MalformedRequest, "The body broke off: send it again.")
            };
            problem.into()
        })
    }
}

/// A refusal of a body that holds secrets: serde's words quote what is of the wrong type.
pub fn unquoted(refused: ApiError, detail: &str) -> ApiError {
    match refused {
        ApiError::Problem(problem) if problem.code == Code::InvalidValue => {
            Problem::new(Code::InvalidValue, detail).into()
        }
        other => other,
    }
}

fn json_problem(rejection: &JsonRejection) -> Problem {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            Problem::new(Code::UnsupportedMediaType, "Send JSON, with content-type: application/json.")
        }
        // serde's words name the field and the place, and quote no value but an unknown field's or variant's name.
        JsonRejection::JsonDataError(e) => Problem::new(Code::InvalidValue, format!("{}.", e.body_text())),
        JsonRejection::JsonSyntaxError(_) => Problem::new(Code::MalformedRequest, "The body is not JSON."),
        other if other.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Problem::new(Code::MalformedRequest, "The body broke off: send it again."),
    }
}

fn too_large() -> Problem {
    Problem::new(Code::BodyTooLarge, "Send less at once.")
}
