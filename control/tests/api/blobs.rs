//! Pictures: stored under their hash, seen only by whom the record shows them to.

use base64::{Engine, engine::general_purpose::STANDARD};
use protocol::{
    SessionId, UserId,
    error::Code,
    event::{ActionTrace, EventBody, ResultBlock, ToolResult},
    session::SessionState,
};
use serde_json::Value;

use crate::support::{
    Answer, Control, Vm,
    vm::{picture, picture_of, sha256},
};

facts!(
    a_picture_is_shown_to_whom_the_record_shows_it,
    a_picture_that_the_record_does_not_name_is_not_there,
    a_blob_whose_name_is_not_its_hash_is_refused,
    what_is_no_picture_is_refused,
    a_picture_that_is_too_large_is_refused,
    a_picture_is_stored_before_the_event_that_shows_it,
    a_repeat_is_harmless,
    another_desktop_can_neither_read_nor_show_it,
    a_deleted_session_takes_its_pictures_along,
    a_picture_of_two_sessions_outlives_one_of_them,
    pictures_of_approvals_and_hand_backs_belong_to_the_record,
    an_archived_session_is_deleted_with_the_pictures_of_its_approvals,
    an_export_holds_the_pictures_only_when_asked,
    an_export_survives_a_picture_that_the_disk_has_lost,
);

async fn show(vm: &Vm, session: &SessionId, seq: i64, sha256: &str) -> Answer {
    let result = ToolResult {
        tool_use_id: format!("toolu_{seq}"),
        is_error: false,
        content: vec![ResultBlock::Image { picture: picture_of(sha256) }],
        trace: ActionTrace::default(),
    };
    vm.append(session, seq, &format!("r:{seq}"), EventBody::ToolResult(result)).await
}

/// Every stored file, by its name in one piece.
fn stored(control: &Control) -> Vec<String> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(control.folder.path().join("blobs")).unwrap().flatten() {
        for file in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            found.push(format!("{}{}", folder.file_name().display(), file.file_name().display()));
        }
    }
    found
}

async fn a_picture_is_shown_to_whom_the_record_shows_it(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    let (name, put) = vm.put_blob(&picture(1)).await;
    put.expect_success();
    show(&vm, &session, 1, &name).await.expect_success();

    let shown = browser.get(&format!("sessions/{session}/pictures/{name}")).await.expect_status(200);
    let read_back = vm.get(&format!("blobs/{name}")).await.expect_status(200);

    assert_eq!((&shown.body, shown.header("content-type")), (&picture(1), Some("image/png")));
    assert!(shown.header("cache-control").unwrap().contains("immutable"));
    assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(read_back.body, picture(1));
    assert_eq!(stored(&control), [name]);
}

async fn a_picture_that_the_record_does_not_name_is_not_there(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    let (desktop, vm) = control.ready_desktop(&ada).await;
    let session = ada.create_session(&desktop.id).await.id;
    let other = ada.create_session(&desktop.id).await.id;
    let (name, _) = vm.put_blob(&picture(1)).await;
    let early = ada.get(&format!("sessions/{session}/pictures/{name}")).await;
    show(&vm, &session, 1, &name).await.expect_success();

    for refused in [
        early,
        ada.get(&format!("sessions/{other}/pictures/{name}")).await,
        mallory.get(&format!("sessions/{session}/pictures/{name}")).await,
        ada.get(&format!("sessions/{session}/pictures/{}", "0".repeat(64))).await,
        ada.get(&format!("sessions/{session}/pictures/..%2f..%2fca%2froot.key.pem")).await,
        ada.get(&format!("sessions/{session}/pictures/x%00y")).await,
    ] {
        assert_eq!((refused.status.as_u16(), refused.code()), (404, Code::NotFound));
    }
}

async fn a_blob_whose_name_is_not_its_hash_is_refused(control: Control) {
    let (_, vm) = control.ready_desktop(&control.user("ada").await).await;

    for name in [
        sha256(&picture(2)),
        "0".repeat(64),
        "short".into(),
        "..%2f..%2fescape".into(),
        sha256(&picture(1)).to_uppercase(),
    ] {
        let refused = vm.put_blob_as(&name, &picture(1)).await;
        assert_eq!(refused.code(), Code::InvalidValue, "{name}");
    }
    assert!(stored(&control).is_empty());
}

async fn what_is_no_picture_is_refused(control: Control) {
    let (_, vm) = control.ready_desktop(&control.user("ada").await).await;

    for bytes in [&b"<script>alert(1)</script>"[..], b""] {
        let (_, refused) = vm.put_blob(bytes).await;
        assert_eq!(refused.code(), Code::InvalidValue);
    }
}

async fn a_picture_that_is_too_large_is_refused(control: Control) {
    let (_, vm) = control.ready_desktop(&control.user("ada").await).await;
    let mut large = picture(1);
    large.resize(8 << 20, 7);

    vm.put_blob(&large).await.1.expect_success();
    large.push(7);
    let (_, refused) = vm.put_blob(&large).await;

    assert_eq!((refused.status.as_u16(), refused.code()), (413, Code::BodyTooLarge));
    assert_eq!(stored(&control).len(), 1, "and nothing half-written stays");
}

async fn a_picture_is_stored_before_the_event_that_shows_it(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;

    for name in [sha256(&picture(9)), "x".repeat(64), "../../ca/root.key.pem".to_owned(), "é".repeat(32)] {
        assert_eq!(show(&vm, &session, 1, &name).await.code(), Code::InvalidValue, "{name}");
    }
    assert!(browser.events(&session).await.is_empty());
}

async fn a_repeat_is_harmless(control: Control) {
    let (_, vm) = control.ready_desktop(&control.user("ada").await).await;

    let bytes = picture(1);
    let answers = futures_util::future::join_all((0..6).map(|_| vm.put_blob(&bytes))).await;

    for (_, answer) in answers {
        answer.expect_success();
    }
    assert_eq!(stored(&control).len(), 1);
}

async fn another_desktop_can_neither_read_nor_show_it(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    let (desktop, hers) = control.ready_desktop(&ada).await;
    let session = ada.create_session(&desktop.id).await.id;
    let (name, _) = hers.put_blob(&picture(1)).await;
    show(&hers, &session, 1, &name).await.expect_success();
    let (theirs, thief) = control.ready_desktop(&mallory).await;
    let own = mallory.create_session(&theirs.id).await.id;

    let read = thief.get(&format!("blobs/{name}")).await;
    let shown = show(&thief, &own, 1, &name).await;

    assert_eq!(read.code(), Code::NotFound);
    assert!(shown.status.is_client_error(), "a hash alone must not open a stranger's picture: {}", shown.text());
    assert_eq!(mallory.get(&format!("sessions/{own}/pictures/{name}")).await.code(), Code::NotFound);
}

async fn a_deleted_session_takes_its_pictures_along(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    let (name, _) = vm.put_blob(&picture(1)).await;
    show(&vm, &session, 1, &name).await.expect_success();

    browser.delete(&format!("sessions/{session}")).await.expect_success();
    control.settle().await;

    assert!(stored(&control).is_empty(), "deleted means gone from the disk");
}

async fn a_picture_of_two_sessions_outlives_one_of_them(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let first = browser.create_session(&desktop.id).await.id;
    let second = browser.create_session(&desktop.id).await.id;
    let (name, _) = vm.put_blob(&picture(1)).await;
    show(&vm, &first, 1, &name).await.expect_success();
    show(&vm, &second, 1, &name).await.expect_success();

    browser.delete(&format!("sessions/{first}")).await.expect_success();
    control.settle().await;

    browser.get(&format!("sessions/{second}/pictures/{name}")).await.expect_status(200);
}

async fn pictures_of_approvals_and_hand_backs_belong_to_the_record(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    let (asked, _) = vm.put_blob(&picture(1)).await;
    let (handed_back, _) = vm.put_blob(&picture(2)).await;

    vm.asks(&session, 3, Some(&asked)).await.expect_success();
    hand_back(&vm, &session, 4, &browser.id().await, &handed_back).await.expect_success();
    let unknown = vm.asks(&session, 5, Some(&sha256(&picture(9)))).await;

    for (name, n) in [(asked, 1), (handed_back, 2)] {
        let shown = browser.get(&format!("sessions/{session}/pictures/{name}")).await.expect_status(200);
        assert_eq!(shown.body, picture(n));
    }
    assert_eq!(unknown.code(), Code::InvalidValue, "a picture is stored before the event that shows it");
}

async fn an_archived_session_is_deleted_with_the_pictures_of_its_approvals(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    let (asked, _) = vm.put_blob(&picture(1)).await;
    let (handed_back, _) = vm.put_blob(&picture(2)).await;
    vm.asks(&session, 3, Some(&asked)).await.expect_success();
    hand_back(&vm, &session, 4, &browser.id().await, &handed_back).await.expect_success();
    vm.becomes(&session, 5, SessionState::Cancelled).await.expect_success();
    browser.patch(&format!("sessions/{session}"), serde_json::json!({ "archived": true })).await.expect_success();

    browser.delete(&format!("sessions/{session}")).await.expect_success();

    assert_eq!(browser.get(&format!("sessions/{session}")).await.code(), Code::NotFound);
    assert!(stored(&control).is_empty(), "deleted means gone from the disk");
}

async fn an_export_holds_the_pictures_only_when_asked(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    let mut names = Vec::new();
    for n in 1..=3 {
        let (name, _) = vm.put_blob(&picture(n)).await;
        show(&vm, &session, 2 + i64::from(n), &name).await.expect_success();
        names.push((name, picture(n)));
    }
    names.sort();
    let path = format!("sessions/{session}/export");

    let without: Value = browser.get(&path).await.expect_status(200).json();
    let refused = browser.get(&format!("{path}?pictures=perhaps")).await;
    let with: Value = browser.get(&format!("{path}?pictures=true")).await.expect_status(200).json();

    assert_eq!(without.get("pictures"), None);
    assert_eq!((&with["session"], &with["events"]), (&without["session"], &without["events"]));
    let held: Vec<(String, Vec<u8>)> = with["pictures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|held| {
            assert_eq!(held["media_type"], "image/png");
            (held["sha256"].as_str().unwrap().to_owned(), STANDARD.decode(held["data"].as_str().unwrap()).unwrap())
        })
        .collect();
    assert_eq!(held, names);
    assert_eq!(refused.code(), Code::MalformedRequest);
}

async fn an_export_survives_a_picture_that_the_disk_has_lost(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    let (lost, _) = vm.put_blob(&picture(1)).await;
    let (kept, _) = vm.put_blob(&picture(2)).await;
    show(&vm, &session, 3, &lost).await.expect_success();
    show(&vm, &session, 4, &kept).await.expect_success();
    std::fs::remove_file(control.folder.path().join("blobs").join(&lost[..2]).join(&lost[2..])).unwrap();

    let export: Value = browser.get(&format!("sessions/{session}/export?pictures=true")).await.json();

    let names: Vec<&Value> = export["pictures"].as_array().unwrap().iter().map(|held| &held["sha256"]).collect();
    assert_eq!(names, [&Value::from(kept)]);
}

async fn hand_back(vm: &Vm, session: &SessionId, seq: i64, user: &UserId, sha256: &str) -> Answer {
    let body = EventBody::HandedBack { user_id: user.clone(), note: None, picture: Some(picture_of(sha256)) };
    vm.append(session, seq, &format!("h:{seq}"), body).await
}
