//! Secrets that the agent types: named, never shown, opened for their owner's VMs alone.

use protocol::{
    error::Code,
    secret::{Secret, SecretValue},
};
use serde_json::json;

use crate::support::{Browser, Control};

facts!(
    a_secret_is_listed_by_its_name_and_nowhere_shown,
    a_vm_of_its_owner_reads_it,
    a_vm_of_somebody_else_finds_nothing,
    a_vm_that_serves_no_more_reads_nothing,
    a_new_value_takes_the_place_of_the_old_one,
    a_deleted_secret_is_gone,
    a_name_or_value_that_cannot_be_is_refused,
    a_refusal_does_not_repeat_the_value,
    a_user_has_a_hundred_at_most,
    a_program_with_less_than_everything_sees_none,
    one_users_secret_is_not_anothers,
    a_row_that_was_moved_to_another_name_does_not_open,
);

const VALUE: &str = "correct horse 🔋 staple";

async fn put(browser: &Browser, name: &str, value: &str) -> Secret {
    browser.put(&format!("secrets/{name}"), json!({ "value": value })).await.expect_status(200).json()
}

async fn a_secret_is_listed_by_its_name_and_nowhere_shown(control: Control) {
    let browser = control.user("ada").await;

    let stored = browser.put("secrets/BANK", json!({ "value": VALUE })).await.expect_status(200);
    put(&browser, "A_2", "x").await;
    let listed = browser.get("secrets").await.expect_status(200);

    let secrets: Vec<Secret> = listed.json();
    assert_eq!(secrets.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>(), ["A_2", "BANK"]);
    assert_eq!(secrets[1], stored.json());
    assert!(!listed.text().contains("horse") && !stored.text().contains("horse"));
    for file in crate::keys::walk(control.folder.path()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let found = bytes.windows(VALUE.len()).any(|window| window == VALUE.as_bytes());
        assert!(!found, "the secret stands in {}", file.display());
    }
}

async fn a_vm_of_its_owner_reads_it(control: Control) {
    let browser = control.user("ada").await;
    let (_, vm) = control.ready_desktop(&browser).await;
    put(&browser, "BANK", VALUE).await;

    let read = vm.get("secrets/BANK").await.expect_status(200);
    let missing = vm.get("secrets/BANKS").await;
    let odd = vm.get("secrets/bank%00").await;

    assert_eq!(read.json::<SecretValue>().value, VALUE);
    assert_eq!(read.header("cache-control"), Some("no-store"));
    for refused in [missing, odd] {
        assert_eq!((refused.status.as_u16(), refused.code()), (404, Code::NotFound));
    }
}

async fn a_vm_of_somebody_else_finds_nothing(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    put(&ada, "BANK", VALUE).await;
    let (_, stranger) = control.ready_desktop(&mallory).await;

    let refused = stranger.get("secrets/BANK").await;
    let nobody = control.anonymous().get("/vm/v1/secrets/BANK").await;

    assert_eq!((refused.status.as_u16(), refused.code()), (404, Code::NotFound));
    assert_eq!(nobody.code(), Code::NotSignedIn);
}

async fn a_vm_that_serves_no_more_reads_nothing(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    put(&browser, "BANK", VALUE).await;
    browser.order(&format!("desktops/{}/reboot", desktop.id)).await.expect_success();
    control.settle().await;

    assert_eq!(vm.get("secrets/BANK").await.code(), Code::StaleGeneration);
}

async fn a_new_value_takes_the_place_of_the_old_one(control: Control) {
    let browser = control.user("ada").await;
    let (_, vm) = control.ready_desktop(&browser).await;
    let first = put(&browser, "BANK", VALUE).await;
    control.pass_time(5_000);

    let second = put(&browser, "BANK", "another").await;

    assert_eq!(vm.get("secrets/BANK").await.json::<SecretValue>().value, "another");
    assert!(second.stored_at > first.stored_at);
    assert_eq!(browser.get("secrets").await.json::<Vec<Secret>>().len(), 1);
}

async fn a_deleted_secret_is_gone(control: Control) {
    let browser = control.user("ada").await;
    let (_, vm) = control.ready_desktop(&browser).await;
    put(&browser, "BANK", VALUE).await;

    browser.delete("secrets/BANK").await.expect_status(204);

    assert_eq!(browser.get("secrets").await.text(), "[]");
    assert_eq!(vm.get("secrets/BANK").await.code(), Code::NotFound);
    assert_eq!(browser.delete("secrets/BANK").await.code(), Code::NotFound);
}

async fn a_name_or_value_that_cannot_be_is_refused(control: Control) {
    let browser = control.user("ada").await;

    for name in ["bank", "1BANK", "_BANK", "BA-NK", "BA%20NK", "B%00", "B%2FC", &"B".repeat(65)] {
        let refused = browser.put(&format!("secrets/{name}"), json!({ "value": VALUE })).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (422, Code::InvalidValue), "{name}");
        assert_eq!(browser.delete(&format!("secrets/{name}")).await.code(), Code::NotFound, "{name}");
    }
    for value in [String::new(), "a\nb".into(), "a\0b".into(), "a\tb".into(), "\u{85}".into(), "é".repeat(4_097)] {
        let refused = browser.put("secrets/BANK", json!({ "value": value })).await;
        assert_eq!(refused.code(), Code::InvalidValue, "{:.20}", value);
    }
    put(&browser, &"B".repeat(64), &"é".repeat(4_096)).await;
    put(&browser, "SPACES", "  are part of it ").await;
}

async fn a_refusal_does_not_repeat_the_value(control: Control) {
    let browser = control.user("ada").await;

    for body in [
        json!({ "value": format!("{VALUE}\n") }),
        json!({ "value": [VALUE] }),
        json!({ "value": { VALUE: 1 } }),
        json!({ "valu": VALUE }),
        json!({ "value": VALUE, "correct horse": 1 }),
        json!(VALUE),
    ] {
        let refused = browser.put("secrets/BANK", body.clone()).await;
        assert!(refused.status.is_client_error() && !refused.text().contains("horse"), "{body}: {}", refused.text());
    }
}

async fn a_user_has_a_hundred_at_most(control: Control) {
    let browser = control.user("ada").await;
    let names: Vec<String> = (0..105).map(|n| format!("SECRET_{n}")).collect();

    let puts = names.iter().map(async |name| browser.put(&format!("secrets/{name}"), json!({ "value": "x" })).await);
    let answers = futures_util::future::join_all(puts).await;
    let kept: Vec<Secret> = browser.get("secrets").await.json();

    assert_eq!(kept.len(), 100);
    for refused in answers.iter().filter(|answer| !answer.status.is_success()) {
        assert_eq!((refused.status.as_u16(), refused.code()), (409, Code::Conflict));
    }
    put(&browser, &kept[0].name, "a known one may change").await;
    browser.delete(&format!("secrets/{}", kept[0].name)).await.expect_status(204);
    put(&browser, "ONE_MORE", "x").await;
}

async fn a_program_with_less_than_everything_sees_none(control: Control) {
    let browser = control.user("ada").await;
    put(&browser, "BANK", VALUE).await;
    let program = browser.token(&["view", "control", "chat", "files"]).await;

    for refused in [
        program.get("secrets").await,
        program.put("secrets/BANK", json!({ "value": "mine" })).await,
        program.delete("secrets/BANK").await,
    ] {
        assert_eq!((refused.status.as_u16(), refused.code()), (403, Code::MissingScope));
    }
    browser.token(&[]).await.get("secrets").await.expect_status(200);
}

async fn one_users_secret_is_not_anothers(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    let (_, vm) = control.ready_desktop(&ada).await;
    put(&ada, "BANK", VALUE).await;

    let refused = mallory.delete("secrets/BANK").await;
    put(&mallory, "BANK", "hers").await;

    assert_eq!((refused.status.as_u16(), refused.code()), (404, Code::NotFound));
    assert_eq!(vm.get("secrets/BANK").await.json::<SecretValue>().value, VALUE);
}

async fn a_row_that_was_moved_to_another_name_does_not_open(control: Control) {
    let browser = control.user("ada").await;
    let (_, vm) = control.ready_desktop(&browser).await;
    put(&browser, "BANK", VALUE).await;

    control.sql("UPDATE secrets SET name = 'NOTE'").await;

    let refused = vm.get("secrets/NOTE").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (500, Code::Internal));
    assert!(!refused.text().contains("NOTE") && !refused.text().contains("horse"), "{}", refused.text());
}
