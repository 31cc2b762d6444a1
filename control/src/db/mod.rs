//! One SQL text for two databases: SQLite, embedded, and PostgreSQL.
//!
//! Functions below this module take a [`Db`] and plain values, and know nothing of HTTP. What is read
//! and then written goes through `transaction!`, and its first statement is a write to the row that it
//! is about: SQLite then holds its one write lock (`BEGIN IMMEDIATE`), PostgreSQL the row's.

pub mod blobs;
pub mod desktops;
pub mod events;
pub mod keys;
pub mod logins;
pub mod mcp_servers;
pub mod secrets;
pub mod sessions;
pub mod tickets;
pub mod tokens;
pub mod users;
pub mod vms;

use std::{path::Path, str::FromStr, time::Duration};

use anyhow::Context;
use sqlx::{
    Connection, PgConnection, PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

/// A connected database whose tables are up to date.
#[derive(Clone)]
pub enum Db {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs `$body` with the pool of whichever database it is.
macro_rules! on {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Sqlite($pool) => $body,
            $crate::db::Db::Postgres($pool) => $body,
        }
    };
}
pub(crate) use on;

/// Runs `$body`, an expression of `Result<_, sqlx::Error>`, in a transaction, commits when it is `Ok`.
macro_rules! transaction {
    ($db:expr, $tx:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Sqlite(pool) => {
                let mut $tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                let done = async { $body }.await?;
                $tx.commit().await?;
                Ok(done)
            }
            $crate::db::Db::Postgres(pool) => {
                let mut $tx = pool.begin().await?;
                let done = async { $body }.await?;
                $tx.commit().await?;
                Ok(done)
            }
        }
    };
}
pub(crate) use transaction;

/// How long a database may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

impl Db {
    /// Connects to `url` (`sqlite:PATH` or `postgres://…`) and brings its tables up to date.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let db = if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            // Once without the pool, which would hide the cause behind its own time-out.
            let options = PgConnectOptions::from_str(url).context("read CLOUDBOT_DATABASE_URL")?;
            let place = format!("{}:{}", options.get_host(), options.get_port());
            let tried =
                || format!("connect to PostgreSQL at {place}: check CLOUDBOT_DATABASE_URL and that the server runs");
            let first = tokio::time::timeout(CONNECT, PgConnection::connect_with(&options)).await;
            first
                .with_context(|| format!("{} (no answer within {CONNECT:?})", tried()))?
                .with_context(tried)?
                .close()
                .await
                .with_context(tried)?;
            let pool = PgPoolOptions::new().max_connections(16).acquire_timeout(CONNECT);
            Db::Postgres(pool.connect_with(options).await.with_context(tried)?)
        } else if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).context("read CLOUDBOT_DATABASE_URL")?;
            return Self::open(options).await;
        } else {
            anyhow::bail!("CLOUDBOT_DATABASE_URL must begin with sqlite: or postgres:");
        };
        on!(&db, pool => MIGRATIONS.run(pool).await).context("bring the database's tables up to date")?;
        Ok(db)
    }

    /// The embedded database in this file, whatever its name looks like.
    pub async fn embedded(file: &Path) -> anyhow::Result<Self> {
        Self::open(SqliteConnectOptions::new().filename(file)).await
    }

    async fn open(options: SqliteConnectOptions) -> anyhow::Result<Self> {
        let file = options.get_filename().display().to_string();
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What was acknowledged is never lost: WAL's NORMAL may lose the last commits with the power.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new().max_connections(8).acquire_timeout(CONNECT);
        let db = Db::Sqlite(pool.connect_with(options).await.with_context(|| {
            format!("open the database {file}: check that its folder exists, is writable and has space")
        })?);
        on!(&db, pool => MIGRATIONS.run(pool).await).context("bring the database's tables up to date")?;
        Ok(db)
    }

    /// Does it answer?
    pub async fn ping(&self) -> sqlx::Result<()> {
        on!(self, pool => sqlx::query("SELECT 1").execute(pool).await.map(drop))
    }

    pub async fn close(&self) {
        on!(self, pool => pool.close().await);
    }
}

/// Does it say that this value is taken?
pub fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|e| e.is_unique_violation())
}

/// Does it say that the disk is full? (SQLITE_FULL, SQLITE_IOERR_SHMSIZE, or PostgreSQL's disk_full.)
pub fn is_full(error: &sqlx::Error) -> bool {
    has_code(error, &["13", "4874", "53100"])
}

/// Does it say that the database does not answer (any more), or has too much to do? (SQLITE_BUSY and its variants, or
/// PostgreSQL's too_many_connections and shutdowns.)
pub fn is_away(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
        || has_code(error, &["5", "261", "517", "53300", "57P01", "57P02", "57P03"])
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(|e| e.code());
    code.is_some_and(|code| codes.contains(&code.as_ref()))
}

/// A text that the database holds and that we wrote: if it cannot be read, the row is broken.
pub(crate) fn read<T: FromStr>(column: &'static str, text: &str) -> sqlx::Result<T>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e| sqlx::Error::ColumnDecode { index: column.into(), source: format!("{e}").into() })
}

/// The same for JSON.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(column: &'static str, text: &str) -> sqlx::Result<T> {
    serde_json::from_str(text).map_err(|e| sqlx::Error::ColumnDecode { index: column.into(), source: e.into() })
}
