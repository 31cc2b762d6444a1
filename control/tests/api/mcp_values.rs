//! Values of MCP servers: what a mask stands for, where a value may go, and what cannot be read any more.

use protocol::{
    error::Code,
    mcp::{MASK, McpServer},
};
use serde_json::{Value, json};

use crate::{
    mcp_servers::{TOKEN, add, desktop_of, process, put, read, remote},
    support::Control,
};

facts!(
    a_mask_that_comes_back_stands_for_what_is_stored,
    a_mask_without_a_stored_value_is_refused,
    a_masked_value_goes_nowhere_else,
    a_secret_is_not_sent_where_the_desktop_can_read_it,
    two_changes_at_once_lose_no_value,
    a_row_that_was_moved_does_not_open,
    what_does_not_open_any_more_can_be_stored_again,
    a_server_that_cannot_be_read_hides_no_other,
);

async fn a_mask_that_comes_back_stands_for_what_is_stored(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    add(&browser, &desktop.id, process("a", json!({ "KEY": TOKEN, "OLD": "x", "REF": "{{secret:A}}" }))).await;
    add(&browser, &desktop.id, remote("b", json!({ "authorization": TOKEN }))).await;

    for name in ["a", "b"] {
        let one = format!("desktops/{}/mcp-servers/{name}", desktop.id);
        let mut shown: Value = browser.get(&one).await.json();
        if name == "a" {
            shown["transport"]["env"] = json!({ "KEY": MASK, "NEW": "y", "REF": "{{secret:B}}" });
        }
        shown["autostart"] = json!(false);
        put(&browser, &desktop.id, &shown).await;
    }

    let stored = read(&vm).await;
    assert_eq!(stored[0]["transport"]["env"], json!({ "KEY": TOKEN, "NEW": "y", "REF": "{{secret:B}}" }));
    assert_eq!(stored[1]["transport"]["headers"], json!({ "authorization": TOKEN }));
    assert_eq!(stored[1]["autostart"], json!(false));
}

async fn a_mask_without_a_stored_value_is_refused(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let all = format!("desktops/{}/mcp-servers", desktop.id);
    add(&browser, &desktop.id, process("a", json!({ "KEY": TOKEN }))).await;

    for refused in [
        browser.post(&all, process("b", json!({ "KEY": MASK })).to_string()).await,
        browser.put(&format!("{all}/a"), process("a", json!({ "KEY": MASK, "KEY_2": MASK }))).await,
        browser.put(&format!("{all}/a"), remote("a", json!({ "KEY": MASK }))).await,
    ] {
        assert_eq!((refused.status.as_u16(), refused.code()), (422, Code::InvalidValue));
        assert!(refused.problem().detail.contains("KEY"), "{}", refused.text());
    }
    let kept = read(&vm).await;
    assert_eq!((kept.as_array().map(Vec::len), &kept[0]["transport"]["env"]), (Some(1), &json!({ "KEY": TOKEN })));
}

async fn a_masked_value_goes_nowhere_else(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    add(&browser, &desktop.id, remote("a", json!({ "authorization": TOKEN }))).await;
    add(&browser, &desktop.id, process("b", json!({ "KEY": TOKEN }))).await;
    let before = read(&vm).await;
    let (all, masked) = (format!("desktops/{}/mcp-servers", desktop.id), json!({ "authorization": MASK }));
    let at = |url: &str, headers: &Value| json!({ "name": "a", "transport": { "type": "http", "url": url, "headers": headers } });
    let by = |command: &str, key: &str| json!({ "name": "b", "transport": { "type": "stdio", "command": command, "args": [], "env": { "KEY": key } } });

    for (name, wish) in [
        ("a", at("https://mallory.example/mcp", &masked)),
        ("a", at("http://issues.example/mcp", &masked)),
        ("a", at("https://issues.example:8443/mcp", &masked)),
        ("b", by("/tmp/mallory", MASK)),
    ] {
        let refused = browser.put(&format!("{all}/{name}"), wish.clone()).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (422, Code::InvalidValue), "{wish}");
        assert!(refused.problem().detail.contains(MASK), "{}", refused.text());
    }
    assert_eq!(read(&vm).await, before);

    put(&browser, &desktop.id, &at("https://issues.example/v2/mcp", &masked)).await;
    put(&browser, &desktop.id, &by("mcp-issues", MASK)).await;
    let kept = read(&vm).await;
    assert_eq!(kept[0]["transport"]["headers"], json!({ "authorization": TOKEN }));
    assert_eq!(kept[1]["transport"]["env"], json!({ "KEY": TOKEN }), "with other arguments");
}

async fn a_secret_is_not_sent_where_the_desktop_can_read_it(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let all = format!("desktops/{}/mcp-servers", desktop.id);
    let at = |url: &str, value: &str| json!({ "name": "a", "transport": { "type": "http", "url": url, "headers": { "authorization": value } } });

    let added = browser.post(&all, at("http://127.0.0.1:7070/", "Bearer {{secret:A}}").to_string()).await;
    add(&browser, &desktop.id, at("http://127.0.0.1:7070/", "Bearer plain")).await;
    let changed = browser.put(&format!("{all}/a"), at("http://127.0.0.1:7070/", "{{secret:A}}")).await;

    for refused in [added, changed] {
        assert_eq!((refused.status.as_u16(), refused.code()), (422, Code::InvalidValue));
        assert!(refused.problem().detail.contains("https://"), "{}", refused.text());
    }
    assert_eq!(read(&vm).await[0]["transport"]["headers"], json!({ "authorization": "Bearer plain" }));
}

async fn two_changes_at_once_lose_no_value(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    add(&browser, &desktop.id, process("a", json!({ "ONE": "0", "TWO": "0" }))).await;

    for round in 1..=10 {
        let round = round.to_string();
        let first = process("a", json!({ "ONE": round, "TWO": MASK }));
        let second = process("a", json!({ "ONE": MASK, "TWO": round }));
        tokio::join!(put(&browser, &desktop.id, &first), put(&browser, &desktop.id, &second));

        assert_eq!(read(&vm).await[0]["transport"]["env"], json!({ "ONE": round, "TWO": round }));
    }
}

async fn a_row_that_was_moved_does_not_open(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    let (hers, theirs) = (desktop_of(&ada).await, desktop_of(&mallory).await);
    add(&ada, &hers, process("a", json!({ "KEY": TOKEN }))).await;

    control.sql("UPDATE mcp_servers SET name = 'b'").await;
    let renamed = ada.get(&format!("desktops/{hers}/mcp-servers/b")).await.expect_status(200);
    control.sql(&format!("UPDATE mcp_servers SET name = 'a', desktop_id = '{theirs}'")).await;
    let moved = mallory.get(&format!("desktops/{theirs}/mcp-servers")).await.expect_status(200);

    for closed in [renamed.json::<Value>(), moved.json::<Value>()[0].clone()] {
        assert_eq!((closed.get("transport"), &closed["autostart"]), (None, &json!(false)), "{closed}");
    }
    let taken = mallory.put(&format!("desktops/{theirs}/mcp-servers/a"), process("a", json!({ "KEY": MASK }))).await;
    assert_eq!(taken.code(), Code::InvalidValue);
}

async fn what_does_not_open_any_more_can_be_stored_again(control: Control) {
    let browser = control.user("ada").await;
    let desktop = desktop_of(&browser).await;
    let one = format!("desktops/{desktop}/mcp-servers/a");
    add(&browser, &desktop, process("a", json!({ "KEY": TOKEN }))).await;

    // It has another master key.
    let control = control.restarted().await;
    let browser = browser.at(&control);
    browser.log_in("ada@example.org", crate::support::PASSWORD).await.expect_status(200);

    assert!(browser.get(&one).await.expect_status(200).json::<McpServer>().transport.is_none());
    let masked = browser.put(&one, process("a", json!({ "KEY": MASK }))).await;
    assert_eq!((masked.status.as_u16(), masked.code()), (422, Code::InvalidValue));
    assert!(masked.problem().detail.contains("cannot be read"), "{}", masked.text());
    put(&browser, &desktop, &process("a", json!({ "KEY": "another" }))).await;
    assert!(browser.get(&one).await.json::<McpServer>().transport.is_some());
}

async fn a_server_that_cannot_be_read_hides_no_other(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let all = format!("desktops/{}/mcp-servers", desktop.id);
    for name in ["a", "b", "c", "d"] {
        add(&browser, &desktop.id, process(name, json!({ "KEY": TOKEN }))).await;
    }

    // Cut off, of another server, of a master key that is gone.
    control.sql("UPDATE mcp_servers SET sealed = 'AAAA' WHERE name = 'a'").await;
    control
        .sql("UPDATE mcp_servers SET sealed = (SELECT sealed FROM mcp_servers WHERE name = 'd') WHERE name = 'b'")
        .await;
    control.sql("UPDATE mcp_servers SET key_id = '0123456789abcdef' WHERE name = 'c'").await;

    let listed: Vec<McpServer> = browser.get(&all).await.expect_status(200).json();
    let shown: Vec<_> = listed.iter().map(|server| (server.name.as_str(), server.transport.is_some())).collect();
    assert_eq!(shown, [("a", false), ("b", false), ("c", false), ("d", true)]);
    assert_eq!(read(&vm).await, json!([process("d", json!({ "KEY": TOKEN }))]));

    browser.delete(&format!("{all}/a")).await.expect_status(204);
    put(&browser, &desktop.id, &process("b", json!({ "KEY": "another" }))).await;
    assert_eq!(
        read(&vm).await,
        json!([process("b", json!({ "KEY": "another" })), process("d", json!({ "KEY": TOKEN }))])
    );
}
