//! Text that a database or a header may choke on is stored or refused, and never an error of ours.

use protocol::{
    error::Code,
    event::EventBody,
    session::{PostedMessage, SessionState},
};
use serde_json::json;

use crate::support::{Control, PASSWORD};

facts!(
    a_null_character_never_breaks_the_database,
    every_script_reads_back_as_it_was_written,
    a_password_may_hold_anything,
);

async fn a_null_character_never_breaks_the_database(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;

    let login = control.anonymous().log_in("a\0da@example.org", PASSWORD).await;
    assert_eq!(login.code(), Code::WrongCredentials);
    assert_eq!(control.anonymous().sign_up("a\0da@example.org").await.code(), Code::InvalidValue);
    for refused in [
        browser.post("desktops", json!({ "name": "a\0b" }).to_string()).await,
        browser.patch(&format!("sessions/{session}"), json!({ "title": "a\0b" })).await,
        browser.post("tokens", json!({ "name": "a\0b" }).to_string()).await,
        browser.put("keys/anthropic", json!({ "key": "sk-0123\u{0}45678" })).await,
        browser.say(&session, "c\0", "Hello").await,
    ] {
        assert_eq!(refused.code(), Code::InvalidValue);
    }
    let said: PostedMessage = browser.say(&session, "c1", "one\0two").await.expect_success().json();
    vm.report(json!({ "state": "waiting", "reason": "a\0b" })).await.expect_success();
    let body = EventBody::StateChanged { state: SessionState::Failed, reason: Some("a\0b".into()) };
    vm.append(&session, said.seq + 1, "s:1", body).await.expect_success();

    let events = browser.events(&session).await;
    assert!(matches!(&events[0].body, EventBody::UserMessage { text, .. } if text == "one\0two"));
    assert_eq!(browser.session(&session).await.state, SessionState::Failed);
}

async fn every_script_reads_back_as_it_was_written(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    let text = "héllo 你好 🎉 \u{202e}rtl \"quotes\" '; DROP TABLE events; -- \\ \u{7f}\r\n\t%_";

    browser.say(&session, "c1", text).await.expect_success();

    let events = browser.events(&session).await;
    assert!(matches!(&events[0].body, EventBody::UserMessage { text: stored, .. } if stored == text));
}

async fn a_password_may_hold_anything(control: Control) {
    let password = "пароль \0 with 🎉 and \"quotes\"";
    let body = json!({ "email": "ada@example.org", "password": password });

    control.anonymous().post("auth/signup", body.to_string()).await.expect_status(201);

    control.anonymous().log_in("ada@example.org", password).await.expect_status(200);
}
