//! Rows of the record. `seq` is a counter in the session's row: it has no gap and no two writers.

use protocol::{
    Millis, SessionId,
    event::{Event, EventBody},
    session::SessionState,
};

use super::{Db, on, read, read_json, transaction};

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
}

/// What an event makes of its session's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewState<'a> {
    Same,
    Now(SessionState, Option<&'a str>),
    /// Something to do: this state, unless the session has work already.
    Work(SessionState),
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
    NoSession,
}

/// Appends an event, once.
pub async fn append(db: &Db, session: &SessionId, event: &NewEvent<'_>, now: Millis) -> sqlx::Result<AppendedRow> {
    let body = serde_json::to_string(event.body).map_err(|e| sqlx::Error::Encode(e.into()))?;
    transaction!(db, tx => {
        // The first statement locks the session's row: everything below sees it still.
        let last = sqlx::query_as::<_, (i64, String)>("UPDATE sessions SET last_seq = last_seq WHERE id = $1 RETURNING last_seq, state")
            .bind(session.as_str()).fetch_optional(&mut *tx).await?;
        let Some((last, state)) = last else { return Ok::<_, sqlx::Error>(AppendedRow::NoSession) };
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
        sqlx::query("INSERT INTO events (session_id, seq, client_id, at, body) VALUES ($1, $2, $3, $4, $5)")
            .bind(session.as_str()).bind(seq).bind(event.client_id).bind(now).bind(&body).execute(&mut *tx).await?;
        sqlx::query("UPDATE sessions SET last_seq = $2, updated_at = $3 WHERE id = $1")
            .bind(session.as_str()).bind(seq).bind(now).execute(&mut *tx).await?;
        let next = match event.state {
            NewState::Now(state, reason) => Some((state, reason)),
            NewState::Work(next) if !state.has_work() => Some((next, None)),
            NewState::Work(_) | NewState::Same => None,
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
        if let Some(title) = event.title {
            sqlx::query("UPDATE sessions SET title = $2 WHERE id = $1 AND title = ''")
                .bind(session.as_str()).bind(title).execute(&mut *tx).await?;
        }
        for sha256 in event.pictures {
            sqlx::query("INSERT INTO pictures (session_id, sha256) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(session.as_str()).bind(sha256).execute(&mut *tx).await?;
        }
        Ok(AppendedRow::New { seq, at: now })
    })
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
