//! What an earlier CloudBot has stored is there after an upgrade.

use protocol::{
    secret::Secret,
    session::{Page, Session},
    settings::{SessionSettings, Spent},
};
use serde_json::{Value, json};

use crate::support::Control;

facts!(a_database_from_before_the_agent_is_brought_up_to_date);

async fn a_database_from_before_the_agent_is_brought_up_to_date(control: Control) {
    let browser = control.user("ada").await;
    let (session, vm) = control.running_session(&browser).await;
    browser.patch(&format!("sessions/{session}"), json!({ "title": "A trip" })).await.expect_success();
    let desktop = browser.session(&session).await.desktop_id;
    for (table, columns) in [
        ("sessions", "settings steps input_tokens output_tokens cache_write_tokens cache_read_tokens"),
        ("sessions", "cost_microusd approval title_search"),
        ("desktops", "lease_epoch holder_id holder_since mcp_version"),
        ("events", "hash"),
    ] {
        for column in columns.split(' ') {
            control.sql(&format!("ALTER TABLE {table} DROP COLUMN {column}")).await;
        }
    }
    control.sql("DROP TABLE secrets; DROP TABLE mcp_servers; DROP TABLE tickets; DELETE FROM _sqlx_migrations WHERE version >= 2").await;

    let control = control.restarted().await;
    let (browser, vm) = (browser.at(&control), vm.at(&control));
    browser.log_in("ada@example.org", crate::support::PASSWORD).await.expect_status(200);

    let found: Page<Session> = browser.get("sessions?search=TRIP").await.expect_status(200).json();
    assert_eq!(found.items.iter().map(|session| &session.id).collect::<Vec<_>>(), [&session]);
    assert_eq!((&found.items[0].settings, found.items[0].spent), (&SessionSettings::default(), Spent::default()));
    assert_eq!(browser.desktop(&desktop).await.holder, None);
    assert!(browser.get("secrets").await.json::<Vec<Secret>>().is_empty());
    assert_eq!(browser.get(&format!("desktops/{desktop}/mcp-servers")).await.expect_status(200).text(), "[]");
    vm.asks(&session, 3, None).await.expect_success();
    let audit: Value = browser.get("audit/verify").await.json();
    assert_eq!(audit, json!({ "sessions": 1, "events": 3, "unchained": 2, "broken": [] }));
}
