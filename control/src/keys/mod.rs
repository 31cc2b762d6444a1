//! Provider keys: sealed in the database, shown masked, opened only for the edge.

pub mod check;
pub mod seal;

use protocol::{
    UserId,
    error::{Code, Problem},
    key::{ModelProvider, ProviderKey},
};
use secrecy::SecretString;

use self::seal::Sealed;
use crate::{app::App, db, error::ApiError};

/// Stores a key in the place of an earlier one.
pub async fn put(app: &App, user: &UserId, provider: ModelProvider, key: &str) -> Result<ProviderKey, ApiError> {
    let key = key.trim();
    if !(8..=512).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::new(
            Code::InvalidValue,
            "A key is 8 to 512 printable ASCII characters without spaces: copy it from the provider's console again.",
        )
        .into());
    }
    let row = db::keys::KeyRow {
        provider,
        sealed: app.sealer.seal(key, user, Sealed::ProviderKey(provider))?,
        key_id: app.sealer.key_id().to_owned(),
        masked: format!("••••{}", &key[key.len() - 4..]),
        stored_at: app.clock.now(),
    };
    db::keys::put(&app.db, user, &row).await?;
    Ok(view(row))
}

pub async fn list(app: &App, user: &UserId) -> Result<Vec<ProviderKey>, ApiError> {
    Ok(db::keys::of_user(&app.db, user).await?.into_iter().map(view).collect())
}

pub async fn delete(app: &App, user: &UserId, provider: ModelProvider) -> Result<(), ApiError> {
    if db::keys::delete(&app.db, user, provider).await? { Ok(()) } else { Err(none(provider)) }
}

/// The key itself: for the edge and the check, never for an answer to a user.
pub async fn open(app: &App, user: &UserId, provider: ModelProvider) -> Result<SecretString, ApiError> {
    let row = db::keys::get(&app.db, user, provider).await?.ok_or_else(|| none(provider))?;
    Ok(app.sealer.open(&row.sealed, &row.key_id, user, Sealed::ProviderKey(provider))?)
}

fn none(provider: ModelProvider) -> ApiError {
    Problem::new(Code::NoProviderKey, format!("There is no key for {}. Store one under Settings.", provider.as_str()))
        .into()
}

fn view(row: db::keys::KeyRow) -> ProviderKey {
    ProviderKey { provider: row.provider, masked: row.masked, stored_at: row.stored_at }
}
