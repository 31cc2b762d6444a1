//! Access tokens of browsers and capabilities for sidecars: JWTs that control signs with Ed25519.

use anyhow::Context;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use protocol::{
    DesktopId, LoginId, Millis, UserId,
    capability::{Actor, Capability, ISSUER, LIFETIME_S, Scope, audience},
};
use rcgen::KeyPair;
use serde::{Deserialize, Serialize};

/// How long an access token is good, in seconds.
pub const ACCESS_LIFETIME_S: i64 = 600;
const ACCESS_AUDIENCE: &str = "cloudbot-api";

/// Who a browser is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct AccessClaims {
    iss: String,
    aud: String,
    sub: UserId,
    login: LoginId,
    iat: i64,
    exp: i64,
}

/// Why an access token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAccepted {
    Expired,
    Invalid,
}

pub struct Signer {
    sign: EncodingKey,
    verify: DecodingKey,
    public_pem: String,
}

impl Signer {
    /// From an Ed25519 private key (PKCS#8, PEM).
    pub fn new(private_pem: &str) -> anyhow::Result<Self> {
        let key = KeyPair::from_pem(private_pem).context("read the signing key")?;
        let public_pem = key.public_key_pem();
        Ok(Self {
            sign: EncodingKey::from_ed_pem(private_pem.as_bytes()).context("read the signing key")?,
            verify: DecodingKey::from_ed_pem(public_pem.as_bytes()).context("read the signing key's public half")?,
            public_pem,
        })
    }

    /// A new key for [`Signer::new`].
    pub fn generate_pem() -> anyhow::Result<String> {
        Ok(KeyPair::generate_for(&rcgen::PKCS_ED25519).context("make a signing key")?.serialize_pem())
    }

    /// What sidecars check capabilities with.
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }

    pub fn access(&self, user: &UserId, login: &LoginId, now: Millis) -> anyhow::Result<String> {
        let iat = now / 1000;
        self.encode(&AccessClaims {
            iss: ISSUER.into(),
            aud: ACCESS_AUDIENCE.into(),
            sub: user.clone(),
            login: login.clone(),
            iat,
            exp: iat + ACCESS_LIFETIME_S,
        })
    }

    pub fn read_access(&self, token: &str, now: Millis) -> Result<(UserId, LoginId), NotAccepted> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[ACCESS_AUDIENCE]);
        // Expiry is checked below, against our own clock.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<AccessClaims>(token, &self.verify, &validation)
            .map_err(|_| NotAccepted::Invalid)?
            .claims;
        if claims.exp * 1000 <= now { Err(NotAccepted::Expired) } else { Ok((claims.sub, claims.login)) }
    }

    /// A capability and the time until which it is good.
    pub fn capability(
        &self,
        user: &UserId,
        desktop: &DesktopId,
        generation: i64,
        actor: Actor,
        scopes: &[Scope],
        now: Millis,
    ) -> anyhow::Result<(String, Millis)> {
        let iat = now / 1000;
        let exp = iat + LIFETIME_S;
        let token = self.encode(&Capability {
            iss: ISSUER.into(),
            aud: audience(desktop, generation),
            sub: user.clone(),
            actor,
            scopes: scopes.to_vec(),
            iat,
            exp,
        })?;
        Ok((token, exp * 1000))
    }

    fn encode<T: Serialize>(&self, claims: &T) -> anyhow::Result<String> {
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &self.sign).context("sign a token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::new(&Signer::generate_pem().unwrap()).unwrap()
    }

    #[test]
    fn an_access_token_names_its_user_until_it_expires() {
        let (signer, user, login) = (signer(), UserId::generate(), LoginId::generate());
        let token = signer.access(&user, &login, 1_000_000).unwrap();

        assert_eq!(signer.read_access(&token, 1_000_000), Ok((user, login)));
        assert_eq!(signer.read_access(&token, 1_000_000 + ACCESS_LIFETIME_S * 1000), Err(NotAccepted::Expired));
    }

    #[test]
    fn a_token_of_another_key_or_another_purpose_is_invalid() {
        let (ours, theirs) = (signer(), signer());
        let forged = theirs.access(&UserId::generate(), &LoginId::generate(), 0).unwrap();
        let (capability, _) =
            ours.capability(&UserId::generate(), &DesktopId::generate(), 1, Actor::Person, Scope::ALL, 0).unwrap();

        assert_eq!(ours.read_access(&forged, 0), Err(NotAccepted::Invalid));
        assert_eq!(ours.read_access(&capability, 0), Err(NotAccepted::Invalid));
        assert_eq!(ours.read_access("", 0), Err(NotAccepted::Invalid));
    }
}
