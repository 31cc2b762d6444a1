//! What the edge itself asks control, by mutual TLS.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use bytes::BytesMut;
use protocol::{
    DesktopId, VmId,
    edge::{AskGrants, Credential, Grant, Holds, ModelKey, ModelKeyRequest, Resolve, Resolved, Revocation},
    error::{Code, Problem},
    key::ProviderName,
    paths::INTERNAL,
    vm::CONTROL_SERVER_NAME,
};
use reqwest::dns::{Addrs, Name, Resolving};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

/// An answer of control's is a few kilobytes.
const MAX_ANSWER: usize = 256 << 10;
/// Of what control tells unasked.
const MAX_LINE: usize = 4 << 10;
/// As good as none; who listens knows when it has been silent for too long.
const NO_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A client of control, with one state of the edge's certificate.
#[derive(Clone)]
pub(crate) struct ControlClient {
    http: reqwest::Client,
    /// Where control is; its certificate's name is always the same.
    host: String,
    port: u16,
}

impl ControlClient {
    pub(crate) fn new(url: &Url, tls: rustls::ClientConfig) -> anyhow::Result<Self> {
        let host = url.host_str().context("CLOUDBOT_CONTROL_URL has no host")?.trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().context("CLOUDBOT_CONTROL_URL has no port")?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Where { host: host.clone() })
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(20))
            .build()
            .context("make the client of control")?;
        Ok(Self { http, host, port })
    }

    pub(crate) async fn address(&self) -> anyhow::Result<SocketAddr> {
        crate::look_up(&self.host, self.port).await
    }

    /// May this credential reach this desktop, and where is it?
    pub(crate) async fn resolve(&self, desktop: &DesktopId, credential: Credential) -> Result<Resolved, Problem> {
        self.ask("resolve", &Resolve { desktop_id: desktop.clone(), credential }).await
    }

    /// The key that pays for what this VM asks of a model.
    pub(crate) async fn model_key(&self, vm: &VmId, provider: &ProviderName) -> Result<ModelKey, Problem> {
        self.ask("model-key", &ModelKeyRequest { vm_id: vm.clone(), provider: provider.clone() }).await
    }

    /// Which of these still hold?
    pub(crate) async fn holds(&self, grants: &[Grant]) -> Result<Vec<bool>, Problem> {
        let Holds { holds } = self.ask("grants", &AskGrants { grants: grants.to_vec() }).await?;
        if holds.len() == grants.len() { Ok(holds) } else { Err(unavailable()) }
    }

    /// What is taken back from now on.
    pub(crate) async fn revocations(&self) -> anyhow::Result<Revocations> {
        let request = self.http.get(self.url(&format!("{INTERNAL}/revocations"))).timeout(NO_TIMEOUT);
        let answer = request.send().await?.error_for_status()?;
        Ok(Revocations { answer, buffer: BytesMut::new() })
    }

    /// Does control answer at all?
    pub(crate) async fn is_reachable(&self) -> bool {
        let asked = self.http.get(self.url("/readyz")).timeout(Duration::from_secs(3)).send().await;
        asked.is_ok_and(|answer| !answer.status().is_server_error())
    }

    async fn ask<Q: Serialize, A: DeserializeOwned>(&self, what: &str, question: &Q) -> Result<A, Problem> {
        let url = self.url(&format!("{INTERNAL}/{what}"));
        let body = serde_json::to_vec(question).map_err(|_| unavailable())?;
        let request = self.http.post(url).header("content-type", "application/json").body(body);
        let mut answer = request.send().await.map_err(|error| {
            tracing::warn!(what, error = format!("{:#}", anyhow::Error::new(error)), "ask control");
            unavailable()
        })?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| unavailable())? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_ANSWER {
                return Err(unavailable());
            }
        }
        let status = answer.status();
        if status.is_success() {
            // The answer holds a capability or a key: of a parse error only the place is told.
            return serde_json::from_slice(&bytes).map_err(|error| {
                tracing::error!(what, line = error.line(), column = error.column(), "control's answer cannot be read");
                unavailable()
            });
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) if (400..600).contains(&problem.status) => Err(problem),
            _ => {
                tracing::warn!(what, status = status.as_u16(), "control refused without a problem document");
                Err(unavailable())
            }
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{CONTROL_SERVER_NAME}:{}{path}", self.port)
    }
}

/// An endless answer of control's, a line each.
pub(crate) struct Revocations {
    answer: reqwest::Response,
    buffer: BytesMut,
}

impl Revocations {
    /// The end is an error too.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Revocation> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return serde_json::from_slice(&line).context("read a revocation");
            }
            anyhow::ensure!(self.buffer.len() <= MAX_LINE, "a revocation does not end");
            let chunk = self.answer.chunk().await?.context("control has ended the stream")?;
            self.buffer.extend_from_slice(&chunk);
        }
    }
}

fn unavailable() -> Problem {
    Problem::new(Code::Unavailable, "CloudBot's control service does not answer. Try again in a moment.")
}

/// Finds control's certificate name at the address that the configuration says.
struct Where {
    host: String,
}

impl reqwest::dns::Resolve for Where {
    fn resolve(&self, _name: Name) -> Resolving {
        let host = self.host.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
