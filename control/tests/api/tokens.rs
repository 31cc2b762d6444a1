//! Personal access tokens: what a program may do with one, and when it ends.

use protocol::{error::Code, user::AccessToken};
use serde_json::{Value, json};

use crate::support::Control;

facts!(
    a_token_does_what_its_user_may_and_needs_no_origin,
    its_secret_is_shown_once,
    a_token_with_few_scopes_may_do_little,
    a_token_expires,
    a_deleted_token_is_refused_at_once,
    another_users_token_is_not_there,
    a_token_without_a_name_or_for_too_long_is_refused,
    reading_by_token_writes_nothing_most_of_the_time,
);

const DAY: i64 = 24 * 3600 * 1000;

async fn a_token_does_what_its_user_may_and_needs_no_origin(control: Control) {
    let program = control.user("ada").await.token(&[]).await;

    program.get("me").await.expect_status(200);
    program.post("desktops", "{}").await.expect_status(201);
}

async fn its_secret_is_shown_once(control: Control) {
    let browser = control.user("ada").await;

    let made: Value = browser.post("tokens", r#"{"name":"backup"}"#).await.expect_status(201).json();
    let listed = browser.get("tokens").await.expect_status(200);

    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("cbp_") && secret.len() >= 4 + 43, "{secret}");
    assert!(!listed.text().contains(secret));
    assert_eq!(listed.json::<Vec<AccessToken>>()[0].name, "backup");
}

async fn a_token_with_few_scopes_may_do_little(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;

    let viewer = browser.token(&["view"]).await;

    viewer.get("desktops").await.expect_status(200);
    for refused in [
        viewer.post("desktops", "{}").await,
        viewer.delete(&format!("desktops/{}", desktop.id)).await,
        viewer.post("tokens", r#"{"name":"more"}"#).await,
        viewer.put("keys/anthropic", json!({ "key": "sk-0123456789" })).await,
        viewer.post("sessions", json!({ "desktop_id": desktop.id }).to_string()).await,
        viewer.get("auth/sessions").await,
    ] {
        assert_eq!((refused.status.as_u16(), refused.code()), (403, Code::MissingScope));
    }
    // A session without a desktop creates one.
    let talker = browser.token(&["chat"]).await;
    let refused = talker.post("sessions", "{}").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, Code::MissingScope));
}

async fn a_token_expires(control: Control) {
    let browser = control.user("ada").await;
    let body = json!({ "name": "short", "expires_in_days": 1 });
    let made: Value = browser.post("tokens", body.to_string()).await.expect_status(201).json();
    let program = browser.program(made["secret"].as_str().unwrap());
    program.get("me").await.expect_status(200);

    control.pass_time(DAY + 1);

    assert_eq!(program.get("me").await.code(), Code::TokenExpired);
}

async fn a_deleted_token_is_refused_at_once(control: Control) {
    let browser = control.user("ada").await;
    let program = browser.token(&[]).await;
    program.get("me").await.expect_status(200);
    let listed: Vec<AccessToken> = browser.get("tokens").await.json();

    browser.delete(&format!("tokens/{}", listed[0].id)).await.expect_success();

    assert_eq!(program.get("me").await.code(), Code::NotSignedIn);
}

async fn another_users_token_is_not_there(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    ada.token(&[]).await;
    let listed: Vec<AccessToken> = ada.get("tokens").await.json();

    let refused = mallory.delete(&format!("tokens/{}", listed[0].id)).await;

    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(mallory.get("tokens").await.text(), "[]");
}

async fn a_token_without_a_name_or_for_too_long_is_refused(control: Control) {
    let browser = control.user("ada").await;

    for body in [
        json!({ "name": "" }),
        json!({ "name": "x".repeat(101) }),
        json!({ "name": "x", "expires_in_days": 0 }),
        json!({ "name": "x", "expires_in_days": 367 }),
        json!({ "name": "x", "scopes": ["everything"] }),
    ] {
        let refused = browser.post("tokens", body.to_string()).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (422, Code::InvalidValue), "{body}");
    }
}

async fn reading_by_token_writes_nothing_most_of_the_time(control: Control) {
    let browser = control.user("ada").await;
    let program = browser.token(&[]).await;
    let last_used = async || program.get("tokens").await.json::<Vec<AccessToken>>()[0].last_used_at;
    program.get("me").await.expect_status(200);
    let first = last_used().await.expect("the first use is noted");

    program.get("me").await.expect_status(200);
    let soon = last_used().await;
    control.pass_time(10 * 60 * 1000);
    program.get("me").await.expect_status(200);

    assert_eq!(soon, Some(first), "with a full disk, reading goes on");
    assert!(last_used().await > Some(first));
}
