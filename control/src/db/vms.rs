//! Rows of VMs: one for each generation of a desktop, written before the provider is asked.

use protocol::{DesktopId, Millis, VmId};
use sqlx::FromRow;

use super::{Db, on, read, transaction};

#[derive(Debug, Clone)]
pub struct VmRow {
    pub id: VmId,
    pub desktop_id: DesktopId,
    pub generation: i64,
    pub enrolment_hash: String,
    pub key_hash: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub painted: bool,
    pub health: Option<String>,
    pub reported_at: Option<Millis>,
    pub created_at: Millis,
}

#[derive(FromRow)]
struct Raw {
    id: String,
    desktop_id: String,
    generation: i64,
    enrolment_hash: String,
    key_hash: Option<String>,
    host: Option<String>,
    port: Option<i64>,
    painted: i64,
    health: Option<String>,
    reported_at: Option<i64>,
    created_at: i64,
}

fn row(raw: Raw) -> sqlx::Result<VmRow> {
    Ok(VmRow {
        id: read("id", &raw.id)?,
        desktop_id: read("desktop_id", &raw.desktop_id)?,
        generation: raw.generation,
        enrolment_hash: raw.enrolment_hash,
        key_hash: raw.key_hash,
        host: raw.host,
        port: raw.port.and_then(|port| u16::try_from(port).ok()),
        painted: raw.painted != 0,
        health: raw.health,
        reported_at: raw.reported_at,
        created_at: raw.created_at,
    })
}

pub async fn insert(db: &Db, vm: &VmRow) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query(
            "INSERT INTO vms (id, desktop_id, generation, enrolment_hash, painted, created_at) VALUES ($1, $2, $3, $4, 0, $5)")
        .bind(vm.id.as_str()).bind(vm.desktop_id.as_str()).bind(vm.generation).bind(&vm.enrolment_hash)
        .bind(vm.created_at).execute(pool).await.map(drop))
}

pub async fn by_id(db: &Db, id: &VmId) -> sqlx::Result<Option<VmRow>> {
    on!(db, pool => sqlx::query_as::<_, Raw>("SELECT * FROM vms WHERE id = $1").bind(id.as_str()).fetch_optional(pool).await)?
        .map(row).transpose()
}

/// A new one-time token for a VM that was never launched: the old one was lost with the process that drew it.
pub async fn set_enrolment(db: &Db, id: &VmId, hash: &str) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query("UPDATE vms SET enrolment_hash = $2 WHERE id = $1 AND key_hash IS NULL")
        .bind(id.as_str()).bind(hash).execute(pool).await.map(drop))
}

/// Binds the VM to the first key that shows its token; false when the token is wrong or another key was first.
pub async fn enrol(db: &Db, id: &VmId, enrolment_hash: &str, key_hash: &str) -> sqlx::Result<bool> {
    transaction!(db, tx => {
        sqlx::query("UPDATE vms SET key_hash = $3 WHERE id = $1 AND enrolment_hash = $2 AND (key_hash IS NULL OR key_hash = $3)")
            .bind(id.as_str()).bind(enrolment_hash).bind(key_hash)
            .execute(&mut *tx).await.map(|done| done.rows_affected() == 1)
    })
}

pub async fn set_host(db: &Db, id: &VmId, host: &str) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query("UPDATE vms SET host = $2 WHERE id = $1").bind(id.as_str()).bind(host).execute(pool).await.map(drop))
}

/// Stores a sign of life.
pub async fn report(db: &Db, id: &VmId, port: u16, painted: bool, health: &str, now: Millis) -> sqlx::Result<()> {
    on!(db, pool => sqlx::query("UPDATE vms SET port = $2, painted = $3, health = $4, reported_at = $5 WHERE id = $1")
        .bind(id.as_str()).bind(i64::from(port)).bind(i64::from(painted)).bind(health).bind(now)
        .execute(pool).await.map(drop))
}
