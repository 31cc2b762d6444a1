//! What the edge is told from outside: arguments and `CLOUDBOT_*` variables.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Parser;
use url::Url;

/// CloudBot's edge: serves the web app, authenticates, and routes to control and to desktops.
#[derive(Debug, Clone, Parser)]
#[command(name = "edge", version)]
pub struct Args {
    /// Where browsers and programs connect.
    #[arg(long, env = "CLOUDBOT_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the VMs' sidecars connect, by certificate.
    #[arg(long, env = "CLOUDBOT_VM_LISTEN", default_value = "127.0.0.1:8443")]
    vm_listen: SocketAddr,
    /// Where Prometheus asks.
    #[arg(long, env = "CLOUDBOT_METRICS_LISTEN", default_value = "127.0.0.1:8079")]
    metrics_listen: SocketAddr,
    /// Base URL of control.
    #[arg(long, env = "CLOUDBOT_CONTROL_URL", default_value = "https://127.0.0.1:8444")]
    control_url: Url,
    /// Folder in which CloudBot keeps its state.
    #[arg(long, env = "CLOUDBOT_DATA", default_value = ".cloudbot")]
    data: PathBuf,
    /// Folder with cert.pem, key.pem and ca.pem, which control writes [default: <data>/edge].
    #[arg(long, env = "CLOUDBOT_EDGE_CERTS")]
    edge_certs: Option<PathBuf>,
    /// Folder of the built web app.
    #[arg(long, env = "CLOUDBOT_WEB", default_value = "web/dist")]
    web: PathBuf,
    /// Where browsers find this edge: scheme, host and port, exactly [default: http://localhost:<port>].
    #[arg(long, env = "CLOUDBOT_PUBLIC_URL")]
    public_url: Option<Url>,
    /// Certificate chain (PEM) for the public listener, which then speaks TLS.
    #[arg(long, env = "CLOUDBOT_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, env = "CLOUDBOT_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// The arguments, checked, and the bounds that no argument changes.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub vm_listen: SocketAddr,
    pub metrics_listen: SocketAddr,
    pub control_url: Url,
    pub edge_certs: PathBuf,
    pub web: PathBuf,
    pub public_url: Option<Url>,
    pub tls: Option<TlsFiles>,
    /// How long to wait at start for control to write the certificates.
    pub certs_patience: Duration,
    /// How long a client may be silent in the middle of a request. A WebSocket may be silent for ever.
    pub client_read_timeout: Duration,
    /// How long the head of a request may take from its first byte to its last.
    pub head_patience: Duration,
    /// How long requests may go on after the signal to stop.
    pub grace: Duration,
    /// How often control is asked whether what is open may go on, beside what it tells by itself.
    pub recheck: Duration,
    /// At once; a quarter of them are kept for VMs.
    pub max_connections: usize,
}

/// Where the public listener's own certificate is.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Args {
    pub fn into_config(self) -> anyhow::Result<Config> {
        let tls = self.tls_cert.zip(self.tls_key).map(|(cert, key)| TlsFiles { cert, key });
        if tls.is_none() && !self.listen.ip().is_loopback() {
            bail!(
                "CLOUDBOT_LISTEN {} can be reached from other machines, and passwords would travel in clear text: set \
                 CLOUDBOT_TLS_CERT and CLOUDBOT_TLS_KEY, or listen on 127.0.0.1",
                self.listen
            );
        }
        let config = Config {
            listen: self.listen,
            vm_listen: self.vm_listen,
            metrics_listen: self.metrics_listen,
            control_url: self.control_url,
            edge_certs: self.edge_certs.unwrap_or_else(|| self.data.join("edge")),
            web: self.web,
            public_url: self.public_url,
            tls,
            ..Config::bounds()
        };
        config.check()?;
        Ok(config)
    }
}

impl Config {
    /// Free ports on loopback, and the usual bounds.
    pub fn bounds() -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: loopback,
            vm_listen: loopback,
            metrics_listen: loopback,
            control_url: Url::parse("https://127.0.0.1:8444").expect("a constant"),
            edge_certs: PathBuf::new(),
            web: PathBuf::new(),
            public_url: None,
            tls: None,
            certs_patience: Duration::from_secs(60),
            client_read_timeout: Duration::from_secs(60),
            head_patience: Duration::from_secs(20),
            grace: Duration::from_secs(4),
            recheck: Duration::from_secs(15),
            max_connections: 20_000,
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.control_url.scheme() != "https" || self.control_url.host_str().is_none() {
            bail!("CLOUDBOT_CONTROL_URL {} must be an https URL: control speaks mutual TLS only", self.control_url);
        }
        if let Some(url) = &self.public_url {
            let plain =
                url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
            if !plain || !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
                bail!(
                    "CLOUDBOT_PUBLIC_URL {url} must be scheme, host and port alone, such as https://cloudbot.example.org"
                );
            }
        }
        for file in self.tls.iter().flat_map(|tls| [&tls.cert, &tls.key]) {
            std::fs::metadata(file).with_context(|| format!("read {}", file.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> anyhow::Result<Config> {
        Args::try_parse_from(std::iter::once(&"edge").chain(arguments))?.into_config()
    }

    #[test]
    fn it_runs_without_any_argument() {
        let config = parsed(&[]).unwrap();

        assert_eq!(config.listen.port(), 8080);
        assert_eq!(config.edge_certs, PathBuf::from(".cloudbot/edge"));
    }

    #[test]
    fn plain_http_on_an_outside_address_is_refused() {
        let refused = parsed(&["--listen", "0.0.0.0:8080"]).unwrap_err().to_string();

        assert!(refused.contains("CLOUDBOT_TLS_CERT"), "{refused}");
    }

    #[test]
    fn a_control_url_without_tls_is_refused() {
        assert!(parsed(&["--control-url", "http://127.0.0.1:8444"]).is_err());
    }

    #[test]
    fn a_public_url_with_a_path_is_refused() {
        assert!(parsed(&["--public-url", "https://example.org/app"]).is_err());
    }

    #[test]
    fn a_missing_tls_file_is_named() {
        let refused = parsed(&["--tls-cert", "/nowhere/cert.pem", "--tls-key", "/nowhere/key.pem"]).unwrap_err();

        assert!(refused.to_string().contains("/nowhere/cert.pem"), "{refused}");
    }
}
