//! One line when a request ends, and one when a WebSocket opens. No query, no header, no name that somebody chose.

use std::time::Instant;

use pingora::{Error, proxy::Session};

use crate::{proxy::Ctx, route};

/// A WebSocket is open.
pub(crate) fn opened(session: &Session, ctx: &Ctx) {
    metrics::gauge!("cloudbot_edge_websockets").increment(1.0);
    let path = route::template(session.req_header().uri.path());
    tracing::info!(request_id = %ctx.request_id, door = ctx.door, path, user = ctx.user(), "opened");
}

/// A request is over, well or badly.
pub(crate) fn ended(session: &Session, error: Option<&Error>, ctx: &Ctx) {
    if ctx.upgraded {
        metrics::gauge!("cloudbot_edge_websockets").decrement(1.0);
    }
    let status = session.response_written().map_or(0, |response| response.status.as_u16());
    let took = Instant::now().saturating_duration_since(ctx.started);
    let labels =
        [("door", ctx.door.to_owned()), ("to", ctx.to().to_owned()), ("status", format!("{}xx", status / 100))];
    metrics::counter!("cloudbot_edge_requests_total", &labels).increment(1);
    if !ctx.upgraded {
        let labels = [("door", ctx.door.to_owned()), ("to", ctx.to().to_owned())];
        metrics::histogram!("cloudbot_edge_request_seconds", &labels).record(took.as_secs_f64());
    }

    let request = session.req_header();
    let path = route::template(request.uri.path());
    let (request_id, door, method, user) = (&ctx.request_id, ctx.door, request.method.as_str(), ctx.user());
    let sent = session.body_bytes_sent();
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    // An error's text holds addresses and what was tried, never a header or a query.
    let cause = error.filter(|_| status == 0 || status >= 500).map(ToString::to_string);
    match cause {
        Some(cause) => tracing::warn!(%request_id, door, method, path, status, sent, took_ms, user, cause, "ended"),
        None if ctx.is_file() => tracing::debug!(%request_id, door, method, path, status, sent, took_ms, "ended"),
        None => tracing::info!(%request_id, door, method, path, status, sent, took_ms, user, "ended"),
    }
}
