//! Desktops: what their owners ask is written down here, and made so by the reconciler.

pub mod launch;
pub mod mcp_servers;
pub mod reconcile;
pub mod state;

use protocol::{
    DesktopId, UserId,
    desktop::{CreateDesktop, Desktop, DesktopState, PatchDesktop, Size},
    edge::Revocation,
    error::{Code, Problem},
};

use self::state::Event;
use crate::{
    app::App,
    db::{
        self,
        desktops::{DesktopRow, Idempotency, Inserted},
    },
    error::{ApiError, not_found},
    hub::Change,
    secret,
};

/// Stores a desktop that is to run. The same `idempotency_key` with the same wish again answers the same desktop.
pub async fn create(
    app: &App,
    user: &UserId,
    wish: CreateDesktop,
    idempotency_key: Option<&str>,
) -> Result<Desktop, ApiError> {
    let invalid = |detail: &str| ApiError::from(Problem::new(Code::InvalidValue, detail));
    let size = wish.size.unwrap_or(Size::DEFAULT);
    if !size.is_acceptable() {
        return Err(invalid("A screen has 320x240 to 3840x2160 pixels."));
    }
    let once = match idempotency_key {
        None => None,
        Some(key) if (1..=255).contains(&key.len()) => Some(Idempotency {
            key: key.to_owned(),
            request_hash: secret::hash(serde_json::to_vec(&wish).map_err(anyhow::Error::from)?),
        }),
        Some(_) => return Err(invalid("An Idempotency-Key has 1 to 255 characters.")),
    };
    let name = match wish.name {
        Some(name) => parse_name(&name)?,
        None => format!("Desktop {}", db::desktops::of_user(&app.db, user).await?.len() + 1),
    };
    let now = app.clock.now();
    let row = DesktopRow {
        id: DesktopId::generate(),
        user_id: user.clone(),
        name,
        state: DesktopState::Requested,
        reason: None,
        size,
        generation: 0,
        vm_id: None,
        failures: 0,
        next_try_at: 0,
        lease: Default::default(),
        created_at: now,
        state_since: now,
    };
    match db::desktops::insert(&app.db, &row, app.settings.desktops_per_user, once.as_ref()).await? {
        Inserted::New => {
            tracing::info!(desktop = %row.id, %user, "desktop requested");
            changed(app, user);
            Ok(view(row))
        }
        Inserted::Before(id) => get(app, user, &id).await,
        Inserted::Mismatch => {
            Err(Problem::new(Code::IdempotencyMismatch, "Use a new Idempotency-Key for a new request.").into())
        }
        Inserted::OverLimit => {
            let limit = app.settings.desktops_per_user;
            Err(Problem::new(Code::DesktopLimit, format!("You may have {limit} desktops: delete one first.")).into())
        }
    }
}

pub async fn list(app: &App, user: &UserId) -> Result<Vec<Desktop>, ApiError> {
    Ok(db::desktops::of_user(&app.db, user).await?.into_iter().map(view).collect())
}

pub async fn get(app: &App, user: &UserId, id: &DesktopId) -> Result<Desktop, ApiError> {
    Ok(view(owned(app, user, id).await?))
}

pub async fn patch(app: &App, user: &UserId, id: &DesktopId, wish: PatchDesktop) -> Result<Desktop, ApiError> {
    owned(app, user, id).await?;
    if let Some(name) = wish.name {
        db::desktops::rename(&app.db, id, &parse_name(&name)?).await?;
        changed(app, user);
    }
    get(app, user, id).await
}

pub async fn start(app: &App, user: &UserId, id: &DesktopId) -> Result<Desktop, ApiError> {
    ask(app, user, id, Event::StartAsked).await
}

pub async fn stop(app: &App, user: &UserId, id: &DesktopId) -> Result<Desktop, ApiError> {
    ask(app, user, id, Event::StopAsked).await
}

pub async fn reboot(app: &App, user: &UserId, id: &DesktopId) -> Result<Desktop, ApiError> {
    ask(app, user, id, Event::RebootAsked).await
}

pub async fn delete(app: &App, user: &UserId, id: &DesktopId) -> Result<Desktop, ApiError> {
    ask(app, user, id, Event::DeleteAsked).await
}

/// Starts a stopped desktop that has work; whatever else it is doing is left alone.
pub async fn wake(app: &App, user: &UserId, id: &DesktopId) -> Result<(), ApiError> {
    let row = owned(app, user, id).await?;
    if row.state == DesktopState::Stopped {
        ask(app, user, id, Event::StartAsked).await?;
    }
    Ok(())
}

/// The user's desktop, or the same answer whether it does not exist or belongs to someone else.
pub async fn owned(app: &App, user: &UserId, id: &DesktopId) -> Result<DesktopRow, ApiError> {
    let row = db::desktops::by_id(&app.db, id).await?.filter(|row| row.user_id == *user);
    row.ok_or_else(|| not_found("desktop"))
}

/// Writes a wish down and wakes the reconciler.
async fn ask(app: &App, user: &UserId, id: &DesktopId, event: Event) -> Result<Desktop, ApiError> {
    // Another change may come in between: decide again on what is true then.
    for _ in 0..10 {
        let row = owned(app, user, id).await?;
        let next = state::on(row.state, event).map_err(|refused| {
            Problem::new(
                Code::Conflict,
                format!("A desktop that is {} cannot do that: wait until it has come to rest.", refused.state.as_str()),
            )
        })?;
        if next == row.state {
            return Ok(view(row));
        }
        let mut to = entered(&row, next, None, app.clock.now());
        // A person's word counts from zero.
        (to.failures, to.next_try_at) = (0, 0);
        if db::desktops::update(&app.db, &row, &to).await? {
            tracing::info!(desktop = %id, state = next.as_str(), "asked");
            left(app, &row, &to);
            changed(app, user);
            return Ok(view(to));
        }
    }
    Err(Problem::new(Code::Conflict, "The desktop keeps changing: try again.").into())
}

/// The row as it enters a state.
fn entered(row: &DesktopRow, state: DesktopState, reason: Option<String>, now: i64) -> DesktopRow {
    DesktopRow { state, reason, state_since: now, ..row.clone() }
}

/// Who was let in to a desktop that was ready has to ask again.
fn left(app: &App, from: &DesktopRow, to: &DesktopRow) {
    if from.state == DesktopState::Ready && to.state != DesktopState::Ready {
        app.hub.revoke(Revocation::Desktop { desktop_id: from.id.clone() });
    }
}

/// Tells the browsers and the reconciler.
fn changed(app: &App, user: &UserId) {
    app.hub.call(Change::Desktop { user_id: user.clone() });
    app.wake.notify_one();
}

fn parse_name(text: &str) -> Result<String, ApiError> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Problem::new(Code::InvalidValue, "A desktop's name has 1 to 100 characters.").into());
    }
    Ok(name.to_owned())
}

fn view(row: DesktopRow) -> Desktop {
    Desktop {
        id: row.id,
        name: row.name,
        state: row.state,
        reason: row.reason,
        size: row.size,
        generation: row.generation,
        created_at: row.created_at,
        state_since: row.state_since,
        holder: row.lease.holder,
    }
}
