//! Every refusal is a problem document, whatever was sent.

use http::Method;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::Control;

facts!(
    refusals_look_as_recorded,
    an_oversized_body_is_refused,
    every_documented_address_refuses_nobody_with_a_problem,
    what_is_not_there_is_a_problem_everywhere,
    health_is_told_without_a_credential,
);

async fn refusals_look_as_recorded(control: Control) {
    let browser = control.user("ada").await;
    browser.post("desktops", "{}").await.expect_status(201);
    let text = browser.with_header("content-type", Some("text/plain"));
    let signup = |body: Value| body.to_string();

    let problems: Vec<(&str, Value)> = vec![
        ("no such address", control.anonymous().get("nothing").await.json()),
        ("wrong method", browser.delete("me").await.json()),
        ("nobody", control.anonymous().get("me").await.json()),
        ("not JSON", browser.post("desktops", "{").await.json()),
        ("not JSON by its type", text.post("desktops", "{}").await.json()),
        ("empty", browser.post("desktops", "").await.json()),
        ("unknown field", browser.post("desktops", r#"{"colour":1}"#).await.json()),
        ("wrong type", browser.post("desktops", r#"{"name":1}"#).await.json()),
        ("taken", control.anonymous().sign_up("ada@example.org").await.json()),
        ("no address", control.anonymous().sign_up("ada").await.json()),
        ("weak", {
            let body = signup(json!({ "email": "eve@example.org", "password": "short" }));
            control.anonymous().post("auth/signup", body).await.json()
        }),
        ("wrong password", control.anonymous().log_in("ada@example.org", "wrong password").await.json()),
        (
            "another site",
            browser.with_header("origin", Some("https://evil.example")).post("desktops", "{}").await.json(),
        ),
        ("no header", browser.with_header("x-cloudbot", None).post("desktops", "{}").await.json()),
        ("no key", browser.order("keys/anthropic/check").await.json()),
        ("not theirs", browser.get("desktops/dsk-0193a5b2c4d67e8f9a0b1c2d3e4f5061").await.json()),
        ("odd query", browser.get("sessions?limit=many").await.json()),
    ];

    // The same on both databases.
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        assert_json_snapshot!("refusals", problems);
    });
}

async fn an_oversized_body_is_refused(control: Control) {
    let browser = control.user("ada").await;
    let large = json!({ "name": "x".repeat(1 << 20) }).to_string();

    for refused in [
        browser.post("desktops", large.clone()).await,
        control.anonymous().post("auth/login", large.clone()).await,
        control.anonymous().post("/internal/v1/resolve", large.clone()).await,
        control.anonymous().post("/vm/v1/enrol", large.clone()).await,
    ] {
        assert_eq!((refused.status.as_u16(), refused.code()), (413, protocol::error::Code::BodyTooLarge));
    }
}

async fn every_documented_address_refuses_nobody_with_a_problem(control: Control) {
    const OPEN: &[&str] = &["/auth/signup", "/auth/login", "/auth/refresh", "/auth/logout", "/openapi.json", "/docs"];
    let document: Value = serde_json::to_value(control::http::openapi()).unwrap();
    let nobody = control.anonymous();
    let mut asked = 0;

    for (path, item) in document["paths"].as_object().unwrap() {
        if OPEN.iter().any(|open| path.ends_with(open)) {
            continue;
        }
        for method in item.as_object().unwrap().keys() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            let path = path.replace("{id}", "x").replace("{provider}", "anthropic").replace("{sha256}", "x");
            let path = path.replace("{name}", "NAME");
            let refused = nobody.send(method.clone(), &path, Some("{}".into())).await;
            assert_eq!(refused.status, 401, "{method} {path}: {}", refused.text());
            refused.problem();
            asked += 1;
        }
    }
    assert!(asked > 35, "only {asked} addresses are documented");
}

async fn what_is_not_there_is_a_problem_everywhere(control: Control) {
    let browser = control.user("ada").await;

    for path in
        ["/", "/api/v1", "/api/v1/", "/api/v2/me", "/vm/v1/nothing", "/internal/v1/nothing", "/api/v1/docs/nothing.js"]
    {
        let refused = browser.get(path).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (404, protocol::error::Code::NotFound), "{path}");
    }
    for (method, path) in [
        (Method::GET, "/api/v1/auth/login"),
        (Method::PUT, "/api/v1/desktops"),
        (Method::DELETE, "/vm/v1/work"),
        (Method::GET, "/internal/v1/resolve"),
        (Method::POST, "/healthz"),
    ] {
        let refused = browser.send(method.clone(), path, None).await;
        let seen = (refused.status.as_u16(), refused.code());
        assert_eq!(seen, (405, protocol::error::Code::MethodNotAllowed), "{method} {path}");
    }
}

async fn health_is_told_without_a_credential(control: Control) {
    let nobody = control.anonymous();

    nobody.get("/healthz").await.expect_success();
    nobody.get("/readyz").await.expect_success();
    control.app.db.close().await;

    nobody.get("/healthz").await.expect_success();
    assert_eq!(nobody.get("/readyz").await.code(), protocol::error::Code::Unavailable);
    let refused = nobody.log_in("ada@example.org", "a good passphrase").await;
    assert!(refused.status.is_server_error());
    assert!(refused.problem().request_id.is_some(), "the operator finds the cause by it");
}
