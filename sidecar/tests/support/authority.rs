//! control's keys: the private CA, and the key that signs capabilities.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use protocol::{
    DesktopId, UserId, VmId,
    capability::{self, Actor, Capability, Scope},
    desktop::Size,
    vm::{Assignment, EDGE_SERVER_NAME, server_name},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ED25519,
};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

pub const GENERATION: i64 = 3;

#[derive(Clone)]
pub struct Authority(Arc<Keys>);

pub struct Keys {
    issuer: Issuer<'static, KeyPair>,
    ca: CertificateDer<'static>,
    ca_pem: String,
    signer: KeyPair,
    pub vm: VmId,
    pub desktop: DesktopId,
}

impl std::ops::Deref for Authority {
    type Target = Keys;

    fn deref(&self) -> &Keys {
        &self.0
    }
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        Self(Arc::new(Keys {
            ca: ca.der().clone(),
            ca_pem: ca.pem(),
            issuer: Issuer::new(params, key),
            signer: KeyPair::generate_for(&PKCS_ED25519).unwrap(),
            vm: VmId::generate(),
            desktop: DesktopId::generate(),
        }))
    }
}

impl Keys {
    pub fn ca_pem(&self) -> String {
        self.ca_pem.clone()
    }

    pub fn assignment(&self) -> Assignment {
        Assignment {
            desktop_id: self.desktop.clone(),
            generation: GENERATION,
            capability_key_pem: self.signer.public_key_pem(),
            size: Size::DEFAULT,
            lease: Default::default(),
        }
    }

    pub fn capability(&self, user: &UserId, actor: Actor, scopes: &[Scope]) -> String {
        self.capability_of(jsonwebtoken::get_current_timestamp() as i64, user, actor, scopes)
    }

    pub fn expired_capability(&self, user: &UserId, actor: Actor, scopes: &[Scope]) -> String {
        let now = jsonwebtoken::get_current_timestamp() as i64;
        self.capability_of(now - 2 * capability::LIFETIME_S, user, actor, scopes)
    }

    fn capability_of(&self, now: i64, user: &UserId, actor: Actor, scopes: &[Scope]) -> String {
        let claims = Capability {
            iss: capability::ISSUER.to_owned(),
            aud: capability::audience(&self.desktop, GENERATION),
            sub: user.clone(),
            actor,
            scopes: scopes.to_vec(),
            iat: now,
            exp: now + capability::LIFETIME_S,
        };
        let key = EncodingKey::from_ed_der(self.signer.serialized_der());
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key).unwrap()
    }

    /// A certificate for whoever holds the key of this request, as a VM.
    pub fn certify(&self, csr_pem: &str) -> String {
        let mut request = CertificateSigningRequestParams::from_pem(csr_pem).unwrap();
        request.params = params(&server_name(&self.vm));
        request.signed_by(&self.issuer).unwrap().pem()
    }

    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.clone()).unwrap();
        Arc::new(roots)
    }

    /// TLS as the edge's VM listener has it: a certificate is asked for, not demanded.
    pub fn edge_server(&self) -> ServerConfig {
        let (chain, key) = self.issue(EDGE_SERVER_NAME);
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider.clone())
            .allow_unauthenticated()
            .build()
            .unwrap();
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap()
    }

    /// TLS as anybody's server of this name has it.
    pub fn server(&self, name: &str) -> ServerConfig {
        let (chain, key) = self.issue(name);
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        builder.with_no_client_auth().with_single_cert(chain, key).unwrap()
    }

    /// TLS as a client of the gate; `name` is what its certificate says, none shows no certificate.
    pub fn client(&self, name: Option<&str>) -> ClientConfig {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(self.roots());
        match name {
            Some(name) => {
                let (chain, key) = self.issue(name);
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        }
    }

    fn issue(&self, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let certificate = params(name).signed_by(&key, &self.issuer).unwrap();
        (vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    params
}
