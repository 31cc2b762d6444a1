//! How a session is to work: chosen, refused, told to the sidecar; and the models there are to choose from.

use control::models::Models;
use protocol::{
    error::Code,
    model::{Model, Prices},
    session::Session,
    settings::SessionSettings,
};
use serde_json::{Value, json};

use crate::support::{Browser, Control, MODEL, provider};

facts!(
    a_session_has_settings_from_its_beginning_or_the_usual_ones,
    new_settings_take_the_place_of_all_earlier_ones,
    a_new_title_leaves_the_settings_alone,
    settings_that_no_session_can_keep_to_are_refused,
    a_budget_of_money_needs_known_prices,
    a_sidecar_is_told_the_settings_and_the_model,
    a_model_that_left_the_table_is_replaced_by_the_default,
    another_user_changes_no_settings,
    the_models_are_listed_without_their_prices,
    a_program_that_only_sees_changes_no_settings,
);

const PRICES: Prices = Prices { input: 3_000_000, output: 15_000_000, cache_write: 3_750_000, cache_read: 300_000 };

/// A table with a default of unknown prices, and another model.
fn with_two_models(control: Control) -> Control {
    let priced = Model { prices: Some(PRICES), ..Model::named("claude-priced") };
    control.with_settings(|settings| {
        settings.models = Models::of(vec![Model::named(MODEL), priced], provider::at(provider::NOWHERE)).unwrap()
    })
}

async fn create(browser: &Browser, settings: Value) -> crate::support::Answer {
    browser.post("sessions", json!({ "settings": settings }).to_string()).await
}

async fn a_session_has_settings_from_its_beginning_or_the_usual_ones(control: Control) {
    let browser = control.user("ada").await;
    let chosen = json!({
        "model": MODEL, "system_prompt": "Speak French.", "approvals": "risky",
        "tools": { "bash": "ask", "mcp:files": "deny" }, "approval_timeout_s": 60,
        "budgets": { "steps": 10, "tokens": 5_000 },
    });

    let session: Session = create(&browser, chosen.clone()).await.expect_status(201).json();
    let usual = browser.create_session(&session.desktop_id).await;

    assert_eq!(json!(session.settings), chosen);
    assert_eq!(browser.session(&session.id).await, session);
    assert_eq!(usual.settings, SessionSettings::default());
}

async fn new_settings_take_the_place_of_all_earlier_ones(control: Control) {
    let browser = control.user("ada").await;
    let id = create(&browser, json!({ "system_prompt": "Speak French." })).await.json::<Session>().id;

    let patched = browser.patch(&format!("sessions/{id}"), json!({ "settings": { "approvals": "always" } })).await;

    let settings = patched.expect_status(200).json::<Session>().settings;
    assert_eq!(settings, SessionSettings { approvals: "always".parse().unwrap(), ..Default::default() });
    assert_eq!(browser.session(&id).await.settings, settings);
}

async fn a_new_title_leaves_the_settings_alone(control: Control) {
    let browser = control.user("ada").await;
    let before: Session = create(&browser, json!({ "budgets": { "steps": 3 } })).await.json();

    let after = browser.patch(&format!("sessions/{}", before.id), json!({ "title": "Trip" })).await;

    assert_eq!(after.expect_status(200).json::<Session>().settings, before.settings);
}

async fn settings_that_no_session_can_keep_to_are_refused(control: Control) {
    let browser = control.user("ada").await;
    let id = create(&browser, json!({})).await.expect_status(201).json::<Session>().id;
    let before = browser.session(&id).await;
    let rules: serde_json::Map<String, Value> = (0..101).map(|n| (format!("tool_{n}"), json!("ask"))).collect();

    for settings in [
        json!({ "system_prompt": "é".repeat(20_001) }),
        json!({ "tools": rules }),
        json!({ "tools": { "": "ask" } }),
        json!({ "tools": { "a\nb": "ask" } }),
        json!({ "tools": { "bash": "perhaps" } }),
        json!({ "approval_timeout_s": 9 }),
        json!({ "approval_timeout_s": 86_401 }),
        json!({ "approvals": "sometimes" }),
        json!({ "budgets": { "steps": 0 } }),
        json!({ "budgets": { "seconds": -1 } }),
        json!({ "model": "claude-unheard-of" }),
        json!({ "colour": "red" }),
    ] {
        let created = create(&browser, settings.clone()).await;
        let patch = json!({ "title": "Trip", "settings": settings });
        let patched = browser.patch(&format!("sessions/{id}"), patch.clone()).await;
        assert_eq!((created.code(), patched.code()), (Code::InvalidValue, Code::InvalidValue), "{patch}");
    }
    assert_eq!(browser.session(&id).await, before, "what is refused changes nothing");
}

async fn a_budget_of_money_needs_known_prices(control: Control) {
    let control = with_two_models(control);
    let browser = control.user("ada").await;

    let unknown = create(&browser, json!({ "budgets": { "cost_microusd": 1_000_000 } })).await;
    let known = create(&browser, json!({ "model": "claude-priced", "budgets": { "cost_microusd": 1_000_000 } })).await;

    let problem = unknown.problem();
    assert_eq!(problem.code, Code::InvalidValue);
    assert!(problem.detail.contains("prices") && problem.detail.contains(MODEL), "{problem}");
    known.expect_status(201);
}

async fn a_sidecar_is_told_the_settings_and_the_model(control: Control) {
    let control = with_two_models(control);
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    let settings = json!({ "model": "claude-priced", "budgets": { "steps": 3 } });
    browser.patch(&format!("sessions/{session}"), json!({ "settings": settings })).await.expect_status(200);

    let console: Value = vm.get("work").await.json();
    browser.put("keys/anthropic", json!({ "key": "sk-of-ada" })).await.expect_status(200);
    let work: Value = vm.get("work").await.json();
    let events: Value = vm.get(&format!("sessions/{session}/events?after=0")).await.json();

    assert_eq!(console["session"].get("model"), None);
    for told in [&work["session"], &events] {
        assert_eq!(told["model"]["name"], "claude-priced");
        assert_eq!(told["model"]["prices"]["output"], 15_000_000);
        assert_eq!(told["settings"]["budgets"]["steps"], 3);
    }
}

async fn a_model_that_left_the_table_is_replaced_by_the_default(control: Control) {
    let control = with_two_models(control);
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    let settings = json!({ "settings": { "model": "claude-priced" } });
    browser.patch(&format!("sessions/{session}"), settings).await.expect_status(200);
    browser.put("keys/anthropic", json!({ "key": "sk-of-ada" })).await.expect_status(200);

    // As after a restart with the usual table.
    let control = control.restarted().await;
    let work: Value = vm.at(&control).get("work").await.expect_status(200).json();

    assert_eq!(work["session"]["model"]["name"], MODEL);
}

async fn another_user_changes_no_settings(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    let before: Session = create(&ada, json!({ "approvals": "always" })).await.json();

    let refused = mallory.patch(&format!("sessions/{}", before.id), json!({ "settings": {} })).await;

    assert_eq!((refused.status.as_u16(), refused.code()), (404, Code::NotFound));
    assert_eq!(ada.session(&before.id).await, before);
}

async fn the_models_are_listed_without_their_prices(control: Control) {
    let control = with_two_models(control);
    let browser = control.user("ada").await;
    let program = browser.token(&["view"]).await;

    let listed: Value = program.get("models").await.expect_status(200).json();

    assert_eq!(
        listed,
        json!([
            { "name": MODEL, "provider": "anthropic", "has_prices": false, "default": true },
            { "name": "claude-priced", "provider": "anthropic", "has_prices": true, "default": false },
        ])
    );
    let providers: Value = program.get("providers").await.expect_status(200).json();
    assert_eq!(providers, json!([{ "name": "anthropic", "api": "anthropic_messages", "needs_key": true }]));
    assert_eq!(control.anonymous().get("models").await.code(), Code::NotSignedIn);
    assert_eq!(control.anonymous().get("providers").await.code(), Code::NotSignedIn);
}

async fn a_program_that_only_sees_changes_no_settings(control: Control) {
    let browser = control.user("ada").await;
    let before: Session = create(&browser, json!({ "approvals": "always" })).await.json();
    let program = browser.token(&["view"]).await;

    let refused = program.patch(&format!("sessions/{}", before.id), json!({ "settings": {} })).await;

    assert_eq!((refused.status.as_u16(), refused.code()), (403, Code::MissingScope));
    assert_eq!(browser.session(&before.id).await, before);
}
