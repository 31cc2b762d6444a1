//! How much a request may bring.

use std::time::Duration;

use pingora::{apps::HttpServerOptions, http::RequestHeader};
use protocol::error::{Code, Problem};

/// An ordinary JSON body.
pub(crate) const BODY: u64 = 1 << 20;
/// A file for a desktop's home, a picture for its clipboard.
pub(crate) const FILE: u64 = 16 << 20;
/// A picture or an event of the record.
pub(crate) const RECORD: u64 = 8 << 20;
/// A conversation with its pictures: the provider's own limit.
pub(crate) const MODEL: u64 = 32 << 20;
/// All header lines together. pingora itself would read a megabyte.
const HEADERS: usize = 32 << 10;

/// Refuses a request whose header lines are too many or too long.
pub(crate) fn check_headers(request: &RequestHeader) -> Result<(), Problem> {
    let headers: usize = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers + request.raw_path().len() > HEADERS {
        let detail = format!("The address and headers of a request may have {} KiB together.", HEADERS >> 10);
        return Err(Problem::new(Code::MalformedRequest, detail));
    }
    Ok(())
}

/// Refuses a body that is too large by its own account; one that says nothing is counted as it comes.
pub(crate) fn check_body(request: &RequestHeader, limit: u64) -> Result<(), Problem> {
    let Some(claimed) = request.headers.get(http::header::CONTENT_LENGTH) else { return Ok(()) };
    match claimed.to_str().ok().and_then(|text| text.parse::<u64>().ok()) {
        None => Err(Problem::new(Code::MalformedRequest, "Content-Length is not a number.")),
        Some(length) if length > limit => Err(too_large(limit)),
        Some(_) => Ok(()),
    }
}

pub(crate) fn too_large(limit: u64) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("This address takes at most {} MiB.", limit >> 20))
}

/// Raises the number of descriptors this process may have to what the system allows, and says how many connections fit: each
/// one may need another to an upstream, and some are for the edge itself.
pub(crate) fn connections(wanted: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((now, most)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let raised = setrlimit(Resource::RLIMIT_NOFILE, most, most).map_or(now, |()| most);
    let fit = usize::try_from(raised.saturating_sub(64) / 2).unwrap_or(usize::MAX);
    if fit < wanted {
        tracing::info!(
            connections = fit,
            "fewer connections fit than wanted: raise the limit of open files (ulimit -n)"
        );
    }
    wanted.min(fit.max(16))
}

/// pingora keeps an idle HTTP/2 connection for ever unless told.
pub(crate) fn server_options() -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(Duration::from_secs(60));
    options.keepalive_request_limit = Some(10_000);
    options
}
