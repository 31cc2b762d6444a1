//! A person's word on an action: whose counts, which counts, and that it counts once.

use protocol::{
    SessionId,
    approval::{ApprovalAnswered, Verdict},
    error::Code,
    event::EventBody,
    journal::Appended,
    session::{Session, SessionState},
};

use crate::support::{Answer, Browser, Control};

facts!(
    an_action_that_asks_makes_its_session_wait,
    only_a_running_session_begins_to_wait,
    an_approved_action_lets_its_session_run,
    a_word_in_the_chat_counts_like_one_by_the_api,
    the_same_word_again_changes_nothing,
    the_first_word_counts,
    of_many_words_at_once_one_counts,
    what_did_not_ask_cannot_be_judged,
    what_waits_no_more_cannot_be_judged,
    only_the_last_that_asked_can_be_judged,
    another_users_word_does_not_count,
    a_program_needs_the_scope_to_talk,
    a_sidecar_speaks_for_its_own_generation_and_desktop,
    a_sidecar_writes_nobodys_word_into_the_record,
);

async fn an_action_that_asks_makes_its_session_wait(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;

    let asked: Appended = vm.asks(&session, 3, None).await.expect_status(200).json();

    assert_eq!(asked.seq, 3);
    assert_eq!(browser.session(&session).await.state, SessionState::WaitingApproval);
    assert_eq!(vm.work().await, Some(session), "it is still the one at work");
}

async fn only_a_running_session_begins_to_wait(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;

    for (round, state) in [SessionState::Paused, SessionState::Cancelled].into_iter().enumerate() {
        let seq = 3 + 2 * round as i64;
        vm.becomes(&session, seq, state).await.expect_success();
        vm.asks(&session, seq + 1, None).await.expect_success();

        assert_eq!(browser.session(&session).await.state, state);
        assert_eq!(browser.judge(&session, "approve", seq + 1).await.code(), Code::Conflict);
    }
}

async fn an_approved_action_lets_its_session_run(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    vm.asks(&session, 3, None).await.expect_success();

    let judged: Session = browser.judge(&session, "approve", 3).await.expect_status(200).json();

    assert_eq!((judged.state, judged.last_seq), (SessionState::Running, 4));
    assert_eq!(words(&browser, &session).await, [word(&browser, 3, Verdict::Approved).await]);
}

async fn a_word_in_the_chat_counts_like_one_by_the_api(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    vm.asks(&session, 3, None).await.expect_success();

    let judged: Appended = vm.judges(&session, &browser.id().await, "denied", 3).await.expect_status(200).json();

    assert_eq!(judged.seq, 4);
    assert_eq!(browser.session(&session).await.state, SessionState::Running);
    assert_eq!(words(&browser, &session).await, [word(&browser, 3, Verdict::Denied).await]);
}

async fn the_same_word_again_changes_nothing(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    vm.asks(&session, 3, None).await.expect_success();
    let me = browser.id().await;
    let first: Appended = vm.judges(&session, &me, "approved", 3).await.expect_status(200).json();
    vm.becomes(&session, 5, SessionState::Idle).await.expect_success();
    let before = browser.session(&session).await;
    control.pass_time(5_000);

    let again: Appended = vm.judges(&session, &me, "approved", 3).await.expect_status(200).json();
    let by_the_api: Session = browser.judge(&session, "approve", 3).await.expect_status(200).json();

    assert_eq!(again, first);
    assert_eq!(by_the_api, before, "it does not run again");
}

async fn the_first_word_counts(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    vm.asks(&session, 3, None).await.expect_success();
    browser.judge(&session, "deny", 3).await.expect_status(200);

    let late = browser.judge(&session, "approve", 3).await;
    let in_the_chat = vm.judges(&session, &browser.id().await, "approved", 3).await;

    assert_eq!((late.status.as_u16(), late.code(), in_the_chat.code()), (409, Code::Conflict, Code::Conflict));
    assert!(late.problem().detail.contains("denied"), "{}", late.text());
    assert_eq!(words(&browser, &session).await, [word(&browser, 3, Verdict::Denied).await]);
}

async fn of_many_words_at_once_one_counts(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    vm.asks(&session, 3, None).await.expect_success();

    let verdicts = ["approve", "deny"].into_iter().cycle().take(8);
    let answers = futures_util::future::join_all(verdicts.map(|verdict| browser.judge(&session, verdict, 3))).await;

    assert_eq!(answers.iter().filter(|answer| answer.status.is_success()).count(), 4, "one verdict, four times");
    assert_eq!(words(&browser, &session).await.len(), 1);
    assert_eq!(browser.session(&session).await.state, SessionState::Running);
}

async fn what_did_not_ask_cannot_be_judged(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    vm.asks(&session, 3, None).await.expect_success();

    for approval in [0, 1, 2, 4, -1, i64::MIN, i64::MAX] {
        let refused = browser.judge(&session, "approve", approval).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (404, Code::NotFound), "{approval}");
    }
    assert_eq!(browser.session(&session).await.state, SessionState::WaitingApproval);
}

async fn what_waits_no_more_cannot_be_judged(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    vm.asks(&session, 3, None).await.expect_success();
    vm.becomes(&session, 4, SessionState::Cancelled).await.expect_success();

    let late = browser.judge(&session, "approve", 3).await;

    assert_eq!((late.status.as_u16(), late.code()), (409, Code::Conflict));
    assert_eq!(browser.session(&session).await.state, SessionState::Cancelled, "a stop is not taken back by it");
    assert!(words(&browser, &session).await.is_empty());
}

async fn only_the_last_that_asked_can_be_judged(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    vm.asks(&session, 3, None).await.expect_success();
    vm.becomes(&session, 4, SessionState::Running).await.expect_success();
    vm.asks(&session, 5, None).await.expect_success();

    let lapsed = browser.judge(&session, "approve", 3).await;

    assert_eq!(lapsed.code(), Code::Conflict);
    assert_eq!(browser.session(&session).await.state, SessionState::WaitingApproval);
    browser.judge(&session, "approve", 5).await.expect_status(200);
}

async fn another_users_word_does_not_count(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    let (session, vm) = control.running_session(&ada).await;
    vm.asks(&session, 3, None).await.expect_success();

    let by_the_api = mallory.judge(&session, "approve", 3).await;
    let in_the_chat = vm.judges(&session, &mallory.id().await, "approved", 3).await;

    assert_eq!((by_the_api.status.as_u16(), by_the_api.code()), (404, Code::NotFound));
    assert_eq!(in_the_chat.code(), Code::InvalidValue);
    assert_eq!(ada.session(&session).await.state, SessionState::WaitingApproval);
}

async fn a_program_needs_the_scope_to_talk(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    vm.asks(&session, 3, None).await.expect_success();

    for scopes in [&["view"][..], &["view", "control", "files", "shell"]] {
        let program = browser.token(scopes).await;
        for verdict in ["approve", "deny"] {
            let refused: Answer = program.judge(&session, verdict, 3).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (403, Code::MissingScope), "{scopes:?}");
        }
    }
    assert_eq!(browser.session(&session).await.state, SessionState::WaitingApproval);
    let talker = browser.token(&["chat"]).await;
    talker.judge(&session, "approve", 3).await.expect_status(200);
}

async fn a_sidecar_speaks_for_its_own_generation_and_desktop(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    let (session, mut vm) = control.running_session(&ada).await;
    vm.asks(&session, 3, None).await.expect_success();
    let (_, stranger) = control.ready_desktop(&mallory).await;
    let me = ada.id().await;

    let elsewhere = stranger.judges(&session, &me, "approved", 3).await;
    vm.spec.generation = 0;
    let old = vm.judges(&session, &me, "approved", 3).await;

    assert_eq!((elsewhere.code(), old.code()), (Code::NotFound, Code::StaleGeneration));
    assert_eq!(ada.session(&session).await.state, SessionState::WaitingApproval);
}

async fn a_sidecar_writes_nobodys_word_into_the_record(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    vm.asks(&session, 3, None).await.expect_success();
    let forged = EventBody::ApprovalAnswered(word(&browser, 3, Verdict::Approved).await);
    let notice = EventBody::Notice { text: "I am the word".to_owned() };

    let appended = vm.append(&session, 4, "n:4", forged).await;
    let in_its_place = vm.append(&session, 4, "verdict/3", notice).await;

    assert_eq!((appended.status.as_u16(), appended.code()), (422, Code::InvalidValue));
    assert_eq!(in_its_place.code(), Code::InvalidValue);
    browser.judge(&session, "deny", 3).await.expect_status(200);
}

async fn word(browser: &Browser, approval: i64, verdict: Verdict) -> ApprovalAnswered {
    ApprovalAnswered { approval, verdict, user_id: browser.id().await }
}

/// What the record holds of people's words.
async fn words(browser: &Browser, session: &SessionId) -> Vec<ApprovalAnswered> {
    let word = |body| match body {
        EventBody::ApprovalAnswered(word) => Some(word),
        _ => None,
    };
    browser.events(session).await.into_iter().filter_map(|event| word(event.body)).collect()
}
