//! Tickets for WebSockets: good once, soon, and for one desktop.

use protocol::{
    DesktopId,
    edge::CredentialId,
    error::{Code, Problem},
    ticket::{CreateTicket, CreatedTicket, LIFETIME_MS},
};

use super::{Caller, Via, account};
use crate::{
    app::App,
    db::{self, tickets::TicketRow},
    desktops,
    error::ApiError,
    secret,
};

const PREFIX: &str = "cbt_";
/// That a user may have unused.
const MAX_OF_A_USER: i64 = 100;

/// Makes one that may do no more than its maker.
pub async fn create(app: &App, caller: &Caller, wish: CreateTicket) -> Result<CreatedTicket, ApiError> {
    desktops::owned(app, &caller.user_id, &wish.desktop_id).await?;
    let mut scopes = if wish.scopes.is_empty() { caller.scopes.clone() } else { wish.scopes };
    scopes.sort();
    scopes.dedup();
    if !scopes.iter().all(|scope| caller.scopes.contains(scope)) {
        let detail = "A ticket may do no more than the access token that makes it.";
        return Err(Problem::new(Code::MissingScope, detail).into());
    }
    let (ticket, now) = (secret::generate(PREFIX), app.clock.now());
    let row = TicketRow {
        user_id: caller.user_id.clone(),
        desktop_id: wish.desktop_id,
        credential: caller.credential(),
        ends_at: caller.ends_at(),
        scopes,
        expires_at: now + LIFETIME_MS,
    };
    if !db::tickets::insert(&app.db, &secret::hash(&ticket), &row, MAX_OF_A_USER, now).await? {
        let detail = format!("You have {MAX_OF_A_USER} unused tickets: use them, or wait half a minute.");
        return Err(Problem::new(Code::TooManyRequests, detail).into());
    }
    Ok(CreatedTicket { ticket, expires_at: row.expires_at })
}

/// Whom a ticket stands for; it is used up, whatever comes of it.
pub async fn redeem(app: &App, ticket: &str, desktop: &DesktopId) -> Result<Caller, ApiError> {
    let refused = || {
        let detail = "The ticket is not good any more: make one for this desktop, and use it within 30 seconds, once.";
        ApiError::from(Problem::new(Code::NotSignedIn, detail))
    };
    if !ticket.starts_with(PREFIX) || ticket.len() > 100 {
        return Err(refused());
    }
    let row = db::tickets::take(&app.db, &secret::hash(ticket)).await?.ok_or_else(refused)?;
    let is_good = row.expires_at > app.clock.now() && row.desktop_id == *desktop;
    if !is_good || !account::is_still(app, &row.user_id, &row.credential).await? {
        return Err(refused());
    }
    let via = match row.credential {
        CredentialId::Login(login) => Via::Browser(login),
        CredentialId::Token(id) => Via::Token { id, ends_at: row.ends_at.unwrap_or(row.expires_at) },
    };
    Ok(Caller { user_id: row.user_id, via, scopes: row.scopes })
}
