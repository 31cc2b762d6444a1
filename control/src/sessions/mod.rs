//! Sessions: conversations with the agent on a desktop, and their record.

pub mod approvals;
pub mod audit;
pub mod blobs;
pub mod chain;
pub mod journal;
pub mod settings;

use protocol::{
    DesktopId, SessionId, UserId,
    desktop::DesktopState,
    error::{Code, Problem},
    event::Event,
    session::{CreateSession, Page, PatchSession, Session, SessionState},
    vm::{Work, WorkSession},
};

use crate::{
    app::App,
    db::{self, desktops::DesktopRow, sessions::SessionRow},
    desktops,
    error::{ApiError, not_found},
    hub::Change,
};

pub use crate::db::sessions::Filter;

pub const PAGE: i64 = 50;
pub const MAX_EVENTS: i64 = 500;

/// Begins a session; without a desktop one is made for it.
pub async fn create(app: &App, user: &UserId, wish: CreateSession) -> Result<Session, ApiError> {
    let title = wish.title.as_deref().map(parse_title).transpose()?.unwrap_or_default();
    settings::check(&wish.settings, &app.settings.models)?;
    let desktop_id = match wish.desktop_id {
        Some(id) => {
            let desktop = desktops::owned(app, user, &id).await?;
            demand_staying(&desktop)?;
            desktop.id
        }
        None => desktops::create(app, user, Default::default(), None).await?.id,
    };
    let now = app.clock.now();
    let row = SessionRow {
        id: SessionId::generate(),
        user_id: user.clone(),
        desktop_id,
        title,
        state: SessionState::Idle,
        reason: None,
        archived: false,
        last_seq: 0,
        settings: wish.settings,
        spent: Default::default(),
        created_at: now,
        updated_at: now,
    };
    db::sessions::insert(&app.db, &row).await?;
    Ok(view(row))
}

/// Newest first; `before` is the `next` of the page before.
pub async fn list(
    app: &App,
    user: &UserId,
    filter: &Filter,
    before: Option<&SessionId>,
) -> Result<Page<Session>, ApiError> {
    let search = filter.search.as_deref().unwrap_or_default();
    if search.chars().count() > 200 || search.chars().any(char::is_control) {
        return Err(Problem::new(Code::InvalidValue, "Search for 1 to 200 characters of a title.").into());
    }
    let mut rows = db::sessions::page(&app.db, user, filter, before, PAGE + 1).await?;
    let more = rows.len() as i64 > PAGE;
    rows.truncate(PAGE as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id.to_string());
    Ok(Page { items: rows.into_iter().map(view).collect(), next })
}

pub async fn get(app: &App, user: &UserId, id: &SessionId) -> Result<Session, ApiError> {
    Ok(view(owned(app, user, id).await?))
}

pub async fn patch(app: &App, user: &UserId, id: &SessionId, wish: PatchSession) -> Result<Session, ApiError> {
    let row = owned(app, user, id).await?;
    let title = wish.title.as_deref().map(parse_title).transpose()?;
    if let Some(settings) = &wish.settings {
        settings::check(settings, &app.settings.models)?;
    }
    let (archived, settings) = (wish.archived, wish.settings.as_ref());
    db::sessions::patch(&app.db, id, title.as_deref(), archived, settings, app.clock.now()).await?;
    if settings.is_some() {
        journal::called(app, &row, false);
    }
    get(app, user, id).await
}

/// Removes a session with its record; one that is at work has to be stopped first.
pub async fn delete(app: &App, user: &UserId, id: &SessionId) -> Result<(), ApiError> {
    let row = owned(app, user, id).await?;
    if row.state.has_work() {
        return Err(Problem::new(Code::Conflict, "The session is at work: stop it first.").into());
    }
    let pictures = db::blobs::delete_session(&app.db, id).await?;
    Ok(blobs::remove(app, &pictures).await?)
}

/// Asks the agent to stop. Where no sidecar would hear it, the session is ended here.
pub async fn stop(app: &App, user: &UserId, id: &SessionId) -> Result<Session, ApiError> {
    let row = owned(app, user, id).await?;
    let desktop = desktops::owned(app, user, &row.desktop_id).await?;
    if row.state == SessionState::Queued {
        journal::set_state(app, &row, SessionState::Cancelled, Some("stopped before it began")).await?;
    } else if row.state.has_work() && desktop.state != DesktopState::Ready {
        journal::set_state(app, &row, SessionState::Cancelled, Some("stopped while the desktop was away")).await?;
    } else if row.state.has_work() {
        // Written down: a sidecar that is between two connections hears of it when it is back.
        db::sessions::ask_stop(&app.db, id).await?;
        app.hub.call(Change::Stop { session_id: id.clone(), desktop_id: row.desktop_id.clone() });
    }
    get(app, user, id).await
}

/// The events behind `after`; `next` is the `after` of the page that follows.
pub async fn events(app: &App, id: &SessionId, after: i64, limit: i64) -> Result<Page<Event>, ApiError> {
    let items = db::events::after(&app.db, id, after, limit.clamp(1, MAX_EVENTS)).await?;
    let last_seq = db::sessions::by_id(&app.db, id).await?.map_or(0, |session| session.last_seq);
    let next = items.last().filter(|event| event.seq < last_seq).map(|event| event.seq.to_string());
    Ok(Page { items, next })
}

/// A picture, if this session's record refers to it.
pub async fn picture(app: &App, id: &SessionId, sha256: &str) -> Result<Option<(Vec<u8>, &'static str)>, ApiError> {
    if !blobs::is_hash(sha256) || !db::blobs::is_shown_in(&app.db, id, sha256).await? {
        return Ok(None);
    }
    app.blobs.get(sha256).await
}

/// The next picture that this session's record refers to, in the order of their hashes.
pub async fn next_picture(
    app: &App,
    id: &SessionId,
    after: &str,
) -> Result<Option<(String, Vec<u8>, &'static str)>, ApiError> {
    let mut after = after.to_owned();
    while let Some(sha256) = db::blobs::next_shown_in(&app.db, id, &after).await? {
        match app.blobs.get(&sha256).await? {
            Some((bytes, media_type)) => return Ok(Some((sha256, bytes, media_type))),
            None => after = sha256,
        }
    }
    Ok(None)
}

/// The session that a desktop works on now.
pub async fn work(app: &App, desktop: &DesktopId) -> Result<Work, ApiError> {
    let Some(row) = db::sessions::next_work(&app.db, desktop).await? else { return Ok(Work { session: None }) };
    let model = settings::model(app, &row.user_id, &row.settings).await?;
    Ok(Work { session: Some(WorkSession { session_id: row.id, model, settings: row.settings }) })
}

/// The user's session, or the same answer whether it does not exist or belongs to someone else.
pub async fn owned(app: &App, user: &UserId, id: &SessionId) -> Result<SessionRow, ApiError> {
    let row = db::sessions::by_id(&app.db, id).await?.filter(|row| row.user_id == *user);
    row.ok_or_else(|| not_found("session"))
}

/// The session, if it is one of this desktop.
pub async fn of_desktop(app: &App, desktop: &DesktopId, id: &SessionId) -> Result<SessionRow, ApiError> {
    let row = db::sessions::by_id(&app.db, id).await?.filter(|row| row.desktop_id == *desktop);
    row.ok_or_else(|| not_found("session"))
}

/// Nothing new is begun on a desktop that is being deleted: it would go with it.
fn demand_staying(desktop: &DesktopRow) -> Result<(), ApiError> {
    if desktop.state == DesktopState::Deleting {
        return Err(Problem::new(Code::Conflict, "The desktop is being deleted: use another one.").into());
    }
    Ok(())
}

fn parse_title(text: &str) -> Result<String, ApiError> {
    let title = text.trim();
    if title.is_empty() || title.chars().count() > 200 || title.chars().any(char::is_control) {
        return Err(Problem::new(Code::InvalidValue, "A title has 1 to 200 characters.").into());
    }
    Ok(title.to_owned())
}

fn view(row: SessionRow) -> Session {
    Session {
        id: row.id,
        desktop_id: row.desktop_id,
        title: if row.title.is_empty() { "New session".into() } else { row.title },
        state: row.state,
        reason: row.reason,
        archived: row.archived,
        last_seq: row.last_seq,
        settings: row.settings,
        spent: row.spent,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
