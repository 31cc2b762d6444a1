//! Desktops as their owners ask for them.

use http::Method;
use protocol::{
    DesktopId,
    desktop::{Desktop, DesktopState},
    error::Code,
};
use serde_json::json;

use crate::support::Control;

facts!(
    a_new_desktop_is_requested_at_once_and_launched_later,
    there_are_as_many_as_a_user_may_have,
    many_creations_at_once_do_not_exceed_the_limit,
    the_same_idempotency_key_gives_the_same_desktop,
    many_creations_with_one_key_make_one_desktop,
    an_idempotency_key_is_its_users_own,
    nothing_new_begins_on_a_desktop_that_is_being_deleted,
    a_name_and_a_size_are_checked,
    a_desktop_is_renamed,
    another_users_desktop_is_not_there,
    what_does_not_fit_the_state_is_refused,
    a_second_stop_or_start_changes_nothing,
);

async fn a_new_desktop_is_requested_at_once_and_launched_later(control: Control) {
    let browser = control.user("ada").await;

    let desktop: Desktop = browser.post("desktops", "{}").await.expect_status(201).json();

    assert_eq!((desktop.state, desktop.generation), (DesktopState::Requested, 0));
    assert!(control.cloud.launched().is_empty(), "nothing is launched inside a request");
    assert_eq!(browser.get("desktops").await.expect_status(200).json::<Vec<Desktop>>(), [desktop]);
}

async fn there_are_as_many_as_a_user_may_have(control: Control) {
    let browser = control.user("ada").await;
    let first: Desktop = browser.post("desktops", "{}").await.expect_status(201).json();
    browser.post("desktops", "{}").await.expect_status(201);

    let third = browser.post("desktops", "{}").await;
    browser.delete(&format!("desktops/{}", first.id)).await.expect_success();
    control.settle().await;

    assert_eq!((third.status.as_u16(), third.code()), (409, Code::DesktopLimit));
    browser.post("desktops", "{}").await.expect_status(201);
    control.user("bob").await.post("desktops", "{}").await.expect_status(201);
}

async fn many_creations_at_once_do_not_exceed_the_limit(control: Control) {
    let browser = control.user("ada").await;

    let answers = futures_util::future::join_all((0..8).map(|_| browser.post("desktops", "{}"))).await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 2);
    assert!(answers.iter().filter(|answer| answer.status != 201).all(|answer| answer.code() == Code::DesktopLimit));
}

async fn the_same_idempotency_key_gives_the_same_desktop(control: Control) {
    let browser = control.user("ada").await.with_header("idempotency-key", Some("key-1"));
    let wish = json!({ "name": "Work" }).to_string();
    let first: Desktop = browser.post("desktops", wish.clone()).await.expect_status(201).json();

    let again: Desktop = browser.post("desktops", wish).await.expect_status(201).json();
    let other = browser.post("desktops", json!({ "name": "Play" }).to_string()).await;
    let bad = browser.with_header("idempotency-key", Some(&"k".repeat(300))).post("desktops", "{}").await;

    assert_eq!(again.id, first.id);
    assert_eq!((other.status.as_u16(), other.code()), (409, Code::IdempotencyMismatch));
    assert_eq!(bad.code(), Code::InvalidValue);
    assert_eq!(browser.get("desktops").await.json::<Vec<Desktop>>().len(), 1);
}

async fn many_creations_with_one_key_make_one_desktop(control: Control) {
    let browser = control.user("ada").await.with_header("idempotency-key", Some("key-1"));

    let answers = futures_util::future::join_all((0..8).map(|_| browser.post("desktops", "{}"))).await;

    let ids: std::collections::BTreeSet<DesktopId> =
        answers.into_iter().map(|answer| answer.expect_status(201).json::<Desktop>().id).collect();
    assert_eq!(ids.len(), 1);
}

async fn an_idempotency_key_is_its_users_own(control: Control) {
    let ada = control.user("ada").await.with_header("idempotency-key", Some("key-1"));
    let bob = control.user("bob").await.with_header("idempotency-key", Some("key-1"));

    let hers: Desktop = ada.post("desktops", "{}").await.expect_status(201).json();
    let his: Desktop = bob.post("desktops", "{}").await.expect_status(201).json();

    assert_ne!(hers.id, his.id);
}

async fn nothing_new_begins_on_a_desktop_that_is_being_deleted(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    browser.delete(&format!("desktops/{}", desktop.id)).await.expect_success();

    let begun = browser.post("sessions", json!({ "desktop_id": desktop.id }).to_string()).await;
    let said = browser.say(&session, "c1", "Hello").await;

    assert_eq!((begun.code(), said.code()), (Code::Conflict, Code::Conflict));
}

async fn a_name_and_a_size_are_checked(control: Control) {
    let browser = control.user("ada").await;

    for wish in [
        json!({ "name": "" }),
        json!({ "name": "   " }),
        json!({ "name": "x".repeat(101) }),
        json!({ "name": "two\nlines" }),
        json!({ "size": { "width": 1, "height": 1 } }),
        json!({ "size": { "width": 100_000, "height": 800 } }),
        json!({ "size": { "width": -1, "height": 800 } }),
        json!({ "colour": "blue" }),
    ] {
        let refused = browser.post("desktops", wish.to_string()).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (422, Code::InvalidValue), "{wish}");
    }
    let wish = json!({ "name": "Büro 你好", "size": { "width": 1920, "height": 1080 } });
    let desktop: Desktop = browser.post("desktops", wish.to_string()).await.expect_status(201).json();
    assert_eq!((desktop.name.as_str(), desktop.size.width), ("Büro 你好", 1920));
}

async fn a_desktop_is_renamed(control: Control) {
    let browser = control.user("ada").await;
    let desktop: Desktop = browser.post("desktops", "{}").await.expect_status(201).json();
    let path = format!("desktops/{}", desktop.id);

    let renamed: Desktop = browser.patch(&path, json!({ "name": "Other" })).await.expect_status(200).json();
    let refused = browser.patch(&path, json!({ "name": "" })).await;

    assert_eq!(renamed.name, "Other");
    assert_eq!(refused.code(), Code::InvalidValue);
    assert_eq!(browser.desktop(&desktop.id).await.name, "Other");
}

async fn another_users_desktop_is_not_there(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    let (desktop, _) = control.ready_desktop(&ada).await;
    let nowhere = DesktopId::generate();

    for id in [desktop.id.as_str(), nowhere.as_str(), "dsk-1", "..", "%00"] {
        for (method, path, body) in [
            (Method::GET, format!("desktops/{id}"), None),
            (Method::PATCH, format!("desktops/{id}"), Some(r#"{"name":"mine"}"#)),
            (Method::DELETE, format!("desktops/{id}"), None),
            (Method::POST, format!("desktops/{id}/start"), None),
            (Method::POST, format!("desktops/{id}/stop"), None),
            (Method::POST, format!("desktops/{id}/reboot"), None),
        ] {
            let refused = mallory.send(method.clone(), &path, body.map(Into::into)).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (404, Code::NotFound), "{method} {path}");
        }
    }
    let session = mallory.post("sessions", json!({ "desktop_id": desktop.id }).to_string()).await;
    assert_eq!(session.code(), Code::NotFound);
    assert_eq!(mallory.get("desktops").await.text(), "[]");
    assert_eq!(ada.desktop(&desktop.id).await, desktop);
}

async fn what_does_not_fit_the_state_is_refused(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let path = format!("desktops/{}", desktop.id);
    browser.order(&format!("{path}/stop")).await.expect_success();
    control.settle().await;

    let reboot = browser.order(&format!("{path}/reboot")).await;
    browser.delete(&path).await.expect_success();
    let start = browser.order(&format!("{path}/start")).await;

    assert_eq!((reboot.status.as_u16(), reboot.code()), (409, Code::Conflict));
    assert_eq!(start.code(), Code::Conflict);
}

async fn a_second_stop_or_start_changes_nothing(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let path = format!("desktops/{}", desktop.id);

    let started: Desktop = browser.order(&format!("{path}/start")).await.expect_success().json();
    browser.order(&format!("{path}/stop")).await.expect_success();
    let stopping: Desktop = browser.order(&format!("{path}/stop")).await.expect_success().json();

    assert_eq!((started.state, started.generation), (DesktopState::Ready, desktop.generation));
    assert_eq!(stopping.state, DesktopState::Stopping);
}
