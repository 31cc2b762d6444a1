//! Streams of the Messages API, as a test writes them.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::edge::{Piece, Reply};

/// A whole message of these blocks, cut into pieces of `size` bytes.
pub fn message(content: &[Value], stop_reason: &str, size: usize) -> Reply {
    let text: String = [start(), blocks(content), end(stop_reason)].concat();
    Reply::Stream(text.as_bytes().chunks(size).map(|piece| Piece::Bytes(piece.to_vec())).collect())
}

/// A message that begins and then says that the provider is overloaded.
pub fn broken(content: &[Value]) -> Reply {
    let error = event(&json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}));
    Reply::Stream(vec![Piece::Bytes([start(), blocks(content), error].concat().into_bytes())])
}

/// A message that begins and is held until the test lets go.
pub fn held(content: &[Value], gate: tokio::sync::watch::Receiver<bool>) -> Reply {
    let begin = Piece::Bytes([start(), blocks(content)].concat().into_bytes());
    Reply::Stream(vec![begin, Piece::Hold(gate), Piece::Bytes(end("end_turn").into_bytes())])
}

pub fn overloaded() -> Reply {
    let body = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let status = StatusCode::from_u16(529).unwrap();
    Reply::Status(status, vec![("retry-after-ms", "20")], body.to_string())
}

pub fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

pub fn computer(id: &str, name: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "toolset_name": "computer", "input": input})
}

pub fn bash(id: &str, command: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "bash", "input": {"command": command}})
}

fn start() -> String {
    event(&json!({"type": "message_start", "message": {"usage": {"input_tokens": 10, "output_tokens": 1}}}))
}

fn end(stop_reason: &str) -> String {
    let delta = json!({"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": 5}});
    [event(&delta), event(&json!({"type": "message_stop"}))].concat()
}

fn blocks(content: &[Value]) -> String {
    let block = |(index, block): (usize, &Value)| {
        let mut shell = block.clone();
        let (field, kind, whole) = match block["type"].as_str().unwrap() {
            "text" => ("text", "text_delta", block["text"].as_str().unwrap().to_owned()),
            "thinking" => ("thinking", "thinking_delta", block["thinking"].as_str().unwrap().to_owned()),
            _ => ("partial_json", "input_json_delta", block["input"].to_string()),
        };
        match field {
            "partial_json" => shell["input"] = json!({}),
            field => shell[field] = json!(""),
        }
        let mut events = event(&json!({"type": "content_block_start", "index": index, "content_block": shell}));
        if block["input"] != json!({}) {
            // One character a delta: nothing may hang on where a delta ends. What is large would take its time that way.
            let size = if whole.len() > 10_000 { 50_000 } else { 1 };
            let characters: Vec<char> = whole.chars().collect();
            for piece in characters.chunks(size) {
                let delta = json!({"type": kind, field: piece.iter().collect::<String>()});
                events += &event(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
            }
        }
        events + &event(&json!({"type": "content_block_stop", "index": index}))
    };
    content.iter().enumerate().map(block).collect()
}

fn event(data: &Value) -> String {
    format!("event: {}\r\ndata: {data}\r\n\r\n", data["type"].as_str().unwrap())
}
