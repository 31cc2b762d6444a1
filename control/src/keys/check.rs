//! Asks a provider what it thinks of a key.

use std::time::Duration;

use http::{HeaderName, HeaderValue, header};
use protocol::{
    UserId,
    error::{Code, Problem},
    key::{KeyCheck, ProviderName},
    model::ModelApi,
};
use secrecy::ExposeSecret;

use crate::{app::App, error::ApiError};

const ANTHROPIC_VERSION: &str = "2026-10-21";

/// Lists models with the stored key: costs nothing, and only a good key may.
pub async fn check(app: &App, user: &UserId, name: &ProviderName) -> Result<KeyCheck, ApiError> {
    let provider = super::demand_known(app, name)?;
    let key = super::open(app, user, name).await?;
    let secret = |text: String| {
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| Problem::new(Code::InvalidValue, "The stored key cannot be sent: store it again."))?;
        value.set_sensitive(true);
        Ok::<_, Problem>(value)
    };
    let (path, headers) = match provider.api {
        ModelApi::AnthropicMessages => (
            "/v1/models?limit=1",
            vec![
                (HeaderName::from_static("x-api-key"), secret(key.expose_secret().to_owned())?),
                (HeaderName::from_static("anthropic-version"), HeaderValue::from_static(ANTHROPIC_VERSION)),
            ],
        ),
        ModelApi::OpenaiResponses | ModelApi::OpenaiChat => {
            ("/models", vec![(header::AUTHORIZATION, secret(format!("Bearer {}", key.expose_secret()))?)])
        }
    };
    let answer = app
        .provider_clients
        .of(provider)
        .get(provider.url(path))
        .headers(headers.into_iter().collect())
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
