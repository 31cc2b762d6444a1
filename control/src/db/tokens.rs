//! Rows of personal access tokens.

use protocol::{Millis, TokenId, UserId, capability::Scope};
use sqlx::FromRow;

use super::{Db, on, read};

#[derive(Debug, Clone)]
pub struct TokenRow {
    pub id: TokenId,
    pub user_id: UserId,
    pub name: String,
    pub secret_hash: String,
    pub scopes: Vec<Scope>,
    pub created_at: Millis,
    pub expires_at: Millis,
    pub last_used_at: Option<Millis>,
}

#[derive(FromRow)]
struct Raw {
    id: String,
    user_id: String,
    name: String,
    secret_hash: String,
    scopes: String,
    created_at: i64,
    expires_at: i64,
    last_used_at: Option<i64>,
}

fn row(raw: Raw) -> sqlx::Result<TokenRow> {
    Ok(TokenRow {
        id: read("id", &raw.id)?,
        user_id: read("user_id", &raw.user_id)?,
        name: raw.name,
        secret_hash: raw.secret_hash,
        scopes: super::read_json("scopes", &raw.scopes)?,
        created_at: raw.created_at,
        expires_at: raw.expires_at,
        last_used_at: raw.last_used_at,
    })
}

pub async fn insert(db: &Db, token: &TokenRow) -> sqlx::Result<()> {
    let scopes = serde_json::json!(token.scopes).to_string();
    on!(db, pool => sqlx::query(
            "INSERT INTO tokens (id, user_id, name, secret_hash, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(token.id.as_str()).bind(token.user_id.as_str()).bind(&token.name).bind(&token.secret_hash)
        .bind(&scopes).bind(token.created_at).bind(token.expires_at).execute(pool).await.map(drop))
}

pub async fn by_secret_hash(db: &Db, hash: &str) -> sqlx::Result<Option<TokenRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT * FROM tokens WHERE secret_hash = $1")
        .bind(hash).fetch_optional(pool).await)?
    .map(row)
    .transpose()
}

pub async fn is_good(db: &Db, id: &TokenId, user: &UserId, now: Millis) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query("SELECT 1 FROM tokens WHERE id = $1 AND user_id = $2 AND expires_at > $3")
        .bind(id.as_str()).bind(user.as_str()).bind(now).fetch_optional(pool).await.map(|row| row.is_some()))
}

/// Notes that a token is used.
pub async fn touch(db: &Db, id: &TokenId, now: Millis) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query("UPDATE tokens SET last_used_at = $2 WHERE id = $1")
        .bind(id.as_str()).bind(now).execute(pool).await.map(drop))
}

pub async fn of_user(db: &Db, user: &UserId) -> sqlx::Result<Vec<TokenRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT * FROM tokens WHERE user_id = $1 ORDER BY created_at DESC LIMIT 200")
        .bind(user.as_str()).fetch_all(pool).await)?.into_iter().map(row).collect()
}

/// False when the user has no such token.
pub async fn delete(db: &Db, id: &TokenId, user: &UserId) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query("DELETE FROM tokens WHERE id = $1 AND user_id = $2")
        .bind(id.as_str()).bind(user.as_str()).execute(pool).await.map(|done| done.rows_affected() == 1))
}
