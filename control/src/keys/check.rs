//! Asks a provider what it thinks of a key.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use protocol::{
    UserId,
    error::{Code, Problem},
    key::{KeyCheck, ModelProvider},
};
use secrecy::ExposeSecret;

use crate::{app::App, error::ApiError};

const ANTHROPIC_VERSION: &str = "2026-10-21";

/// A client that trusts what this system trusts, for model providers alone.
pub fn client() -> anyhow::Result<reqwest::Client> {
    let mut roots = rustls::RootCertStore::empty();
    // A system without certificates can still be worked with: only the check of a key then says that it cannot connect.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choose TLS versions")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).redirect(reqwest::redirect::Policy::none());
    client.build().context("make a client for model providers")
}

/// Lists one model with the stored key: costs nothing, and only a good key may.
pub async fn check(app: &App, user: &UserId, provider: ModelProvider) -> Result<KeyCheck, ApiError> {
    let key = super::open(app, user, provider).await?;
    let url = format!("{}/v1/models?limit=1", app.settings.anthropic_url.as_str().trim_end_matches('/'));
    let mut secret = reqwest::header::HeaderValue::from_str(key.expose_secret())
        .map_err(|_| Problem::new(Code::InvalidValue, "The stored key cannot be sent: store it again."))?;
    secret.set_sensitive(true);
    let answer = app
        .provider_client
        .get(url)
        .header("x-api-key", secret)
        .header("anthropic-version", ANTHROPIC_VERSION)
        .timeout(Duration::from_secs(15))
        .send()
        .await
        .map_err(|e| {
            let what = if e.is_timeout() { "did not answer within 15 s" } else { "cannot be reached" };
            tracing::warn!(error = %e.without_url(), "key check");
            Problem::new(
                Code::ProviderRefused,
                format!("The model provider {what}: check this machine's network, then try again."),
            )
        })?;
    match answer.status().as_u16() {
        200 => Ok(KeyCheck { accepted: true, detail: "The provider accepts this key.".into() }),
        401 | 403 => Ok(KeyCheck {
            accepted: false,
            detail: "The provider does not accept this key: copy it from its console again.".into(),
        }),
        status => Err(Problem::new(
            Code::ProviderRefused,
            format!("The model provider answered {status}, which says nothing about the key: try again in a minute."),
        )
        .into()),
    }
}
