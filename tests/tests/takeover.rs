//! A person takes control, does what is nobody's business, and hands the desktop back.

use std::{fs, path::PathBuf, time::Duration};

use harness::{
    Api, Options, Stack, Turn,
    chat::Chat,
    model_server::{KEY, tool, tool_use},
    processes,
    record::{results, texts, words_of},
    stack::{self, find},
    viewer::Viewer,
    wait,
};
use http::Method;
use nix::sys::signal::Signal;
use protocol::{
    DesktopId,
    chat::{ChatDown, ChatUp},
    error::Code,
    event::EventBody,
    lease::{ControlStatus, Driver},
    session::SessionState,
};
use serde_json::json;

/// As a person would type it; it stands on the screen, too.
const TYPED: &str = "correct-horse-battery-9431";
const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_a_person_types_while_driving_is_written_nowhere_and_goes_to_nobody() {
    let loud = "warn,control=trace,edge=trace,sidecar=trace,provisioning=trace";
    let options = Options { env: vec![("CLOUDBOT_LOG", loud.to_owned())], ..Options::default() };
    let stack = Stack::with(options).await;
    let ada = stack.user("ada").await;
    ada.set_key(KEY).await;
    let program = ada.token("a program").await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    let mut viewer = a_prompt_on_the_screen(&ada, &desktop).await;
    stack.model.script([
        Turn::asks([tool("screenshot", json!({})), tool_use("bash", json!({ "command": "touch ~/begun; sleep 300" }))]),
        Turn::ends("I go on where you left off."),
    ]);
    let seq = ada.say(&session, "Sign me in").await;
    wait::until("the agent works", SOON, async || home(&stack, "begun").is_some().then_some(())).await;
    let mut chat = Chat::open(&ada, &desktop, &session, seq).await.expect("the chat");

    // What the viewer types before does not count: the agent drives.
    viewer.type_text("the agent drives").await;
    let taken = take(&ada, &desktop).await;
    assert_eq!(taken.driver, Driver::Person);
    wait::until("the session is paused", SOON, async || {
        (ada.session(&session).await.state == SessionState::Paused).then_some(())
    })
    .await;
    let (asked, stored) = (stack.model.requests().len(), pictures(&stack));
    viewer.type_text(TYPED).await;

    // Meanwhile nobody gets to see it, and the chat answers.
    for (method, path, body) in [
        (Method::GET, "screenshot", json!(null)),
        (Method::GET, "accessibility", json!(null)),
        (Method::GET, "clipboard", json!(null)),
        (Method::POST, "actions", json!({ "action": "screenshot" })),
        (Method::POST, "actions", json!({ "action": "key", "keys": "Return" })),
        (Method::POST, "shell", json!({ "command": "ls" })),
    ] {
        let body = (method == Method::POST).then_some(&body);
        let refused = program.send(method, &format!("desktops/{desktop}/{path}"), body).await.expect_err(path);
        assert_eq!(refused.code(), Code::PersonDrives, "{path}");
    }
    let mut programs_viewer = Viewer::open(&program, &desktop).await.expect("a program may look");
    programs_viewer.type_text("and not type").await;
    chat.send(&ChatUp::Send { client_id: "m".to_owned(), text: "What do you see?".to_owned() }).await;
    chat.until(|frame| {
        matches!(frame, ChatDown::Event { event } if matches!(&event.body, EventBody::Notice { text } if text.contains("when control is handed back")))
    })
    .await;

    // The gate dies, and the tab is lost: it is still hers.
    let gate = gate(&stack);
    stack::signal(gate, Signal::SIGKILL);
    drop(viewer);
    wait::until("the desktop is hers again", Duration::from_secs(60), async || {
        let status: Result<ControlStatus, _> = ada.get(&format!("desktops/{desktop}/control")).await;
        (self::gate_now(&stack) != Some(gate) && status.is_ok_and(|now| now.driver == Driver::Person)).then_some(())
    })
    .await;
    assert_eq!(
        ada.desktop(&desktop).await.expect("the desktop").holder.map(|holder| holder.user_id),
        taken.holder.map(|holder| holder.user_id)
    );
    let mut viewer = wait::until("the screen", SOON, async || Viewer::open(&ada, &desktop).await.ok()).await;
    viewer.type_text("\n").await;
    let counted =
        wait::until("the prompt has it", SOON, async || home(&stack, "count.txt").filter(|text| !text.is_empty()))
            .await;
    assert_eq!(counted.trim(), (TYPED.len() + 1).to_string(), "exactly what she typed, and nothing of anybody else");
    viewer.type_text("clear\n").await;

    assert_eq!(stack.model.requests().len(), asked, "the model was asked");
    assert_eq!(pictures(&stack), stored, "a picture was stored");
    let (preview, sha256) = preview(&ada, &desktop).await;
    assert!(preview.colours() > 4);
    let back = json!({ "note": "I have signed in.", "picture": sha256 });
    let status: ControlStatus =
        ada.post(&format!("desktops/{desktop}/control/release"), &back).await.expect("hand back");
    assert_eq!(status.holder, None);

    let events = ada.wait_until_done(&session, seq).await;
    assert!(texts(&events).contains("I go on where you left off."), "{events:?}");
    assert!(words_of(&results(&events)[1]).contains("a person took control"), "{events:?}");
    let told = stack.model.requests().pop().expect("a request").newest();
    let last = told.last().expect("a picture");
    assert_eq!(last["type"], "image", "{told:?}");
    assert!(told.iter().any(|block| block["text"].as_str().is_some_and(|text| text.ends_with("I have signed in."))));
    // Everything that was written, but for the desktop's own home; and all that the model ever got.
    let mut database_was_read = false;
    for file in find(stack.folder(), |file| !file.components().any(|part| part.as_os_str() == "home")) {
        let words = String::from_utf8_lossy(&fs::read(&file).unwrap_or_default()).into_owned();
        assert!(!words.contains(TYPED), "it stands in {}", file.display());
        database_was_read |= words.contains("ada@example.org");
    }
    assert!(database_was_read, "her address stands in the database, so that was searched, too");
    assert!(stack.model.requests().iter().all(|request| !request.text().contains(TYPED)));
}

#[tokio::test]
async fn a_takeover_goes_on_when_the_desktop_gets_another_machine() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    let desktop = ada.ready_desktop().await.id;
    take(&ada, &desktop).await;
    wait::until("control knows", SOON, async || ada.desktop(&desktop).await.expect("the desktop").holder.map(drop))
        .await;

    ada.stop(&desktop).await;
    ada.start(&desktop).await;

    let status: ControlStatus = ada.get(&format!("desktops/{desktop}/control")).await.expect("who drives");
    assert_eq!(status.driver, Driver::Person);
    let refused =
        ada.token("a program").await.send(Method::GET, &format!("desktops/{desktop}/screenshot"), None::<&()>).await;
    assert_eq!(refused.expect_err("a picture").code(), Code::PersonDrives);
    let back: ControlStatus =
        ada.post(&format!("desktops/{desktop}/control/release"), &json!({})).await.expect("hand back");
    assert_eq!(back.driver, Driver::Nobody);
    wait::until("control knows", SOON, async || {
        ada.desktop(&desktop).await.expect("the desktop").holder.is_none().then_some(())
    })
    .await;
}

/// A terminal that counts the characters of a line, and a viewer that has typed the command for it.
async fn a_prompt_on_the_screen(ada: &Api, desktop: &DesktopId) -> Viewer {
    let launch = json!({ "application": "xterm" });
    let _: serde_json::Value =
        ada.post(&format!("desktops/{desktop}/applications"), &launch).await.expect("open xterm");
    let mut viewer = Viewer::open(ada, desktop).await.expect("the screen");
    viewer.type_text("touch ~/ready; head -n1 | wc -c > ~/count.txt\n").await;
    ada.wait_for_file(desktop, "~/ready").await;
    viewer
}

async fn take(ada: &Api, desktop: &DesktopId) -> ControlStatus {
    ada.post(&format!("desktops/{desktop}/control/take"), &json!({})).await.expect("take control")
}

async fn preview(ada: &Api, desktop: &DesktopId) -> (harness::picture::Picture, String) {
    let png =
        ada.send(Method::GET, &format!("desktops/{desktop}/control/preview"), None::<&()>).await.expect("a preview");
    let sha256 = harness::sha256(&png);
    (harness::picture::Picture::from_png(&png), sha256)
}

/// What stands in a file of the desktop's home.
fn home(stack: &Stack, name: &str) -> Option<String> {
    let found = find(&stack.layout.data, |file| file.file_name().is_some_and(|file| file == name));
    fs::read_to_string(found.first()?).ok()
}

fn pictures(stack: &Stack) -> Vec<PathBuf> {
    let mut blobs = find(&stack.layout.data, |file| file.components().any(|part| part.as_os_str() == "blobs"));
    blobs.sort();
    blobs
}

fn gate_now(stack: &Stack) -> Option<i32> {
    let is_gate = |found: &processes::Found| {
        found.program() == "sidecar" && found.command.get(1).map(String::as_str) == Some("gate")
    };
    processes::of_folder(&stack.layout.data).into_iter().find(is_gate).map(|found| found.pid)
}

fn gate(stack: &Stack) -> i32 {
    gate_now(stack).expect("a gate runs")
}
