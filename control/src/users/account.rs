//! Who somebody is, and their password.

use protocol::{
    UserId,
    capability::Scope,
    edge::{Credential, CredentialId},
    error::{Code, Problem},
    user::User,
};

use super::{Caller, Via, access::NotAccepted, password, refresh, tokens};
use crate::{app::App, db, error::ApiError};

/// Whom a credential stands for, now.
pub async fn authenticate(app: &App, credential: &Credential) -> Result<Caller, ApiError> {
    match credential {
        Credential::Bearer(secret) => tokens::verify(app, secret).await,
        Credential::Ticket(_) => {
            Err(Problem::new(Code::NotSignedIn, "A ticket is good for a WebSocket of a desktop, and for nothing else.")
                .into())
        }
        Credential::Cookie(token) => {
            let (user_id, login) = app.signer.read_access(token, app.clock.now()).map_err(|why| match why {
                NotAccepted::Expired => Problem::new(Code::TokenExpired, "Refresh the session, or sign in again."),
                NotAccepted::Invalid => Problem::new(Code::NotSignedIn, "Sign in again."),
            })?;
            // A signed-out browser's token is good for nothing at once, not in ten minutes.
            if !db::logins::is_good(&app.db, &login, &user_id, app.clock.now()).await? {
                return Err(Problem::new(Code::NotSignedIn, "Sign in again.").into());
            }
            Ok(Caller { user_id, via: Via::Browser(login), scopes: Scope::ALL.to_vec() })
        }
    }
}

/// Is a caller of a while ago still let in? For what lasts longer than a request.
pub async fn is_still(app: &App, user: &UserId, credential: &CredentialId) -> Result<bool, ApiError> {
    Ok(match credential {
        CredentialId::Login(login) => db::logins::is_good(&app.db, login, user, app.clock.now()).await?,
        CredentialId::Token(id) => db::tokens::is_good(&app.db, id, user, app.clock.now()).await?,
    })
}

pub async fn me(app: &App, user: &UserId) -> Result<User, ApiError> {
    let row = db::users::by_id(&app.db, user).await?;
    row.map(super::sign_in::view).ok_or_else(|| Problem::new(Code::NotSignedIn, "Sign in again.").into())
}

/// Changes the password and signs every other browser out.
pub async fn change_password(app: &App, caller: &Caller, current: String, new: String) -> Result<(), ApiError> {
    let row = db::users::by_id(&app.db, &caller.user_id).await?;
    let row = row.ok_or_else(|| Problem::new(Code::NotSignedIn, "Sign in again."))?;
    // Whoever found a browser unattended may not guess here either.
    app.attempts.take(&format!("account {}", row.email), app.clock.now())?;
    if current.len() > 4 * password::MAX_CHARS || !app.hasher.verify(current, Some(row.password_hash)).await? {
        return Err(Problem::new(Code::WrongCredentials, "The current password is not right.").into());
    }
    password::check(&new, &row.email).map_err(|detail| Problem::new(Code::WeakPassword, detail))?;
    let hash = app.hasher.hash(new).await?;
    db::users::set_password(&app.db, &caller.user_id, &hash).await?;
    refresh::end_others(app, caller).await
}
