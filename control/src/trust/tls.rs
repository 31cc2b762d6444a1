//! control's listener: TLS that demands an edge's certificate.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use protocol::vm::EDGE_SERVER_NAME;
use rustls::{ClientConfig, RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::{
    ca::{Ca, Identity},
    secret_file,
};

/// A server configuration that presents `identity` and demands a client certificate of the CA.
pub fn server_config(ca: &Ca, identity: &Identity) -> anyhow::Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider.clone())
        .build()
        .context("demand client certificates")?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).context("read control's key")?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("choose TLS 1.3")?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(identity)?, key)
        .context("use control's certificate")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// How control itself goes to a sidecar: as an edge, trusting the CA alone.
pub fn client_config(ca: &Ca, identity: &Identity) -> anyhow::Result<ClientConfig> {
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).context("read the edge's key")?;
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("choose TLS 1.3")?
        .with_root_certificates(roots(ca)?)
        .with_client_auth_cert(chain(identity)?, key)
        .context("use the edge's certificate")
}

fn roots(ca: &Ca) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.root_pem().as_bytes()).context("read the CA")?)
        .context("trust the CA")?;
    Ok(roots)
}

fn chain(identity: &Identity) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    Ok(vec![CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).context("read a certificate")?])
}

/// Is the peer an edge? Its certificate was verified already; this reads the role from its DNS name.
pub fn demand_edge(peer: Option<&[CertificateDer<'_>]>) -> anyhow::Result<()> {
    let certificate = peer.and_then(|chain| chain.first()).context("no client certificate")?;
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|e| anyhow::anyhow!("read the client's certificate: {e}"))?;
    let names = parsed
        .subject_alternative_name()
        .context("read the client's names")?
        .context("the client's certificate has no name")?;
    let is_edge =
        names.value.general_names.iter().any(
            |name| matches!(name, x509_parser::extensions::GeneralName::DNSName(name) if *name == EDGE_SERVER_NAME),
        );
    if !is_edge {
        bail!("the client's certificate is not an edge's");
    }
    Ok(())
}

/// Puts an edge's certificate, key and the CA into a folder where the edge looks for them.
pub fn write_edge_folder(folder: &Path, ca: &Ca, identity: &Identity) -> anyhow::Result<()> {
    secret_file::write(&folder.join("ca.pem"), ca.root_pem())?;
    secret_file::write(&folder.join("key.pem"), &identity.key_pem)?;
    // Last: the edge takes it as the sign that all three are there.
    secret_file::write(&folder.join("cert.pem"), &identity.certificate_pem)
}
