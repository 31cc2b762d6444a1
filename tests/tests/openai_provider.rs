//! The scripted provider as OpenAI: the official SDK reads what it streams, and it fails as the real one does.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use harness::{
    ModelServer, Turn,
    model_server::{Content, KEY, computer, safety_check, text, thinking, tool_text, tool_use},
    wait,
};
use serde_json::{Value, json};

#[tokio::test]
async fn the_official_sdk_reads_every_event_of_every_turn() {
    let model = ModelServer::start().await;
    let words =
        || vec![thinking("Let me see.\n\nGrüße 你好 🎉"), text("One"), tool_use("bash", json!({ "command": "ls" }))];
    let turns: Vec<fn(Vec<Content>) -> Turn> = vec![
        Turn::asks,
        |content| Turn::stops("end_turn", content),
        |content| Turn::stops("max_tokens", content),
        |content| Turn::stops("content_filter", content),
        |content| Turn::stops("refusal", content),
        |_| Turn::stops("refusal", []),
        |_| Turn::asks([thinking(""), tool_text("bash", "")]),
        |content| Turn::BreaksWithError { content },
        |content| Turn::Fails { content, code: "server_error" },
    ];
    let mut asked = Vec::new();
    for turn in &turns {
        for api in [RESPONSES, CHAT] {
            model.script([turn(words())]);
            let stream = ask(&model, api, KEY).await.text().await.expect("the whole stream");
            asked.push(json!({ "api": api.name, "stream": stream }));
        }
    }
    model.script([Turn::asks([computer([json!({ "type": "screenshot" }), json!({ "type": "wait" })])])]);
    asked.push(json!({ "api": "responses", "stream": ask(&model, RESPONSES, KEY).await.text().await.expect("it") }));

    let read = what_the_sdk_reads(&asked);

    for (asked, read) in asked.iter().zip(&read) {
        assert_eq!(read["fault"], Value::Null, "{}", asked["stream"].as_str().expect("a stream"));
    }
    let of_responses: Vec<&Value> = read.iter().step_by(2).collect();
    let ends: Vec<Value> = of_responses.iter().map(|read| read["ends"].clone()).collect();
    assert_eq!(
        json!(ends),
        json!([
            "response.completed",
            "response.completed",
            "response.incomplete",
            "response.incomplete",
            "response.completed",
            "response.incomplete",
            "response.completed",
            "error",
            "response.failed",
            "response.completed",
        ])
    );
    let reason = |at: usize| of_responses[at]["response"]["incomplete_details"]["reason"].clone();
    assert_eq!((reason(2), reason(3)), (json!("max_output_tokens"), json!("content_filter")));
    assert_eq!(of_responses[4]["items"][1]["content"], json!([{ "type": "refusal", "refusal": "One" }]));
    let finishes: Vec<Value> = read.iter().skip(1).step_by(2).map(|read| read["finish"].clone()).collect();
    let finishes_wanted =
        ["tool_calls", "stop", "length", "content_filter", "stop", "content_filter", "tool_calls"].map(Value::from);
    assert_eq!(finishes[..7], finishes_wanted);
    assert_eq!(finishes[7..], [Value::Null, Value::Null]);
}

#[tokio::test]
async fn a_turn_is_the_same_words_and_calls_in_either_api() {
    let model = ModelServer::start().await;
    let turn =
        || Turn::asks([thinking("First.\n\nThen."), text("Grüße 🎉"), tool_use("bash", json!({ "command": "ls" }))]);
    let click = json!({ "type": "click", "button": "left", "x": 3, "y": 4 });
    let check = safety_check("sc_1", "malicious_instructions", "Is this what you want?");
    let call = computer([click.clone()]).with_safety_checks([check.clone()]).with_id("call_own");
    model.script([turn(), turn(), Turn::asks([call])]);
    let mut asked = Vec::new();
    for api in [RESPONSES, CHAT, RESPONSES] {
        let stream = ask(&model, api, KEY).await.text().await.expect("the whole stream");
        asked.push(json!({ "api": api.name, "stream": stream }));
    }

    let read = what_the_sdk_reads(&asked);

    assert_eq!(
        read[0]["items"],
        json!([
            {
                "type": "reasoning", "id": "rs_000100", "encrypted_content": "gAAAAAB-rs_000100",
                "summary": [{ "type": "summary_text", "text": "First." }, { "type": "summary_text", "text": "Then." }],
            },
            {
                "type": "message", "id": "msg_000101", "role": "assistant", "status": "completed", "phase": "commentary",
                "content": [{ "type": "output_text", "text": "Grüße 🎉", "annotations": [], "logprobs": [] }],
            },
            {
                "type": "function_call", "id": "fc_000102", "call_id": "call_000102", "name": "bash",
                "arguments": "{\"command\":\"ls\"}", "status": "completed",
            },
        ])
    );
    assert_eq!(
        read[0]["response"]["usage"],
        json!({
            "input_tokens": 1901, "input_tokens_details": { "cached_tokens": 900, "cache_write_tokens": 100 },
            "output_tokens": 42, "output_tokens_details": { "reasoning_tokens": 7 }, "total_tokens": 1943,
        })
    );
    assert_eq!(
        read[1],
        json!({
            "ends": "[DONE]", "finish": "tool_calls",
            "message": { "content": "Grüße 🎉", "reasoning_content": "First.\n\nThen.", "refusal": "" },
            "calls": [{ "id": "call_000202", "name": "bash", "arguments": "{\"command\":\"ls\"}" }],
            "usage": {
                "prompt_tokens": 1902, "prompt_tokens_details": { "cached_tokens": 900, "cache_write_tokens": 100 },
                "completion_tokens": 42, "completion_tokens_details": { "reasoning_tokens": 7 }, "total_tokens": 1944,
            },
        })
    );
    assert_eq!(
        read[2]["items"],
        json!([{
            "type": "computer_call", "id": "cu_000300", "call_id": "call_own", "status": "completed",
            "actions": [click], "pending_safety_checks": [check],
        }])
    );
}

#[tokio::test]
async fn a_key_is_asked_for_as_openai_asks_for_it() {
    let model = ModelServer::start().await;
    for api in [RESPONSES, CHAT] {
        let wrong = ask(&model, api, "sk-another").await;

        assert_eq!(wrong.status(), 401);
        let error: Value = wrong.json().await.expect("JSON");
        assert_eq!(error["error"]["code"], "invalid_api_key");
        assert_eq!(error["error"]["type"], "invalid_request_error");
        let models: Value = get(&model, api, "models", Some(KEY)).await.json().await.expect("JSON");
        assert_eq!((&models["object"], &models["data"][0]["object"]), (&json!("list"), &json!("model")));
        assert_eq!(get(&model, api, "models", None).await.status(), 401);
    }
    assert_eq!(model.requests().len() + model.violations().len(), 0);

    model.needs_no_key();

    assert_eq!(get(&model, CHAT, "models", None).await.status(), 200);
    assert_eq!(get(&model, CHAT, "models", Some(KEY)).await.status(), 400);
    assert!(model.violations().pop().expect("a violation").contains("wants none"));
    assert_eq!(get(&model, RESPONSES, "models", None).await.status(), 401);
}

#[tokio::test]
async fn every_fault_comes_in_openais_form() {
    for api in [RESPONSES, CHAT] {
        let model = ModelServer::start().await;
        let half = || vec![text("half an answer")];
        model.script([
            Turn::limits_the_rate(1),
            Turn::refuses(500, "api_error", &[]),
            Turn::refuses(400, "context_length_exceeded", &[]),
            Turn::redirects_to(&model.elsewhere()),
            Turn::Streams(b"data: no json\n\n".to_vec()),
            Turn::HangsUp { content: half() },
            Turn::GoesAway,
            Turn::FallsSilent { content: half() },
        ]);

        let limited = ask(&model, api, KEY).await;
        assert_eq!(limited.status(), 429);
        assert_eq!(limited.headers()["retry-after"], "1");
        assert_eq!(error_of(limited).await, json!(["tokens", "rate_limit_exceeded"]));
        assert_eq!(error_of(ask(&model, api, KEY).await).await, json!(["server_error", null]));
        let too_long = ask(&model, api, KEY).await;
        assert_eq!(error_of(too_long).await, json!(["invalid_request_error", "context_length_exceeded"]));
        let redirected = ask(&model, api, KEY).await;
        assert_eq!(redirected.status(), 307);
        assert_eq!(redirected.headers()["location"], model.elsewhere().as_str());
        assert_eq!(ask(&model, api, KEY).await.text().await.expect("a clean end"), "data: no json\n\n");
        assert!(ask(&model, api, KEY).await.text().await.is_err(), "the provider hung up");
        assert!(request(&model, api, KEY).send().await.is_err(), "the provider went away");
        let mut silent = ask(&model, api, KEY).await;
        silent.chunk().await.expect("the beginning");
        drop(silent);
        wait::until("the model server sees it", Duration::from_secs(10), async || model.requests()[7].answered_at)
            .await;

        assert_eq!(model.violations(), Vec::<String>::new());
        assert_eq!(model.visits_elsewhere().len(), 0);
        let followed = harness::http().build().expect("a client").post(model.elsewhere()).bearer_auth(KEY);
        assert_eq!(followed.send().await.expect("an answer").status(), 404);
        assert!(model.visits_elsewhere()[0].contains_key("authorization"));
    }
}

#[tokio::test]
async fn a_request_tells_what_is_new_in_it() {
    let model = ModelServer::start().await;
    model.check_nothing();
    let picture = "data:image/png;base64,AAAA";
    let responses = json!({
        "tools": [{ "type": "computer" }, { "type": "function", "name": "bash" }],
        "input": [
            { "role": "user", "content": "Begin" },
            { "type": "computer_call", "call_id": "c1" },
            { "type": "function_call", "call_id": "c2" },
            { "type": "computer_call_output", "call_id": "c1", "output": { "image_url": picture } },
            { "type": "function_call_output", "call_id": "c2", "output": "done" },
            { "role": "user", "content": [{ "type": "input_text", "text": "Go on" }] },
        ],
    });
    let chat = json!({
        "tools": [{ "type": "function", "function": { "name": "computer" } }, { "type": "function", "function": { "name": "bash" } }],
        "messages": [
            { "role": "system", "content": "Be brief" },
            { "role": "assistant", "tool_calls": [{ "id": "c1" }, { "id": "c2" }] },
            { "role": "tool", "tool_call_id": "c1", "content": "seen" },
            { "role": "tool", "tool_call_id": "c2", "content": "done" },
            { "role": "user", "content": [
                { "type": "image_url", "image_url": { "url": picture } }, { "type": "text", "text": "Go on" },
            ] },
        ],
    });

    for (api, body) in [(RESPONSES, responses), (CHAT, chat)] {
        model.script([Turn::ends("Yes.")]);
        let answer = request(&model, api, KEY).json(&body).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let recorded = model.requests().pop().expect("a request");

        assert_eq!(recorded.newest().len(), 3, "{:?}", recorded.newest());
        assert_eq!(recorded.newest_results().len(), 2);
        assert!(recorded.result_of("c2").to_string().contains("done"));
        assert_eq!(recorded.newest_words(), "Go on");
        assert_eq!(recorded.newest_pictures(), ["AAAA"]);
        assert_eq!(recorded.tool_names(), ["computer", "bash"]);
        assert_eq!(recorded.bearer(), Some(KEY));
    }
}

#[derive(Clone, Copy)]
struct Api {
    name: &'static str,
    path: &'static str,
}

const RESPONSES: Api = Api { name: "responses", path: "openai/v1/responses" };
const CHAT: Api = Api { name: "chat", path: "compatible/v1/chat/completions" };

fn what_the_sdk_reads(streams: &[Value]) -> Vec<Value> {
    let mut python = Command::new(harness::repository().join(".venv/bin/python"));
    python.arg("-B").arg(harness::repository().join("tests/sdk/read_stream.py"));
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start Python");
    let lines: String = streams.iter().map(|stream| format!("{stream}\n")).collect();
    let mut stdin = child.stdin.take().expect("its input");
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("Python's answer");
    writer.join().expect("the writer").expect("write to Python");
    let answers = String::from_utf8(output.stdout).expect("text");
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), streams.len(), "run `scripts/setup test`, which installs what this needs");
    answers
}

fn question(api: Api) -> Value {
    match api.name {
        "responses" => json!({
            "model": "gpt-scripted", "stream": true, "store": false, "input": "hello",
            "tools": [{ "type": "computer" }],
        }),
        _ => json!({
            "model": "gpt-scripted", "stream": true, "stream_options": { "include_usage": true },
            "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "hello" }],
        }),
    }
}

fn request(model: &ModelServer, api: Api, key: &str) -> reqwest::RequestBuilder {
    let client = harness::http().build().expect("an HTTP client");
    client.post(format!("{}/{}", model.url(), api.path)).bearer_auth(key).json(&question(api))
}

async fn ask(model: &ModelServer, api: Api, key: &str) -> reqwest::Response {
    request(model, api, key).send().await.expect("an answer")
}

async fn get(model: &ModelServer, api: Api, what: &str, key: Option<&str>) -> reqwest::Response {
    let base = if api.name == "responses" { model.openai_url() } else { model.compatible_url() };
    let request = harness::http().build().expect("an HTTP client").get(format!("{base}/{what}"));
    let request = key.into_iter().fold(request, |request, key| request.bearer_auth(key));
    request.send().await.expect("an answer")
}

/// The type and the code of an error.
async fn error_of(answer: reqwest::Response) -> Value {
    let body: Value = answer.json().await.expect("JSON");
    json!([body["error"]["type"], body["error"]["code"]])
}
