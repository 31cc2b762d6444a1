//! A model provider that answers what the test says, over real HTTP.

use axum::{Router, http::HeaderMap, routing::get};
use control::models::{self, Models, Providers};
use protocol::{
    key::ProviderName,
    model::{Model, ModelApi},
};
use tokio::task::JoinHandle;
use url::Url;

use super::MODEL;

/// Where nobody answers.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:9";

/// Both providers that need no entry in a table, at this address.
pub(crate) fn at(url: &str) -> Providers {
    let url: Url = url.parse().expect("a URL");
    models::known(&url, &url.join("/v1").expect("a URL"))
}

/// An operator's own provider that speaks Chat Completions.
pub(crate) fn compatible(
    name: &str,
    url: &str,
    needs_key: bool,
    allow_private: bool,
) -> (ProviderName, models::Provider) {
    let base_url = format!("{url}/v1").parse().expect("a URL");
    let provider = models::Provider { api: ModelApi::OpenaiChat, base_url, needs_key, allow_private };
    (name.parse().expect("a name"), provider)
}

/// A table with a model of each.
pub(crate) fn table(providers: impl IntoIterator<Item = (ProviderName, models::Provider)>) -> Models {
    let providers = Providers::from_iter(providers);
    let models =
        providers.iter().map(|(name, provider)| Model::of(name.clone(), provider.api, &format!("{name}-model")));
    Models::of(models.collect(), providers.clone()).expect("a table")
}

pub(crate) struct Provider {
    pub(crate) url: String,
    task: JoinHandle<()>,
}

impl Provider {
    /// Accepts `good`, refuses every other key; answers 500 without a version header.
    pub(crate) async fn accepting(good: &'static str) -> Self {
        Self::answering(move |headers| match headers.get("x-api-key").map(|key| key.as_bytes()) {
            _ if headers.get("anthropic-version").map(|v| v.as_bytes()) != Some(b"2026-10-21") => 500,
            Some(key) if key == good.as_bytes() => 200,
            _ => 401,
        })
        .await
    }

    /// Its URL by a name that says nothing of where it leads.
    pub(crate) fn by_name(&self) -> String {
        self.url.replace("127.0.0.1", "localhost")
    }

    /// A table whose models are all here.
    pub(crate) fn models(&self) -> Models {
        Models::named(MODEL, at(&self.url)).expect("a table")
    }

    /// Accepts `good` as OpenAI's servers do.
    pub(crate) async fn accepting_bearer(good: &'static str) -> Self {
        let wanted = format!("Bearer {good}");
        let is_good = move |headers: &HeaderMap| headers.get("authorization").is_some_and(|key| *key == *wanted);
        Self::answering(move |headers| if is_good(headers) { 200 } else { 401 }).await
    }

    pub(crate) async fn answering(status: impl Fn(&HeaderMap) -> u16 + Clone + Send + Sync + 'static) -> Self {
        let answer = move |headers: HeaderMap| {
            let status = status(&headers);
            // Elsewhere is a page, as a captive portal has it: who follows is taken in.
            async move { (axum::http::StatusCode::from_u16(status).expect("a status"), [("location", "/welcome")]) }
        };
        let router = Router::new().route("/v1/models", get(answer)).route("/welcome", get(async || "Welcome!"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = async move { axum::serve(listener, router).await.expect("serve") };
        #[expect(clippy::disallowed_methods, reason = "ended when the provider is dropped")]
        let task = tokio::spawn(serving);
        Self { url, task }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}
