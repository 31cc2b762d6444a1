//! Refresh tokens: each is good once, and one that comes twice ends its whole family.

use protocol::{
    LoginId, Millis, UserId,
    edge::{CredentialId, Revocation},
    error::{Code, Problem},
    user::Login,
};

use super::{Caller, Via};
use crate::{
    app::App,
    db::{
        self,
        logins::{Exchanged, LoginRow},
    },
    error::{ApiError, not_found},
    secret,
};

/// How long a browser stays signed in without coming back.
pub const LIFETIME: Millis = 30 * 24 * 3600 * 1000;
/// A browser that lost the answer to its refresh, or another tab of it, may use a token again for this long.
const GRACE: Millis = 10_000;

/// What a browser is given.
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

/// Begins a family.
pub async fn begin(app: &App, user: &UserId, user_agent: &str) -> Result<Tokens, ApiError> {
    let now = app.clock.now();
    let refresh = secret::generate("cbr_");
    let login = LoginRow {
        id: LoginId::generate(),
        user_id: user.clone(),
        user_agent: user_agent.chars().filter(|c| !c.is_control()).take(200).collect(),
        created_at: now,
        last_used_at: now,
        expires_at: now + LIFETIME,
    };
    db::logins::insert(&app.db, &login, &secret::hash(&refresh)).await?;
    Ok(Tokens { access: app.signer.access(user, &login.id, now)?, refresh })
}

/// Exchanges a refresh token for the next one.
pub async fn refresh(app: &App, token: &str) -> Result<Tokens, ApiError> {
    let now = app.clock.now();
    let refresh = secret::generate("cbr_");
    let (hash, next) = (secret::hash(token), secret::hash(&refresh));
    match db::logins::exchange(&app.db, &hash, &next, now, GRACE, now + LIFETIME).await? {
        Exchanged::For(login) => Ok(Tokens { access: app.signer.access(&login.user_id, &login.id, now)?, refresh }),
        Exchanged::Stolen(login) => {
            tracing::warn!(user = %login.user_id, login = %login.id, "a refresh token came twice: its family is ended");
            revoked(app, &login.id);
            Err(signed_out())
        }
        Exchanged::Unknown => Err(signed_out()),
    }
}

/// Signs the browser out that has this token, if any has.
pub async fn end_by_token(app: &App, token: &str) -> Result<(), ApiError> {
    if let Some(login) = db::logins::by_refresh_hash(&app.db, &secret::hash(token)).await? {
        db::logins::delete(&app.db, &login.id, &login.user_id).await?;
        revoked(app, &login.id);
    }
    Ok(())
}

pub async fn list(app: &App, caller: &Caller) -> Result<Vec<Login>, ApiError> {
    let rows = db::logins::of_user(&app.db, &caller.user_id, app.clock.now()).await?;
    let view = |row: LoginRow| Login {
        current: caller.via == Via::Browser(row.id.clone()),
        id: row.id,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        user_agent: row.user_agent,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// Signs a browser out.
pub async fn end(app: &App, user: &UserId, login: &LoginId) -> Result<(), ApiError> {
    if !db::logins::delete(&app.db, login, user).await? {
        return Err(not_found("sign-in"));
    }
    revoked(app, login);
    Ok(())
}

/// Signs all browsers of the caller out but the one that asks.
pub async fn end_others(app: &App, caller: &Caller) -> Result<(), ApiError> {
    let keep = match &caller.via {
        Via::Browser(login) => Some(login),
        Via::Token { .. } => None,
    };
    if db::logins::delete_others(&app.db, &caller.user_id, keep).await? > 0 {
        app.hub.revoke(Revocation::Browsers { user_id: caller.user_id.clone(), but: keep.cloned() });
    }
    Ok(())
}

fn revoked(app: &App, login: &LoginId) {
    app.hub.revoke(Revocation::Credential { credential_id: CredentialId::Login(login.clone()) });
}

fn signed_out() -> ApiError {
    Problem::new(Code::NotSignedIn, "Sign in again.").into()
}
