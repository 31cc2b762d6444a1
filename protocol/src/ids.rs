//! Every id is a type of its own: `<prefix>-<32 hex digits>`, sortable by age (UUIDv7) and valid as a DNS label.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// A text that is no id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnId {
    pub expected_prefix: &'static str,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an id of the form {}-<32 hex digits> was expected", self.expected_prefix)
    }
}

impl std::error::Error for NotAnId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, ToSchema)]
        #[schema(value_type = String)]
        pub struct $name(String);

        impl $name {
            /// The text before the dash.
            pub const PREFIX: &'static str = $prefix;

            /// An id for `uuid`, which the caller draws from its own clock and randomness.
            pub fn from_uuid(uuid: uuid::Uuid) -> Self {
                Self(format!(concat!($prefix, "-{}"), uuid.simple()))
            }

            /// A new id of now.
            pub fn generate() -> Self {
                Self::from_uuid(uuid::Uuid::now_v7())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let refused = NotAnId { expected_prefix: $prefix };
                let hex = text.strip_prefix(concat!($prefix, "-")).ok_or(refused.clone())?;
                let plain = hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if plain { Ok(Self(text.to_owned())) } else { Err(refused) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/// A person with an account.
    UserId, "usr");
id!(/// A desktop: what the user sees, whichever VM it runs on.
    DesktopId, "dsk");
id!(/// What a desktop runs on, for one generation.
    VmId, "vm");
id!(/// One conversation with the agent on a desktop.
    SessionId, "ses");
id!(/// A message of a session.
    MessageId, "msg");
id!(/// A signed-in browser: a family of refresh tokens.
    LoginId, "lgn");
id!(/// A personal access token.
    TokenId, "tok");
id!(/// A share link.
    ShareId, "shr");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_wrote() {
        let id = DesktopId::generate();

        assert_eq!(id.to_string().parse::<DesktopId>(), Ok(id));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let user = UserId::generate().to_string();

        assert!(user.parse::<DesktopId>().is_err());
    }

    #[test]
    fn an_id_cannot_smuggle_a_path() {
        for text in ["dsk-../../etc/passwd0000000000000", "dsk-", "dsk-0193A5B2C4D67E8F9A0B1C2D3E4F5061", ""] {
            assert!(text.parse::<DesktopId>().is_err(), "{text}");
        }
    }
}
