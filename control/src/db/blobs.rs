//! Rows of blobs: which desktop's VMs have stored which bytes, and which bytes nobody knows any more.

use protocol::{DesktopId, SessionId};

use super::{Db, on, transaction};

/// This desktop has stored these bytes.
pub async fn insert(db: &Db, desktop: &DesktopId, sha256: &str) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query("INSERT INTO blobs (desktop_id, sha256) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(desktop.as_str()).bind(sha256).execute(pool).await.map(drop))
}

/// Has this desktop stored these bytes?
pub async fn is_of(db: &Db, desktop: &DesktopId, sha256: &str) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query("SELECT 1 FROM blobs WHERE desktop_id = $1 AND sha256 = $2")
        .bind(desktop.as_str()).bind(sha256).fetch_optional(pool).await.map(|row| row.is_some()))
}

/// Does this session's record refer to this picture?
pub async fn is_shown_in(db: &Db, session: &SessionId, sha256: &str) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query("SELECT 1 FROM pictures WHERE session_id = $1 AND sha256 = $2")
        .bind(session.as_str()).bind(sha256).fetch_optional(pool).await.map(|row| row.is_some()))
}

/// The next picture that this session's record refers to, in the order of their hashes.
pub async fn next_shown_in(db: &Db, session: &SessionId, after: &str) -> sqlx::Result<Option<String>> {
    let next = on!(db, pool => sqlx::query_as::<_, (String,)>(
            "SELECT sha256 FROM pictures WHERE session_id = $1 AND sha256 > $2 ORDER BY sha256 LIMIT 1")
        .bind(session.as_str()).bind(after).fetch_optional(pool).await)?;
    Ok(next.map(|(sha256,)| sha256))
}

/// Does anybody know these bytes still?
pub async fn is_known(db: &Db, sha256: &str) -> sqlx::Result<bool> {
    let found = on!(db, pool => sqlx::query_as::<_, (i64,)>(
            "SELECT (SELECT COUNT(*) FROM blobs WHERE sha256 = $1) + (SELECT COUNT(*) FROM pictures WHERE sha256 = $1)")
        .bind(sha256).fetch_one(pool).await)?;
    Ok(found.0 > 0)
}

/// Removes a session with its record; answers the pictures that no other session of its desktop shows.
pub async fn delete_session(db: &Db, session: &SessionId) -> sqlx::Result<Vec<String>> {
    transaction!(db, tx => {
        let only = sqlx::query_as::<_, (String,)>(
                "DELETE FROM blobs WHERE desktop_id = (SELECT desktop_id FROM sessions WHERE id = $1) \
                 AND sha256 IN (SELECT sha256 FROM pictures WHERE session_id = $1) \
                 AND NOT EXISTS (SELECT 1 FROM pictures JOIN sessions ON sessions.id = pictures.session_id \
                                 WHERE pictures.sha256 = blobs.sha256 AND sessions.desktop_id = blobs.desktop_id AND sessions.id <> $1) \
                 RETURNING sha256")
            .bind(session.as_str()).fetch_all(&mut *tx).await?;
        sqlx::query("DELETE FROM sessions WHERE id = $1").bind(session.as_str()).execute(&mut *tx).await?;
        Ok::<_, sqlx::Error>(only.into_iter().map(|(sha256,)| sha256).collect())
    })
}

/// Removes a desktop with its sessions and their records; answers what it had stored.
pub async fn delete_desktop(db: &Db, desktop: &DesktopId) -> sqlx::Result<Vec<String>> {
    transaction!(db, tx => {
        let stored = sqlx::query_as::<_, (String,)>("DELETE FROM blobs WHERE desktop_id = $1 RETURNING sha256")
            .bind(desktop.as_str()).fetch_all(&mut *tx).await?;
        sqlx::query("DELETE FROM desktops WHERE id = $1").bind(desktop.as_str()).execute(&mut *tx).await?;
        Ok::<_, sqlx::Error>(stored.into_iter().map(|(sha256,)| sha256).collect())
    })
}
