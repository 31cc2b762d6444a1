//! The edge's own certificate and the private CA, as control writes them, read again whenever they change.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, bail};
use pingora::{
    protocols::tls::CaType,
    utils::tls::{CertKey, WrappedX509, parse_x509},
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{config::TlsFiles, control::ControlClient};

pub(crate) const CERT_FILE: &str = "cert.pem";
pub(crate) const KEY_FILE: &str = "key.pem";
pub(crate) const CA_FILE: &str = "ca.pem";

const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The certificates as they are now.
#[derive(Clone)]
pub(crate) struct Certs {
    folder: PathBuf,
    control_url: Url,
    now: watch::Sender<Arc<Identity>>,
    /// The files' times and sizes just before they were read.
    seen: Stamps,
}

type Stamps = [Option<(SystemTime, u64)>; 3];

/// Everything that follows from one state of the files.
pub(crate) struct Identity {
    /// Counts the changes: connections made with older certificates are not used again.
    pub(crate) version: u64,
    /// For the VM listener: a client certificate is optional, but one that is shown must be good.
    pub(crate) vm_server: Arc<ServerConfig>,
    /// What the edge shows control and sidecars.
    pub(crate) client: Arc<CertKey>,
    /// The only issuer of control's and the sidecars' certificates.
    pub(crate) ca: Arc<CaType>,
    pub(crate) control: ControlClient,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Certs {
    /// Reads the certificates, and waits up to `patience` for control to write them.
    pub(crate) async fn load(folder: &Path, control_url: Url, patience: Duration) -> anyhow::Result<Self> {
        let until = Instant::now() + patience;
        let mut told = false;
        loop {
            let seen = stamps(folder).await;
            match read(folder, &control_url, 0).await {
                Ok(identity) => {
                    let now = watch::Sender::new(Arc::new(identity));
                    return Ok(Self { folder: folder.to_owned(), control_url, now, seen });
                }
                Err(error) if Instant::now() >= until => {
                    return Err(error.context(format!(
                        "no usable certificates in {} after {} s: control writes them when it starts, so start control, or \
                         set CLOUDBOT_EDGE_CERTS to the folder it writes to",
                        folder.display(),
                        patience.as_secs()
                    )));
                }
                Err(_) if !told => {
                    tracing::info!(folder = %folder.display(), "waiting for control to write the certificates");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn now(&self) -> Arc<Identity> {
        self.now.borrow().clone()
    }

    /// Looks at the files every two seconds until `stop`; a half-written set is left for the next look.
    pub(crate) async fn watch_files(self, stop: CancellationToken) {
        let mut seen = self.seen;
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await.is_some() {
            let stamps = stamps(&self.folder).await;
            if stamps == seen {
                continue;
            }
            match read(&self.folder, &self.control_url, self.now().version + 1).await {
                Ok(identity) => {
                    tracing::info!(version = identity.version, "certificates read again");
                    self.now.send_replace(Arc::new(identity));
                    seen = stamps;
                }
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "the new certificates cannot be used yet");
                }
            }
        }
    }
}

/// The public listener's TLS: its own certificate, no client certificates, HTTP/2 and HTTP/1.1.
pub(crate) fn public_tls(files: &TlsFiles) -> anyhow::Result<Arc<ServerConfig>> {
    let cert = std::fs::read(&files.cert).with_context(|| format!("read {}", files.cert.display()))?;
    let key = std::fs::read(&files.key).with_context(|| format!("read {}", files.key.display()))?;
    let chain = chain(&cert).with_context(|| format!("read {}", files.cert.display()))?;
    let key = PrivateKeyDer::from_pem_slice(&key).with_context(|| format!("read {}", files.key.display()))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("use CLOUDBOT_TLS_CERT with CLOUDBOT_TLS_KEY")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

async fn read(folder: &Path, control_url: &Url, version: u64) -> anyhow::Result<Identity> {
    let file = async |name: &str| {
        let path = folder.join(name);
        tokio::fs::read(&path).await.with_context(|| format!("read {}", path.display()))
    };
    let (cert, key, ca) = (file(CERT_FILE).await?, file(KEY_FILE).await?, file(CA_FILE).await?);
    identity(&cert, &key, &ca, control_url, version)
}

fn identity(cert: &[u8], key: &[u8], ca: &[u8], control_url: &Url, version: u64) -> anyhow::Result<Identity> {
    let certs = chain(cert).context(CERT_FILE)?;
    let authorities = chain(ca).context(CA_FILE)?;
    let key = PrivateKeyDer::from_pem_slice(key).context(KEY_FILE)?;
    let mut roots = RootCertStore::empty();
    for authority in &authorities {
        roots.add(authority.clone()).context(CA_FILE)?;
    }
    let roots = Arc::new(roots);

    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider())
        .allow_unauthenticated()
        .build()
        .context(CA_FILE)?;
    let mut vm_server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certs.clone(), key.clone_key())
        .with_context(|| format!("use {CERT_FILE} with {KEY_FILE}"))?;
    vm_server.alpn_protocols = vec![b"http/1.1".to_vec()];

    let to_control = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(certs.clone(), key.clone_key())
        .with_context(|| format!("use {CERT_FILE} with {KEY_FILE}"))?;

    let der = |certs: &[CertificateDer<'_>]| certs.iter().map(|cert| cert.to_vec()).collect::<Vec<_>>();
    let ca: Vec<_> = der(&authorities).into_iter().map(|raw| WrappedX509::new(raw, parse_x509)).collect();
    Ok(Identity {
        version,
        vm_server: Arc::new(vm_server),
        client: Arc::new(CertKey::new(der(&certs), key.secret_der().to_vec())),
        ca: ca.into(),
        control: ControlClient::new(control_url, to_control)?,
    })
}

/// The certificates of a PEM text, each one checked to parse: pingora panics on one that does not.
fn chain(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certs = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().context("not PEM")?;
    if certs.is_empty() {
        bail!("no certificate in it");
    }
    for cert in &certs {
        x509_parser::parse_x509_certificate(cert).context("not an X.509 certificate")?;
    }
    Ok(certs)
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

async fn stamps(folder: &Path) -> Stamps {
    let mut stamps = [None; 3];
    for (stamp, name) in stamps.iter_mut().zip([CERT_FILE, KEY_FILE, CA_FILE]) {
        let metadata = tokio::fs::metadata(folder.join(name)).await.ok();
        *stamp = metadata.and_then(|m| Some((m.modified().ok()?, m.len())));
    }
    stamps
}
