//! Refusals as problem documents; the status is chosen here and nowhere else.

use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use protocol::error::{Code, Problem};
use serde::de::DeserializeOwned;

use crate::{gate::desk::DeskError, link::RefusalKind};

/// A request that was not done.
#[derive(Debug)]
pub struct Refused(pub Problem);

impl Refused {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}

impl From<DeskError> for Refused {
    fn from(error: DeskError) -> Self {
        let code = match &error {
            DeskError::Refused(refusal) => match refusal.kind {
                RefusalKind::Invalid => Code::InvalidValue,
                RefusalKind::NotFound => Code::NotFound,
                RefusalKind::Unavailable => Code::DesktopNotReady,
                RefusalKind::Timeout => Code::Timeout,
                RefusalKind::Failed => Code::DesktopUnreachable,
            },
            DeskError::Late(_) => Code::Timeout,
            DeskError::Unreachable(_) | DeskError::Stranger(_) | DeskError::Nonsense => Code::DesktopUnreachable,
        };
        Refused::new(code, error.to_string())
    }
}

/// Reads a JSON body; every way to get it wrong is answered with a problem.
pub fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<T, Refused> {
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(';').next().is_some_and(|kind| kind.trim() == "application/json"));
    if !is_json {
        return Err(Refused::new(Code::UnsupportedMediaType, "send JSON with `content-type: application/json`"));
    }
    let body = body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Refused::new(Code::BodyTooLarge, "a request here may have 1 MiB")
        } else {
            Refused::new(Code::MalformedRequest, "the body broke off")
        }
    })?;
    serde_json::from_slice(&body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Refused::new(Code::InvalidValue, error.to_string()),
        _ => Refused::new(Code::MalformedRequest, error.to_string()),
    })
}
