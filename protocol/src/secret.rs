//! Secrets that a user keeps for the agent to type as `{{secret:NAME}}`: it never reads them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Millis;

/// Body of `PUT secrets/{name}`. A name is 1 to 64 of `A-Z`, `0-9` and `_`, and begins with a letter.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutSecret {
    /// 1 to 4,096 characters.
    pub value: String,
}

/// A stored secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Secret {
    pub name: String,
    pub stored_at: Millis,
}

/// Answer of `GET /vm/v1/secrets/{name}`, for the sidecar's memory alone.
#[derive(Clone, Serialize, Deserialize)]
pub struct SecretValue {
    pub value: String,
}

/// How the agent writes a secret that it types: this, the name, [`PLACEHOLDER_END`].
pub const PLACEHOLDER: &str = "{{secret:";
pub const PLACEHOLDER_END: &str = "}}";

/// Is it a name that a secret may have?
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
