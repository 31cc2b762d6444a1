//! A turn as Chat Completions stream it.

use serde_json::{Value, json};

use super::{
    super::{
        script::{Content, Turn},
        wire::pieces_of,
    },
    ANSWERED, CACHE_WRITTEN, CACHED, CREATED, REASONED, Stop, call_id, error, tokens_of_input,
};

/// The stream of a turn; `number` makes its ids.
pub(in super::super) fn encode(turn: &Turn, number: u64, request: &Value) -> Vec<u8> {
    let (content, half) = turn.streamed();
    let mut chunks = Chunks::of(number, request);
    // A comment, as what stands between a client and a slow model sends it.
    chunks.stream.extend(b": keep-alive\n\n");
    // Some servers begin with what they found in the prompt.
    chunks.send(json!([]), json!({ "prompt_filter_results": [] }));
    chunks.delta(json!({ "role": "assistant", "content": "" }));

    let stop = Stop::of_turn(turn);
    let mut calls = 0;
    for (index, piece) in content.iter().enumerate() {
        let deltas = deltas(piece, stop, calls, &call_id(number, index));
        let breaks_off = half && index + 1 == content.len();
        let sent = if breaks_off { deltas.len().div_ceil(2) } else { deltas.len() };
        deltas.into_iter().take(sent).for_each(|delta| chunks.delta(delta));
        calls += usize::from(matches!(piece, Content::ToolUse { .. }));
    }

    match turn {
        Turn::BreaksWithError { .. } | Turn::Fails { .. } => {
            chunks.data(&error("server_error", "The server had an error while processing your request"));
        }
        Turn::Answers { content, .. } => {
            let reason = match stop {
                Stop::Done | Stop::Refuses => "stop",
                Stop::Calls => "tool_calls",
                Stop::Length => "length",
                Stop::Filtered => "content_filter",
            };
            chunks.choice(json!({}), json!(reason));
            if chunks.with_usage {
                chunks.send(json!([]), json!({ "usage": usage(number, content) }));
            }
            chunks.stream.extend(b"data: [DONE]\n\n");
        }
        _ => {}
    }
    chunks.stream
}

/// A whole answer as the client is to keep it; nothing when it is never whole.
pub(in super::super) fn said(turn: &Turn, number: u64) -> Option<Value> {
    let Turn::Answers { content, stop_reason } = turn else { return None };
    let mut message = json!({ "role": "assistant", "content": null });
    let text: String = content.iter().filter_map(text_of).collect();
    if !text.is_empty() {
        let field = if Stop::of_turn(turn) == Stop::Refuses { "refusal" } else { "content" };
        message[field] = json!(text);
    }
    let ids = content.iter().enumerate().map(|(index, piece)| (piece, call_id(number, index)));
    let calls: Vec<Value> = ids.filter_map(|(piece, id)| call_of(piece, &id)).collect();
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    Some(json!({ "message": message, "stop_reason": stop_reason }))
}

/// The deltas of a piece; `at` is the index of a call among the calls.
fn deltas(piece: &Content, stop: Stop, at: usize, id: &str) -> Vec<Value> {
    match piece {
        Content::Text(text) => {
            let field = if stop == Stop::Refuses { "refusal" } else { "content" };
            pieces_of(text, 7).iter().map(|piece| json!({ field: piece })).collect()
        }
        Content::Thinking(text) => {
            pieces_of(text, 9).iter().map(|piece| json!({ "reasoning_content": piece })).collect()
        }
        Content::ToolUse { input, .. } => {
            let mut begun = call_of(piece, id).unwrap_or_default();
            begun["index"] = json!(at);
            begun["function"]["arguments"] = json!("");
            let arguments = pieces_of(input, 11).into_iter().map(|piece| json!({ "arguments": piece }));
            let more = arguments.map(|function| json!({ "index": at, "function": function }));
            std::iter::once(begun).chain(more).map(|call| json!({ "tool_calls": [call] })).collect()
        }
        Content::Computer { .. } => panic!("a computer_call is of the Responses API alone"),
        Content::Unknown(value) => vec![json!({ "something_new": value })],
    }
}

fn text_of(piece: &Content) -> Option<&str> {
    if let Content::Text(text) = piece { Some(text) } else { None }
}

fn call_of(piece: &Content, id: &str) -> Option<Value> {
    let Content::ToolUse { name, input, id: own, .. } = piece else { return None };
    let function = json!({ "name": name, "arguments": input });
    Some(json!({ "id": own.unwrap_or(id), "type": "function", "function": function }))
}

fn usage(number: u64, content: &[Content]) -> Value {
    let prompt = tokens_of_input(number);
    let reasons = content.iter().any(|piece| matches!(piece, Content::Thinking(_)));
    json!({
        "prompt_tokens": prompt, "completion_tokens": ANSWERED, "total_tokens": prompt + ANSWERED,
        "prompt_tokens_details": { "cached_tokens": CACHED, "cache_write_tokens": CACHE_WRITTEN },
        "completion_tokens_details": { "reasoning_tokens": if reasons { REASONED } else { 0 } },
    })
}

struct Chunks {
    stream: Vec<u8>,
    /// What every chunk has.
    common: Value,
    with_usage: bool,
}

impl Chunks {
    fn of(number: u64, request: &Value) -> Self {
        let with_usage = request["stream_options"]["include_usage"] == true;
        let mut common = json!({
            "id": format!("chatcmpl-{number:06}"), "object": "chat.completion.chunk", "created": CREATED,
            "model": request["model"], "system_fingerprint": null,
        });
        if with_usage {
            common["usage"] = Value::Null;
        }
        Self { stream: Vec::new(), common, with_usage }
    }

    fn delta(&mut self, delta: Value) {
        self.choice(delta, Value::Null);
    }

    fn choice(&mut self, delta: Value, finish_reason: Value) {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason });
        self.send(json!([choice]), json!({}));
    }

    fn send(&mut self, choices: Value, more: Value) {
        let mut chunk = self.common.clone();
        chunk["choices"] = choices;
        for (name, member) in more.as_object().into_iter().flatten() {
            chunk[name] = member.clone();
        }
        self.data(&chunk);
    }

    fn data(&mut self, data: &Value) {
        self.stream.extend(format!("data: {data}\n\n").into_bytes());
    }
}
