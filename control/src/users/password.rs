//! Passwords: what is acceptable, and how they are kept.

use std::sync::Arc;

use anyhow::Context;
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;

pub const MIN_CHARS: usize = 10;
pub const MAX_CHARS: usize = 256;

/// Of the passwords with ten or more characters, those that every guesser tries first.
const COMMON: &[&str] = &[
    "1234567890",
    "12345678910",
    "123456789a",
    "0123456789",
    "9876543210",
    "qwertyuiop",
    "1q2w3e4r5t",
    "qwerty12345",
    "password12",
    "password123",
    "password1234",
    "passwort123",
    "iloveyou12",
    "adminadmin",
    "letmein123",
    "abcdefghij",
    "abc1234567",
    "changeme123",
    "welcome123",
    "1qaz2wsx3edc",
    "asdfghjkl1",
    "administrator",
];

/// Why a password is not acceptable, for the person who chose it.
pub fn check(password: &str, email: &str) -> Result<(), String> {
    let chars = password.chars().count();
    if chars < MIN_CHARS {
        return Err(format!("Choose a password of at least {MIN_CHARS} characters; this one has {chars}."));
    }
    if chars > MAX_CHARS {
        return Err(format!("Choose a password of at most {MAX_CHARS} characters."));
    }
    let lower = password.to_lowercase();
    let local = email.split('@').next().unwrap_or_default();
    if lower == email.to_lowercase() || lower == local.to_lowercase() {
        return Err("Choose a password that is not your e-mail address.".into());
    }
    let first = lower.chars().next();
    if lower.chars().all(|c| Some(c) == first) || COMMON.contains(&lower.as_str()) {
        return Err("Choose another password: this one is among the first that anybody tries.".into());
    }
    Ok(())
}

/// Hashes off the async threads, two at a time: each takes 19 MiB and tens of milliseconds.
#[derive(Clone)]
pub struct Hasher {
    turns: Arc<Semaphore>,
    /// The hash of nothing anybody knows: checking against it takes as long as checking a real one.
    decoy: Arc<str>,
}

impl Hasher {
    pub fn new() -> anyhow::Result<Self> {
        let decoy = hash_now(&crate::secret::generate(""))?;
        Ok(Self { turns: Arc::new(Semaphore::new(2)), decoy: decoy.into() })
    }

    pub async fn hash(&self, password: String) -> anyhow::Result<String> {
        let _turn = self.turns.acquire().await.context("wait for a turn to hash")?;
        tokio::task::spawn_blocking(move || hash_now(&password)).await.context("hash a password")?
    }

    /// Is it the password behind `hash`? Without a hash it takes as long, and is not.
    pub async fn verify(&self, password: String, hash: Option<String>) -> anyhow::Result<bool> {
        let _turn = self.turns.acquire().await.context("wait for a turn to hash")?;
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.to_string());
        tokio::task::spawn_blocking(move || {
            let parsed = PasswordHash::new(&hash).map_err(|e| anyhow::anyhow!("read a stored password hash: {e}"))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known)
        })
        .await
        .context("verify a password")?
    }
}

fn hash_now(password: &str) -> anyhow::Result<String> {
    // argon2id with the crate's defaults, which are OWASP's: 19 MiB, 2 passes, 1 lane.
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|e| anyhow::anyhow!("hash a password: {e}"))?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_password_is_refused_with_what_to_do() {
        for weak in ["short", "password123", "aaaaaaaaaaaa", "ada.lovelace@example.org", "ada.lovelace"] {
            assert!(check(weak, "ada.lovelace@example.org").unwrap_err().contains("password"), "{weak}");
        }
    }

    #[test]
    fn a_good_password_in_any_script_is_taken() {
        for good in ["correct horse battery", "пароль-из-слов", "十分に長いパスワードです"] {
            assert_eq!(check(good, "ada@example.org"), Ok(()));
        }
    }

    #[tokio::test]
    async fn only_the_right_password_opens() {
        let hasher = Hasher::new().unwrap();
        let hash = hasher.hash("correct horse".into()).await.unwrap();

        assert!(hash.starts_with("$argon2id$"));
        assert!(hasher.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!hasher.verify("correct horse".into(), None).await.unwrap());
    }
}
