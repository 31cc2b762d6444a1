//! Enums whose variants have one spelling, in JSON and as text (paths, database columns).

/// Defines such an enum: `ALL`, `as_str` and `FromStr` follow from the one list. The texts are the variants in
/// snake case, which serde writes; `tests/wire.rs` and those beside it hold that both are the same.
macro_rules! spelled {
    ($(#[$meta:meta])* $name:ident, $what:literal, { $($(#[$doc:meta])* $variant:ident => $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            pub const ALL: &[$name] = &[$(Self::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(format!(concat!("no ", $what, " is called {:?}"), text)),
                }
            }
        }
    };
}

pub(crate) use spelled;
