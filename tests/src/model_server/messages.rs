//! A turn as Anthropic's Messages API streams it.

use serde_json::{Value, json};

use super::{
    script::{Content, Turn},
    wire::{event, pieces_of},
};

/// The stream of a turn; `number` makes its ids.
pub(super) fn encode(turn: &Turn, number: u64) -> Vec<u8> {
    let mut stream = Vec::new();
    let start = json!({
        "type": "message_start",
        "message": {
            "id": format!("msg_{number:06}"), "type": "message", "role": "assistant", "model": "claude-opus-5-5",
            "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": { "input_tokens": 1000 + number, "output_tokens": 1, "cache_read_input_tokens": 900 },
        },
    });
    event(&mut stream, &start);
    event(&mut stream, &json!({ "type": "ping" }));

    let (content, half) = turn.streamed();
    for (index, block) in content.iter().enumerate() {
        let last = index + 1 == content.len();
        encode_block(&mut stream, index, block, &id(number, index), half && last);
        if index == 0 {
            // Anthropic's word: new kinds of events may come at any time.
            event(&mut stream, &json!({ "type": "something_new", "data": "ignore me" }));
        }
    }

    match turn {
        Turn::Answers { stop_reason, .. } => {
            let delta = json!({ "stop_reason": stop_reason, "stop_sequence": null });
            event(&mut stream, &json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 42 } }));
            event(&mut stream, &json!({ "type": "message_stop" }));
        }
        Turn::BreaksWithError { .. } | Turn::Fails { .. } => {
            let error = json!({ "type": "overloaded_error", "message": "Overloaded" });
            event(&mut stream, &json!({ "type": "error", "error": error }));
        }
        _ => {}
    }
    stream
}

/// A whole answer as the client is to keep it, without what it cannot send back; nothing when it is never whole.
pub(super) fn said(turn: &Turn, number: u64) -> Option<Value> {
    let Turn::Answers { content, stop_reason } = turn else { return None };
    let blocks = content.iter().enumerate().map(|(index, block)| block_of(block, &id(number, index)));
    let blocks: Vec<Value> =
        blocks.filter(|block| block["text"].as_str().is_none_or(|text| !text.trim().is_empty())).collect();
    Some(json!({ "content": blocks, "stop_reason": stop_reason }))
}

/// The answer to a check of a key, not streamed.
pub(super) fn shortest_answer() -> Value {
    json!({
        "id": "msg_check", "type": "message", "role": "assistant", "model": "claude-opus-5-5",
        "content": [{ "type": "text", "text": "." }], "stop_reason": "max_tokens", "stop_sequence": null,
        "usage": { "input_tokens": 1, "output_tokens": 1 },
    })
}

/// The models that there are.
pub(super) fn models() -> Value {
    let model = json!({ "type": "model", "id": "claude-opus-5-5", "display_name": "Scripted" });
    json!({ "data": [model], "has_more": false })
}

pub(super) fn error(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message } })
}

fn encode_block(stream: &mut Vec<u8>, index: usize, block: &Content, id: &str, half: bool) {
    let mut empty = block_of(block, id);
    let (deltas, signature) = match block {
        Content::Text(text) => {
            empty["text"] = json!("");
            (deltas(text, 7, "text_delta", "text"), None)
        }
        Content::Thinking(text) => {
            let signature = std::mem::take(&mut empty["signature"]);
            empty["thinking"] = json!("");
            empty["signature"] = json!("");
            (deltas(text, 9, "thinking_delta", "thinking"), Some(signature))
        }
        Content::ToolUse { input, .. } => {
            empty["input"] = json!({});
            // An empty input sends no delta at all.
            let input = if input == "{}" { "" } else { input };
            (deltas(input, 11, "input_json_delta", "partial_json"), None)
        }
        Content::Computer { .. } | Content::Unknown(_) => (Vec::new(), None),
    };
    event(stream, &json!({ "type": "content_block_start", "index": index, "content_block": empty }));
    let unknown = json!({ "type": "something_new_delta", "data": "ignore me" });
    event(stream, &json!({ "type": "content_block_delta", "index": index, "delta": unknown }));
    let sent = if half { deltas.len().div_ceil(2) } else { deltas.len() };
    for delta in &deltas[..sent] {
        event(stream, &json!({ "type": "content_block_delta", "index": index, "delta": delta }));
    }
    if half {
        return;
    }
    if let Some(signature) = signature {
        let delta = json!({ "type": "signature_delta", "signature": signature });
        event(stream, &json!({ "type": "content_block_delta", "index": index, "delta": delta }));
    }
    event(stream, &json!({ "type": "content_block_stop", "index": index }));
}

/// The block as it stands at the end of an answer that is not streamed.
fn block_of(content: &Content, id: &str) -> Value {
    match content {
        Content::Text(text) => json!({ "type": "text", "text": text }),
        Content::Thinking(text) => {
            json!({ "type": "thinking", "thinking": text, "signature": format!("c2lnbmF0dXJl-{id}") })
        }
        Content::ToolUse { toolset, name, input, id: own } => {
            let input: Value = serde_json::from_str(input).unwrap_or(json!({}));
            let mut block = json!({ "type": "tool_use", "id": own.unwrap_or(id), "name": name, "input": input });
            if let Some(toolset) = toolset {
                block["toolset_name"] = json!(toolset);
            }
            block
        }
        Content::Computer { .. } => panic!("a computer_call is of the Responses API alone"),
        Content::Unknown(block) => block.clone(),
    }
}

fn deltas(text: &str, size: usize, kind: &str, field: &str) -> Vec<Value> {
    pieces_of(text, size).iter().map(|piece| json!({ "type": kind, field: piece })).collect()
}

fn id(number: u64, index: usize) -> String {
    format!("toolu_{number:04}{index:02}")
}
