//! AES-256-GCM under a master key: a fresh nonce each, the owner and the provider as associated data.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use protocol::{UserId, key::ModelProvider};
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::secret;

const NONCE_BYTES: usize = 12;

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
    pub fn seal(&self, key: &str, user: &UserId, provider: ModelProvider) -> anyhow::Result<String> {
        let mut nonce = [0u8; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let aad = aad(user, provider);
        let sealed = self
            .cipher
            .encrypt(&nonce.into(), Payload { msg: key.as_bytes(), aad: aad.as_bytes() })
            .map_err(|_| anyhow::anyhow!("seal a provider key"))?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    pub fn open(
        &self,
        sealed: &str,
        key_id: &str,
        user: &UserId,
        provider: ModelProvider,
    ) -> anyhow::Result<SecretString> {
        ensure!(
            key_id == self.key_id,
            "a provider key was sealed with master key {key_id}, but this is {}: bring that master key back, or store the provider key again",
            self.key_id
        );
        let bytes = STANDARD.decode(sealed).context("read a sealed key")?;
        ensure!(bytes.len() > NONCE_BYTES, "a sealed key is too short");
        let (nonce, ciphertext) = bytes.split_at(NONCE_BYTES);
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().context("read a nonce")?;
        let aad = aad(user, provider);
        let plain = self
            .cipher
            .decrypt(&nonce.into(), Payload { msg: ciphertext, aad: aad.as_bytes() })
            .map_err(|_| anyhow::anyhow!("a sealed key does not open: it was changed, or belongs to someone else"))?;
        Ok(String::from_utf8(plain).context("read an opened key")?.into())
    }
}

fn aad(user: &UserId, provider: ModelProvider) -> String {
    format!("{user}/{}", provider.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(&Sealer::generate_master_key().into()).unwrap()
    }

    #[test]
    fn a_sealed_key_opens_for_its_owner() {
        let (sealer, user) = (sealer(), UserId::generate());

        let sealed = sealer.seal("sk-secret", &user, ModelProvider::Anthropic).unwrap();
        let opened = sealer.open(&sealed, sealer.key_id(), &user, ModelProvider::Anthropic).unwrap();

        assert_eq!(opened.expose_secret(), "sk-secret");
        assert!(!sealed.contains("secret"));
    }

    #[test]
    fn a_sealed_key_does_not_open_for_another_user_or_master_key() {
        let (ours, theirs, user) = (sealer(), sealer(), UserId::generate());
        let sealed = ours.seal("sk-secret", &user, ModelProvider::Anthropic).unwrap();

        assert!(ours.open(&sealed, ours.key_id(), &UserId::generate(), ModelProvider::Anthropic).is_err());
        assert!(theirs.open(&sealed, ours.key_id(), &user, ModelProvider::Anthropic).is_err());
        assert!(theirs.open(&sealed, theirs.key_id(), &user, ModelProvider::Anthropic).is_err());
    }

    #[test]
    fn the_same_key_is_sealed_differently_each_time() {
        let (sealer, user) = (sealer(), UserId::generate());

        let once = sealer.seal("sk-secret", &user, ModelProvider::Anthropic).unwrap();
        let again = sealer.seal("sk-secret", &user, ModelProvider::Anthropic).unwrap();

        assert_ne!(once, again);
    }
}
