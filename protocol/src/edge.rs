//! What the edge asks control, under `/internal/v1`, by its certificate of the role `edge`.

use serde::{Deserialize, Serialize};

use crate::{DesktopId, SessionId, UserId, VmId, key::ProviderName, model::ModelApi};

/// A credential as it came from outside.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "secret", rename_all = "snake_case")]
pub enum Credential {
    /// The access token from the session cookie.
    Cookie(String),
    /// From `Authorization: Bearer`.
    Bearer(String),
}

/// Body of `POST /internal/v1/resolve`: may this credential reach this desktop, and where is it?
/// Answered by [`Resolved`] or a problem (401, 404 for what is not theirs, 409 when not ready) that the edge passes on.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    pub desktop_id: DesktopId,
    pub credential: Credential,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Resolved {
    pub user_id: UserId,
    pub generation: i64,
    pub vm_id: VmId,
    /// `host:port` of the sidecar.
    pub address: String,
    /// The capability to forward, a JWT.
    pub capability: String,
    /// Unix milliseconds until which this answer may be kept.
    pub fresh_until: i64,
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
