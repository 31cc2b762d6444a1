//! Sessions: made, listed, said something to, stopped, deleted.

use http::Method;
use protocol::{
    SessionId,
    desktop::{Desktop, DesktopState},
    error::Code,
    event::EventBody,
    session::{Page, PostedMessage, Session, SessionState},
};
use serde_json::{Value, json};

use crate::support::Control;

facts!(
    a_session_without_a_desktop_gets_one,
    a_session_takes_its_title_from_the_first_message,
    a_message_is_stored_once_however_often_it_is_sent,
    a_message_makes_work_for_a_ready_desktop,
    a_message_to_a_busy_desktop_waits_its_turn,
    a_message_to_a_stopped_desktop_wakes_it,
    a_message_to_a_stopping_desktop_is_not_forgotten,
    a_message_that_comes_as_the_agent_rests_is_work_again,
    what_is_no_message_is_refused,
    a_stop_reaches_a_session_that_waits,
    a_stop_reaches_a_session_whose_desktop_is_gone,
    another_users_session_is_not_there,
    sessions_are_listed_newest_first_page_by_page,
    a_session_is_renamed_and_archived,
    a_session_is_deleted_with_its_record,
    the_record_is_paged_and_exported_whole,
);

async fn a_session_without_a_desktop_gets_one(control: Control) {
    let browser = control.user("ada").await;

    let session: Session = browser.post("sessions", "{}").await.expect_status(201).json();

    let desktops: Vec<Desktop> = browser.get("desktops").await.json();
    assert_eq!(desktops.len(), 1);
    assert_eq!(session.desktop_id, desktops[0].id);
    assert_eq!((session.state, session.last_seq), (SessionState::Idle, 0));
}

async fn a_session_takes_its_title_from_the_first_message(control: Control) {
    let browser = control.user("ada").await;
    let session: Session = browser.post("sessions", "{}").await.json();
    let named: Session =
        browser.post("sessions", json!({ "title": "Mine", "desktop_id": session.desktop_id }).to_string()).await.json();

    for id in [&session.id, &named.id] {
        browser.say(id, "c1", "  Book a\n flight to Büsum, please").await.expect_success();
        browser.say(id, "c2", "And a hotel").await.expect_success();
    }

    assert_eq!(browser.session(&session.id).await.title, "Book a flight to Büsum, please");
    assert_eq!(browser.session(&named.id).await.title, "Mine");
}

async fn a_message_is_stored_once_however_often_it_is_sent(control: Control) {
    let browser = control.user("ada").await;
    let id = browser.post("sessions", "{}").await.json::<Session>().id;

    let answers = futures_util::future::join_all((0..8).map(|_| browser.say(&id, "c1", "Hello"))).await;
    let other: PostedMessage = browser.say(&id, "c2", "Hello").await.expect_success().json();

    let posted: Vec<PostedMessage> = answers.into_iter().map(|answer| answer.expect_success().json()).collect();
    assert!(posted.iter().all(|one| *one == posted[0]), "{posted:?}");
    assert_eq!((posted[0].seq, other.seq), (1, 2));
    assert_eq!(browser.events(&id).await.len(), 2);
}

async fn a_message_makes_work_for_a_ready_desktop(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await;
    assert_eq!(vm.work().await, None);

    browser.say(&session.id, "c1", "Hello").await.expect_success();

    assert_eq!(vm.work().await, Some(session.id.clone()));
    assert!(browser.session(&session.id).await.state.has_work());
    let events = browser.events(&session.id).await;
    assert!(matches!(&events[0].body, EventBody::UserMessage { text, .. } if text == "Hello"));
}

async fn a_message_to_a_busy_desktop_waits_its_turn(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let first = browser.create_session(&desktop.id).await.id;
    let second = browser.create_session(&desktop.id).await.id;
    browser.say(&first, "c1", "Hello").await.expect_success();
    vm.becomes(&first, 2, SessionState::Running).await.expect_success();

    browser.say(&second, "c1", "Hello").await.expect_success();
    let waiting = browser.session(&second).await.state;
    let busy_with = vm.work().await;
    vm.becomes(&first, 3, SessionState::Idle).await.expect_success();

    assert_eq!(waiting, SessionState::Queued);
    assert_eq!(busy_with, Some(first));
    assert_eq!(vm.work().await, Some(second));
}

async fn a_message_to_a_stopped_desktop_wakes_it(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    browser.order(&format!("desktops/{}/stop", desktop.id)).await.expect_success();
    control.settle().await;

    browser.say(&session, "c1", "Hello").await.expect_success();
    let queued = browser.session(&session).await.state;
    control.settle().await;

    assert_eq!(queued, SessionState::Queued);
    let desktop = browser.desktop(&desktop.id).await;
    assert_eq!((desktop.state, desktop.generation), (DesktopState::Booting, 2));
}

async fn a_message_to_a_stopping_desktop_is_not_forgotten(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    browser.order(&format!("desktops/{}/stop", desktop.id)).await.expect_success();

    browser.say(&session, "c1", "Hello").await.expect_success();
    control.settle().await;

    assert_eq!(browser.desktop(&desktop.id).await.generation, 2, "it comes back for what waits");
}

async fn a_message_that_comes_as_the_agent_rests_is_work_again(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;

    for round in 0..12_i64 {
        browser.say(&session, &format!("first {round}").replace(' ', "-"), "Hello").await.expect_success();
        let last = browser.session(&session).await.last_seq;
        let client_id = format!("second-{round}");

        let (said, rested) = tokio::join!(
            browser.say(&session, &client_id, "One more thing"),
            vm.becomes(&session, last + 1, SessionState::Idle)
        );

        let said = said.expect_success().json::<PostedMessage>().seq;
        if rested.status.is_success() && said > last + 1 {
            assert_eq!(vm.work().await, Some(session.clone()), "round {round}: the message came after the rest");
        } else {
            assert_eq!(rested.code(), Code::SequenceConflict, "round {round}");
        }
        let last = browser.session(&session).await.last_seq;
        vm.becomes(&session, last + 1, SessionState::Idle).await.expect_success();
    }
}

async fn what_is_no_message_is_refused(control: Control) {
    let browser = control.user("ada").await;
    let id = browser.post("sessions", "{}").await.json::<Session>().id;

    for (client_id, text) in [("c1", ""), ("c1", " \n "), ("", "Hello"), (&*"c".repeat(65), "Hello")] {
        assert_eq!(browser.say(&id, client_id, text).await.code(), Code::InvalidValue, "{client_id:?} {text:?}");
    }
    assert_eq!(browser.say(&id, "c1", &"é".repeat(100_001)).await.code(), Code::InvalidValue);
    browser.say(&id, "c1", &"é".repeat(100_000)).await.expect_success();
    assert_eq!(browser.events(&id).await.len(), 1);
}

async fn a_stop_reaches_a_session_that_waits(control: Control) {
    let browser = control.user("ada").await;
    let id = browser.post("sessions", "{}").await.json::<Session>().id;
    browser.say(&id, "c1", "Hello").await.expect_success();

    browser.order(&format!("sessions/{id}/stop")).await.expect_success();

    assert_eq!(browser.session(&id).await.state, SessionState::Cancelled);
    let last = browser.events(&id).await.pop().unwrap();
    assert!(matches!(last.body, EventBody::StateChanged { state: SessionState::Cancelled, .. }), "{last:?}");
    browser.order(&format!("sessions/{id}/stop")).await.expect_success();
    assert_eq!(browser.events(&id).await.len(), 2, "a second stop says nothing new");
}

async fn a_stop_reaches_a_session_whose_desktop_is_gone(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    browser.say(&session, "c1", "Hello").await.expect_success();
    vm.becomes(&session, 2, SessionState::Running).await.expect_success();
    browser.order(&format!("desktops/{}/stop", desktop.id)).await.expect_success();
    control.settle().await;

    browser.order(&format!("sessions/{session}/stop")).await.expect_success();

    assert_eq!(browser.session(&session).await.state, SessionState::Cancelled, "nobody else would end it");
}

async fn another_users_session_is_not_there(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    let session: Session = ada.post("sessions", "{}").await.json();
    ada.say(&session.id, "c1", "Hello").await.expect_success();
    let picture = "0".repeat(64);

    for id in [session.id.as_str(), SessionId::generate().as_str(), "ses-1"] {
        for (method, path, body) in [
            (Method::GET, format!("sessions/{id}"), None),
            (Method::PATCH, format!("sessions/{id}"), Some(r#"{"archived":true}"#)),
            (Method::DELETE, format!("sessions/{id}"), None),
            (Method::GET, format!("sessions/{id}/messages"), None),
            (Method::POST, format!("sessions/{id}/messages"), Some(r#"{"text":"Hi","client_id":"c9"}"#)),
            (Method::POST, format!("sessions/{id}/stop"), None),
            (Method::POST, format!("sessions/{id}/approve"), Some(r#"{"approval":1}"#)),
            (Method::POST, format!("sessions/{id}/deny"), Some(r#"{"approval":1}"#)),
            (Method::GET, format!("sessions/{id}/events"), None),
            (Method::GET, format!("sessions/{id}/export"), None),
            (Method::GET, format!("sessions/{id}/export?pictures=true"), None),
            (Method::GET, format!("sessions/{id}/pictures/{picture}"), None),
        ] {
            let refused = mallory.send(method.clone(), &path, body.map(Into::into)).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (404, Code::NotFound), "{method} {path}");
        }
    }
    assert!(mallory.get("sessions").await.json::<Page<Session>>().items.is_empty());
    assert_eq!(ada.events(&session.id).await.len(), 1);
}

async fn sessions_are_listed_newest_first_page_by_page(control: Control) {
    let browser = control.user("ada").await;
    let first: Session = browser.post("sessions", "{}").await.json();
    let elsewhere: Session = browser.post("sessions", "{}").await.json();
    let mut made = vec![first.id.clone()];
    for _ in 0..60 {
        made.push(browser.create_session(&first.desktop_id).await.id);
    }

    let mut seen = Vec::new();
    let mut next = None::<String>;
    loop {
        let after = next.map(|next| format!("&cursor={next}")).unwrap_or_default();
        let path = format!("sessions?desktop_id={}{after}", first.desktop_id);
        let page: Page<Session> = browser.get(&path).await.expect_status(200).json();
        seen.extend(page.items.into_iter().map(|session| session.id));
        next = page.next;
        if next.is_none() {
            break;
        }
    }

    made.reverse();
    assert_eq!(seen, made);
    assert!(!seen.contains(&elsewhere.id));
    assert_eq!(browser.get("sessions?desktop_id=nonsense").await.status.as_u16() / 100, 4);
}

async fn a_session_is_renamed_and_archived(control: Control) {
    let browser = control.user("ada").await;
    let id = browser.post("sessions", "{}").await.json::<Session>().id;
    let path = format!("sessions/{id}");

    let named: Session = browser.patch(&path, json!({ "title": "Trip" })).await.expect_status(200).json();
    let archived: Session = browser.patch(&path, json!({ "archived": true })).await.expect_status(200).json();
    let refused = browser.patch(&path, json!({ "title": "x".repeat(201) })).await;

    assert_eq!((named.title.as_str(), named.archived), ("Trip", false));
    assert_eq!((archived.title.as_str(), archived.archived), ("Trip", true));
    assert_eq!(refused.code(), Code::InvalidValue);
}

async fn a_session_is_deleted_with_its_record(control: Control) {
    let browser = control.user("ada").await;
    let id = browser.post("sessions", "{}").await.json::<Session>().id;
    browser.say(&id, "c1", "Hello").await.expect_success();
    browser.order(&format!("sessions/{id}/stop")).await.expect_success();

    browser.delete(&format!("sessions/{id}")).await.expect_success();

    assert_eq!(browser.get(&format!("sessions/{id}")).await.code(), Code::NotFound);
    assert_eq!(browser.get(&format!("sessions/{id}/messages")).await.code(), Code::NotFound);
}

async fn the_record_is_paged_and_exported_whole(control: Control) {
    let browser = control.user("ada").await;
    let id = browser.post("sessions", "{}").await.json::<Session>().id;
    for n in 1..=7 {
        browser.say(&id, &format!("c{n}"), &format!("Message {n}")).await.expect_success();
    }

    let page: Page<Value> = browser.get(&format!("sessions/{id}/messages?after=2&limit=3")).await.json();
    let last: Page<Value> = browser.get(&format!("sessions/{id}/messages?after=5&limit=3")).await.json();
    let odd: Page<Value> = browser.get(&format!("sessions/{id}/messages?after=-9&limit=999999999")).await.json();
    let export = browser.get(&format!("sessions/{id}/export")).await.expect_status(200);

    let numbers =
        |page: &Page<Value>| page.items.iter().map(|event| event["seq"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!((numbers(&page), page.next.as_deref()), (vec![3, 4, 5], Some("5")));
    assert_eq!((numbers(&last), last.next.as_deref()), (vec![6, 7], None));
    assert_eq!(odd.items.len(), 7);
    assert_eq!(export.json::<Value>()["events"].as_array().unwrap().len(), 7);
    assert!(export.header("content-disposition").unwrap().contains("attachment"));
    let refused = browser.get(&format!("sessions/{id}/messages?after=many")).await;
    assert_eq!(refused.status.as_u16() / 100, 4);
    refused.problem();
}
