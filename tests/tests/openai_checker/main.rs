//! The scripted provider refuses what OpenAI's own SDK would not send, and what its APIs answer with 400.

use harness::{ModelServer, model_server::KEY};
use serde_json::Value;

mod chat;
mod responses;

/// Each of the broken requests is refused, by a violation that names what is broken.
async fn each_is_named(model: &ModelServer, url: &str, cases: Vec<(&str, Value)>) {
    for (named, body) in cases {
        let before = model.violations().len();

        let status = ask(url, &body, &[]).await;

        let violations = model.violations();
        assert_eq!(violations.len(), before + 1, "nothing was noticed: {named}");
        assert!(violations[before].contains(named), "instead of {named:?}: {}", violations[before]);
        assert_eq!(status, 400, "{named}");
    }
}

/// A request is refused with these headers, and taken without them.
async fn foreign_headers_are_refused(model: &ModelServer, url: &str, good: &Value) {
    for name in ["x-api-key", "anthropic-version", "cookie", "x-cloudbot-vm"] {
        assert_eq!(ask(url, good, &[(name, "a")]).await, 400, "{name}");
        let violation = model.violations().pop().expect("a violation");
        assert!(violation.contains(&format!("the header {name} is nothing for a provider")), "{violation}");
    }
    let text = harness::http().build().expect("an HTTP client").post(url).bearer_auth(KEY).body(good.to_string());
    assert_eq!(text.send().await.expect("an answer").status(), 400, "JSON that is not said to be any");
    assert!(model.violations().pop().expect("a violation").contains("only JSON is taken"));
    assert_eq!(ask(url, good, &[]).await, 200, "{:?}", model.violations().last());
}

async fn ask(url: &str, body: &Value, headers: &[(&str, &str)]) -> u16 {
    let request = harness::http().build().expect("an HTTP client").post(url).bearer_auth(KEY);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = request.json(body).send().await.expect("an answer");
    let status = answer.status().as_u16();
    answer.bytes().await.expect("the whole answer");
    status
}
