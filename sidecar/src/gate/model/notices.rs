//! Control's notices, read from their stream.

use std::time::Duration;

use futures_util::StreamExt;
use protocol::vm::Notice;

use super::sse::SseParser;
use crate::gate::edge::{Edge, EdgeError, explain};

/// control sends at least a comment more often than this.
const SILENT_FOR: Duration = Duration::from_secs(60);

/// Listens until the stream ends, which is an error: it is meant to last.
pub async fn listen(edge: &Edge, mut heed: impl FnMut(Notice)) -> Result<(), EdgeError> {
    let broken = |why: &str| EdgeError::Unreachable(why.to_owned());
    let response = tokio::time::timeout(SILENT_FOR, edge.events("/vm/v1/notices"))
        .await
        .unwrap_or_else(|_| Err(broken("it did not answer in time")))?;
    let mut stream = response.bytes_stream();
    let mut parser = SseParser::default();
    loop {
        let chunk = match tokio::time::timeout(SILENT_FOR, stream.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => return Err(EdgeError::Unreachable(explain(error))),
            Ok(None) => return Err(broken("the stream ended")),
            Err(_) => return Err(broken("the stream fell silent")),
        };
        for event in parser.feed(&chunk).map_err(|error| broken(&error.to_string()))? {
            // A kind of notice from a later year is not understood, and need not be.
            if let Ok(notice) = serde_json::from_str(&event.data) {
                heed(notice);
            }
        }
    }
}
