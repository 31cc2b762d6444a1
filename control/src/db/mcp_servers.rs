//! Rows of MCP servers that users add to their desktops, sealed.

use protocol::{DesktopId, Millis};
use sqlx::FromRow;

use super::{Db, on, transaction};

#[derive(Clone, FromRow)]
pub struct McpServerRow {
    pub name: String,
    pub sealed: String,
    pub key_id: String,
    pub created_at: Millis,
    pub updated_at: Millis,
}

/// What became of an addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    New,
    /// The desktop has one of this name.
    Taken,
    /// The desktop has as many as it may.
    OverLimit,
}

/// Adds a server, unless the desktop has `limit` already.
pub async fn add(db: &Db, desktop: &DesktopId, server: &McpServerRow, limit: i64) -> sqlx::Result<Added> {
    transaction!(db, tx => {
        sqlx::query(CHANGES).bind(desktop.as_str()).execute(&mut *tx).await?;
        let names = sqlx::query_as::<_, (String,)>("SELECT name FROM mcp_servers WHERE desktop_id = $1")
            .bind(desktop.as_str()).fetch_all(&mut *tx).await?;
        if names.iter().any(|(name,)| *name == server.name) {
            return Ok::<_, sqlx::Error>(Added::Taken);
        }
        if names.len() as i64 >= limit {
            return Ok(Added::OverLimit);
        }
        sqlx::query("INSERT INTO mcp_servers (desktop_id, name, sealed, key_id, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(desktop.as_str()).bind(&server.name).bind(&server.sealed).bind(&server.key_id)
            .bind(server.created_at).bind(server.updated_at).execute(&mut *tx).await?;
        Ok(Added::New)
    })
}

/// Writes a server anew, if it is still what the change was decided on: no two seals are alike.
pub async fn replace(db: &Db, desktop: &DesktopId, from: &McpServerRow, to: &McpServerRow) -> sqlx::Result<bool> {
    transaction!(db, tx => {
        sqlx::query(CHANGES).bind(desktop.as_str()).execute(&mut *tx).await?;
        sqlx::query("UPDATE mcp_servers SET sealed = $4, key_id = $5, updated_at = $6 WHERE desktop_id = $1 AND name = $2 AND sealed = $3")
            .bind(desktop.as_str()).bind(&from.name).bind(&from.sealed).bind(&to.sealed).bind(&to.key_id)
            .bind(to.updated_at).execute(&mut *tx).await.map(|done| done.rows_affected() == 1)
    })
}

pub async fn get(db: &Db, desktop: &DesktopId, name: &str) -> sqlx::Result<Option<McpServerRow>> {
    on!(db, pool => sqlx::query_as::<_, McpServerRow>(
            "SELECT name, sealed, key_id, created_at, updated_at FROM mcp_servers WHERE desktop_id = $1 AND name = $2")
        .bind(desktop.as_str()).bind(name).fetch_optional(pool).await)
}

pub async fn of_desktop(db: &Db, desktop: &DesktopId) -> sqlx::Result<Vec<McpServerRow>> {
    on!(db, pool => sqlx::query_as::<_, McpServerRow>(
            "SELECT name, sealed, key_id, created_at, updated_at FROM mcp_servers WHERE desktop_id = $1 ORDER BY name")
        .bind(desktop.as_str()).fetch_all(pool).await)
}

/// False when there was none.
pub async fn delete(db: &Db, desktop: &DesktopId, name: &str) -> sqlx::Result<bool> {
    transaction!(db, tx => {
        sqlx::query(CHANGES).bind(desktop.as_str()).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM mcp_servers WHERE desktop_id = $1 AND name = $2")
            .bind(desktop.as_str()).bind(name).execute(&mut *tx).await.map(|done| done.rows_affected() == 1)
    })
}

/// Changes whenever a server of the desktop does.
pub async fn version(db: &Db, desktop: &DesktopId) -> sqlx::Result<i64> {
    on!(db, pool => sqlx::query_as::<_, (i64,)>("SELECT mcp_version FROM desktops WHERE id = $1")
        .bind(desktop.as_str()).fetch_one(pool).await)
    .map(|(version,)| version)
}

/// The first statement of each change, by which two changes of one desktop wait for each other.
const CHANGES: &str = "UPDATE desktops SET mcp_version = mcp_version + 1 WHERE id = $1";
