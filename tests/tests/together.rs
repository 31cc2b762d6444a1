//! A person and the agent share a desktop, in a real browser: who drives, whose word counts, what was done.

use harness::{
    Stack, Turn, api,
    browser::Browser,
    model_server::{KEY, tool, tool_use},
};
use protocol::DesktopId;
use serde_json::json;

const FIRST: &str = "first_desktop";
const TOGETHER: &str = "together";

#[tokio::test]
async fn a_person_takes_over_hands_back_approves_and_plays_it_back() {
    let stack = Stack::start().await;
    let mut browser = Browser::start(&stack.url()).await;
    let account = json!({ "email": "ada@example.org", "password": api::PASSWORD });
    browser.step(FIRST, "sign_up", account).await;
    let ada = stack.anonymous();
    ada.log_in("ada@example.org").await.expect("log in");
    ada.set_key(KEY).await;
    let id = browser.step(FIRST, "create_a_desktop", json!({ "name": "Ours" })).await;
    let desktop: DesktopId = id.as_str().expect("an id").parse().expect("a desktop's id");
    browser.step(FIRST, "see_the_screen", json!({ "name": "1-idle" })).await;
    stack.model.script([
        Turn::asks([
            tool("screenshot", json!({})),
            tool("left_click", json!({ "coordinate": [640, 400] })),
            tool_use("bash", json!({ "command": "touch ~/begun; sleep 300" })),
        ]),
        Turn::ends("I have seen what you left me."),
    ]);
    browser.step(FIRST, "ask", json!({ "text": "Sign me in, please" })).await;
    ada.wait_for_file(&desktop, "~/begun").await;

    browser.step(TOGETHER, "take_control", json!({ "name": "2-taken" })).await;
    browser.step(TOGETHER, "type_into_the_screen", json!({ "text": "only mine" })).await;
    assert_eq!(stack.model.requests().len(), 1, "nothing is asked meanwhile");
    browser.step(TOGETHER, "hand_back", json!({ "note": "I have signed in.", "name": "3-hand-back" })).await;
    let last = json!({ "words": "I have seen what you left me.", "name": "4-handed-back" });
    browser.step(FIRST, "read_the_answer", last).await;
    let told = stack.model.requests().pop().expect("a request").text();
    assert!(told.contains("I have signed in.") && !told.contains("only mine"), "{told}");

    browser.step(TOGETHER, "ask_before_risky_actions", json!({ "name": "5-settings" })).await;
    stack.model.script([
        Turn::asks([tool_use("bash", json!({ "command": "echo allowed > ~/allowed.txt" }))]),
        Turn::ends("It is written."),
    ]);
    browser.step(FIRST, "ask", json!({ "text": "Write it down" })).await;
    let shown = browser.step(TOGETHER, "approve", json!({ "name": "6-approval" })).await;
    assert_eq!(shown.as_str().map(str::trim), Some("echo allowed > ~/allowed.txt"));
    browser.step(FIRST, "read_the_answer", json!({ "words": "It is written.", "name": "7-approved" })).await;
    assert_eq!(ada.shell(&desktop, "cat ~/allowed.txt").await.output.trim(), "allowed");

    let actions = browser.step(TOGETHER, "play_back", json!({ "name": "8-replay" })).await;
    let actions = actions.as_array().expect("the steps").len();
    assert!(actions >= 4, "a step for each of what the agent did: {actions}");
}
