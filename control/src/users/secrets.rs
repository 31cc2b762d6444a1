//! Secrets that a user keeps for the agent to type: sealed in the database, opened only for the user's own VMs.

use protocol::{
    UserId,
    error::{Code, Problem},
    secret::{Secret, SecretValue, is_name},
};
use secrecy::ExposeSecret;

use crate::{
    app::App,
    db::{self, secrets::SecretRow},
    error::{ApiError, not_found},
    keys::seal::Sealed,
};

const MAX_CHARS: usize = 4_096;
const MAX_OF_A_USER: i64 = 100;

/// Stores a secret in the place of an earlier one of its name.
pub async fn put(app: &App, user: &UserId, name: &str, value: &str) -> Result<Secret, ApiError> {
    let invalid = |detail: String| ApiError::from(Problem::new(Code::InvalidValue, detail));
    if !is_name(name) {
        return Err(invalid("A secret's name is 1 to 64 of A-Z, 0-9 and _, and begins with a letter.".to_owned()));
    }
    if value.is_empty() || value.chars().count() > MAX_CHARS || value.chars().any(char::is_control) {
        return Err(invalid(format!("A secret has 1 to {MAX_CHARS} characters, all of which can be typed.")));
    }
    let row = SecretRow {
        name: name.to_owned(),
        sealed: app.sealer.seal(value, user, Sealed::Secret(name))?,
        key_id: app.sealer.key_id().to_owned(),
        stored_at: app.clock.now(),
    };
    if !db::secrets::put(&app.db, user, &row, MAX_OF_A_USER).await? {
        let detail = format!("You have {MAX_OF_A_USER} secrets already: delete one first.");
        return Err(Problem::new(Code::Conflict, detail).into());
    }
    Ok(view(row))
}

pub async fn list(app: &App, user: &UserId) -> Result<Vec<Secret>, ApiError> {
    Ok(db::secrets::of_user(&app.db, user).await?.into_iter().map(view).collect())
}

pub async fn delete(app: &App, user: &UserId, name: &str) -> Result<(), ApiError> {
    if is_name(name) && db::secrets::delete(&app.db, user, name).await? { Ok(()) } else { Err(not_found("secret")) }
}

/// The secret itself: for the memory of a VM of this user.
pub async fn open(app: &App, user: &UserId, name: &str) -> Result<SecretValue, ApiError> {
    let row = if is_name(name) { db::secrets::get(&app.db, user, name).await? } else { None };
    let row = row.ok_or_else(|| not_found("secret"))?;
    let value = app.sealer.open(&row.sealed, &row.key_id, user, Sealed::Secret(&row.name))?;
    Ok(SecretValue { value: value.expose_secret().to_owned() })
}

fn view(row: SecretRow) -> Secret {
    Secret { name: row.name, stored_at: row.stored_at }
}
