//! The last word on every refusal: a problem document, on 5xx with the id under which the log tells the cause.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::Response,
};
use protocol::{
    error::{Code, Problem},
    paths::REQUEST_ID_HEADER,
};

use crate::{
    error::{Cause, problem_response},
    secret,
};

pub(super) async fn explain(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let mut response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let mut problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| bare(status));
    if let Some(Cause(cause)) = response.extensions_mut().remove::<Cause>() {
        tracing::error!(request = id, error = format!("{cause:#}"), "internal error");
    }
    if status.is_server_error() {
        problem.request_id = Some(id);
    }
    problem_response(&problem)
}

/// As the edge gave it, so that both logs tell of the same request.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID_HEADER).and_then(|value| value.to_str().ok());
    let given = given.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()));
    given.map_or_else(|| secret::generate("r-")[..18].to_owned(), str::to_owned)
}

/// What a library of ours refused without a word.
fn bare(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::new(Code::NotFound, "There is nothing at this address."),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(Code::MethodNotAllowed, "Look the address up in /api/v1/docs."),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::BodyTooLarge, "Send less at once."),
        status if status.is_client_error() => Problem::new(Code::MalformedRequest, "The request could not be read."),
        _ => Problem::new(Code::Internal, "Try again; if it stays, give the operator this request id."),
    }
}
