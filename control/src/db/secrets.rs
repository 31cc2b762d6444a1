//! Rows of sealed secrets that users keep for the agent to type.

use protocol::{Millis, UserId};
use sqlx::FromRow;

use super::{Db, on, transaction};

#[derive(Clone, FromRow)]
pub struct SecretRow {
    pub name: String,
    pub sealed: String,
    pub key_id: String,
    pub stored_at: Millis,
}

/// Stores a secret in the place of an earlier one of its name; false when the user has `limit` others already.
pub async fn put(db: &Db, user: &UserId, secret: &SecretRow, limit: i64) -> sqlx::Result<bool> {
    transaction!(db, tx => {
        // A write to the user's row first: two secrets of one user wait for each other.
        sqlx::query("UPDATE users SET created_at = created_at WHERE id = $1").bind(user.as_str()).execute(&mut *tx).await?;
        let (others,) = sqlx::query_as::<_, (i64,)>("SELECT COUNT(*) FROM secrets WHERE user_id = $1 AND name <> $2")
            .bind(user.as_str()).bind(&secret.name).fetch_one(&mut *tx).await?;
        if others >= limit {
            return Ok::<_, sqlx::Error>(false);
        }
        sqlx::query("INSERT INTO secrets (user_id, name, sealed, key_id, stored_at) VALUES ($1, $2, $3, $4, $5) \
                     ON CONFLICT (user_id, name) DO UPDATE SET sealed = excluded.sealed, key_id = excluded.key_id, \
                     stored_at = excluded.stored_at")
            .bind(user.as_str()).bind(&secret.name).bind(&secret.sealed).bind(&secret.key_id).bind(secret.stored_at)
            .execute(&mut *tx).await?;
        Ok(true)
    })
}

pub async fn get(db: &Db, user: &UserId, name: &str) -> sqlx::Result<Option<SecretRow>> {
    on!(db, pool => sqlx::query_as::<_, SecretRow>("SELECT name, sealed, key_id, stored_at FROM secrets WHERE user_id = $1 AND name = $2")
        .bind(user.as_str()).bind(name).fetch_optional(pool).await)
}

pub async fn of_user(db: &Db, user: &UserId) -> sqlx::Result<Vec<SecretRow>> {
    on!(db, pool => sqlx::query_as::<_, SecretRow>("SELECT name, sealed, key_id, stored_at FROM secrets WHERE user_id = $1 ORDER BY name")
        .bind(user.as_str()).fetch_all(pool).await)
}

/// False when there was none.
pub async fn delete(db: &Db, user: &UserId, name: &str) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query("DELETE FROM secrets WHERE user_id = $1 AND name = $2")
        .bind(user.as_str()).bind(name).execute(pool).await.map(|done| done.rows_affected() == 1))
}
