//! The one-time password with which an operator lets a native viewer in.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// As long as VNC authentication looks at a password.
const LENGTH: usize = 8;

/// Printable ASCII; no debug output shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Password([u8; LENGTH]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a viewer's password is {LENGTH} printable ASCII characters")]
pub struct NotAPassword;

impl Password {
    pub fn parse(text: &[u8]) -> Result<Self, NotAPassword> {
        let bytes: [u8; LENGTH] = text.try_into().map_err(|_| NotAPassword)?;
        if bytes.iter().all(u8::is_ascii_graphic) { Ok(Self(bytes)) } else { Err(NotAPassword) }
    }

    pub fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl TryFrom<String> for Password {
    type Error = NotAPassword;

    fn try_from(mut text: String) -> Result<Self, NotAPassword> {
        let parsed = Self::parse(text.as_bytes());
        text.zeroize();
        parsed
    }
}

impl From<Password> for String {
    fn from(password: Password) -> String {
        password.0.iter().copied().map(char::from).collect()
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_eight_printable_characters() {
        assert!(Password::parse(b"aB3-~!xz").is_ok());
        for wrong in [&b""[..], b"short", b"too long!", b"with sp ", b"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", b"a\0aaaaaa"]
        {
            assert_eq!(Password::parse(wrong), Err(NotAPassword), "{wrong:?}");
        }
    }

    #[test]
    fn a_password_crosses_the_link_and_no_debug_output_shows_it() {
        let password = Password::parse(b"S3cr3t!!").unwrap();

        let wire = serde_json::to_string(&password).unwrap();

        assert_eq!(serde_json::from_str::<Password>(&wire).unwrap(), password);
        assert!(serde_json::from_str::<Password>("\"S3cr3t\"").is_err());
        assert!(!format!("{password:?}").contains("S3cr3t"));
    }
}
