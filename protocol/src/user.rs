//! Users, and how they sign in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{LoginId, Millis, TokenId, UserId, capability::Scope};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub created_at: Millis,
}

/// Body of `POST auth/signup` and `POST auth/login`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    #[schema(example = "ada@example.org")]
    pub email: String,
    /// 10 to 256 characters.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// A signed-in browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Login {
    pub id: LoginId,
    pub created_at: Millis,
    pub last_used_at: Millis,
    /// What the browser called itself, cut to 200 characters.
    pub user_agent: String,
    /// Is it the one that asks?
    pub current: bool,
}

/// Body of `POST tokens`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// 1 to 100 characters.
    pub name: String,
    /// What the token may do; empty means everything the user may.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// Days until it expires, 1 to 366; 90 unless told.
    #[serde(default)]
    pub expires_in_days: Option<u16>,
}

/// A personal access token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessToken {
    pub id: TokenId,
    pub name: String,
    pub scopes: Vec<Scope>,
    pub created_at: Millis,
    pub expires_at: Millis,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_used_at: Option<Millis>,
}

/// Answer of `POST tokens`: the only time that the secret is shown.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    #[serde(flatten)]
    pub token: AccessToken,
    pub secret: String,
}
