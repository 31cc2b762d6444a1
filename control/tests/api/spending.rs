//! What a session has used: counted as the answers of its model are stored.

use protocol::{
    MessageId, SessionId,
    event::{AnswerLost, AssistantMessage, EventBody, Usage},
    settings::Spent,
};

use crate::support::{Answer, Control, Vm};

facts!(
    each_answer_adds_what_it_used,
    an_answer_of_which_nothing_came_is_paid_for_and_is_no_step,
    an_answer_that_comes_twice_is_counted_once,
    a_refused_answer_is_not_counted,
    the_console_costs_nothing,
    a_claim_beyond_all_measure_breaks_nothing,
    several_at_once_lose_nothing,
);

const USAGE: Usage =
    Usage { input_tokens: 100, output_tokens: 20, cache_creation_input_tokens: 3, cache_read_input_tokens: 4_000 };

async fn answers(vm: &Vm, session: &SessionId, seq: i64, model: &str, usage: Usage, cost: Option<u64>) -> Answer {
    let message = AssistantMessage {
        message_id: MessageId::generate(),
        content: Vec::new(),
        stop_reason: "end_turn".to_owned(),
        model: model.to_owned(),
        api: None,
        variant: None,
        usage,
        cost_microusd: cost,
    };
    vm.append(session, seq, &format!("a:{seq}"), EventBody::AssistantMessage(message)).await
}

async fn each_answer_adds_what_it_used(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    let before = browser.session(&session).await.spent;

    answers(&vm, &session, 3, "claude-test", USAGE, Some(17)).await.expect_success();
    answers(&vm, &session, 4, "claude-test", USAGE, None).await.expect_success();

    let spent = browser.session(&session).await.spent;
    let usage =
        Usage { input_tokens: 200, output_tokens: 40, cache_creation_input_tokens: 6, cache_read_input_tokens: 8_000 };
    assert_eq!(before, Spent::default());
    assert_eq!(spent, Spent { steps: 2, usage, cost_microusd: 17 });
}

async fn an_answer_of_which_nothing_came_is_paid_for_and_is_no_step(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    let lost = AnswerLost { model: "claude-test".to_owned(), usage: USAGE, cost_microusd: Some(17) };

    vm.append(&session, 3, "l:3", EventBody::AnswerLost(lost)).await.expect_success();

    assert_eq!(browser.session(&session).await.spent, Spent { steps: 0, usage: USAGE, cost_microusd: 17 });
}

async fn an_answer_that_comes_twice_is_counted_once(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;

    for _ in 0..3 {
        answers(&vm, &session, 3, "claude-test", USAGE, Some(17)).await.expect_success();
    }

    assert_eq!(browser.session(&session).await.spent, Spent { steps: 1, usage: USAGE, cost_microusd: 17 });
}

async fn a_refused_answer_is_not_counted(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;

    let refused = answers(&vm, &session, 9, "claude-test", USAGE, Some(17)).await;

    assert_eq!(refused.code(), protocol::error::Code::SequenceConflict);
    assert_eq!(browser.session(&session).await.spent, Spent::default());
}

async fn the_console_costs_nothing(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;

    answers(&vm, &session, 3, "console", USAGE, Some(17)).await.expect_success();

    assert_eq!(browser.session(&session).await.spent, Spent::default());
}

async fn a_claim_beyond_all_measure_breaks_nothing(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    let all = u64::MAX;
    let endless =
        Usage { input_tokens: all, output_tokens: all, cache_creation_input_tokens: all, cache_read_input_tokens: all };

    for seq in 3..=6 {
        answers(&vm, &session, seq, "claude-test", endless, Some(all)).await.expect_success();
    }

    let spent = browser.session(&session).await.spent;
    assert_eq!(spent.steps, 4);
    assert!(spent.cost_microusd >= 4_000_000_000_000, "{spent:?}");
}

async fn several_at_once_lose_nothing(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let first = browser.create_session(&desktop.id).await.id;
    let second = browser.create_session(&desktop.id).await.id;

    for seq in 1..=5 {
        let (one, other) = tokio::join!(
            answers(&vm, &first, seq, "claude-test", USAGE, Some(1)),
            answers(&vm, &second, seq, "claude-test", USAGE, Some(2))
        );
        one.expect_success();
        other.expect_success();
    }

    let spent = (browser.session(&first).await.spent, browser.session(&second).await.spent);
    assert_eq!((spent.0.steps, spent.0.cost_microusd), (5, 5));
    assert_eq!((spent.1.steps, spent.1.cost_microusd), (5, 10));
}
