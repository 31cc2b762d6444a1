//! How a refusal or a failure reaches the client: always a problem document, never a cause.

use std::time::Duration;

use bytes::Bytes;
use pingora::{ErrorSource, ErrorType, http::ResponseHeader, proxy::Session};
use protocol::error::{Code, Problem};

use crate::{
    headers::{self, Origin},
    limits,
    proxy::Ctx,
    verify::Browsers,
};

/// How much of an unread body is read before the answer, and for how long: a client that is still sending
/// would otherwise see a reset in place of the answer.
const DRAIN: usize = 2 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Answers with a problem. The connection stays usable when the request was read to its end.
pub(crate) async fn send(
    session: &mut Session,
    mut problem: Problem,
    request_id: &str,
    browsers: Option<&Browsers>,
) -> pingora::Result<()> {
    drain(session).await;
    if problem.status >= 500 {
        problem.request_id = Some(request_id.to_owned());
    }
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = ResponseHeader::build(problem.status, Some(12))?;
    response.insert_header("content-type", "application/problem+json")?;
    response.insert_header("content-length", body.len())?;
    response.insert_header("cache-control", "no-store")?;
    if problem.code == Code::NotSignedIn {
        response.insert_header("www-authenticate", "Bearer")?;
    }
    headers::secure(
        &mut response,
        if browsers.is_some() { Origin::Api } else { Origin::Program },
        browsers,
        request_id,
    )?;
    let empty = session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(response), empty).await?;
    if !empty {
        session.write_response_body(Some(Bytes::from(body)), true).await?;
    }
    Ok(())
}

/// What a failure on the way is to the client.
pub(crate) fn problem_of(error: &pingora::Error, ctx: &Ctx) -> Option<Problem> {
    if let Some(problem) = &ctx.refusal {
        return Some(problem.clone());
    }
    let timeout = matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout);
    Some(match (error.etype(), error.esource()) {
        (ErrorType::HTTPStatus(413), _) => limits::too_large(ctx.body_limit),
        // The client is gone: there is nobody to tell.
        (ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed, ErrorSource::Downstream) => {
            return None;
        }
        (_, ErrorSource::Downstream) if timeout => Problem::new(Code::Timeout, "The request was not sent in time."),
        (_, ErrorSource::Downstream) => Problem::new(Code::MalformedRequest, "The request could not be read."),
        (_, ErrorSource::Upstream) => ctx.upstream_failed(timeout),
        _ => Problem::new(Code::Internal, "Try again; if it happens again, tell the operator the request id."),
    })
}

async fn drain(session: &mut Session) {
    let reading = async {
        let mut read = 0;
        while read < DRAIN {
            match session.downstream_session.read_request_body().await {
                Ok(Some(bytes)) => read += bytes.len(),
                Ok(None) | Err(_) => break,
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, reading).await;
}
