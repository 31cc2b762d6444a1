//! Signing up and in, and how often it may be tried.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use protocol::{
    Millis, UserId,
    error::{Code, Problem},
    user::{Credentials, User},
};

use super::{password, refresh};
use crate::{
    app::App,
    db::{self, users::UserRow},
    error::ApiError,
};

/// Makes an account and signs it in.
pub async fn sign_up(
    app: &App,
    credentials: Credentials,
    from: &From<'_>,
) -> Result<(User, refresh::Tokens), ApiError> {
    let email = parse_email(&credentials.email)?;
    password::check(&credentials.password, &email).map_err(|detail| Problem::new(Code::WeakPassword, detail))?;
    app.attempts.take(&format!("signup {}", from.address), app.clock.now())?;
    let user = UserRow {
        id: UserId::generate(),
        email,
        password_hash: app.hasher.hash(credentials.password).await?,
        created_at: app.clock.now(),
    };
    if let Err(e) = db::users::insert(&app.db, &user).await {
        if db::is_taken(&e) {
            return Err(Problem::new(
                Code::EmailTaken,
                "There is an account with this e-mail address: sign in, or use another one.",
            )
            .into());
        }
        return Err(e.into());
    }
    tracing::info!(user = %user.id, "signed up");
    let tokens = refresh::begin(app, &user.id, from.user_agent).await?;
    Ok((view(user), tokens))
}

/// Signs in. A wrong password and an unknown address look and take the same.
pub async fn sign_in(
    app: &App,
    credentials: Credentials,
    from: &From<'_>,
) -> Result<(User, refresh::Tokens), ApiError> {
    let wrong = || ApiError::from(Problem::new(Code::WrongCredentials, "Check both and try again."));
    // What cannot be an account is not remembered as one.
    let Ok(email) = parse_email(&credentials.email) else { return Err(wrong()) };
    let (account, address) = (format!("account {email}"), format!("address {}", from.address));
    // The address first: one that is refused leaves no trace of the accounts it names.
    app.attempts.take(&address, app.clock.now())?;
    app.attempts.take(&account, app.clock.now())?;
    if credentials.password.chars().count() > password::MAX_CHARS {
        return Err(wrong());
    }
    let user = db::users::by_email(&app.db, &email).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    if !app.hasher.verify(credentials.password, hash).await? {
        return Err(wrong());
    }
    let user = user.ok_or_else(wrong)?;
    app.attempts.forget(&account);
    app.attempts.give_back(&address);
    let tokens = refresh::begin(app, &user.id, from.user_agent).await?;
    Ok((view(user), tokens))
}

/// Where a request comes from.
pub struct From<'a> {
    pub address: &'a str,
    pub user_agent: &'a str,
}

fn parse_email(text: &str) -> Result<String, ApiError> {
    let email = text.trim().to_lowercase();
    let plausible = email.len() <= 254
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && email
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    if plausible {
        Ok(email)
    } else {
        Err(Problem::new(Code::InvalidValue, "This is not an e-mail address: it needs a name, an @ and a domain.")
            .into())
    }
}

pub(super) fn view(user: UserRow) -> User {
    User { id: user.id, email: user.email, created_at: user.created_at }
}

/// How often a thing may be tried: 20 times, and once more every 15 s.
pub struct Attempts {
    left: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: Millis,
}

impl Attempts {
    const BURST: f64 = 20.0;
    const REFILL_MS: f64 = 15_000.0;
    /// Beyond this many names the full buckets are forgotten, which changes nothing for them.
    const MANY: usize = 10_000;

    pub fn new() -> Self {
        Self { left: Mutex::new(HashMap::new()) }
    }

    pub(super) fn take(&self, name: &str, now: Millis) -> Result<(), ApiError> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() > Self::MANY {
            left.retain(|_, bucket| bucket.refilled(now) < Self::BURST);
        }
        if left.len() > 2 * Self::MANY {
            // An attack from very many addresses: refuse, rather than grow or forget.
            return Err(too_many());
        }
        let bucket = left.entry(name.to_owned()).or_insert(Bucket { tokens: Self::BURST, at: now });
        bucket.tokens = bucket.refilled(now);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(too_many());
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// It was no guess.
    fn give_back(&self, name: &str) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = left.get_mut(name) {
            bucket.tokens = (bucket.tokens + 1.0).min(Self::BURST);
        }
    }

    fn forget(&self, name: &str) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self::new()
    }
}

impl Bucket {
    fn refilled(&self, now: Millis) -> f64 {
        (self.tokens + (now - self.at).max(0) as f64 / Attempts::REFILL_MS).min(Attempts::BURST)
    }
}

fn too_many() -> ApiError {
    Problem::new(Code::TooManyRequests, "Too many attempts: wait a minute, then try again.").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_slowed_down_and_patience_is_rewarded() {
        let attempts = Attempts::new();

        let allowed = (0..100).filter(|_| attempts.take("ada", 0).is_ok()).count();

        assert_eq!(allowed, 20);
        assert!(attempts.take("ada", 15_000).is_ok());
        assert!(attempts.take("ada", 15_000).is_err());
        assert!(attempts.take("bob", 15_000).is_ok());
    }
}
