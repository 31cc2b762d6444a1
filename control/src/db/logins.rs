//! Rows of signed-in browsers, each one family of refresh tokens.

use protocol::{LoginId, Millis, UserId};
use sqlx::FromRow;

use super::{Db, on, read, transaction};

#[derive(Debug, Clone)]
pub struct LoginRow {
    pub id: LoginId,
    pub user_id: UserId,
    pub user_agent: String,
    pub created_at: Millis,
    pub last_used_at: Millis,
    pub expires_at: Millis,
}

#[derive(FromRow)]
struct Raw {
    id: String,
    user_id: String,
    user_agent: String,
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
}

fn row(raw: Raw) -> sqlx::Result<LoginRow> {
    Ok(LoginRow {
        id: read("id", &raw.id)?,
        user_id: read("user_id", &raw.user_id)?,
        user_agent: raw.user_agent,
        created_at: raw.created_at,
        last_used_at: raw.last_used_at,
        expires_at: raw.expires_at,
    })
}

/// Stores a family with its first token.
pub async fn insert(db: &Db, login: &LoginRow, refresh_hash: &str) -> sqlx::Result<()> {
    transaction!(db, tx => {
        sqlx::query("INSERT INTO logins (id, user_id, user_agent, created_at, last_used_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(login.id.as_str()).bind(login.user_id.as_str()).bind(&login.user_agent).bind(login.created_at)
            .bind(login.last_used_at).bind(login.expires_at).execute(&mut *tx).await?;
        sqlx::query("INSERT INTO refresh_tokens (hash, login_id, expires_at) VALUES ($1, $2, $3)")
            .bind(refresh_hash).bind(login.id.as_str()).bind(login.expires_at).execute(&mut *tx).await.map(drop)
    })
}

/// What became of a refresh token.
#[derive(Debug, Clone)]
pub enum Exchanged {
    /// Its family goes on with the next one.
    For(LoginRow),
    /// It was used before, and not just now: somebody else has it. Its family is ended.
    Stolen(LoginRow),
    Unknown,
}

/// Uses a refresh token and stores the one that it is exchanged for.
///
/// A token may be used again for `grace` as long as none that was given for it has been: that is a browser that lost
/// the answer, or one of its other tabs.
pub async fn exchange(
    db: &Db,
    hash: &str,
    next_hash: &str,
    now: Millis,
    grace: Millis,
    expires_at: Millis,
) -> sqlx::Result<Exchanged> {
    transaction!(db, tx => {
        // The first statement locks the family's row.
        let login = sqlx::query_as::<_, Raw>(
                "UPDATE logins SET user_id = user_id WHERE id = (SELECT login_id FROM refresh_tokens WHERE hash = $1) RETURNING *")
            .bind(hash).fetch_optional(&mut *tx).await?;
        let token = sqlx::query_as::<_, (i64, Option<i64>)>("SELECT expires_at, used_at FROM refresh_tokens WHERE hash = $1")
            .bind(hash).fetch_optional(&mut *tx).await?;
        let (Some(login), Some((ends_at, used_at))) = (login, token) else { return Ok::<_, sqlx::Error>(Exchanged::Unknown) };
        let mut login = row(login)?;
        if ends_at <= now || login.expires_at <= now {
            return Ok(Exchanged::Unknown);
        }
        if let Some(used_at) = used_at {
            let (used_after,) = sqlx::query_as::<_, (i64,)>(
                    "SELECT COUNT(*) FROM refresh_tokens WHERE parent_hash = $1 AND used_at IS NOT NULL")
                .bind(hash).fetch_one(&mut *tx).await?;
            if now - used_at > grace || used_after > 0 {
                sqlx::query("DELETE FROM logins WHERE id = $1").bind(login.id.as_str()).execute(&mut *tx).await?;
                return Ok(Exchanged::Stolen(login));
            }
        } else {
            sqlx::query("UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1")
                .bind(hash).bind(now).execute(&mut *tx).await?;
        }
        sqlx::query("INSERT INTO refresh_tokens (hash, login_id, parent_hash, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(next_hash).bind(login.id.as_str()).bind(hash).bind(expires_at).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM refresh_tokens WHERE login_id = $1 AND expires_at <= $2")
            .bind(login.id.as_str()).bind(now).execute(&mut *tx).await?;
        sqlx::query("UPDATE logins SET last_used_at = $2, expires_at = $3 WHERE id = $1")
            .bind(login.id.as_str()).bind(now).bind(expires_at).execute(&mut *tx).await?;
        (login.last_used_at, login.expires_at) = (now, expires_at);
        Ok(Exchanged::For(login))
    })
}

/// The family that a refresh token belongs to.
pub async fn by_refresh_hash(db: &Db, hash: &str) -> sqlx::Result<Option<LoginRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>(
            "SELECT logins.* FROM logins JOIN refresh_tokens ON refresh_tokens.login_id = logins.id WHERE refresh_tokens.hash = $1")
        .bind(hash).fetch_optional(pool).await)?.map(row).transpose()
}

/// Is the browser still signed in?
pub async fn is_good(db: &Db, id: &LoginId, user: &UserId, now: Millis) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query("SELECT 1 FROM logins WHERE id = $1 AND user_id = $2 AND expires_at > $3")
        .bind(id.as_str()).bind(user.as_str()).bind(now).fetch_optional(pool).await.map(|row| row.is_some()))
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

/// Ends all families of a user but one; answers how many there were.
pub async fn delete_others(db: &Db, user: &UserId, keep: Option<&LoginId>) -> sqlx::Result<u64> {
    let keep = keep.map_or("", LoginId::as_str);
    on!(db, pool => sqlx::query("DELETE FROM logins WHERE user_id = $1 AND id <> $2")
        .bind(user.as_str()).bind(keep).execute(pool).await.map(|done| done.rows_affected()))
}
