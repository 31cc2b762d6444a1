//! Is the record whole? Whatever is changed behind control's back is noticed.

use protocol::{SessionId, error::Code, event::EventBody};
use serde_json::{Value, json};

use crate::support::{Browser, Control};

facts!(
    a_record_that_nobody_touched_is_whole,
    an_edited_body_is_noticed,
    a_changed_time_is_noticed,
    a_changed_client_id_is_noticed,
    an_event_removed_from_the_middle_is_noticed,
    events_removed_at_the_end_are_noticed,
    a_record_that_was_emptied_is_noticed,
    an_event_added_at_the_end_is_noticed,
    swapped_events_are_noticed,
    an_event_of_another_session_is_noticed,
    a_hash_that_was_taken_away_is_noticed,
    events_from_before_the_chain_are_counted,
    each_broken_session_is_told_once,
    a_long_record_is_walked_to_its_end,
    a_record_that_grows_meanwhile_is_whole,
    another_users_sessions_are_not_looked_at,
    a_program_with_less_than_everything_is_refused,
);

/// A session with `n` events.
async fn recorded(control: &Control, browser: &Browser, n: i64) -> SessionId {
    let session = browser.post("sessions", "{}").await.json::<protocol::session::Session>().id;
    for seq in 1..=n {
        browser.say(&session, &format!("c{seq}"), &format!("Message {seq}")).await.expect_success();
        control.pass_time(1_000);
    }
    session
}

async fn verify(browser: &Browser) -> Value {
    browser.get("audit/verify").await.expect_status(200).json()
}

/// Does something to a record of five events; answers what is said of it.
async fn broken_by(control: &Control, sql: &str) -> Value {
    let browser = control.user("ada").await;
    let session = recorded(control, &browser, 5).await;
    assert_eq!(verify(&browser).await["broken"], json!([]));

    control.sql(&sql.replace("{session}", session.as_str())).await;

    let mut said = verify(&browser).await;
    assert_eq!(said["sessions"], 1);
    let broken = said["broken"].as_array().expect("a list");
    assert!(broken.len() == 1 && broken[0]["session_id"] == session.as_str(), "{broken:?}");
    said["broken"][0]["seq"].take()
}

async fn a_record_that_nobody_touched_is_whole(control: Control) {
    let browser = control.user("ada").await;
    let session = recorded(&control, &browser, 3).await;
    browser.order(&format!("sessions/{session}/stop")).await.expect_success();
    let other = browser.create_session(&browser.session(&session).await.desktop_id).await.id;
    browser.patch(&format!("sessions/{other}"), json!({ "title": "Renamed" })).await.expect_success();

    let said = verify(&browser).await;

    assert_eq!(said, json!({ "sessions": 2, "events": 4, "unchained": 0, "broken": [] }));
}

async fn an_edited_body_is_noticed(control: Control) {
    let sql = "UPDATE events SET body = REPLACE(body, 'Message 3', 'Message X') WHERE session_id = '{session}'";

    assert_eq!(broken_by(&control, sql).await, 3);
}

async fn a_changed_time_is_noticed(control: Control) {
    let sql = "UPDATE events SET at = at + 1 WHERE session_id = '{session}' AND seq = 2";

    assert_eq!(broken_by(&control, sql).await, 2);
}

async fn a_changed_client_id_is_noticed(control: Control) {
    let sql = "UPDATE events SET client_id = 'say/other' WHERE session_id = '{session}' AND seq = 4";

    assert_eq!(broken_by(&control, sql).await, 4);
}

async fn an_event_removed_from_the_middle_is_noticed(control: Control) {
    assert_eq!(broken_by(&control, "DELETE FROM events WHERE session_id = '{session}' AND seq = 3").await, 3);
}

async fn events_removed_at_the_end_are_noticed(control: Control) {
    assert_eq!(broken_by(&control, "DELETE FROM events WHERE session_id = '{session}' AND seq >= 4").await, 4);
}

async fn a_record_that_was_emptied_is_noticed(control: Control) {
    assert_eq!(broken_by(&control, "DELETE FROM events WHERE session_id = '{session}'").await, 1);
}

async fn an_event_added_at_the_end_is_noticed(control: Control) {
    let sql = "INSERT INTO events (session_id, seq, client_id, at, body, hash) \
               SELECT session_id, 6, 'say/more', at, body, hash FROM events WHERE session_id = '{session}' AND seq = 5";

    assert_eq!(broken_by(&control, sql).await, 6);
}

async fn swapped_events_are_noticed(control: Control) {
    let sql = "UPDATE events SET seq = 99 WHERE session_id = '{session}' AND seq = 2; \
               UPDATE events SET seq = 2 WHERE session_id = '{session}' AND seq = 3; \
               UPDATE events SET seq = 3 WHERE session_id = '{session}' AND seq = 99";

    assert_eq!(broken_by(&control, sql).await, 2);
}

async fn an_event_of_another_session_is_noticed(control: Control) {
    let browser = control.user("ada").await;
    let ours = recorded(&control, &browser, 3).await;
    let theirs = browser.create_session(&browser.session(&ours).await.desktop_id).await.id;

    // A whole record, moved as it stands.
    control.sql(&format!("UPDATE events SET session_id = '{theirs}'; UPDATE sessions SET last_seq = 3")).await;

    let said = verify(&browser).await;
    let broken = json!([{ "session_id": theirs, "seq": 1 }, { "session_id": ours, "seq": 1 }]);
    assert_eq!(said["broken"], broken, "newest first");
}

async fn a_hash_that_was_taken_away_is_noticed(control: Control) {
    let sql = "UPDATE events SET hash = NULL WHERE session_id = '{session}' AND seq >= 3";

    assert_eq!(broken_by(&control, sql).await, 3);
}

async fn events_from_before_the_chain_are_counted(control: Control) {
    let browser = control.user("ada").await;
    let session = recorded(&control, &browser, 3).await;
    control.sql("UPDATE events SET hash = NULL").await;

    browser.say(&session, "later", "After the migration").await.expect_success();
    browser.say(&session, "later-still", "And on").await.expect_success();

    assert_eq!(verify(&browser).await, json!({ "sessions": 1, "events": 5, "unchained": 3, "broken": [] }));
}

async fn each_broken_session_is_told_once(control: Control) {
    let browser = control.user("ada").await;
    let session = recorded(&control, &browser, 5).await;

    control.sql("UPDATE events SET at = at + 1 WHERE seq >= 2").await;

    let said = verify(&browser).await;
    assert_eq!(said["broken"], json!([{ "session_id": session, "seq": 2 }]));
    assert_eq!(said["events"], 5, "and all were looked at");
}

async fn a_long_record_is_walked_to_its_end(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    for seq in 1..=61 {
        let body = EventBody::Notice { text: format!("number {seq}") };
        vm.append(&session, seq, &format!("n:{seq}"), body).await.expect_success();
    }
    for _ in 0..60 {
        browser.create_session(&desktop.id).await;
    }

    let whole = verify(&browser).await;
    control.sql("UPDATE events SET at = at + 1 WHERE seq = 61").await;
    let broken = verify(&browser).await;

    assert_eq!(whole, json!({ "sessions": 61, "events": 61, "unchained": 0, "broken": [] }));
    assert_eq!(broken["broken"], json!([{ "session_id": session, "seq": 61 }]));
}

async fn a_record_that_grows_meanwhile_is_whole(control: Control) {
    let browser = control.user("ada").await;
    let session = recorded(&control, &browser, 20).await;
    let names: Vec<String> = (0..20).map(|n| format!("more-{n}")).collect();

    let said = futures_util::future::join_all(names.iter().map(|name| browser.say(&session, name, name)));
    let verified = futures_util::future::join_all((0..10).map(|_| verify(&browser)));
    let (_, verified) = tokio::join!(said, verified);

    for said in verified {
        assert_eq!(said["broken"], json!([]));
    }
}

async fn another_users_sessions_are_not_looked_at(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    recorded(&control, &ada, 2).await;
    control.sql("UPDATE events SET at = at + 1").await;

    assert_eq!(verify(&mallory).await, json!({ "sessions": 0, "events": 0, "unchained": 0, "broken": [] }));
}

async fn a_program_with_less_than_everything_is_refused(control: Control) {
    let program = control.user("ada").await.token(&["view", "chat"]).await;

    let refused = program.get("audit/verify").await;

    assert_eq!((refused.status.as_u16(), refused.code()), (403, Code::MissingScope));
}
