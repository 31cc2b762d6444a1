//! Provider keys: stored sealed, shown masked, checked with the provider itself.

use protocol::{
    error::Code,
    key::{KeyCheck, ProviderKey},
};
use serde_json::json;

use crate::support::{
    Control,
    provider::{self, Provider},
};

facts!(
    a_key_is_shown_masked_and_nowhere_in_full,
    a_new_key_takes_the_place_of_the_old_one,
    a_deleted_key_is_gone,
    what_is_no_key_or_no_provider_is_refused,
    the_provider_itself_says_whether_it_accepts_a_key,
    a_key_is_shown_to_its_own_provider_in_its_own_way,
    a_provider_that_says_nothing_about_the_key_is_reported,
    a_provider_that_sends_elsewhere_is_not_followed,
    a_name_that_leads_inside_is_not_gone_to,
    one_users_key_is_not_anothers,
);

const KEY: &str = "sk-ant-api03-0123456789abcdef3fQA";

async fn a_key_is_shown_masked_and_nowhere_in_full(control: Control) {
    let browser = control.user("ada").await;

    let stored = browser.put("keys/anthropic", json!({ "key": KEY })).await.expect_status(200);
    let listed = browser.get("keys").await.expect_status(200);

    assert_eq!(listed.json::<Vec<ProviderKey>>(), [stored.json()]);
    assert_eq!(stored.json::<ProviderKey>().masked, "••••3fQA");
    assert!(!listed.text().contains(&KEY[..KEY.len() - 4]));
    for file in walk(control.folder.path()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!found, "the key stands in {}", file.display());
    }
}

async fn a_new_key_takes_the_place_of_the_old_one(control: Control) {
    let browser = control.user("ada").await;
    browser.put("keys/anthropic", json!({ "key": KEY })).await.expect_status(200);

    browser.put("keys/anthropic", json!({ "key": "sk-another-one-9999" })).await.expect_status(200);

    let listed: Vec<ProviderKey> = browser.get("keys").await.json();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].masked, "••••9999");
}

async fn a_deleted_key_is_gone(control: Control) {
    let browser = control.user("ada").await;
    browser.put("keys/anthropic", json!({ "key": KEY })).await.expect_status(200);

    browser.delete("keys/anthropic").await.expect_success();

    assert_eq!(browser.get("keys").await.text(), "[]");
    assert_eq!(browser.order("keys/anthropic/check").await.code(), Code::NoProviderKey);
}

async fn what_is_no_key_or_no_provider_is_refused(control: Control) {
    let browser = control.user("ada").await;

    for key in ["short", "with a space in it", "with\nnewline", "ключ-из-букв", &"x".repeat(513)] {
        let refused = browser.put("keys/anthropic", json!({ "key": key })).await;
        assert_eq!(refused.code(), Code::InvalidValue, "{key}");
    }
    let unknown = browser.put("keys/nobody", json!({ "key": KEY })).await;
    assert_eq!(unknown.code(), Code::NotFound);
}

async fn the_provider_itself_says_whether_it_accepts_a_key(control: Control) {
    let provider = Provider::accepting(KEY).await;
    let control = control.with_settings(|settings| settings.models = provider.models());
    let browser = control.user("ada").await;

    browser.put("keys/anthropic", json!({ "key": KEY })).await.expect_status(200);
    let good: KeyCheck = browser.order("keys/anthropic/check").await.expect_status(200).json();
    browser.put("keys/anthropic", json!({ "key": "sk-of-somebody-else" })).await.expect_status(200);
    let bad: KeyCheck = browser.order("keys/anthropic/check").await.expect_status(200).json();

    assert!(good.accepted && !bad.accepted, "{good:?} {bad:?}");
    assert!(!bad.detail.is_empty());
}

async fn a_key_is_shown_to_its_own_provider_in_its_own_way(control: Control) {
    let provider = Provider::accepting_bearer(KEY).await;
    let control = control.with_settings(|settings| settings.models = provider.models());
    let browser = control.user("ada").await;

    browser.put("keys/openai", json!({ "key": KEY })).await.expect_status(200);
    let good: KeyCheck = browser.order("keys/openai/check").await.expect_status(200).json();

    assert!(good.accepted, "{good:?}");
    assert_eq!(browser.order("keys/anthropic/check").await.code(), Code::NoProviderKey);
}

async fn a_provider_that_sends_elsewhere_is_not_followed(control: Control) {
    let provider = Provider::answering(|_| 307).await;
    let control = control.with_settings(|settings| settings.models = provider.models());
    let browser = control.user("ada").await;
    browser.put("keys/openai", json!({ "key": KEY })).await.expect_status(200);

    let sent_away = browser.order("keys/openai/check").await;

    assert_eq!(sent_away.code(), Code::ProviderRefused);
    assert!(sent_away.problem().detail.contains("307"), "{}", sent_away.text());
}

async fn a_name_that_leads_inside_is_not_gone_to(control: Control) {
    let provider = Provider::accepting_bearer(KEY).await;
    let at = |name: &str, allow_private| provider::compatible(name, &provider.by_name(), true, allow_private);
    let models = provider::table([at("inside", true), at("outside", false)]);
    let control = control.with_settings(|settings| settings.models = models);
    let browser = control.user("ada").await;
    for name in ["inside", "outside"] {
        browser.put(&format!("keys/{name}"), json!({ "key": KEY })).await.expect_status(200);
    }

    let allowed: KeyCheck = browser.order("keys/inside/check").await.expect_status(200).json();
    let refused = browser.order("keys/outside/check").await;

    assert!(allowed.accepted, "{allowed:?}");
    assert_eq!(refused.code(), Code::ProviderRefused);
    assert!(refused.problem().detail.contains("cannot be reached"), "{}", refused.text());
}

async fn a_provider_that_says_nothing_about_the_key_is_reported(control: Control) {
    let browser = control.user("ada").await;
    browser.put("keys/anthropic", json!({ "key": KEY })).await.expect_status(200);

    let nobody = browser.order("keys/anthropic/check").await;
    let provider = Provider::answering(|_| 529).await;
    let control = Control::on_sqlite().await.with_settings(|settings| settings.models = provider.models());
    let browser = control.user("ada").await;
    browser.put("keys/anthropic", json!({ "key": KEY })).await.expect_status(200);
    let overloaded = browser.order("keys/anthropic/check").await;

    assert_eq!((nobody.status.as_u16(), nobody.code()), (502, Code::ProviderRefused));
    assert_eq!(overloaded.code(), Code::ProviderRefused);
    assert!(!overloaded.text().contains(KEY));
}

async fn one_users_key_is_not_anothers(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);

    ada.put("keys/anthropic", json!({ "key": KEY })).await.expect_status(200);

    assert_eq!(mallory.get("keys").await.text(), "[]");
}

pub(crate) fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}
