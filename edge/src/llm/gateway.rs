//! One call of a model: the owner's key goes on, everything of the VM's that is not the question stays behind.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use http::{HeaderName, header};
use pingora::{
    http::{RequestHeader, ResponseHeader},
    protocols::tls::CaType,
    upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy},
    utils::tls::{WrappedX509, parse_x509},
};
use protocol::{UserId, address::is_private, edge::ModelKey, model::ModelApi};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;
use url::Url;
use zeroize::Zeroizing;

use super::meter::Meter;
use crate::{forward, headers};

/// A model may think for minutes between two pings.
const SILENCE: Duration = Duration::from_secs(600);

/// Of the VM's headers, what the provider needs to understand the question.
const ASKED: &[&str] =
    &["anthropic-version", "anthropic-beta", "content-type", "content-length", "transfer-encoding", "accept"];
/// Of the provider's, what the agent needs to understand the answer.
const ANSWERED: &[&str] = &[
    "content-type",
    "content-length",
    "transfer-encoding",
    "retry-after",
    "retry-after-ms",
    "request-id",
    "x-request-id",
    "x-should-retry",
    "date",
    "connection",
];

/// A model to ask, with the key that pays for it.
pub(crate) struct Model {
    pub(crate) user: UserId,
    api: ModelApi,
    base: Url,
    allow_private: bool,
    key: Option<SecretString>,
    pub(crate) meter: Meter,
}

impl Model {
    pub(crate) fn new(key: ModelKey) -> Option<Self> {
        let base = Url::parse(&key.base_url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let ModelKey { user_id, api, allow_private, api_key, .. } = key;
        let meter = Meter::new(api);
        Some(Self { user: user_id, api, base, allow_private, key: api_key.map(SecretString::from), meter })
    }

    pub(crate) fn rewrite(&self, request: &mut RequestHeader) -> pingora::Result<()> {
        headers::keep_only(request, ASKED);
        let host = self.base.host_str().unwrap_or_default();
        let host = self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        request.insert_header(header::HOST, host)?;
        request.insert_header(header::USER_AGENT, concat!("cloudbot/", env!("CARGO_PKG_VERSION")))?;
        let bad = || pingora::Error::new_in(pingora::ErrorType::InvalidHTTPHeader);
        if let Some(key) = &self.key {
            let (name, value) = match self.api {
                ModelApi::AnthropicMessages => ("x-api-key", headers::secret(key.expose_secret())),
                ModelApi::OpenaiResponses | ModelApi::OpenaiChat => {
                    let bearer = Zeroizing::new(format!("Bearer {}", key.expose_secret()));
                    ("authorization", headers::secret(&bearer))
                }
            };
            request.insert_header(name, value.ok_or_else(bad)?)?;
        }
        // Anthropic's base URL is without a version, OpenAI's with it, as the clients of each want it.
        let path = match self.api {
            ModelApi::AnthropicMessages => "/v1/messages",
            ModelApi::OpenaiResponses => "/responses",
            ModelApi::OpenaiChat => "/chat/completions",
        };
        request.set_raw_path(format!("{}{path}", self.base.path().trim_end_matches('/')).as_bytes())
    }

    pub(crate) fn answered(&mut self, response: &mut ResponseHeader) {
        let streams =
            response.headers.get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/event-stream"));
        if response.status.is_success() {
            self.meter.begin(streams);
        }
        let kept = |name: &HeaderName| ANSWERED.contains(&name.as_str()) || name.as_str().starts_with("anthropic-");
        let unwanted: Vec<HeaderName> = response.headers.keys().filter(|name| !kept(name)).cloned().collect();
        for name in unwanted {
            response.remove_header(&name);
        }
    }

    /// Adds what it cost to the metrics.
    pub(crate) fn record(&mut self) {
        let used = self.meter.total();
        for (kind, tokens) in [
            ("input", used.input_tokens),
            ("output", used.output_tokens),
            ("cache_write", used.cache_creation_input_tokens),
            ("cache_read", used.cache_read_input_tokens),
        ] {
            if tokens > 0 {
                metrics::counter!("cloudbot_model_tokens_total", "kind" => kind).increment(tokens);
            }
        }
    }
}

/// How providers are reached: not with the private CA, but with the system's roots.
pub(crate) struct Provider {
    roots: OnceCell<Arc<CaType>>,
}

impl Provider {
    pub(crate) fn new() -> Self {
        Self { roots: OnceCell::new() }
    }

    /// Where a model is: of a name that leads inside only if its operator has said that it may.
    pub(crate) async fn peer(&self, Model { base, allow_private, .. }: &Model) -> anyhow::Result<HttpPeer> {
        let host = base.host_str().context("the provider's URL has no host")?.trim_matches(['[', ']']);
        let port = base.port_or_known_default().context("the provider's URL has no port")?;
        let tls = base.scheme() == "https";
        let mut found = crate::addresses(host, port).await?.filter(|found| *allow_private || !is_private(found.ip()));
        let address = found.next().with_context(|| {
            format!("{host} has no address outside of private networks: set allow_private if one inside is meant")
        })?;
        let mut peer = HttpPeer::new(address, tls, host.to_owned());
        if tls {
            peer.options.ca = Some(self.roots.get_or_try_init(roots).await?.clone());
        }
        forward::bounds(&mut peer);
        peer.options.read_timeout = Some(SILENCE);
        peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        Ok(peer)
    }
}

async fn roots() -> anyhow::Result<Arc<CaType>> {
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await?.certs;
    let mut probe = rustls::RootCertStore::empty();
    let usable = found.into_iter().filter(|cert| {
        // pingora panics on a certificate that it cannot parse, and gives up on one that is no root.
        x509_parser::parse_x509_certificate(cert).is_ok() && probe.add(cert.clone()).is_ok()
    });
    let roots: Vec<_> = usable.map(|cert| WrappedX509::new(cert.to_vec(), parse_x509)).collect();
    anyhow::ensure!(!roots.is_empty(), "this machine has no root certificates: install the package ca-certificates");
    Ok(roots.into())
}
