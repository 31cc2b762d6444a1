//! A desktop's MCP servers as their owner meets them, in a real browser and by the keyboard alone.

use std::time::Duration;

use harness::{Api, Stack, api, browser::Browser, repository, wait};
use protocol::{
    DesktopId, Millis,
    desktop::DesktopState,
    mcp::{MASK, McpServer, McpState, McpStatus, McpTransport},
};
use serde_json::{Value, json};

const FIRST: &str = "first_desktop";
const JOURNEY: &str = "mcp_page";
const SOON: Duration = Duration::from_secs(40);
const TOKEN: &str = "the-owners-token";
/// How it is shown in what the server says: that stands for the very value, and for no other.
const SHOWN: &str = "[•••• NOTES_OF]";

#[tokio::test]
async fn an_owner_adds_a_server_uses_it_mends_it_and_deletes_it_by_keyboard() {
    let stack = Stack::start().await;
    let mut browser = Browser::start(&stack.url()).await;
    let account = json!({ "email": "ada@example.org", "password": api::PASSWORD });
    browser.step(FIRST, "sign_up", account).await;
    let ada = stack.anonymous();
    ada.log_in("ada@example.org").await.expect("log in");
    let id = browser.step(FIRST, "create_a_desktop", json!({ "name": "Tools" })).await;
    let desktop: DesktopId = id.as_str().expect("an id").parse().expect("a desktop's id");
    ada.wait_for(&desktop, DesktopState::Ready).await;
    put_the_server_on_the_desktop(&ada, &desktop).await;
    browser.step(JOURNEY, "open", json!({ "name": "Tools", "picture": "01-none" })).await;
    let mut page = Page { browser, ada: &ada, desktop: &desktop, since: 0 };

    page.an_address_that_the_desktop_can_read_takes_no_secret().await;
    page.a_server_gets_ready_and_shows_its_tools_but_no_value().await;
    page.a_tool_is_tried_and_its_log_followed().await;
    page.it_is_stopped_and_started().await;
    page.an_edited_server_keeps_the_value_that_was_not_touched().await;
    page.another_command_needs_the_value_again_and_its_failure_reads_clearly().await;
    page.it_fits_every_window().await;
    page.it_is_deleted().await;
    page.nothing_went_wrong_in_the_page().await;
}

async fn put_the_server_on_the_desktop(ada: &Api, desktop: &DesktopId) {
    let script = std::fs::read_to_string(repository().join("tests/mcp/notes.py")).expect("the server's script");
    let wrote = ada.shell(desktop, &format!("cat > ~/notes.py <<'PYTHON'\n{script}\nPYTHON")).await;
    assert_eq!(wrote.exit_code, Some(0), "{wrote:?}");
}

struct Page<'a> {
    browser: Browser,
    ada: &'a Api,
    desktop: &'a DesktopId,
    /// Since when the server is in the state that was last waited for.
    since: Millis,
}

impl Page<'_> {
    async fn an_address_that_the_desktop_can_read_takes_no_secret(&mut self) {
        let fields = json!({ "Name": "local", "URL": "http://127.0.0.1:7070/mcp", "Headers": "Authorization: Bearer {{secret:TOKEN}}" });

        let told = self.step("refuse_an_address", json!({ "fields": fields, "picture": "02-address" })).await;

        let [said, whole] = ["said", "whole"].map(|part| told[part].as_str().unwrap_or_default());
        assert!(said.contains("Authorization holds a secret") && said.contains("https://"), "{said}");
        assert!(whole.contains("can read what is sent by http://"), "{whole}");
        assert!(!whole.contains("Headers stay outside"), "{whole}");
    }

    async fn a_server_gets_ready_and_shows_its_tools_but_no_value(&mut self) {
        let fields = json!({ "Command": "python3", "Arguments": "notes.py", "Environment variables": format!("NOTES_OF={TOKEN}") });

        self.step("add", json!({ "name": "notes", "fields": fields, "picture": "03-form" })).await;
        let card = self.becomes(McpState::Running, "04-running").await;
        let tools = self.step("read_the_tools", json!({ "name": "notes", "picture": "05-tools" })).await;
        let form = self.step("open_the_form", json!({ "name": "notes", "picture": "06-masked" })).await;
        self.step("change", json!({ "fields": {}, "picture": "07-unchanged" })).await;

        assert!(card.contains("python3 notes.py") && card.contains("2 tools") && !card.contains(TOKEN), "{card}");
        assert_eq!(tools, json!(["add", "die"]));
        let masked = format!("NOTES_OF={MASK}");
        assert_eq!(form, json!({ "Command": "python3", "Arguments": "notes.py", "Environment variables": masked }));
    }

    async fn a_tool_is_tried_and_its_log_followed(&mut self) {
        let milk = self.try_add("milk", "09-tried").await;
        self.step("follow_the_log", json!({ "name": "notes", "words": "1 notes", "picture": "10-log" })).await;
        let path = format!("desktops/{}/mcp-servers/notes/try", self.desktop);
        self.ada.post::<Value>(&path, &json!({ "tool": "add", "input": { "text": "eggs" } })).await.expect("try it");
        self.step("see_in_the_log", json!({ "name": "notes", "words": "2 notes" })).await;

        assert_eq!(milk, format!("{SHOWN}: milk"));
    }

    async fn it_is_stopped_and_started(&mut self) {
        for (verb, state, picture) in [("Stop", "stopped", "11-stopped"), ("Start", "running", "12-start")] {
            let order = json!({ "name": "notes", "verb": verb, "state": state, "picture": picture });
            self.step("order", order).await;
            assert_eq!(self.processes().await, usize::from(state == "running"), "{verb}");
        }
        self.becomes(McpState::Running, "12-started").await;
    }

    async fn an_edited_server_keeps_the_value_that_was_not_touched(&mut self) {
        self.step("open_the_form", json!({ "name": "notes", "picture": "13-edit" })).await;
        self.step("start_with_the_desktop", json!({ "yes": false })).await;

        let fields =
            json!({ "Arguments": "-u\nnotes.py", "Environment variables": format!("NOTES_OF={MASK}\nMORE=1") });
        let refused = self.step("change", json!({ "fields": fields, "picture": "14-edited" })).await;
        let card = self.becomes(McpState::Running, "15-runs-as-edited").await;

        assert_eq!(refused, Value::Null);
        assert!(card.contains("python3 -u notes.py") && card.contains("starts when you start it"), "{card}");
        self.step("read_the_tools", json!({ "name": "notes", "picture": "16-tools" })).await;
        assert_eq!(self.try_add("bread", "17-tried").await, format!("{SHOWN}: bread"));
    }

    async fn another_command_needs_the_value_again_and_its_failure_reads_clearly(&mut self) {
        self.step("open_the_form", json!({ "name": "notes", "picture": "18-edit" })).await;

        let change = json!({ "fields": { "Command": "pyhton3" }, "picture": "19-refused" });
        let refused = self.step("change", change).await;
        let anew = json!({ "Environment variables": "NOTES_OF=given-anew" });
        let taken = self.step("change", json!({ "fields": anew, "picture": "20-taken" })).await;
        let failed = self.becomes(McpState::Failed, "21-failed").await;

        let refused = refused.as_str().expect("a mask is not given to another command");
        assert!(refused.contains("another command") && refused.contains(MASK), "{refused}");
        assert_eq!(taken, Value::Null);
        assert!(failed.contains("pyhton3"), "{failed}");
        let server: McpServer =
            self.ada.get(&format!("desktops/{}/mcp-servers/notes", self.desktop)).await.expect("the server");
        assert!(matches!(server.transport, Some(McpTransport::Stdio { command, .. }) if command == "pyhton3"));
        assert_eq!(self.processes().await, 0);
    }

    async fn it_fits_every_window(&mut self) {
        let sideways = self.step("looks", json!({ "picture": "22-failed" })).await;

        self.step("open_the_form", json!({ "name": "notes", "picture": "23-mend" })).await;
        let in_the_form = self.step("looks", json!({ "picture": "24-form" })).await;
        self.step("see_each_focus", json!({})).await;
        self.step("start_with_the_desktop", json!({ "yes": true })).await;
        let mended = json!({ "Command": "python3", "Environment variables": "NOTES_OF=given-anew" });
        self.step("change", json!({ "fields": mended, "picture": "25-mended" })).await;
        self.becomes(McpState::Running, "26-mended").await;
        self.step("looks", json!({ "picture": "27-tools" })).await;

        assert_eq!((sideways, in_the_form), (json!([]), json!([])), "nothing is to be scrolled sideways");
        assert_eq!(self.try_add("mended", "28-tried").await, format!("{SHOWN}: mended"));
    }

    async fn it_is_deleted(&mut self) {
        self.step("remove", json!({ "name": "notes", "picture": "29-delete" })).await;

        let left: Vec<McpServer> =
            self.ada.get(&format!("desktops/{}/mcp-servers", self.desktop)).await.expect("the servers");
        assert!(left.is_empty());
    }

    /// A refusal of the API is told by the browser too, and is not the page's mistake.
    async fn nothing_went_wrong_in_the_page(&mut self) {
        let said = self.browser.step(FIRST, "complaints", json!({})).await;
        let said: Vec<String> = serde_json::from_value(said).expect("complaints");
        let wrong: Vec<_> = said.iter().filter(|line| !line.starts_with("Failed to load resource")).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    /// Waits until the server has come to this state anew, and the page tells of it; answers what its card says.
    async fn becomes(&mut self, state: McpState, picture: &str) -> String {
        let path = format!("desktops/{}/mcp-servers/notes/status", self.desktop);
        self.since = wait::until(&format!("it is {} anew", state.as_str()), SOON, async || {
            let status: McpStatus = self.ada.get(&path).await.ok()?;
            (status.state == state && status.since > self.since).then_some(status.since)
        })
        .await;
        let told = json!({ "name": "notes", "state": state, "since": self.since, "picture": picture });
        let card = self.step("becomes", told).await;
        card.as_str().expect("the card's text").to_owned()
    }

    async fn try_add(&mut self, text: &str, picture: &str) -> String {
        let with = json!({ "name": "notes", "tool": "add", "input": { "text": text }, "picture": picture });
        self.step("try_a_tool", with).await.as_str().expect("an answer").to_owned()
    }

    async fn step(&mut self, step: &str, with: Value) -> Value {
        self.browser.step(JOURNEY, step, with).await
    }

    /// How many of the server's processes run on the desktop.
    async fn processes(&self) -> usize {
        self.ada
            .shell(self.desktop, "pgrep -fc '^python3 (-u )?notes.py$'")
            .await
            .output
            .trim()
            .parse()
            .expect("a count")
    }
}
