//! TLS both ways under the private CA: as the edge's client, and as the edge's server.

use std::sync::{Arc, RwLock};

use anyhow::Context;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SignatureScheme,
    client::ResolvesClientCert,
    crypto::{CryptoProvider, ring},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{certificate::Certificate, key::Key};

/// The certificate that is shown, to clients and servers alike; a renewal replaces it under open listeners.
#[derive(Debug, Default)]
pub struct Shown(RwLock<Option<Arc<CertifiedKey>>>);

impl Shown {
    pub fn replace(&self, certificate: &Certificate, key: &Key) -> anyhow::Result<()> {
        let certified = CertifiedKey::from_der(certificate.chain.clone(), key.private_der(), &provider())
            .context("put key and certificate together")?;
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Arc::new(certified));
        Ok(())
    }

    fn current(&self) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.current()
    }

    fn has_certs(&self) -> bool {
        self.current().is_some()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current()
    }
}

/// The roots that are trusted: the private CA and nothing else.
pub fn roots(ca_pem: &str) -> anyhow::Result<Arc<RootCertStore>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate.context("read the CA in the user-data")?).context("trust the CA in the user-data")?;
    }
    anyhow::ensure!(!roots.is_empty(), "the user-data names no CA");
    Ok(Arc::new(roots))
}

/// As a client, with `shown` as its own certificate, or none (to enrol).
pub fn client(roots: &Arc<RootCertStore>, shown: Option<Arc<Shown>>) -> anyhow::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .context("set up TLS")?
        .with_root_certificates(roots.clone());
    let mut config = match shown {
        Some(shown) => builder.with_client_cert_resolver(shown),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// As a server that lets nobody in without a certificate of the private CA.
pub fn server(roots: &Arc<RootCertStore>, shown: Arc<Shown>) -> anyhow::Result<ServerConfig> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider())
        .build()
        .context("set up the check of client certificates")?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .context("set up TLS")?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(shown);
    // WebSockets want HTTP/1.1, and one protocol is one thing less to go wrong.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
