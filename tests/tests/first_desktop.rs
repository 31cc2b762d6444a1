//! A new user's first hour, in a real browser: sign up, a desktop, a key, a wish that the agent fulfils, a reload,
//! a stop and a start.

use base64::{Engine, engine::general_purpose::STANDARD};
use harness::{
    Stack, Turn, api,
    browser::Browser,
    model_server::{KEY, text, thinking, tool, tool_use},
    picture::Picture,
    stack::find,
};
use protocol::{DesktopId, desktop::DesktopState, desktop::Size};
use serde_json::{Value, json};

const JOURNEY: &str = "first_desktop";
const LAST_WORDS: &str = "Fertig: it says héllo 你好 🎉";
const TYPED: &str = "typed by the agent A!@#$%^&*()_+ ok";

#[tokio::test]
async fn a_new_user_gets_a_desktop_and_an_agent_that_works_on_it() {
    let stack = Stack::start().await;
    let mut browser = Browser::start(&stack.url()).await;
    let account = json!({ "email": "ada@example.org", "password": api::PASSWORD });

    browser.step(JOURNEY, "sign_up", account).await;
    let id = browser.step(JOURNEY, "create_a_desktop", json!({ "name": "First" })).await;
    let desktop: DesktopId = id.as_str().expect("an id").parse().expect("a desktop's id");
    let seen = browser.step(JOURNEY, "see_the_screen", json!({ "name": "3-first-look" })).await;

    // What the browser shows is what the desktop is.
    let ada = stack.anonymous();
    ada.log_in("ada@example.org").await.expect("log in");
    let canvas = Picture::from_png(&STANDARD.decode(seen.as_str().expect("a picture")).expect("base64"));
    let screen = ada.screenshot(&desktop).await;
    assert_eq!(screen.size, Size::DEFAULT);
    assert!(screen.colours() > 16, "the desktop is painted: {screen:?}");
    assert!(canvas.difference(&screen) < 0.05, "{canvas:?} is not {screen:?}: {}", canvas.difference(&screen));

    browser.step(JOURNEY, "is_told_that_no_model_is_connected", json!({})).await;
    browser.step(JOURNEY, "set_the_key", json!({ "key": KEY, "wrong": "sk-ant-api03-a-wrong-one-0000000000" })).await;
    browser.step(JOURNEY, "go_back_to_the_desktop", json!({ "name": "First" })).await;
    stack.model.script(a_terminal_is_opened_and_typed_into());
    browser.step(JOURNEY, "ask", json!({ "text": "Öffne ein Terminal and write something down 🙏" })).await;
    let told = browser.step(JOURNEY, "read_the_answer", json!({ "words": LAST_WORDS, "name": "5-done" })).await;

    // It was done by clicks and keys, on the real machine.
    assert_eq!(stack.model.violations(), Vec::<String>::new());
    assert_eq!(stack.model.turns_left(), 0, "the agent came to the script's end");
    assert_eq!(ada.shell(&desktop, "cat ~/typed.txt").await.output.trim_end(), TYPED);
    let on_disk = find(&stack.layout.data, |file| file.ends_with("typed.txt"));
    assert_eq!(on_disk.len(), 1, "{on_disk:?}");
    assert_eq!(std::fs::read_to_string(&on_disk[0]).expect("read the home").trim_end(), TYPED);
    the_conversation_is_whole(&told);

    let again = browser.step(JOURNEY, "reload", json!({ "words": LAST_WORDS })).await;
    the_conversation_is_whole(&again);
    assert_eq!(again["cards"].as_array().map(Vec::len), told["cards"].as_array().map(Vec::len));
    browser.step(JOURNEY, "see_the_screen", json!({ "name": "6-after-the-reload" })).await;

    browser.step(JOURNEY, "stop_and_start", json!({})).await;
    browser.step(JOURNEY, "see_the_screen", json!({ "name": "8-started-again" })).await;
    ada.wait_for(&desktop, DesktopState::Ready).await;
    assert_eq!(ada.shell(&desktop, "cat ~/typed.txt").await.output.trim_end(), TYPED, "the home is kept");
}

/// The agent's part: with an overload, a broken answer, and every delta cut at an awkward place.
fn a_terminal_is_opened_and_typed_into() -> Vec<Turn> {
    let typing = format!("printf '%s\\n' '{TYPED}' > ~/typed.txt\n");
    vec![
        Turn::is_overloaded(),
        Turn::BreaksWithError {
            content: vec![text("DISCARDED words of an answer that breaks off"), tool("screenshot", json!({}))],
        },
        Turn::asks([
            thinking("Zuerst ansehen, was da ist 🤔."),
            text("Ich schaue mir den Bildschirm an – héllo 你好 🎉."),
            tool("screenshot", json!({})),
        ]),
        Turn::depends(|request| {
            let image = request.newest().iter().any(|block| block.to_string().contains("\"image\""));
            assert!(image, "the screenshot comes back as a picture");
            Turn::asks([
                tool("left_click", json!({ "coordinate": [640, 300] })),
                tool("key", json!({ "text": "ctrl+alt+t" })),
            ])
        }),
        Turn::asks([tool("wait", json!({ "duration": 1 })), tool("screenshot", json!({}))]),
        Turn::asks([tool("type", json!({ "text": typing })), tool("screenshot", json!({}))]),
        Turn::asks([tool_use("bash", json!({ "command": "cat ~/typed.txt" }))]),
        Turn::depends(|request| {
            let read = request.newest().iter().any(|block| block.to_string().contains("typed by the agent"));
            Turn::ends(if read { LAST_WORDS } else { "It is not there." })
        }),
    ]
}

fn the_conversation_is_whole(conversation: &Value) {
    let said = conversation["said"].as_str().expect("the log's text");
    for words in ["Öffne ein Terminal and write something down 🙏", "an – héllo 你好 🎉.", LAST_WORDS] {
        assert_eq!(said.matches(words).count(), 1, "{words:?} in {said}");
    }
    assert!(!said.contains("DISCARDED"), "a broken answer is forgotten: {said}");
    let cards = conversation["cards"].as_array().expect("cards");
    let tools: Vec<_> = cards.iter().map(|card| card["tool"].as_str().expect("a tool")).collect();
    let wanted = ["screenshot", "left_click", "key", "wait", "screenshot", "type", "screenshot", "bash"];
    assert_eq!(tools, wanted, "a card per tool use");
    assert!(cards.iter().all(|card| card["status"] == "done"), "{cards:?}");
    assert!(cards[0]["picture"] == true && cards[1]["mark"] == true, "{cards:?}");
}
