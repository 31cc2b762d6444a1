//! What the Responses API refuses.

use harness::{
    ModelServer, Turn,
    edit::{reordered, with, without},
    model_server::{Content, computer, safety_check, text, thinking, tool_use},
    picture::base64_png,
};
use serde_json::{Value, json};

use super::{ask, each_is_named, foreign_headers_are_refused};

#[tokio::test]
async fn every_kind_of_broken_request_is_named() {
    let model = ModelServer::start().await;
    let good = after_a_first_answer(&model).await;
    let url = url(&model);
    let strict = |parameters: Value| {
        let tool = json!({ "type": "function", "name": "strict", "strict": true, "parameters": parameters });
        with(&good, "/tools/-", tool)
    };
    let open = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
    let half_open = with(&open, "/additionalProperties", json!(false));
    let nested = json!({
        "type": "object", "properties": { "list": { "type": "array", "items": open } }, "required": ["list"],
        "additionalProperties": false,
    });
    let person = json!({ "role": "user", "content": "Wait" });
    let cases: Vec<(&str, Value)> = vec![
        ("should be a valid dictionary", json!([good])),
        ("surprise: Extra inputs", with(&good, "/surprise", json!(1))),
        ("input_text.surprise: Extra inputs", with(&good, "/input/7/content/0/surprise", json!(1))),
        ("role: Input should be 'user'", with(&good, "/input/7", json!({ "role": "person", "content": "a" }))),
        ("'hologram' found", with(&good, "/input/7", json!({ "type": "hologram" }))),
        ("tools.1.function.strict: Field required", without(&good, "/tools/1", "strict")),
        ("reasoning.effort: Input should be", with(&good, "/reasoning/effort", json!("extreme"))),
        ("stream: Input should be True", with(&good, "/stream", json!(false))),
        ("model: Field required", without(&good, "", "model")),
        ("store must be false", with(&good, "/store", json!(true))),
        ("store must be false", without(&good, "", "store")),
        ("previous_response_id needs", with(&good, "/previous_response_id", json!("resp_1"))),
        ("conversation needs", with(&good, "/conversation", json!("conv_1"))),
        ("max_output_tokens must be at least 16", with(&good, "/max_output_tokens", json!(1))),
        ("include must have reasoning.encrypted_content", without(&good, "", "include")),
        ("'a name' is no name of a function", with(&good, "/tools/1/name", json!("a name"))),
        ("is no name of a function", with(&good, "/tools/1/name", json!("a".repeat(65)))),
        ("the name bash is there twice", with(&good, "/tools/-", good["tools"][1].clone())),
        ("the schema of bash is none of an object", with(&good, "/tools/1/parameters", json!({}))),
        ("tools.2.parameters: a strict schema must have additionalProperties false", strict(open.clone())),
        ("must require all properties, also ['a']", strict(half_open)),
        ("tools.2.parameters.list.items: a strict schema", strict(nested)),
        ("2 computers", with(&good, "/tools/-", json!({ "type": "computer" }))),
        ("input.3: a computer_call, and no computer is declared", reordered(&good, "/tools", &[1])),
        ("input is empty", with(&good, "/input", json!([]))),
        ("input.7: content is empty", with(&good, "/input/7/content", json!([]))),
        ("a text of the content is empty", with(&good, "/input/7/content/0/text", json!(" "))),
        ("item_reference needs what is kept", with(&good, "/input/7", json!({ "id": "msg_000101" }))),
        ("no output of ['call_000103'] directly after", reordered(&good, "/input", &[0, 1, 2, 3, 4, 5, 7])),
        ("no output of ['call_000103']", reordered(&good, "/input", &[0, 1, 2, 3, 4, 5])),
        (
            "no output of ['call_000103'] directly after",
            reordered(&with(&good, "/input/-", person), "/input", &[0, 1, 2, 3, 4, 5, 8, 6, 7]),
        ),
        ("an output of else, which waits for none", with(&good, "/input/5/call_id", json!("else"))),
        ("an output of None, which waits for none", without(&good, "/input/6", "call_id")),
        ("an output of call_000103, which waits for none", reordered(&good, "/input", &[0, 1, 2, 3, 4, 5, 6, 6, 7])),
        (
            "a function_call_output for a computer_call",
            with(&good, "/input/5", json!({ "type": "function_call_output", "call_id": "call_000102", "output": "a" })),
        ),
        ("what the model said at once is torn apart", reordered(&good, "/input", &[0, 1, 2, 3, 5, 4, 6, 7])),
        ("the call_id call_000103 is not unique", reordered(&good, "/input", &[0, 1, 2, 3, 4, 4, 5, 6, 7])),
        ("the model never said this reasoning", with(&good, "/input/1/encrypted_content", json!("gAAAAAB-"))),
        ("the model never said this reasoning", with(&good, "/input/1/summary", json!([]))),
        ("the model never said this message", with(&good, "/input/2/content/0/text", json!("Looking"))),
        ("the model never said this message", without(&good, "/input/2", "phase")),
        ("the model never said this message", with(&good, "/input/7/role", json!("assistant"))),
        ("the model never said this computer_call", with(&good, "/input/3/actions", json!([]))),
        ("the model never said this function_call", with(&good, "/input/4/arguments", json!("{\"command\": \"ls\"}"))),
        ("reasoning without the item that followed it", reordered(&good, "/input", &[0, 1, 3, 4, 5, 6, 7])),
        ("an item without the reasoning that it followed", reordered(&good, "/input", &[0, 2, 3, 4, 5, 6, 7])),
        (
            "the safety checks ['sc_1'] are pending, and [] acknowledged",
            without(&good, "/input/5", "acknowledged_safety_checks"),
        ),
        (
            "and ['sc_1', 'sc_2'] acknowledged",
            with(&good, "/input/5/acknowledged_safety_checks/-", json!({ "id": "sc_2" })),
        ),
        ("must be a data: URL", with(&good, SCREEN, json!("https://example.com/a.png"))),
        ("must be a data: URL", without(&good, "/input/5/output", "image_url")),
        ("must be a data: URL", with(&good, SCREEN, json!("data:image/webp;base64,AAAA"))),
        ("a file_id needs what is kept", with(&good, "/input/5/output/file_id", json!("file_1"))),
        ("input.7.1: a picture is image/png, and is said to be image/jpeg", with(&good, PICTURE, picture("jpeg", 4))),
        ("cannot be read", with(&good, PICTURE, json!("data:image/png;base64,AAAA"))),
        ("a picture of 2049 px an edge; at most 2048", with(&good, SCREEN, picture("png", 2049))),
        ("at most 5242880", with(&good, SCREEN, json!(format!("data:image/png;base64,{}", "A".repeat(6 << 20))))),
        ("input.0: what was sent before was changed", with(&good, "/input/0/content", json!("b"))),
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
    model.script([
        Turn::asks([tool_use("bash", json!({ "command": "pwd" }))]),
        Turn::ends("That is all."),
        Turn::ends("And a new one."),
    ]);
    assert_eq!(ask(&url, &good, &[]).await, 200, "{:?}", model.violations());
    let call = json!({
        "type": "function_call", "id": "fc_000200", "call_id": "call_000200", "name": "bash",
        "arguments": "{\"command\":\"pwd\"}", "status": "completed",
    });
    let output = json!({ "type": "function_call_output", "call_id": "call_000200", "output": "/home/ada" });
    let longer = with(&with(&good, "/input/-", call), "/input/-", output);

    let early = reordered(&longer, "/input", &[0, 1, 2, 3, 4, 8, 5, 6, 9]);
    each_is_named(&model, &url, vec![("input.5: no output of ['call_000102', 'call_000103']", early)]).await;
    assert_eq!(ask(&url, &longer, &[]).await, 200, "{:?}", model.violations().last());
    each_is_named(&model, &url, vec![("changed or left out", good)]).await;

    // Another conversation begins as it likes.
    assert_eq!(ask(&url, &with(&question(), "/input", json!("Something else")), &[]).await, 200);
}

#[tokio::test]
async fn what_the_model_said_goes_back_as_it_came_whatever_the_types_call_it() {
    let model = ModelServer::start().await;
    let hologram = json!({ "type": "hologram", "depth": 3 });
    let double_click = json!({ "type": "double_click", "x": 1, "y": 2 });
    let said = [Content::Unknown(hologram.clone()), text("I w")];
    model.script([Turn::stops("max_tokens", said), Turn::asks([computer([double_click.clone()])]), Turn::ends("Yes.")]);
    let url = url(&model);
    let mut body = question();
    assert_eq!(ask(&url, &body, &[]).await, 200, "{:?}", model.violations());
    let cut = json!({
        "type": "message", "id": "msg_000101", "role": "assistant", "status": "incomplete", "phase": "final_answer",
        "content": [{ "type": "output_text", "text": "I w", "annotations": [], "logprobs": [] }],
    });
    for item in [hologram, cut, json!({ "role": "user", "content": "Go on" })] {
        body = with(&body, "/input/-", item);
    }
    assert_eq!(ask(&url, &body, &[]).await, 200, "{:?}", model.violations());
    let call = json!({
        "type": "computer_call", "id": "cu_000200", "call_id": "call_000200", "status": "completed",
        "actions": [double_click], "pending_safety_checks": [],
    });
    let screen = json!({ "type": "computer_screenshot", "image_url": picture("png", 4) });
    let output = json!({ "type": "computer_call_output", "call_id": "call_000200", "output": screen });
    body = with(&with(&body, "/input/-", call), "/input/-", output);

    let status = ask(&url, &body, &[]).await;

    assert_eq!((status, model.violations()), (200, Vec::new()));
}

/// The picture of the computer's output.
const SCREEN: &str = "/input/5/output/image_url";
/// The picture that a person shows.
const PICTURE: &str = "/input/7/content/1/image_url";

/// A conversation that the API would take: the model has asked for both kinds of tools, and has its outputs.
async fn after_a_first_answer(model: &ModelServer) -> Value {
    let screenshot = json!({ "type": "screenshot" });
    let check = safety_check("sc_1", "malicious_instructions", "Is this what you want?");
    model.script([Turn::asks([
        thinking("Let me see."),
        text("Looking."),
        computer([screenshot.clone()]).with_safety_checks([check.clone()]),
        tool_use("bash", json!({ "command": "ls" })),
    ])]);
    let mut body = question();
    assert_eq!(ask(&url(model), &body, &[]).await, 200, "{:?}", model.violations());

    body["input"].as_array_mut().expect("items").extend([
        json!({
            "type": "reasoning", "id": "rs_000100", "encrypted_content": "gAAAAAB-rs_000100",
            "summary": [{ "type": "summary_text", "text": "Let me see." }],
        }),
        json!({
            "type": "message", "id": "msg_000101", "role": "assistant", "status": "completed", "phase": "commentary",
            "content": [{ "type": "output_text", "text": "Looking.", "annotations": [], "logprobs": [] }],
        }),
        json!({
            "type": "computer_call", "id": "cu_000102", "call_id": "call_000102", "status": "completed",
            "actions": [screenshot], "pending_safety_checks": [check],
        }),
        json!({
            "type": "function_call", "id": "fc_000103", "call_id": "call_000103", "name": "bash",
            "arguments": "{\"command\":\"ls\"}", "status": "completed",
        }),
        json!({
            "type": "computer_call_output", "call_id": "call_000102", "acknowledged_safety_checks": [check],
            "output": { "type": "computer_screenshot", "image_url": picture("png", 4) },
        }),
        json!({ "type": "function_call_output", "call_id": "call_000103", "output": "notes.txt" }),
        json!({ "role": "user", "content": [
            { "type": "input_text", "text": "Like this" },
            { "type": "input_image", "detail": "auto", "image_url": picture("png", 5) },
        ] }),
    ]);
    body
}

fn question() -> Value {
    let parameters = json!({ "type": "object", "properties": { "command": { "type": "string" } } });
    json!({
        "model": "gpt-scripted", "stream": true, "store": false, "max_output_tokens": 1000,
        "instructions": "Be brief.", "reasoning": { "effort": "medium", "summary": "auto" },
        "include": ["reasoning.encrypted_content"],
        "tools": [
            { "type": "computer" },
            { "type": "function", "name": "bash", "strict": false, "parameters": parameters },
        ],
        "input": [{ "role": "user", "content": "a" }],
    })
}

fn picture(kind: &str, width: u32) -> Value {
    json!(format!("data:image/{kind};base64,{}", base64_png(width, 1)))
}

fn url(model: &ModelServer) -> String {
    format!("{}/responses", model.openai_url())
}
