//! Personal access tokens of programs.

use protocol::{
    Millis, TokenId, UserId,
    edge::{CredentialId, Revocation},
    error::{Code, Problem},
    user::{AccessToken, CreateToken, CreatedToken},
};

use super::{Caller, Via};
use crate::{
    app::App,
    db::{self, tokens::TokenRow},
    error::{ApiError, not_found},
    secret,
};

pub const PREFIX: &str = "cbp_";
const DAY: Millis = 24 * 3600 * 1000;
const DEFAULT_DAYS: u16 = 90;
/// A write for every request would be one too many.
const NOTED_EVERY: Millis = 60_000;

/// Makes a token; its secret is in the answer and nowhere else.
pub async fn create(app: &App, user: &UserId, wanted: CreateToken) -> Result<CreatedToken, ApiError> {
    let invalid = |detail: &str| ApiError::from(Problem::new(Code::InvalidValue, detail));
    let name = wanted.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(invalid("A token's name has 1 to 100 characters."));
    }
    let days = wanted.expires_in_days.unwrap_or(DEFAULT_DAYS);
    if !(1..=366).contains(&days) {
        return Err(invalid("A token expires after 1 to 366 days."));
    }
    let mut scopes = wanted.scopes;
    if scopes.is_empty() {
        scopes = protocol::capability::Scope::ALL.to_vec();
    }
    scopes.sort();
    scopes.dedup();
    let secret = secret::generate(PREFIX);
    let now = app.clock.now();
    let row = TokenRow {
        id: TokenId::generate(),
        user_id: user.clone(),
        name: name.to_owned(),
        secret_hash: secret::hash(&secret),
        scopes,
        created_at: now,
        expires_at: now + Millis::from(days) * DAY,
        last_used_at: None,
    };
    db::tokens::insert(&app.db, &row).await?;
    tracing::info!(%user, token = %row.id, "token created");
    Ok(CreatedToken { token: view(row), secret })
}

pub async fn list(app: &App, user: &UserId) -> Result<Vec<AccessToken>, ApiError> {
    Ok(db::tokens::of_user(&app.db, user).await?.into_iter().map(view).collect())
}

pub async fn delete(app: &App, user: &UserId, id: &TokenId) -> Result<(), ApiError> {
    if !db::tokens::delete(&app.db, id, user).await? {
        return Err(not_found("token"));
    }
    app.hub.revoke(Revocation::Credential { credential_id: CredentialId::Token(id.clone()) });
    Ok(())
}

/// Who a bearer is.
pub async fn verify(app: &App, secret: &str) -> Result<Caller, ApiError> {
    let refused =
        || ApiError::from(Problem::new(Code::NotSignedIn, "The access token is not known: it may have been deleted."));
    if !secret.starts_with(PREFIX) || secret.len() > 100 {
        return Err(refused());
    }
    let now = app.clock.now();
    let row = db::tokens::by_secret_hash(&app.db, &secret::hash(secret)).await?.ok_or_else(refused)?;
    if row.expires_at <= now {
        return Err(Problem::new(Code::TokenExpired, "The access token has expired: create another one.").into());
    }
    if row.last_used_at.is_none_or(|last| now - last > NOTED_EVERY) {
        // Only for its owner's eyes: when it cannot be written (the disk may be full), the token is good all the same.
        if let Err(error) = db::tokens::touch(&app.db, &row.id, now).await {
            tracing::warn!(%error, token = %row.id, "note the use of a token");
        }
    }
    Ok(Caller { user_id: row.user_id, via: Via::Token { id: row.id, ends_at: row.expires_at }, scopes: row.scopes })
}

fn view(row: TokenRow) -> AccessToken {
    AccessToken {
        id: row.id,
        name: row.name,
        scopes: row.scopes,
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
    }
}
