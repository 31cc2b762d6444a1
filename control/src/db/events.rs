//! Rows of the record. `seq` is a counter in the session's row: it has no gap and no two writers.

use protocol::{
    Millis, SessionId,
    event::{Event, EventBody},
    session::SessionState,
    settings::Spent,
};
use sqlx::FromRow;

use super::{Db, on, read, read_json, transaction};
use crate::sessions::chain::Link;

/// An event to be appended, with what it changes in the session's row.
pub struct NewEvent<'a> {
    pub client_id: &'a str,
    pub body: &'a EventBody,
    /// `None` takes whatever number is next.
    pub expected_seq: Option<i64>,
    pub state: NewState<'a>,
    /// The session's title, if it has none yet.
    pub title: Option<&'a str>,
    /// Hashes of the pictures that the event refers to.
    pub pictures: &'a [String],
    /// What it adds to what the session has used.
    pub spent: Option<Spent>,
}

/// What an event makes of its session's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewState<'a> {
    Same,
    Now(SessionState, Option<&'a str>),
    /// Something to do: this state, unless the session has work already.
    Work(SessionState),
    /// A running session waits for a person's word on this very event.
    Asked,
    /// Whatever a use of a tool has waited for, it has its result: a session that waited is running again.
    Resolved,
    /// The word is there: running again. Refused unless the session waits for it, and asked for no other since.
    Answered {
        approval: i64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendedRow {
    New {
        seq: i64,
        at: Millis,
    },
    /// This `client_id` was appended before.
    Before {
        seq: i64,
        at: Millis,
    },
    /// The next number is another one.
    Conflict {
        next: i64,
    },
    /// The session does not wait for this word.
    NotWaiting,
    NoSession,
}

/// Appends an event, once.
pub async fn append(db: &Db, session: &SessionId, event: &NewEvent<'_>, now: Millis) -> sqlx::Result<AppendedRow> {
    let body = serde_json::to_string(event.body).map_err(|e| sqlx::Error::Encode(e.into()))?;
    transaction!(db, tx => {
        // The first statement locks the session's row: everything below sees it still.
        let last = sqlx::query_as::<_, (i64, String, Option<i64>)>(
                "UPDATE sessions SET last_seq = last_seq WHERE id = $1 RETURNING last_seq, state, approval")
            .bind(session.as_str()).fetch_optional(&mut *tx).await?;
        let Some((last, state, waits_for)) = last else { return Ok::<_, sqlx::Error>(AppendedRow::NoSession) };
        let state: SessionState = read("state", &state)?;
        let before = sqlx::query_as::<_, (i64, i64)>("SELECT seq, at FROM events WHERE session_id = $1 AND client_id = $2")
            .bind(session.as_str()).bind(event.client_id).fetch_optional(&mut *tx).await?;
        if let Some((seq, at)) = before {
            return Ok(AppendedRow::Before { seq, at });
        }
        let seq = last + 1;
        if event.expected_seq.is_some_and(|expected| expected != seq) {
            return Ok(AppendedRow::Conflict { next: seq });
        }
        if let NewState::Answered { approval } = event.state
            && (state != SessionState::WaitingApproval || waits_for != Some(approval))
        {
            return Ok(AppendedRow::NotWaiting);
        }
        let previous = sqlx::query_as::<_, (Option<String>,)>("SELECT hash FROM events WHERE session_id = $1 AND seq = $2")
            .bind(session.as_str()).bind(last).fetch_optional(&mut *tx).await?.and_then(|(hash,)| hash);
        let link = Link { session, seq, client_id: event.client_id, at: now, body: &body };
        sqlx::query("INSERT INTO events (session_id, seq, client_id, at, body, hash) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(session.as_str()).bind(seq).bind(event.client_id).bind(now).bind(&body)
            .bind(link.hash(previous.as_deref())).execute(&mut *tx).await?;
        sqlx::query("UPDATE sessions SET last_seq = $2, updated_at = $3 WHERE id = $1")
            .bind(session.as_str()).bind(seq).bind(now).execute(&mut *tx).await?;
        let next = match event.state {
            NewState::Now(state, reason) => Some((state, reason)),
            NewState::Work(next) if !state.has_work() => Some((next, None)),
            NewState::Asked if state == SessionState::Running => Some((SessionState::WaitingApproval, None)),
            NewState::Resolved if state == SessionState::WaitingApproval => Some((SessionState::Running, None)),
            NewState::Answered { .. } => Some((SessionState::Running, None)),
            NewState::Work(_) | NewState::Asked | NewState::Resolved | NewState::Same => None,
        };
        if let Some((next, reason)) = next {
            sqlx::query("UPDATE sessions SET state = $2, reason = $3 WHERE id = $1")
                .bind(session.as_str()).bind(next.as_str()).bind(reason).execute(&mut *tx).await?;
            if next.has_work() && !state.has_work() {
                sqlx::query("UPDATE sessions SET work_since = $2 WHERE id = $1")
                    .bind(session.as_str()).bind(now).execute(&mut *tx).await?;
            }
            if !(next.has_work() && state.has_work()) {
                sqlx::query("UPDATE sessions SET stop_asked = 0 WHERE id = $1").bind(session.as_str()).execute(&mut *tx).await?;
            }
        }
        if event.state == NewState::Asked {
            sqlx::query("UPDATE sessions SET approval = $2 WHERE id = $1")
                .bind(session.as_str()).bind(seq).execute(&mut *tx).await?;
        }
        if let Some(title) = event.title {
            sqlx::query("UPDATE sessions SET title = $2, title_search = $3 WHERE id = $1 AND title = ''")
                .bind(session.as_str()).bind(title).bind(title.to_lowercase()).execute(&mut *tx).await?;
        }
        if let Some(spent) = &event.spent {
            sqlx::query("UPDATE sessions SET steps = steps + $2, input_tokens = input_tokens + $3, output_tokens = output_tokens + $4, \
                         cache_write_tokens = cache_write_tokens + $5, cache_read_tokens = cache_read_tokens + $6, \
                         cost_microusd = cost_microusd + $7 WHERE id = $1")
                .bind(session.as_str()).bind(figure(spent.steps)).bind(figure(spent.usage.input_tokens))
                .bind(figure(spent.usage.output_tokens)).bind(figure(spent.usage.cache_creation_input_tokens))
                .bind(figure(spent.usage.cache_read_input_tokens)).bind(figure(spent.cost_microusd))
                .execute(&mut *tx).await?;
        }
        for sha256 in event.pictures {
            sqlx::query("INSERT INTO pictures (session_id, sha256) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(session.as_str()).bind(sha256).execute(&mut *tx).await?;
        }
        Ok(AppendedRow::New { seq, at: now })
    })
}

/// One answer uses less by far; whatever a sidecar claims, a sum of these stays a number.
fn figure(claimed: u64) -> i64 {
    claimed.min(1_000_000_000_000) as i64
}

/// One event.
pub async fn at(db: &Db, session: &SessionId, seq: i64) -> sqlx::Result<Option<Event>> {
    let row = on!(db, pool => sqlx::query_as::<_, (i64, i64, String)>("SELECT seq, at, body FROM events WHERE session_id = $1 AND seq = $2")
        .bind(session.as_str()).bind(seq).fetch_optional(pool).await)?;
    row.map(|(seq, at, body)| Ok(Event { seq, at, body: read_json("body", &body)? })).transpose()
}

/// An event as it is stored, with its hash.
#[derive(FromRow)]
pub struct Chained {
    pub seq: i64,
    pub client_id: String,
    pub at: Millis,
    pub body: String,
    pub hash: Option<String>,
}

/// The events behind `after` up to `last`, in order, at most `limit`.
pub async fn chained(db: &Db, session: &SessionId, after: i64, last: i64, limit: i64) -> sqlx::Result<Vec<Chained>> {
    on!(db, pool => sqlx::query_as::<_, Chained>(
            "SELECT seq, client_id, at, body, hash FROM events WHERE session_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4")
        .bind(session.as_str()).bind(after).bind(last).bind(limit).fetch_all(pool).await)
}

/// So much text is read at once at most, besides the last event.
const PAGE_BYTES: usize = 8 << 20;

/// The events behind `after`, in order, at most `limit`; fewer when they are large.
pub async fn after(db: &Db, session: &SessionId, after: i64, limit: i64) -> sqlx::Result<Vec<Event>> {
    let (mut events, mut bytes, mut seen) = (Vec::new(), 0, after);
    while bytes < PAGE_BYTES {
        let wanted = (limit - events.len() as i64).min(25);
        let rows = on!(db, pool => sqlx::query_as::<_, (i64, i64, String)>(
                "SELECT seq, at, body FROM events WHERE session_id = $1 AND seq > $2 ORDER BY seq LIMIT $3")
            .bind(session.as_str()).bind(seen).bind(wanted).fetch_all(pool).await)?;
        let last = (rows.len() as i64) < wanted || wanted <= 0;
        for (seq, at, body) in rows {
            (bytes, seen) = (bytes + body.len(), seq);
            events.push(Event { seq, at, body: read_json("body", &body)? });
        }
        if last {
            break;
        }
    }
    Ok(events)
}
