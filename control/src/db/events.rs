//! Rows of the record. `seq` is a counter in the session's row: it has no gap and no two writers.

use protocol::{
    DesktopId, Millis, SessionId,
    event::{Event, EventBody},
    session::SessionState,
};

use super::{Db, on, read_json, transaction};

/// An event to be appended, with what it changes in the session's row.
pub struct NewEvent<'a> {
    pub client_id: &'a str,
    pub body: &'a EventBody,
    /// `None` takes whatever number is next.
    pub expected_seq: Option<i64>,
    pub state: Option<(SessionState, Option<&'a str>)>,
    /// The session's title, if it has none yet.
    pub title: Option<&'a str>,
    /// Hashes of the pictures that the event refers to.
    pub pictures: &'a [String],
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
        let last = sqlx::query_as::<_, (i64,)>("UPDATE sessions SET updated_at = $2 WHERE id = $1 RETURNING last_seq")
            .bind(session.as_str()).bind(now).fetch_optional(&mut *tx).await?;
        let Some((last,)) = last else { return Ok::<_, sqlx::Error>(AppendedRow::NoSession) };
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
        sqlx::query("UPDATE sessions SET last_seq = $2 WHERE id = $1").bind(session.as_str()).bind(seq).execute(&mut *tx).await?;
        if let Some((state, reason)) = event.state {
            sqlx::query("UPDATE sessions SET state = $2, reason = $3 WHERE id = $1")
                .bind(session.as_str()).bind(state.as_str()).bind(reason).execute(&mut *tx).await?;
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

/// The events behind `after`, in order, at most `limit`.
pub async fn after(db: &Db, session: &SessionId, after: i64, limit: i64) -> sqlx::Result<Vec<Event>> {
    let rows = on!(db, pool => sqlx::query_as::<_, (i64, i64, String)>(
            "SELECT seq, at, body FROM events WHERE session_id = $1 AND seq > $2 ORDER BY seq LIMIT $3")
        .bind(session.as_str()).bind(after).bind(limit).fetch_all(pool).await)?;
    rows.into_iter().map(|(seq, at, body)| Ok(Event { seq, at, body: read_json("body", &body)? })).collect()
}

/// Does this session's record refer to this picture?
pub async fn has_picture(db: &Db, session: &SessionId, sha256: &str) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query("SELECT 1 FROM pictures WHERE session_id = $1 AND sha256 = $2")
        .bind(session.as_str()).bind(sha256).fetch_optional(pool).await.map(|row| row.is_some()))
}

/// Does the record of any session of this desktop refer to this picture?
pub async fn desktop_has_picture(db: &Db, desktop: &DesktopId, sha256: &str) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query(
            "SELECT 1 FROM pictures JOIN sessions ON sessions.id = pictures.session_id WHERE pictures.sha256 = $2 AND sessions.desktop_id = $1 LIMIT 1")
        .bind(desktop.as_str()).bind(sha256).fetch_optional(pool).await.map(|row| row.is_some()))
}
