//! The scripted provider refuses what Anthropic's own SDK would not send, and what its API answers with 400.

use harness::{
    ModelServer, Turn,
    edit::{with, without},
    model_server::{KEY, text, thinking, tool, tool_use},
    picture::base64_png as png,
};
use serde_json::{Value, json};

#[tokio::test]
async fn every_kind_of_broken_request_is_named() {
    let model = ModelServer::start().await;
    let good = after_a_first_answer(&model).await;
    let cases: Vec<(&str, Value)> = vec![
        ("surprise: Extra inputs", with(&good, "/surprise", json!(1))),
        ("0.user.content.0.text.surprise: Extra inputs", with(&good, "/messages/0/content/0/surprise", json!(1))),
        ("tools.0.computer_toolset_20260801.display_width_px", with(&good, "/tools/0/display_width_px", json!(1280))),
        ("'computer_20251124'", with(&good, "/tools/0/type", json!("computer_20251124"))),
        ("the name bash is there twice", with(&good, "/tools/-", good["tools"][1].clone())),
        ("thinking.adaptive.display", with(&good, "/thinking/display", json!("loud"))),
        ("max_tokens: Input should be a valid integer", with(&good, "/max_tokens", json!("100"))),
        ("max_tokens must be more than 0", with(&good, "/max_tokens", json!(0))),
        ("stream: Input should be True", with(&good, "/stream", json!(false))),
        ("temperature is gone", with(&good, "/temperature", json!(1.0))),
        ("5 cache_control marks", with(&good, "/tools/1/cache_control", json!({ "type": "ephemeral" }))),
        ("text blocks must contain non-whitespace text", with(&good, "/messages/0/content/0/text", json!(" \n"))),
        ("has toolset_name None", without(&good, "/messages/2/content/0", "toolset_name")),
        ("error result is text only", with(&good, "/messages/2/content/0/is_error", json!(true))),
        ("error result is non-empty", with(&good, "/messages/2/content/1/content", json!([]))),
        ("no tool_result for ['toolu_000103']", with(&good, "/messages/2/content", first_of(&good, 1))),
        ("unexpected tool_result else", with(&good, "/messages/2/content/0/tool_use_id", json!("else"))),
        ("tool_result blocks must come first", with(&good, "/messages/2/content", turned(&good))),
        ("toolu_000102 is not unique", with(&good, "/messages/1/content/3/id", json!("toolu_000102"))),
        ("the model never said this tool_use", with(&good, "/messages/1/content/3/input", json!({}))),
        ("the model never said this thinking", with(&good, "/messages/1/content/0/signature", json!("forged"))),
        (
            "messages.0.content.0: what was sent before was changed",
            with(&good, "/messages/0/content/0/text", json!("b")),
        ),
        ("the first message must be the user's", with(&good, "/messages", json!([good["messages"][1]]))),
        ("or the model's to be continued", with(&good, "/messages", first_messages(&good, 2))),
        ("expected tags: 'user', 'assistant'", with(&good, "/messages/0/role", json!("person"))),
        ("is said to be image/jpeg", with(&good, &format!("{PICTURE}/media_type"), json!("image/jpeg"))),
        ("cannot be read", with(&good, &format!("{PICTURE}/data"), json!("AAAA"))),
        ("a picture of 8001 px an edge", with(&good, &format!("{PICTURE}/data"), json!(png(8001, 1)))),
        (
            "2001 px an edge; at most 2000 among 21",
            with(&good, "/messages/2/content/0/content", many_pictures(21, 2001)),
        ),
        ("101 pictures; at most 100", with(&good, "/messages/2/content/0/content", many_pictures(101, 9))),
        ("at most 5242880", with(&good, &format!("{PICTURE}/data"), json!("A".repeat(6 << 20)))),
    ];

    for (named, body) in cases {
        let status = ask(&model, &body, &[]).await;

        let violation = model.violations().pop().unwrap_or_else(|| panic!("nothing was noticed: {named}"));
        assert!(violation.contains(named), "instead of {named:?}: {violation}");
        assert_eq!(status, 400, "{named}");
    }
    model.script([Turn::ends("That is all.")]);
    let noticed = model.violations().len();
    assert_eq!(ask(&model, &good, &[("cookie", "a=b")]).await, 400, "what is nothing for a provider");
    assert_eq!(ask(&model, &good, &[]).await, 200, "{:?}", model.violations().last());
    assert_eq!(model.violations().len(), noticed + 1);
}

#[tokio::test]
async fn a_conversation_may_only_grow() {
    let model = ModelServer::start().await;
    let good = after_a_first_answer(&model).await;
    model.script([Turn::stops("pause_turn", [text("Let me")]), Turn::ends("That is all.")]);

    let mut longer = good.clone();
    longer["messages"][2]["content"]
        .as_array_mut()
        .expect("blocks")
        .push(json!({ "type": "text", "text": "and this" }));
    assert_eq!(ask(&model, &longer, &[]).await, 200, "the person said more: {:?}", model.violations());
    assert_eq!(ask(&model, &good, &[]).await, 400, "and it must not be lost again");
    assert!(model.violations().pop().expect("a violation").contains("changed or left out"));

    // One that pauses is sent again with its last words, and with nothing else.
    let mut paused = longer.clone();
    paused["messages"].as_array_mut().expect("messages").push(assistant(json!([{ "type": "text", "text": "Let me" }])));
    assert_eq!(ask(&model, &paused, &[]).await, 200, "{:?}", model.violations());
    let mut edited = paused.clone();
    edited["messages"][3]["content"][0]["text"] = json!("Let us");
    assert_eq!(ask(&model, &edited, &[]).await, 400);
    assert!(model.violations().pop().expect("a violation").contains("to be continued unchanged"));
}

#[tokio::test]
async fn an_earlier_models_tool_needs_its_beta_header() {
    let model = ModelServer::start().await;
    model.script([Turn::ends("Hello.")]);
    let mut body = question();
    body["tools"] = json!([{
        "type": "computer_20251124", "name": "computer", "display_width_px": 1280, "display_height_px": 800,
        "enable_zoom": true,
    }]);

    let without = ask(&model, &body, &[]).await;
    let with = ask(&model, &body, &[("anthropic-beta", "computer-use-2025-11-24")]).await;

    assert_eq!((without, with), (400, 200), "{:?}", model.violations());
}

/// The picture of the first result.
const PICTURE: &str = "/messages/2/content/0/content/0/source";

/// A conversation that the API would take: the model has asked for tools, and has its results.
async fn after_a_first_answer(model: &ModelServer) -> Value {
    let command = json!({ "command": "ls" });
    let calls = [tool("screenshot", json!({})), tool_use("bash", command.clone())];
    let said = [thinking("Let me see."), text("Looking.")];
    model.script([Turn::asks(said.into_iter().chain(calls))]);
    let mut body = question();
    assert_eq!(ask(model, &body, &[]).await, 200, "{:?}", model.violations());

    let mark = json!({ "type": "ephemeral" });
    let picture = json!({ "type": "base64", "media_type": "image/png", "data": png(4, 3) });
    body["system"] = json!([
        { "type": "text", "text": "a", "cache_control": mark }, { "type": "text", "text": "b", "cache_control": mark },
    ]);
    body["messages"][0]["content"][0]["cache_control"] = mark.clone();
    body["messages"].as_array_mut().expect("messages").extend([
        assistant(json!([
            { "type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmF0dXJl-toolu_000100" },
            { "type": "text", "text": "Looking." },
            { "type": "tool_use", "id": "toolu_000102", "name": "screenshot", "input": {}, "toolset_name": "computer" },
            { "type": "tool_use", "id": "toolu_000103", "name": "bash", "input": command },
        ])),
        json!({ "role": "user", "content": [
            {
                "type": "tool_result", "tool_use_id": "toolu_000102", "toolset_name": "computer",
                "content": [{ "type": "image", "source": picture }],
            },
            {
                "type": "tool_result", "tool_use_id": "toolu_000103", "is_error": true, "cache_control": mark,
                "content": [{ "type": "text", "text": "no such command" }],
            },
        ] }),
    ]);
    body
}

fn question() -> Value {
    json!({
        "model": "claude-opus-5-5", "max_tokens": 100, "stream": true,
        "thinking": { "type": "adaptive", "display": "summarized" },
        "tools": [{ "type": "computer_toolset_20260801" }, { "type": "bash_20250124", "name": "bash" }],
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "a" }] }],
    })
}

fn assistant(content: Value) -> Value {
    json!({ "role": "assistant", "content": content })
}

fn first_messages(request: &Value, count: usize) -> Value {
    json!(request["messages"].as_array().expect("messages")[..count])
}

fn first_of(request: &Value, count: usize) -> Value {
    json!(request["messages"][2]["content"].as_array().expect("blocks")[..count])
}

/// The results, with a text between them.
fn turned(request: &Value) -> Value {
    let results = &request["messages"][2]["content"];
    json!([results[0], { "type": "text", "text": "go on" }, results[1]])
}

/// The last one is so wide.
fn many_pictures(count: usize, width: u32) -> Value {
    let picture = |width| json!({ "type": "base64", "media_type": "image/png", "data": png(width, 1) });
    let widths = (1..count).map(|_| 1).chain([width]);
    widths.map(|width| json!({ "type": "image", "source": picture(width) })).collect()
}

async fn ask(model: &ModelServer, body: &Value, headers: &[(&str, &str)]) -> u16 {
    let request = harness::http().build().expect("an HTTP client").post(format!("{}/v1/messages", model.url()));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.header("x-api-key", KEY).header("anthropic-version", "2026-10-21").json(body);
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    answer.bytes().await.expect("the whole answer");
    status
}
