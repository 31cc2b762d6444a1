//! Provider keys: sealed in the database, shown masked, opened only for the edge.

pub mod check;
pub mod outside;
pub mod seal;

use protocol::{
    UserId,
    error::{Code, Problem},
    key::{ProviderKey, ProviderName},
};
use secrecy::SecretString;

use self::seal::Sealed;
use crate::{app::App, db, error::ApiError, models::Provider};

/// Stores a key in the place of an earlier one.
pub async fn put(app: &App, user: &UserId, provider: &ProviderName, key: &str) -> Result<ProviderKey, ApiError> {
    demand_known(app, provider)?;
    let key = key.trim();
    if !(8..=512).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::new(
            Code::InvalidValue,
            "A key is 8 to 512 printable ASCII characters without spaces: copy it from the provider's console again.",
        )
        .into());
    }
    let row = db::keys::KeyRow {
        provider: provider.clone(),
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

pub async fn delete(app: &App, user: &UserId, provider: &ProviderName) -> Result<(), ApiError> {
    if db::keys::delete(&app.db, user, provider).await? { Ok(()) } else { Err(none(provider)) }
}

/// The key itself, if there is one: for the edge and the check, never for an answer to a user.
pub async fn find(app: &App, user: &UserId, provider: &ProviderName) -> Result<Option<SecretString>, ApiError> {
    let Some(row) = db::keys::get(&app.db, user, provider).await? else { return Ok(None) };
    Ok(Some(app.sealer.open(&row.sealed, &row.key_id, user, Sealed::ProviderKey(provider))?))
}

/// As [`find`], for whom there has to be one.
pub async fn open(app: &App, user: &UserId, provider: &ProviderName) -> Result<SecretString, ApiError> {
    find(app, user, provider).await?.ok_or_else(|| none(provider))
}

/// The provider, if the operator knows it.
pub fn demand_known<'a>(app: &'a App, provider: &ProviderName) -> Result<&'a Provider, ApiError> {
    let unknown = || Problem::new(Code::NotFound, "There is no such model provider here: choose one of GET providers.");
    Ok(app.settings.models.provider(provider).ok_or_else(unknown)?)
}

fn none(provider: &ProviderName) -> ApiError {
    Problem::new(Code::NoProviderKey, format!("There is no key for {}. Store one under Settings.", provider.as_str()))
        .into()
}

fn view(row: db::keys::KeyRow) -> ProviderKey {
    ProviderKey { provider: row.provider, masked: row.masked, stored_at: row.stored_at }
}
