//! AES-256-GCM under a master key: a fresh nonce each; what it is, whose and under which name as associated data.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use protocol::{DesktopId, UserId, key::ProviderName};
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::secret;

const NONCE_BYTES: usize = 12;

/// What is sealed, besides whose it is.
#[derive(Debug, Clone, Copy)]
pub enum Sealed<'a> {
    ProviderKey(&'a ProviderName),
    /// A user's secret of this name.
    Secret(&'a str),
    /// An MCP server of this name on a desktop of the user.
    McpServer(&'a DesktopId, &'a str),
}

pub struct Sealer {
    cipher: Aes256Gcm,
    key_id: String,
}

impl Sealer {
    /// From a master key: 32 bytes in base64.
    pub fn new(master_key: &SecretString) -> anyhow::Result<Self> {
        let bytes = Zeroizing::new(
            STANDARD.decode(master_key.expose_secret().trim()).context("the master key must be base64")?,
        );
        ensure!(bytes.len() == 32, "the master key must be 32 bytes in base64; this one has {}", bytes.len());
        let cipher = Aes256Gcm::new_from_slice(&bytes).map_err(|_| anyhow::anyhow!("use the master key"))?;
        Ok(Self { cipher, key_id: secret::hash(&*bytes)[..16].to_owned() })
    }

    /// A new master key for [`Sealer::new`].
    pub fn generate_master_key() -> String {
        let mut bytes = Zeroizing::new([0u8; 32]);
        rand::rng().fill_bytes(&mut *bytes);
        STANDARD.encode(*bytes)
    }

    /// Which master key sealed something: part of its hash.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Base64 of nonce and ciphertext.
    pub fn seal(&self, plain: &str, user: &UserId, what: Sealed<'_>) -> anyhow::Result<String> {
        let mut nonce = [0u8; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let aad = aad(user, what);
        let sealed = self
            .cipher
            .encrypt(&nonce.into(), Payload { msg: plain.as_bytes(), aad: aad.as_bytes() })
            .map_err(|_| anyhow::anyhow!("seal {}", what.noun()))?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    pub fn open(&self, sealed: &str, key_id: &str, user: &UserId, what: Sealed<'_>) -> anyhow::Result<SecretString> {
        let noun = what.noun();
        ensure!(
            key_id == self.key_id,
            "{noun} was sealed with master key {key_id}, but this is {}: bring that master key back, or store it again",
            self.key_id
        );
        let bytes = STANDARD.decode(sealed).with_context(|| format!("read {noun}"))?;
        ensure!(bytes.len() > NONCE_BYTES, "{noun} is too short");
        let (nonce, ciphertext) = bytes.split_at(NONCE_BYTES);
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().context("read a nonce")?;
        let aad = aad(user, what);
        let plain = self
            .cipher
            .decrypt(&nonce.into(), Payload { msg: ciphertext, aad: aad.as_bytes() })
            .map_err(|_| anyhow::anyhow!("{noun} does not open: it was changed, or belongs to someone else"))?;
        // The bytes in the error are what was sealed: they are not for a log.
        Ok(String::from_utf8(plain).map_err(|_| anyhow::anyhow!("{noun} is not text"))?.into())
    }
}

impl Sealed<'_> {
    fn noun(self) -> &'static str {
        match self {
            Self::ProviderKey(_) => "a provider key",
            Self::Secret(_) => "a secret",
            Self::McpServer(..) => "an MCP server",
        }
    }
}

/// No two of these are alike: a user's id begins with no word of ours, and no provider's name with a slash.
fn aad(user: &UserId, what: Sealed<'_>) -> String {
    match what {
        Sealed::ProviderKey(provider) => format!("{user}/{}", provider.as_str()),
        Sealed::Secret(name) => format!("secret/{user}/{name}"),
        Sealed::McpServer(desktop, name) => format!("mcp-server/{user}/{desktop}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static ANTHROPIC: LazyLock<ProviderName> = LazyLock::new(ProviderName::anthropic);

    fn key() -> Sealed<'static> {
        Sealed::ProviderKey(&ANTHROPIC)
    }

    fn sealer() -> Sealer {
        Sealer::new(&Sealer::generate_master_key().into()).unwrap()
    }

    #[test]
    fn a_sealed_key_opens_for_its_owner() {
        let (sealer, user) = (sealer(), UserId::generate());

        let sealed = sealer.seal("sk-secret", &user, key()).unwrap();
        let opened = sealer.open(&sealed, sealer.key_id(), &user, key()).unwrap();

        assert_eq!(opened.expose_secret(), "sk-secret");
        assert!(!sealed.contains("secret"));
    }

    #[test]
    fn a_sealed_key_does_not_open_for_another_user_or_master_key() {
        let (ours, theirs, user) = (sealer(), sealer(), UserId::generate());
        let sealed = ours.seal("sk-secret", &user, key()).unwrap();

        assert!(ours.open(&sealed, ours.key_id(), &UserId::generate(), key()).is_err());
        assert!(theirs.open(&sealed, ours.key_id(), &user, key()).is_err());
        assert!(theirs.open(&sealed, theirs.key_id(), &user, key()).is_err());
    }

    #[test]
    fn what_was_sealed_as_one_thing_does_not_open_as_another() {
        let (sealer, user) = (sealer(), UserId::generate());
        let sealed = sealer.seal("hunter2", &user, Sealed::Secret("BANK")).unwrap();

        assert!(sealer.open(&sealed, sealer.key_id(), &user, Sealed::Secret("MAIL")).is_err());
        assert!(sealer.open(&sealed, sealer.key_id(), &user, key()).is_err());
        let opened = sealer.open(&sealed, sealer.key_id(), &user, Sealed::Secret("BANK")).unwrap();
        assert_eq!(opened.expose_secret(), "hunter2");
    }

    #[test]
    fn an_mcp_server_opens_on_its_own_desktop_alone() {
        let (sealer, user, desktop) = (sealer(), UserId::generate(), DesktopId::generate());
        let sealed = sealer.seal("hunter2", &user, Sealed::McpServer(&desktop, "bank")).unwrap();
        let opens = |user: &UserId, what: Sealed<'_>| sealer.open(&sealed, sealer.key_id(), user, what).is_ok();

        assert!(opens(&user, Sealed::McpServer(&desktop, "bank")));
        assert!(!opens(&user, Sealed::McpServer(&desktop, "mail")));
        assert!(!opens(&user, Sealed::McpServer(&DesktopId::generate(), "bank")));
        assert!(!opens(&UserId::generate(), Sealed::McpServer(&desktop, "bank")));
        assert!(!opens(&user, Sealed::Secret("bank")));
    }

    #[test]
    fn the_same_key_is_sealed_differently_each_time() {
        let (sealer, user) = (sealer(), UserId::generate());

        let once = sealer.seal("sk-secret", &user, key()).unwrap();
        let again = sealer.seal("sk-secret", &user, key()).unwrap();

        assert_ne!(once, again);
    }
}
