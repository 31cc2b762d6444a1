//! What Chat Completions refuse.

use harness::{
    ModelServer, Turn,
    edit::{reordered, with, without},
    model_server::{text, thinking, tool_text, tool_use},
    picture::base64_png,
};
use serde_json::{Value, json};

use super::{ask, each_is_named, foreign_headers_are_refused};

#[tokio::test]
async fn every_kind_of_broken_request_is_named() {
    let model = ModelServer::start().await;
    let good = after_a_first_answer(&model).await;
    let url = url(&model);
    let shown = json!([{ "type": "image_url", "image_url": { "url": picture("png", 4) } }]);
    let file = json!({ "type": "file", "file": { "file_id": "file_1" } });
    let custom = json!({ "id": "call_000103", "type": "custom", "custom": { "name": "bash", "input": "ls" } });
    let arguments = "/messages/2/tool_calls/1/function/arguments";
    let cases: Vec<(&str, Value)> = vec![
        ("should be a valid dictionary", json!([good])),
        ("surprise: Extra inputs", with(&good, "/surprise", json!(1))),
        ("assistant.reasoning_content: Extra", with(&good, "/messages/2/reasoning_content", json!("Let me see."))),
        ("expected tags: 'developer'", with(&good, "/messages/1/role", json!("person"))),
        ("tool.tool_call_id: Field required", without(&good, "/messages/3", "tool_call_id")),
        ("tool.content.0.text: Field required", with(&good, "/messages/3/content", shown)),
        ("function.parameters: Input should be a valid dict", with(&good, "/tools/0/function/parameters", json!(1))),
        ("stream: Input should be True", with(&good, "/stream", json!(false))),
        ("stream_options.include_usage must be true", without(&good, "", "stream_options")),
        ("stream_options.include_usage must be true", with(&good, "/stream_options/include_usage", json!(false))),
        ("store must not be true", with(&good, "/store", json!(true))),
        ("'a.name' is no name of a function", with(&good, "/tools/1/function/name", json!("a.name"))),
        ("the name bash is there twice", with(&good, "/tools/0/function/name", json!("bash"))),
        ("none of an object", with(&good, "/tools/1/function/parameters", json!({ "type": "array" }))),
        ("a strict schema must have", with(&good, "/tools/1/function/strict", json!(true))),
        ("custom is no function", with(&good, "/tools/1", json!({ "type": "custom", "custom": { "name": "a" } }))),
        ("must be the system's or developer's, not user", reordered(&good, "/messages", &[1, 2, 3, 4, 5])),
        ("must be the system's or developer's, not None", with(&good, "/messages", json!([]))),
        (
            "the role function is gone",
            with(&good, "/messages/5", json!({ "role": "function", "name": "a", "content": "a" })),
        ),
        ("no tool message for ['call_000103'] directly after", reordered(&good, "/messages", &[0, 1, 2, 3, 5])),
        ("no tool message for ['call_000103']", reordered(&good, "/messages", &[0, 1, 2, 3])),
        ("no tool message for ['call_000103'] directly after", reordered(&good, "/messages", &[0, 1, 2, 3, 5, 4])),
        ("a tool message for else, which waits for none", with(&good, "/messages/3/tool_call_id", json!("else"))),
        ("for call_000103, which waits for none", reordered(&good, "/messages", &[0, 1, 2, 3, 4, 4, 5])),
        ("messages.3: a text of the content is empty", with(&good, "/messages/3/content", json!("\n"))),
        ("messages.3: content is empty", with(&good, "/messages/3/content", json!(""))),
        ("messages.5: content is empty", with(&good, "/messages/5/content", json!([]))),
        ("messages.5: a text of the content is empty", with(&good, "/messages/5/content/0/text", json!(""))),
        ("messages.2: content is empty", with(&good, "/messages/2/content", json!(""))),
        ("tool_calls is an empty list", with(&good, "/messages/2/tool_calls", json!([]))),
        ("a call of a custom", with(&good, "/messages/2/tool_calls/1", custom)),
        ("the id call_000102 is not unique", reordered(&good, "/messages", &[0, 1, 2, 3, 4, 2, 3, 4, 5])),
        ("call_000103: the arguments are no JSON", with(&good, arguments, json!("{\"command\":"))),
        ("call_000103: the arguments are no object", with(&good, arguments, json!("[]"))),
        ("the model never said this message", with(&good, arguments, json!("{\"command\": \"ls\"}"))),
        ("the model never said this message", with(&good, "/messages/2/content", json!("Looking"))),
        ("the model never said this message", without(&good, "/messages/2", "content")),
        ("messages.5.2: a file in a message of the role user", with(&good, "/messages/5/content/-", file)),
        ("must be a data: URL", with(&good, PICTURE, json!("https://example.com/a.png"))),
        (
            "messages.5.1: a picture is image/png, and is said to be image/jpeg",
            with(&good, PICTURE, picture("jpeg", 4)),
        ),
        ("a picture of 2049 px an edge", with(&good, PICTURE, picture("png", 2049))),
        ("messages.0: what was sent before was changed", with(&good, "/messages/0/content", json!("Be long."))),
    ];

    each_is_named(&model, &url, cases).await;
    model.script([Turn::ends("That is all.")]);
    foreign_headers_are_refused(&model, &url, &good).await;
}

#[tokio::test]
async fn a_conversation_may_only_grow() {
    let model = ModelServer::start().await;
    let good = after_a_first_answer(&model).await;
    let url = url(&model);
    let cut = [text("I will"), tool_text("bash", "{\"comm")];
    model.script([
        Turn::stops("max_tokens", cut),
        Turn::stops("refusal", [text("I will not.")]),
        Turn::asks([tool_text("computer", "")]),
        Turn::ends("Done."),
    ]);
    assert_eq!(ask(&url, &good, &[]).await, 200, "{:?}", model.violations());

    // The calls of an answer that was cut off need not be kept.
    let longer = and(&good, [said("I will"), person("Go on")]);
    assert_eq!(ask(&url, &longer, &[]).await, 200, "{:?}", model.violations());
    each_is_named(&model, &url, vec![("changed or left out", good)]).await;
    let refused = json!({ "role": "assistant", "refusal": "I will not." });
    let longer = and(&longer, [refused, person("And a screenshot?")]);
    assert_eq!(ask(&url, &longer, &[]).await, 200, "{:?}", model.violations().last());

    // A call without arguments is a call with none.
    let call =
        json!({ "id": "call_000400", "type": "function", "function": { "name": "computer", "arguments": "{}" } });
    let seen = json!({ "role": "tool", "tool_call_id": "call_000400", "content": "seen" });
    let longer = and(&longer, [json!({ "role": "assistant", "content": null, "tool_calls": [call] }), seen]);
    assert_eq!(ask(&url, &longer, &[]).await, 200, "{:?}", model.violations().last());
}

/// The picture that a person shows.
const PICTURE: &str = "/messages/5/content/1/image_url/url";

/// A conversation that the API would take: the model has asked for two tools, and has their results.
async fn after_a_first_answer(model: &ModelServer) -> Value {
    let calls = [tool_use("computer", json!({ "action": "screenshot" })), tool_use("bash", json!({ "command": "ls" }))];
    model.script([Turn::asks([thinking("Let me see."), text("Looking.")].into_iter().chain(calls))]);
    let body = question();
    assert_eq!(ask(&url(model), &body, &[]).await, 200, "{:?}", model.violations());

    let call = |id: &str, name: &str, arguments: &str| json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } });
    let calls = [
        call("call_000102", "computer", "{\"action\":\"screenshot\"}"),
        call("call_000103", "bash", "{\"command\":\"ls\"}"),
    ];
    and(
        &body,
        [
            with(&said("Looking."), "/tool_calls", json!(calls)),
            json!({ "role": "tool", "tool_call_id": "call_000102", "content": "The picture is below." }),
            json!({ "role": "tool", "tool_call_id": "call_000103", "content": [{ "type": "text", "text": "notes" }] }),
            json!({ "role": "user", "content": [
                { "type": "text", "text": "The picture:" },
                { "type": "image_url", "image_url": { "url": picture("png", 4) } },
            ] }),
        ],
    )
}

fn question() -> Value {
    let tool = |name: &str| {
        let parameters = json!({ "type": "object", "properties": { "command": { "type": "string" } } });
        json!({ "type": "function", "function": { "name": name, "description": name, "parameters": parameters } })
    };
    json!({
        "model": "gpt-scripted", "stream": true, "stream_options": { "include_usage": true },
        "tools": [tool("computer"), tool("bash")],
        "messages": [{ "role": "system", "content": "Be brief." }, person("a")],
    })
}

fn and(body: &Value, messages: impl IntoIterator<Item = Value>) -> Value {
    messages.into_iter().fold(body.clone(), |body, message| with(&body, "/messages/-", message))
}

fn person(words: &str) -> Value {
    json!({ "role": "user", "content": words })
}

fn said(words: &str) -> Value {
    json!({ "role": "assistant", "content": words })
}

fn picture(kind: &str, width: u32) -> Value {
    json!(format!("data:image/{kind};base64,{}", base64_png(width, 1)))
}

fn url(model: &ModelServer) -> String {
    format!("{}/chat/completions", model.compatible_url())
}
