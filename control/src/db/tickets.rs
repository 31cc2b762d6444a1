//! Rows of tickets that were not used yet.

use protocol::{DesktopId, Millis, UserId, capability::Scope, edge::CredentialId};
use sqlx::FromRow;

use super::{Db, on, read, read_json, transaction};

pub struct TicketRow {
    pub user_id: UserId,
    pub desktop_id: DesktopId,
    pub credential: CredentialId,
    pub ends_at: Option<Millis>,
    pub scopes: Vec<Scope>,
    pub expires_at: Millis,
}

#[derive(FromRow)]
struct Raw {
    user_id: String,
    desktop_id: String,
    credential: String,
    ends_at: Option<i64>,
    scopes: String,
    expires_at: i64,
}

/// Stores one, unless the user has `most` already; those that have expired are forgotten first.
pub async fn insert(db: &Db, hash: &str, ticket: &TicketRow, most: i64, now: Millis) -> sqlx::Result<bool> {
    let scopes = serde_json::json!(ticket.scopes).to_string();
    let credential = serde_json::json!(ticket.credential).to_string();
    transaction!(db, tx => {
        // The first statement locks the user's row.
        sqlx::query("UPDATE users SET id = id WHERE id = $1").bind(ticket.user_id.as_str()).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM tickets WHERE user_id = $1 AND expires_at <= $2")
            .bind(ticket.user_id.as_str()).bind(now).execute(&mut *tx).await?;
        let (count,) = sqlx::query_as::<_, (i64,)>("SELECT COUNT(*) FROM tickets WHERE user_id = $1")
            .bind(ticket.user_id.as_str()).fetch_one(&mut *tx).await?;
        if count >= most {
            return Ok::<_, sqlx::Error>(false);
        }
        sqlx::query("INSERT INTO tickets (hash, user_id, desktop_id, credential, ends_at, scopes, expires_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(hash).bind(ticket.user_id.as_str()).bind(ticket.desktop_id.as_str()).bind(&credential)
            .bind(ticket.ends_at).bind(&scopes).bind(ticket.expires_at).execute(&mut *tx).await?;
        Ok(true)
    })
}

/// Takes one: nobody gets it a second time.
pub async fn take(db: &Db, hash: &str) -> sqlx::Result<Option<TicketRow>> {
    let raw = on!(db, pool => sqlx::query_as::<_, Raw>(
            "DELETE FROM tickets WHERE hash = $1 RETURNING user_id, desktop_id, credential, ends_at, scopes, expires_at")
        .bind(hash).fetch_optional(pool).await)?;
    raw.map(|raw| {
        Ok(TicketRow {
            user_id: read("user_id", &raw.user_id)?,
            desktop_id: read("desktop_id", &raw.desktop_id)?,
            credential: read_json("credential", &raw.credential)?,
            ends_at: raw.ends_at,
            scopes: read_json("scopes", &raw.scopes)?,
            expires_at: raw.expires_at,
        })
    })
    .transpose()
}
