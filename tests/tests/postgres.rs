//! The main journey on PostgreSQL: what is true on the embedded database is true there.

use harness::{
    Options, Stack, Turn,
    model_server::{KEY, text, tool, tool_use},
    postgres::Postgres,
    record::{results, words_of},
};
use protocol::{event::EventBody, session::SessionState};
use serde_json::json;

#[tokio::test]
async fn a_desktop_lives_and_its_record_is_kept_with_postgresql() {
    let postgres = Postgres::start().await;
    let options = Options { database_url: Some(postgres.url()), ..Options::default() };
    let mut stack = Stack::with(options).await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    stack.model.script([
        Turn::asks([
            text("Ich schreibe etwas auf. 🎉"),
            tool("screenshot", json!({})),
            tool_use("bash", json!({ "command": "echo kept > ~/kept.txt && cat ~/kept.txt" })),
        ]),
        Turn::ends("Done."),
    ]);

    let events = ada.ask(&session, "Write something down").await;
    stack.restart_control().await;

    assert_eq!(results(&events).iter().filter(|result| !result.is_error).count(), 2, "{events:?}");
    assert!(results(&events).iter().any(|result| words_of(result).contains("kept")));
    let again = ada.events(&session, 0).await;
    assert_eq!(again.iter().filter(|event| matches!(event.body, EventBody::AssistantMessage(_))).count(), 2);
    assert_eq!(ada.session(&session).await.state, SessionState::Idle);
    let dump = postgres.dump();
    assert!(dump.contains("ada@example.org") && !dump.contains(KEY), "the key is sealed there, too");
    assert!(!stack.layout.data.join("control/cloudbot.db").exists(), "no second database");

    // An administrator's restart ends the VMs of this machine; the desktop is there again, on its home.
    ada.stop(&desktop).await;
    ada.start(&desktop).await;
    assert_eq!(ada.shell(&desktop, "cat ~/kept.txt").await.output.trim(), "kept");
    ada.delete(&format!("desktops/{desktop}")).await.expect("delete the desktop");
}
