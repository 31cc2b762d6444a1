//! MCP servers that users add to their desktops: kept here, sealed, and run by the desktops' sidecars.

mod check;
mod mask;

use protocol::{
    DesktopId, UserId,
    error::{Code, Problem},
    mcp::{MASK, McpServer, McpServerConfig, McpServers},
};
use secrecy::ExposeSecret;

use super::owned;
use crate::{
    app::App,
    db::{
        self,
        desktops::DesktopRow,
        mcp_servers::{Added, McpServerRow},
    },
    error::{ApiError, not_found},
    hub::Change,
    keys::seal::Sealed,
};

const MAX_OF_A_DESKTOP: i64 = 20;

pub async fn list(app: &App, user: &UserId, id: &DesktopId) -> Result<Vec<McpServer>, ApiError> {
    let desktop = owned(app, user, id).await?;
    let rows = db::mcp_servers::of_desktop(&app.db, id).await?;
    Ok(rows.iter().map(|row| view(read(app, &desktop, row), row)).collect())
}

pub async fn get(app: &App, user: &UserId, id: &DesktopId, name: &str) -> Result<McpServer, ApiError> {
    let desktop = owned(app, user, id).await?;
    let row = known(app, id, name).await?;
    Ok(view(read(app, &desktop, &row), &row))
}

/// Adds a server to a desktop, whatever the desktop is doing.
pub async fn add(app: &App, user: &UserId, id: &DesktopId, mut config: McpServerConfig) -> Result<McpServer, ApiError> {
    let desktop = owned(app, user, id).await?;
    mask::restore(&mut config, None)?;
    check::check(&config)?;
    let now = app.clock.now();
    let row = McpServerRow { created_at: now, updated_at: now, ..seal(app, &desktop, &config)? };
    let conflict = |detail: String| Err(Problem::new(Code::Conflict, detail).into());
    match db::mcp_servers::add(&app.db, id, &row, MAX_OF_A_DESKTOP).await? {
        Added::New => {
            changed(app, id, "an MCP server was added");
            Ok(view(Some(config), &row))
        }
        Added::Taken => {
            conflict(format!("This desktop has a server {}: change that one, or take another name.", row.name))
        }
        Added::OverLimit => conflict(format!("This desktop has {MAX_OF_A_DESKTOP} servers already: delete one first.")),
    }
}

/// Changes a server. A mask stands for the value that is stored under its name.
pub async fn put(
    app: &App,
    user: &UserId,
    id: &DesktopId,
    name: &str,
    wish: McpServerConfig,
) -> Result<McpServer, ApiError> {
    let desktop = owned(app, user, id).await?;
    // Another change may come in between, and store what a mask stands for anew.
    for _ in 0..10 {
        let before = known(app, id, name).await?;
        if wish.name != before.name {
            let detail = "A server keeps its name: for another one, add it anew and delete this one.";
            return Err(Problem::new(Code::InvalidValue, detail).into());
        }
        let mut config = wish.clone();
        // Opened for a mask only: what does not open any more can be stored again.
        let stored = match mask::has_masks(&config) {
            true => Some(read(app, &desktop, &before).ok_or_else(unread)?),
            false => None,
        };
        mask::restore(&mut config, stored.as_ref())?;
        check::check(&config)?;
        let (created_at, updated_at) = (before.created_at, app.clock.now());
        let row = McpServerRow { created_at, updated_at, ..seal(app, &desktop, &config)? };
        if db::mcp_servers::replace(&app.db, id, &before, &row).await? {
            changed(app, id, "an MCP server was changed");
            return Ok(view(Some(config), &row));
        }
    }
    Err(Problem::new(Code::Conflict, "The server keeps changing: try again.").into())
}

pub async fn delete(app: &App, user: &UserId, id: &DesktopId, name: &str) -> Result<(), ApiError> {
    owned(app, user, id).await?;
    if !check::is_name(name) || !db::mcp_servers::delete(&app.db, id, name).await? {
        return Err(not_found("MCP server"));
    }
    changed(app, id, "an MCP server was deleted");
    Ok(())
}

/// All servers of a desktop that can be read, with their values: for its VM alone.
pub async fn of_vm(app: &App, desktop: &DesktopRow) -> Result<McpServers, ApiError> {
    let rows = db::mcp_servers::of_desktop(&app.db, &desktop.id).await?;
    Ok(McpServers { servers: rows.iter().filter_map(|row| read(app, desktop, row)).collect() })
}

async fn known(app: &App, id: &DesktopId, name: &str) -> Result<McpServerRow, ApiError> {
    let row = if check::is_name(name) { db::mcp_servers::get(&app.db, id, name).await? } else { None };
    row.ok_or_else(|| not_found("MCP server"))
}

/// A row that has no times yet.
fn seal(app: &App, desktop: &DesktopRow, config: &McpServerConfig) -> Result<McpServerRow, ApiError> {
    let plain = serde_json::to_string(config).map_err(anyhow::Error::from)?;
    Ok(McpServerRow {
        name: config.name.clone(),
        sealed: app.sealer.seal(&plain, &desktop.user_id, Sealed::McpServer(&desktop.id, &config.name))?,
        key_id: app.sealer.key_id().to_owned(),
        created_at: 0,
        updated_at: 0,
    })
}

/// None is what does not open any more: it must not take the others along, which do.
fn read(app: &App, desktop: &DesktopRow, row: &McpServerRow) -> Option<McpServerConfig> {
    open(app, desktop, row)
        .inspect_err(|error| {
            let error = format!("{error:#}");
            tracing::error!(desktop = %desktop.id, server = row.name, error, "an MCP server cannot be read");
        })
        .ok()
}

fn open(app: &App, desktop: &DesktopRow, row: &McpServerRow) -> anyhow::Result<McpServerConfig> {
    let what = Sealed::McpServer(&desktop.id, &row.name);
    let plain = app.sealer.open(&row.sealed, &row.key_id, &desktop.user_id, what)?;
    // serde's words may quote a value, and end in a log.
    serde_json::from_str(plain.expose_secret()).map_err(|_| anyhow::anyhow!("a stored MCP server is not one"))
}

fn unread() -> Problem {
    let detail = format!(
        "What is stored of this server cannot be read any more, nor what stood behind {MASK}: write each value anew."
    );
    Problem::new(Code::InvalidValue, detail)
}

/// Tells the desktop's VM.
fn changed(app: &App, id: &DesktopId, what: &'static str) {
    tracing::info!(desktop = %id, "{what}");
    app.hub.call(Change::McpServers { desktop_id: id.clone() });
}

fn view(config: Option<McpServerConfig>, row: &McpServerRow) -> McpServer {
    McpServer {
        name: row.name.clone(),
        autostart: config.as_ref().is_some_and(|config| config.autostart),
        transport: config.map(|config| mask::masked(config.transport)),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
