//! Rows of desktops. A deleted desktop leaves no row.

use protocol::{
    DesktopId, Millis, UserId, VmId,
    desktop::{DesktopState, Size},
    lease::{Holder, Lease},
};
use sqlx::FromRow;

use super::{Db, on, read, transaction};

#[derive(Debug, Clone, PartialEq)]
pub struct DesktopRow {
    pub id: DesktopId,
    pub user_id: UserId,
    pub name: String,
    pub state: DesktopState,
    pub reason: Option<String>,
    pub size: Size,
    pub generation: i64,
    pub vm_id: Option<VmId>,
    pub failures: i64,
    pub next_try_at: Millis,
    /// Who drives it, as its sidecar told last.
    pub lease: Lease,
    pub created_at: Millis,
    pub state_since: Millis,
}

#[derive(FromRow)]
struct Raw {
    id: String,
    user_id: String,
    name: String,
    state: String,
    reason: Option<String>,
    width: i64,
    height: i64,
    generation: i64,
    vm_id: Option<String>,
    failures: i64,
    next_try_at: i64,
    lease_epoch: i64,
    holder_id: Option<String>,
    holder_since: Option<i64>,
    created_at: i64,
    state_since: i64,
}

fn row(raw: Raw) -> sqlx::Result<DesktopRow> {
    let holder = match (&raw.holder_id, raw.holder_since) {
        (Some(id), Some(since)) => Some(Holder { user_id: read("holder_id", id)?, since }),
        _ => None,
    };
    Ok(DesktopRow {
        id: read("id", &raw.id)?,
        user_id: read("user_id", &raw.user_id)?,
        name: raw.name,
        state: read("state", &raw.state)?,
        reason: raw.reason,
        size: Size { width: raw.width as u32, height: raw.height as u32 },
        generation: raw.generation,
        vm_id: raw.vm_id.as_deref().map(|id| read("vm_id", id)).transpose()?,
        failures: raw.failures,
        next_try_at: raw.next_try_at,
        lease: Lease { epoch: raw.lease_epoch, holder },
        created_at: raw.created_at,
        state_since: raw.state_since,
    })
}

/// What became of an insert.
#[derive(Debug, Clone, PartialEq)]
pub enum Inserted {
    New,
    /// The same request came before and made this desktop.
    Before(DesktopId),
    /// The idempotency key was used for another request.
    Mismatch,
    /// The user has as many as they may.
    OverLimit,
}

/// How long a request is known as the same one.
const REMEMBERED: Millis = 24 * 3600 * 1000;

/// A request that may come twice.
pub struct Idempotency {
    pub key: String,
    pub request_hash: String,
}

/// Stores a desktop that nobody drives, unless its user has `limit` of them already, or asked for it before.
pub async fn insert(db: &Db, desktop: &DesktopRow, limit: i64, once: Option<&Idempotency>) -> sqlx::Result<Inserted> {
    transaction!(db, tx => {
        // A write to the user's row first: two creations of one user wait for each other.
        sqlx::query("UPDATE users SET created_at = created_at WHERE id = $1")
            .bind(desktop.user_id.as_str()).execute(&mut *tx).await?;
        if let Some(once) = once {
            sqlx::query("DELETE FROM idempotency WHERE user_id = $1 AND created_at <= $2")
                .bind(desktop.user_id.as_str()).bind(desktop.created_at - REMEMBERED).execute(&mut *tx).await?;
            let before = sqlx::query_as::<_, (String, String)>(
                    "SELECT request_hash, desktop_id FROM idempotency WHERE user_id = $1 AND idempotency_key = $2")
                .bind(desktop.user_id.as_str()).bind(&once.key).fetch_optional(&mut *tx).await?;
            if let Some((hash, id)) = before {
                return Ok::<_, sqlx::Error>(if hash == once.request_hash { Inserted::Before(read("desktop_id", &id)?) } else { Inserted::Mismatch });
            }
        }
        let (count,) = sqlx::query_as::<_, (i64,)>("SELECT COUNT(*) FROM desktops WHERE user_id = $1 AND state <> 'deleting'")
            .bind(desktop.user_id.as_str()).fetch_one(&mut *tx).await?;
        if count >= limit {
            return Ok(Inserted::OverLimit);
        }
        sqlx::query("INSERT INTO desktops (id, user_id, name, state, reason, width, height, generation, vm_id, failures, next_try_at, lease_epoch, created_at, state_since) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13)")
            .bind(desktop.id.as_str()).bind(desktop.user_id.as_str()).bind(&desktop.name).bind(desktop.state.as_str())
            .bind(&desktop.reason).bind(i64::from(desktop.size.width)).bind(i64::from(desktop.size.height))
            .bind(desktop.generation).bind(desktop.vm_id.as_ref().map(VmId::as_str)).bind(desktop.failures)
            .bind(desktop.next_try_at).bind(desktop.created_at).bind(desktop.state_since)
            .execute(&mut *tx).await?;
        if let Some(once) = once {
            sqlx::query("INSERT INTO idempotency (user_id, idempotency_key, request_hash, desktop_id, created_at) VALUES ($1, $2, $3, $4, $5)")
                .bind(desktop.user_id.as_str()).bind(&once.key).bind(&once.request_hash).bind(desktop.id.as_str())
                .bind(desktop.created_at).execute(&mut *tx).await?;
        }
        Ok(Inserted::New)
    })
}

pub async fn by_id(db: &Db, id: &DesktopId) -> sqlx::Result<Option<DesktopRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT * FROM desktops WHERE id = $1").bind(id.as_str()).fetch_optional(pool).await)?
        .map(row).transpose()
}

pub async fn of_user(db: &Db, user: &UserId) -> sqlx::Result<Vec<DesktopRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT * FROM desktops WHERE user_id = $1 ORDER BY created_at")
        .bind(user.as_str()).fetch_all(pool).await)?
    .into_iter()
    .map(row)
    .collect()
}

pub async fn all(db: &Db) -> sqlx::Result<Vec<DesktopRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT * FROM desktops ORDER BY created_at").fetch_all(pool).await)?
        .into_iter()
        .map(row)
        .collect()
}

/// Writes what may change, if the row is still in the state and generation that the change was decided on.
pub async fn update(db: &Db, from: &DesktopRow, to: &DesktopRow) -> sqlx::Result<bool> {
    on!(db, pool => sqlx::query(
            "UPDATE desktops SET state = $4, reason = $5, generation = $6, vm_id = $7, failures = $8, next_try_at = $9, state_since = $10 \
             WHERE id = $1 AND state = $2 AND generation = $3")
        .bind(from.id.as_str()).bind(from.state.as_str()).bind(from.generation)
        .bind(to.state.as_str()).bind(&to.reason).bind(to.generation).bind(to.vm_id.as_ref().map(VmId::as_str))
        .bind(to.failures).bind(to.next_try_at).bind(to.state_since)
        .execute(pool).await.map(|done| done.rows_affected() == 1))
}

/// Stores who drives, unless something newer is known; says whether it was stored.
pub async fn put_lease(db: &Db, id: &DesktopId, lease: &Lease) -> sqlx::Result<bool> {
    let holder = lease.holder.as_ref();
    on!(db, pool => sqlx::query("UPDATE desktops SET lease_epoch = $2, holder_id = $3, holder_since = $4 WHERE id = $1 AND lease_epoch < $2")
        .bind(id.as_str()).bind(lease.epoch).bind(holder.map(|holder| holder.user_id.as_str())).bind(holder.map(|holder| holder.since))
        .execute(pool).await.map(|done| done.rows_affected() == 1))
}

pub async fn rename(db: &Db, id: &DesktopId, name: &str) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query("UPDATE desktops SET name = $2 WHERE id = $1").bind(id.as_str()).bind(name).execute(pool).await.map(drop))
}
