//! Rows of signed-in browsers: each is one family of refresh tokens.

use protocol::{LoginId, Millis, UserId};
use sqlx::FromRow;

use super::{Db, on, read};

#[derive(Debug, Clone)]
pub struct LoginRow {
    pub id: LoginId,
    pub user_id: UserId,
    pub refresh_hash: String,
    pub previous_hash: Option<String>,
    pub rotated_at: Millis,
    pub user_agent: String,
    pub created_at: Millis,
    pub last_used_at: Millis,
    pub expires_at: Millis,
}

#[derive(FromRow)]
struct Raw {
    id: String,
    user_id: String,
    refresh_hash: String,
    previous_hash: Option<String>,
    rotated_at: i64,
    user_agent: String,
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
}

fn row(raw: Raw) -> sqlx::Result<LoginRow> {
    Ok(LoginRow {
        id: read("id", &raw.id)?,
        user_id: read("user_id", &raw.user_id)?,
        refresh_hash: raw.refresh_hash,
        previous_hash: raw.previous_hash,
        rotated_at: raw.rotated_at,
        user_agent: raw.user_agent,
        created_at: raw.created_at,
        last_used_at: raw.last_used_at,
        expires_at: raw.expires_at,
    })
}

pub async fn insert(db: &Db, login: &LoginRow) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query(
            "INSERT INTO logins (id, user_id, refresh_hash, previous_hash, rotated_at, user_agent, created_at, last_used_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(login.id.as_str()).bind(login.user_id.as_str()).bind(&login.refresh_hash).bind(&login.previous_hash)
        .bind(login.rotated_at).bind(&login.user_agent).bind(login.created_at).bind(login.last_used_at)
        .bind(login.expires_at).execute(pool).await.map(drop))
}

/// The family that a refresh token belongs to, as its present or its previous one.
pub async fn by_refresh_hash(db: &Db, hash: &str) -> sqlx::Result<Option<LoginRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT * FROM logins WHERE refresh_hash = $1 OR previous_hash = $1")
        .bind(hash).fetch_optional(pool).await)?
    .map(row)
    .transpose()
}

/// Replaces the present token; false when another request was quicker.
pub async fn rotate(db: &Db, id: &LoginId, from: &str, to: &str, now: Millis) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query(
            "UPDATE logins SET previous_hash = refresh_hash, refresh_hash = $3, rotated_at = $4, last_used_at = $4 \
             WHERE id = $1 AND refresh_hash = $2")
        .bind(id.as_str()).bind(from).bind(to).bind(now).execute(pool).await.map(|done| done.rows_affected() == 1))
}

pub async fn exists(db: &Db, id: &LoginId, user: &UserId) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query("SELECT 1 FROM logins WHERE id = $1 AND user_id = $2")
        .bind(id.as_str()).bind(user.as_str()).fetch_optional(pool).await.map(|row| row.is_some()))
}

pub async fn of_user(db: &Db, user: &UserId, now: Millis) -> sqlx::Result<Vec<LoginRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT * FROM logins WHERE user_id = $1 AND expires_at > $2 ORDER BY last_used_at DESC")
        .bind(user.as_str()).bind(now).fetch_all(pool).await)?.into_iter().map(row).collect()
}

/// Ends one family; false when the user has no such.
pub async fn delete(db: &Db, id: &LoginId, user: &UserId) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query("DELETE FROM logins WHERE id = $1 AND user_id = $2")
        .bind(id.as_str()).bind(user.as_str()).execute(pool).await.map(|done| done.rows_affected() == 1))
}

/// Ends all families of a user but one.
pub async fn delete_others(db: &Db, user: &UserId, keep: Option<&LoginId>) -> sqlx::Result<()> {
    let keep = keep.map_or("", LoginId::as_str);
    on!(db, pool => sqlx::query("DELETE FROM logins WHERE user_id = $1 AND id <> $2")
        .bind(user.as_str()).bind(keep).execute(pool).await.map(drop))
}
