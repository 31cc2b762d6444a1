//! Rows of sessions.

use protocol::{
    DesktopId, Millis, SessionId, UserId,
    event::Usage,
    session::SessionState,
    settings::{SessionSettings, Spent},
};
use sqlx::FromRow;

use super::{Db, on, read, read_json};

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
    pub settings: SessionSettings,
    pub spent: Spent,
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
    settings: String,
    steps: i64,
    input_tokens: i64,
    output_tokens: i64,
    cache_write_tokens: i64,
    cache_read_tokens: i64,
    cost_microusd: i64,
    created_at: i64,
    updated_at: i64,
}

pub(super) fn row(raw: Raw) -> sqlx::Result<SessionRow> {
    let usage = Usage {
        input_tokens: raw.input_tokens as u64,
        output_tokens: raw.output_tokens as u64,
        cache_creation_input_tokens: raw.cache_write_tokens as u64,
        cache_read_input_tokens: raw.cache_read_tokens as u64,
    };
    Ok(SessionRow {
        id: read("id", &raw.id)?,
        user_id: read("user_id", &raw.user_id)?,
        desktop_id: read("desktop_id", &raw.desktop_id)?,
        title: raw.title,
        state: read("state", &raw.state)?,
        reason: raw.reason,
        archived: raw.archived != 0,
        last_seq: raw.last_seq,
        settings: read_json("settings", &raw.settings)?,
        spent: Spent { steps: raw.steps as u64, usage, cost_microusd: raw.cost_microusd as u64 },
        created_at: raw.created_at,
        updated_at: raw.updated_at,
    })
}

/// Stores a session that has used nothing yet.
pub async fn insert(db: &Db, session: &SessionRow) -> sqlx::Result<()> {
    let settings = serde_json::json!(session.settings).to_string();
    on!(db, pool => sqlx::query(
            "INSERT INTO sessions (id, user_id, desktop_id, title, title_search, state, reason, archived, last_seq, settings, steps, \
             input_tokens, output_tokens, cache_write_tokens, cache_read_tokens, cost_microusd, work_since, stop_asked, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $11, $5, $6, $7, $8, $12, 0, 0, 0, 0, 0, 0, $9, 0, $9, $10)")
        .bind(session.id.as_str()).bind(session.user_id.as_str()).bind(session.desktop_id.as_str()).bind(&session.title)
        .bind(session.state.as_str()).bind(&session.reason).bind(i64::from(session.archived)).bind(session.last_seq)
        .bind(session.created_at).bind(session.updated_at).bind(session.title.to_lowercase()).bind(settings)
        .execute(pool).await.map(drop))
}

pub async fn by_id(db: &Db, id: &SessionId) -> sqlx::Result<Option<SessionRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT * FROM sessions WHERE id = $1").bind(id.as_str()).fetch_optional(pool).await)?
        .map(row).transpose()
}

/// Which sessions are looked for; what is absent does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub desktop: Option<DesktopId>,
    /// Part of the title, in any case.
    pub search: Option<String>,
    pub archived: Option<bool>,
}

/// A page of a user's sessions, newest first; `before` is the id that the last page ended with.
/// Ids are sorted by age, so a page never shifts when a session changes.
pub async fn page(
    db: &Db,
    user: &UserId,
    filter: &Filter,
    before: Option<&SessionId>,
    limit: i64,
) -> sqlx::Result<Vec<SessionRow>> {
    let before = before.map_or(BEHIND_ALL, SessionId::as_str);
    let desktop = filter.desktop.as_ref().map_or("", DesktopId::as_str);
    let pattern = filter.search.as_deref().filter(|text| !text.is_empty()).map(containing).unwrap_or_default();
    let archived = filter.archived.map_or(-1, i64::from);
    on!(db, pool => sqlx::query_as::<_, Raw>(
            "SELECT * FROM sessions WHERE user_id = $1 AND ($2 = '' OR desktop_id = $2) AND ($3 = '' OR title_search LIKE $3 ESCAPE '\\') \
             AND ($4 = -1 OR archived = $4) AND id < $5 ORDER BY id DESC LIMIT $6")
        .bind(user.as_str()).bind(desktop).bind(&pattern).bind(archived).bind(before).bind(limit)
        .fetch_all(pool).await)?.into_iter().map(row).collect()
}

/// Sorts behind every id.
const BEHIND_ALL: &str = "z";

/// A pattern for whatever contains this text, itself taken literally.
fn containing(text: &str) -> String {
    let literal = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{literal}%")
}

/// How far a session's record goes: by its counter, and by its newest event.
#[derive(Debug, Clone)]
pub struct Ends {
    pub id: SessionId,
    pub last_seq: i64,
    pub newest: i64,
}

/// The ends of a page of a user's sessions, newest first. Each pair is read in one statement: both are of one moment.
pub async fn ends(db: &Db, user: &UserId, before: Option<&SessionId>, limit: i64) -> sqlx::Result<Vec<Ends>> {
    let before = before.map_or(BEHIND_ALL, SessionId::as_str);
    let rows = on!(db, pool => sqlx::query_as::<_, (String, i64, i64)>(
            "SELECT id, last_seq, (SELECT COALESCE(MAX(seq), 0) FROM events WHERE session_id = sessions.id) \
             FROM sessions WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
        .bind(user.as_str()).bind(before).bind(limit).fetch_all(pool).await)?;
    rows.into_iter().map(|(id, last_seq, newest)| Ok(Ends { id: read("id", &id)?, last_seq, newest })).collect()
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
    settings: Option<&SessionSettings>,
    now: Millis,
) -> sqlx::Result<()> {
    let settings = settings.map(|settings| serde_json::json!(settings).to_string());
    on!(db, pool => sqlx::query(
            "UPDATE sessions SET title = COALESCE($2, title), title_search = COALESCE($3, title_search), archived = COALESCE($4, archived), \
             settings = COALESCE($5, settings), updated_at = $6 WHERE id = $1")
        .bind(id.as_str()).bind(title).bind(title.map(str::to_lowercase)).bind(archived.map(i64::from)).bind(&settings).bind(now)
        .execute(pool).await.map(drop))
}
