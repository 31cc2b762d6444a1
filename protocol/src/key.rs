//! Keys of model providers, as their owner sees them: never the key itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Millis, spelled::spelled};

spelled! {
    /// A company whose models the agent can think with.
    ModelProvider, "model provider", {
        Anthropic => "anthropic",
    }
}

/// Body of `PUT keys/{provider}`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutKey {
    /// 8 to 512 printable ASCII characters.
    pub key: String,
}

/// A stored key, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderKey {
    pub provider: ModelProvider,
    /// Its last four characters behind dots.
    #[schema(example = "••••3fQA")]
    pub masked: String,
    pub stored_at: Millis,
}

/// Answer of `POST keys/{provider}/check`: what the provider itself said of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyCheck {
    pub accepted: bool,
    /// For a person, in one sentence.
    pub detail: String,
}
