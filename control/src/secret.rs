//! Random secrets, and the hashes that are kept in their place.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::Rng;
use sha2::{Digest, Sha256};

/// 32 random bytes as text, behind a prefix that says what it is.
pub fn generate(prefix: &str) -> String {
    let mut bytes = [0u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// SHA-256 in hex. The secrets above have 256 bits of their own, so a plain hash is enough.
pub fn hash(secret: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(secret.as_ref()))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
