//! Rows of people.

use protocol::{Millis, UserId};
use sqlx::FromRow;

use super::{Db, on, read};

#[derive(Debug, Clone)]
pub struct UserRow {
    pub id: UserId,
    pub email: String,
    pub password_hash: String,
    pub created_at: Millis,
}

#[derive(FromRow)]
struct Raw {
    id: String,
    email: String,
    password_hash: String,
    created_at: i64,
}

fn row(raw: Raw) -> sqlx::Result<UserRow> {
    Ok(UserRow {
        id: read("id", &raw.id)?,
        email: raw.email,
        password_hash: raw.password_hash,
        created_at: raw.created_at,
    })
}

pub async fn insert(db: &Db, user: &UserRow) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query("INSERT INTO users (id, email, password_hash, created_at) VALUES ($1, $2, $3, $4)")
        .bind(user.id.as_str()).bind(&user.email).bind(&user.password_hash).bind(user.created_at)
        .execute(pool).await.map(drop))
}

pub async fn by_email(db: &Db, email: &str) -> sqlx::Result<Option<UserRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT id, email, password_hash, created_at FROM users WHERE email = $1")
        .bind(email).fetch_optional(pool).await)?
    .map(row)
    .transpose()
}

pub async fn by_id(db: &Db, id: &UserId) -> sqlx::Result<Option<UserRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT id, email, password_hash, created_at FROM users WHERE id = $1")
        .bind(id.as_str()).fetch_optional(pool).await)?
    .map(row)
    .transpose()
}

pub async fn set_password(db: &Db, id: &UserId, hash: &str) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
        .bind(id.as_str()).bind(hash).execute(pool).await.map(drop))
}
