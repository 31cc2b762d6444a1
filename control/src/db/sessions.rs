//! Rows of sessions.

use protocol::{DesktopId, Millis, SessionId, UserId, session::SessionState};
use sqlx::FromRow;

use super::{Db, on, read};

#[derive(Debug, Clone)]
pub struct SessionRow {
    pub id: SessionId,
    pub user_id: UserId,
    pub desktop_id: DesktopId,
    pub title: String,
    pub state: SessionState,
    pub reason: Option<String>,
    pub archived: bool,
    pub last_seq: i64,
    pub created_at: Millis,
    pub updated_at: Millis,
}

#[derive(FromRow)]
pub(super) struct Raw {
    id: String,
    user_id: String,
    desktop_id: String,
    title: String,
    state: String,
    reason: Option<String>,
    archived: i64,
    last_seq: i64,
    created_at: i64,
    updated_at: i64,
}

pub(super) fn row(raw: Raw) -> sqlx::Result<SessionRow> {
    Ok(SessionRow {
        id: read("id", &raw.id)?,
        user_id: read("user_id", &raw.user_id)?,
        desktop_id: read("desktop_id", &raw.desktop_id)?,
        title: raw.title,
        state: read("state", &raw.state)?,
        reason: raw.reason,
        archived: raw.archived != 0,
        last_seq: raw.last_seq,
        created_at: raw.created_at,
        updated_at: raw.updated_at,
    })
}

pub async fn insert(db: &Db, session: &SessionRow) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query(
            "INSERT INTO sessions (id, user_id, desktop_id, title, state, reason, archived, last_seq, work_since, stop_asked, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $9, $10)")
        .bind(session.id.as_str()).bind(session.user_id.as_str()).bind(session.desktop_id.as_str()).bind(&session.title)
        .bind(session.state.as_str()).bind(&session.reason).bind(i64::from(session.archived)).bind(session.last_seq)
        .bind(session.created_at).bind(session.updated_at).execute(pool).await.map(drop))
}

pub async fn by_id(db: &Db, id: &SessionId) -> sqlx::Result<Option<SessionRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT * FROM sessions WHERE id = $1").bind(id.as_str()).fetch_optional(pool).await)?
        .map(row).transpose()
}

/// A page of a user's sessions, newest first, of one desktop or of all; `before` is the id that the last page ended with.
/// Ids are sorted by age, so a page never shifts when a session changes.
pub async fn page(
    db: &Db,
    user: &UserId,
    desktop: Option<&DesktopId>,
    before: Option<&SessionId>,
    limit: i64,
) -> sqlx::Result<Vec<SessionRow>> {
    // "z" sorts behind every id.
    let before = before.map_or("z", SessionId::as_str);
    let desktop = desktop.map_or("", DesktopId::as_str);
    on!(db, pool => sqlx::query_as::<_, Raw>(
            "SELECT * FROM sessions WHERE user_id = $1 AND ($2 = '' OR desktop_id = $2) AND id < $3 ORDER BY id DESC LIMIT $4")
        .bind(user.as_str()).bind(desktop).bind(before).bind(limit).fetch_all(pool).await)?.into_iter().map(row).collect()
}

/// The session that a desktop is to work on: one that runs already, else the one that has waited longest.
pub async fn next_work(db: &Db, desktop: &DesktopId) -> sqlx::Result<Option<SessionRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>(
            "SELECT * FROM sessions WHERE desktop_id = $1 AND state IN ('queued', 'running', 'waiting_approval', 'paused', 'waiting_control') \
             ORDER BY CASE WHEN state = 'queued' THEN 1 ELSE 0 END, work_since, id LIMIT 1")
        .bind(desktop.as_str()).fetch_optional(pool).await)?.map(row).transpose()
}

/// Has somebody given the desktop something to do at or after `since`?
pub async fn has_work_since(db: &Db, desktop: &DesktopId, since: Millis) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query("SELECT 1 FROM sessions WHERE desktop_id = $1 AND state = 'queued' AND work_since >= $2 LIMIT 1")
        .bind(desktop.as_str()).bind(since).fetch_optional(pool).await.map(|row| row.is_some()))
}

/// Remembers that a person asked a session to stop, until it has.
pub async fn ask_stop(db: &Db, id: &SessionId) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query("UPDATE sessions SET stop_asked = 1 WHERE id = $1").bind(id.as_str()).execute(pool).await.map(drop))
}

/// The sessions of a desktop that are to stop and have not.
pub async fn to_stop(db: &Db, desktop: &DesktopId) -> sqlx::Result<Vec<SessionId>> {
    let ids = on!(db, pool => sqlx::query_as::<_, (String,)>("SELECT id FROM sessions WHERE desktop_id = $1 AND stop_asked = 1 ORDER BY id")
        .bind(desktop.as_str()).fetch_all(pool).await)?;
    ids.iter().map(|(id,)| read("id", id)).collect()
}

/// Changes whenever a session of the desktop does.
pub async fn version(db: &Db, desktop: &DesktopId) -> sqlx::Result<(i64, i64, i64)> {
    on!(db, pool => sqlx::query_as::<_, (i64, i64, i64)>(
            "SELECT COUNT(*), COALESCE(MAX(updated_at), 0), COALESCE(MAX(stop_asked), 0) FROM sessions WHERE desktop_id = $1")
        .bind(desktop.as_str()).fetch_one(pool).await)
}

pub async fn patch(
    db: &Db,
    id: &SessionId,
    title: Option<&str>,
    archived: Option<bool>,
    now: Millis,
) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query("UPDATE sessions SET title = COALESCE($2, title), archived = COALESCE($3, archived), updated_at = $4 WHERE id = $1")
        .bind(id.as_str()).bind(title).bind(archived.map(i64::from)).bind(now).execute(pool).await.map(drop))
}
