//! Rows of sealed provider keys.

use protocol::{Millis, UserId, key::ProviderName};
use sqlx::FromRow;

use super::{Db, on, read};

#[derive(Debug, Clone)]
pub struct KeyRow {
    pub provider: ProviderName,
    pub sealed: String,
    pub key_id: String,
    pub masked: String,
    pub stored_at: Millis,
}

#[derive(FromRow)]
struct Raw {
    provider: String,
    sealed: String,
    key_id: String,
    masked: String,
    stored_at: i64,
}

fn row(raw: Raw) -> sqlx::Result<KeyRow> {
    Ok(KeyRow {
        provider: read("provider", &raw.provider)?,
        sealed: raw.sealed,
        key_id: raw.key_id,
        masked: raw.masked,
        stored_at: raw.stored_at,
    })
}

pub async fn put(db: &Db, user: &UserId, key: &KeyRow) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query(
            "INSERT INTO provider_keys (user_id, provider, sealed, key_id, masked, stored_at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (user_id, provider) DO UPDATE SET sealed = excluded.sealed, key_id = excluded.key_id, \
             masked = excluded.masked, stored_at = excluded.stored_at")
        .bind(user.as_str()).bind(key.provider.as_str()).bind(&key.sealed).bind(&key.key_id).bind(&key.masked)
        .bind(key.stored_at).execute(pool).await.map(drop))
}

pub async fn get(db: &Db, user: &UserId, provider: &ProviderName) -> sqlx::Result<Option<KeyRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT provider, sealed, key_id, masked, stored_at FROM provider_keys WHERE user_id = $1 AND provider = $2")
        .bind(user.as_str()).bind(provider.as_str()).fetch_optional(pool).await)?.map(row).transpose()
}

pub async fn of_user(db: &Db, user: &UserId) -> sqlx::Result<Vec<KeyRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT provider, sealed, key_id, masked, stored_at FROM provider_keys WHERE user_id = $1 ORDER BY provider")
        .bind(user.as_str()).fetch_all(pool).await)?.into_iter().map(row).collect()
}

/// False when there was none.
pub async fn delete(db: &Db, user: &UserId, provider: &ProviderName) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query("DELETE FROM provider_keys WHERE user_id = $1 AND provider = $2")
        .bind(user.as_str()).bind(provider.as_str()).execute(pool).await.map(|done| done.rows_affected() == 1))
}
