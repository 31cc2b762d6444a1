//! Model providers, and the keys that users have with them: as their owner sees them, never the key itself.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::{Millis, model::ModelApi};

/// What a provider is called in paths and in the operator's table: `anthropic`, `openai`, or a name of the operator's.
/// 1 to 32 of `a-z`, `0-9` and `-`, the first a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[schema(value_type = String, example = "anthropic")]
pub struct ProviderName(String);

impl ProviderName {
    /// Of the two that need no entry in a table.
    pub fn anthropic() -> Self {
        Self("anthropic".to_owned())
    }

    pub fn openai() -> Self {
        Self("openai".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if is_name {
            Ok(Self(text.to_owned()))
        } else {
            Err("a provider's name is 1 to 32 of a-z, 0-9 and -, the first a letter".to_owned())
        }
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProviderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One of `GET providers`: whose models a session may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelProvider {
    pub name: ProviderName,
    pub api: ModelApi,
    /// Only who has stored a key can use its models.
    pub needs_key: bool,
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
    pub provider: ProviderName,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_stand_in_a_path_as_it_is() {
        for name in ["a", "openrouter", "vllm-2"] {
            assert_eq!(name.parse::<ProviderName>().map(|name| name.to_string()), Ok(name.to_owned()));
        }
        for name in ["", "-a", "2a", "a/b", "..", "A", "a b", "ä", &"a".repeat(33)] {
            assert!(name.parse::<ProviderName>().is_err(), "{name}");
        }
    }
}
