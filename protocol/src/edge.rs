//! What the edge asks control, under `/internal/v1`, by its certificate of the role `edge`.

use serde::{Deserialize, Serialize};

use crate::{DesktopId, LoginId, Millis, SessionId, TokenId, UserId, VmId, key::ProviderName, model::ModelApi};

/// A credential as it came from outside.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "secret", rename_all = "snake_case")]
pub enum Credential {
    /// The access token from the session cookie.
    Cookie(String),
    /// From `Authorization: Bearer`.
    Bearer(String),
    /// From a WebSocket's subprotocols, see [`ticket`](crate::ticket).
    Ticket(String),
}

/// Body of `POST /internal/v1/resolve`: may this credential reach this desktop, and where is it?
/// Answered by [`Resolved`] or a problem (401, 404 for what is not theirs, 409 when not ready) that the edge passes on.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    pub desktop_id: DesktopId,
    pub credential: Credential,
}

/// Which credential of its user it is: good for nothing but to tell it from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum CredentialId {
    /// A browser's, as long as it is signed in.
    Login(LoginId),
    /// A personal access token.
    Token(TokenId),
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Resolved {
    pub user_id: UserId,
    pub credential_id: CredentialId,
    /// Unix milliseconds at which the credential ends by itself, and all that it opened; absent where that is not fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Millis>,
    pub generation: i64,
    pub vm_id: VmId,
    /// `host:port` of the sidecar.
    pub address: String,
    /// The capability to forward, a JWT.
    pub capability: String,
    /// Unix milliseconds until which this answer may be kept.
    pub fresh_until: i64,
}

impl Resolved {
    /// What it grants for the desktop that was asked for.
    pub fn grant(&self, desktop: &DesktopId) -> Grant {
        Grant {
            user_id: self.user_id.clone(),
            credential_id: self.credential_id.clone(),
            desktop_id: desktop.clone(),
            generation: self.generation,
        }
    }
}

/// What lasts longer than a request, and by what right.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    pub user_id: UserId,
    pub credential_id: CredentialId,
    pub desktop_id: DesktopId,
    pub generation: i64,
}

/// Body of `POST /internal/v1/grants`: do these still hold? At most [`MAX_GRANTS`]. Answered by [`Holds`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskGrants {
    pub grants: Vec<Grant>,
}

pub const MAX_GRANTS: usize = 100;

/// One for each grant, in order.
#[derive(Clone, Serialize, Deserialize)]
pub struct Holds {
    pub holds: Vec<bool>,
}

/// A line of `GET /internal/v1/revocations`, which never ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Revocation {
    /// Nothing: said first, and then every [`ALIVE_MS`] at the latest.
    Alive,
    Credential {
        credential_id: CredentialId,
    },
    /// All browsers of a user but this one.
    Browsers {
        user_id: UserId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        but: Option<LoginId>,
    },
    /// What was granted for this desktop until now.
    Desktop {
        desktop_id: DesktopId,
    },
    /// Some were missed: ask of everything.
    Missed,
}

pub const ALIVE_MS: u64 = 3_000;

impl Revocation {
    /// Does it take this away?
    pub fn takes(&self, grant: &Grant) -> bool {
        match self {
            Self::Alive | Self::Missed => false,
            Self::Credential { credential_id } => grant.credential_id == *credential_id,
            Self::Browsers { user_id, but } => match &grant.credential_id {
                CredentialId::Login(login) => grant.user_id == *user_id && but.as_ref() != Some(login),
                CredentialId::Token(_) => false,
            },
            Self::Desktop { desktop_id } => grant.desktop_id == *desktop_id,
        }
    }
}

/// Body of `POST /internal/v1/model-key`: the key that pays for what this VM asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelKeyRequest {
    pub vm_id: VmId,
    pub provider: ProviderName,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct ModelKey {
    pub user_id: UserId,
    pub desktop_id: DesktopId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    pub api: ModelApi,
    /// The provider's base URL, to which the API's own path is added.
    pub base_url: String,
    /// May that name lead to a private address?
    pub allow_private: bool,
    /// Absent where the provider wants none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
}

/// The header in which the edge tells control which VM's certificate a request on the VM listener came with.
pub const VM_HEADER: &str = "x-cloudbot-vm";
/// The header in which the edge tells control the address of the client.
pub const CLIENT_ADDRESS_HEADER: &str = "x-cloudbot-client";
