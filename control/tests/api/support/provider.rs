//! A model provider that answers what the test says, over real HTTP.

use axum::{Router, http::HeaderMap, routing::get};
use tokio::task::JoinHandle;

/// Where nobody answers.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:9";

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

    pub(crate) async fn answering(status: impl Fn(&HeaderMap) -> u16 + Clone + Send + Sync + 'static) -> Self {
        let answer = move |headers: HeaderMap| {
            let status = status(&headers);
            async move { axum::http::StatusCode::from_u16(status).expect("a status") }
        };
        let router = Router::new().route("/v1/models", get(answer));
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
