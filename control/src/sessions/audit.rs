//! Is the record whole? A walk along the chains of all of a user's sessions, page by page.

use protocol::{SessionId, UserId};

use super::chain::{Link, Walk};
use crate::{
    app::App,
    db::{self, events::Chained},
    error::ApiError,
};

const SESSIONS: i64 = 50;
/// Of a few MiB each at the most.
const EVENTS: i64 = 10;

/// What a walk along all chains has found.
#[derive(Debug, Default)]
pub struct Found {
    pub sessions: u64,
    pub events: u64,
    /// Events that were stored before there was a chain.
    pub unchained: u64,
    /// Sessions whose record is not whole, each with the first `seq` at which it is not.
    pub broken: Vec<(SessionId, i64)>,
}

pub async fn verify(app: &App, user: &UserId) -> Result<Found, ApiError> {
    let mut found = Found::default();
    let mut before = None;
    loop {
        let page = db::sessions::ends(&app.db, user, before.as_ref(), SESSIONS).await?;
        let Some(last) = page.last() else { return Ok(found) };
        before = Some(last.id.clone());
        for ends in page {
            walk(app, &ends, &mut found).await?;
        }
    }
}

async fn walk(app: &App, ends: &db::sessions::Ends, found: &mut Found) -> Result<(), ApiError> {
    let (mut walk, mut events) = (Walk::default(), 0);
    loop {
        // What has been added since is not part of this walk.
        let page = db::events::chained(&app.db, &ends.id, walk.seq(), ends.last_seq, EVENTS).await?;
        if page.is_empty() {
            break;
        }
        for Chained { seq, client_id, at, body, hash } in &page {
            walk.step(&Link { session: &ends.id, seq: *seq, client_id, at: *at, body }, hash.as_deref());
        }
        events += page.len() as u64;
        // Hashing takes a while where bodies are large: others get their turn.
        tokio::task::yield_now().await;
    }
    let unchained = walk.unchained();
    let too_many = (ends.newest > ends.last_seq).then_some(ends.last_seq + 1);
    let broken = walk.end(ends.last_seq).or(too_many);
    // A session that was deleted meanwhile is not broken.
    if broken.is_some() && db::sessions::by_id(&app.db, &ends.id).await?.is_none() {
        return Ok(());
    }
    found.sessions += 1;
    found.events += events;
    found.unchained += unchained;
    if let Some(seq) = broken {
        tracing::warn!(session = %ends.id, seq, "a record is not whole");
        found.broken.push((ends.id.clone(), seq));
    }
    Ok(())
}
