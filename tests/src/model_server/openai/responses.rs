//! A turn as OpenAI's Responses API streams it.

use serde_json::{Value, json};

use super::{
    super::{
        script::{Content, Turn},
        wire,
    },
    ANSWERED, CACHE_WRITTEN, CACHED, CREATED, REASONED, Stop, call_id, tokens_of_input,
};

/// The stream of a turn; `number` makes its ids.
pub(in super::super) fn encode(turn: &Turn, number: u64, request: &Value) -> Vec<u8> {
    let (content, half) = turn.streamed();
    let stop = Stop::of_turn(turn);
    let items = items(content, stop, number);
    let mut events = Events::default();
    let mut response = beginning(number, request);
    events.send("response.created", json!({ "response": response }));
    events.send("response.in_progress", json!({ "response": response }));
    for (index, item) in items.iter().enumerate() {
        let last = index + 1 == items.len();
        events.item(index, item, half && last);
        if index == 0 {
            events.send("keepalive", json!({}));
            // New kinds of events come with new tools.
            events.send("something_new", json!({ "data": "ignore me" }));
        }
    }
    match turn {
        Turn::Answers { content, .. } => {
            response["output"] = json!(items);
            response["usage"] = usage(number, content);
            let (status, reason) = match stop {
                Stop::Length => ("incomplete", Some("max_output_tokens")),
                Stop::Filtered => ("incomplete", Some("content_filter")),
                _ => ("completed", None),
            };
            response["status"] = json!(status);
            response["incomplete_details"] = reason.map_or(Value::Null, |reason| json!({ "reason": reason }));
            events.send(&format!("response.{status}"), json!({ "response": response }));
        }
        Turn::Fails { code, .. } => {
            response["status"] = json!("failed");
            response["error"] = json!({ "code": code, "message": code });
            events.send("response.failed", json!({ "response": response }));
        }
        Turn::BreaksWithError { .. } => {
            let message = "The server had an error while processing your request";
            events.send("error", json!({ "code": "server_error", "message": message, "param": null }));
        }
        _ => {}
    }
    events.stream
}

/// A whole answer as the client is to keep it; nothing when it is never whole.
pub(in super::super) fn said(turn: &Turn, number: u64) -> Option<Value> {
    let Turn::Answers { content, stop_reason } = turn else { return None };
    Some(json!({ "items": items(content, Stop::of_turn(turn), number), "stop_reason": stop_reason }))
}

/// The items as they stand at the end.
fn items(content: &[Content], stop: Stop, number: u64) -> Vec<Value> {
    let mut items: Vec<Value> =
        content.iter().enumerate().map(|(index, piece)| item_of(piece, stop, number, index)).collect();
    if matches!(stop, Stop::Length | Stop::Filtered)
        && let Some(cut) = items.last_mut().filter(|item| item["status"] == "completed")
    {
        cut["status"] = json!("incomplete");
    }
    items
}

fn item_of(piece: &Content, stop: Stop, number: u64, index: usize) -> Value {
    let id = |prefix: &str| format!("{prefix}_{number:04}{index:02}");
    match piece {
        Content::Text(text) => {
            let phase = if stop == Stop::Calls { "commentary" } else { "final_answer" };
            let part = if stop == Stop::Refuses {
                json!({ "type": "refusal", "refusal": text })
            } else {
                json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
            };
            json!({
                "type": "message", "id": id("msg"), "role": "assistant", "status": "completed", "phase": phase,
                "content": [part],
            })
        }
        Content::Thinking(text) => {
            let summary: Vec<Value> =
                paragraphs(text).map(|part| json!({ "type": "summary_text", "text": part })).collect();
            let encrypted = format!("{UNFINISHED}{}", id("rs"));
            json!({ "type": "reasoning", "id": id("rs"), "summary": summary, "encrypted_content": encrypted })
        }
        Content::ToolUse { name, input, id: own, .. } => json!({
            "type": "function_call", "id": id("fc"), "call_id": own.map_or(call_id(number, index), str::to_owned),
            "name": name, "arguments": input, "status": "completed",
        }),
        Content::Computer { actions, safety_checks, id: own } => json!({
            "type": "computer_call", "id": id("cu"), "call_id": own.map_or(call_id(number, index), str::to_owned),
            "actions": actions, "pending_safety_checks": safety_checks, "status": "completed",
        }),
        Content::Unknown(item) => item.clone(),
    }
}

/// A reasoning item's secret as it stands when the item begins, to be replaced at its end.
const UNFINISHED: &str = "gAAAAAB-";

/// A summary has a part for each of these; one without words has none.
fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").filter(|part| !part.is_empty())
}

fn beginning(number: u64, request: &Value) -> Value {
    // What was asked for is said again only in part: nobody reads it, and long answers make slow tests.
    json!({
        "id": format!("resp_{number:06}"), "object": "response", "created_at": CREATED, "status": "in_progress",
        "model": request["model"], "output": [], "error": null, "incomplete_details": null, "instructions": null,
        "metadata": {}, "parallel_tool_calls": true, "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto",
        "tools": [], "truncation": "disabled", "usage": null,
    })
}

fn usage(number: u64, content: &[Content]) -> Value {
    let input = tokens_of_input(number);
    let reasons = content.iter().any(|piece| matches!(piece, Content::Thinking(_)));
    json!({
        "input_tokens": input, "output_tokens": ANSWERED, "total_tokens": input + ANSWERED,
        "input_tokens_details": { "cached_tokens": CACHED, "cache_write_tokens": CACHE_WRITTEN },
        "output_tokens_details": { "reasoning_tokens": if reasons { REASONED } else { 0 } },
    })
}

#[derive(Default)]
struct Events {
    stream: Vec<u8>,
    sent: u64,
}

impl Events {
    fn send(&mut self, kind: &str, mut event: Value) {
        event["type"] = json!(kind);
        event["sequence_number"] = json!(self.sent);
        self.sent += 1;
        wire::event(&mut self.stream, &event);
    }

    /// All about one item; of one that breaks off, its beginning.
    fn item(&mut self, output_index: usize, item: &Value, half: bool) {
        self.send("response.output_item.added", json!({ "output_index": output_index, "item": begun(item) }));
        let place = json!({ "output_index": output_index, "item_id": item["id"] });
        match item["type"].as_str() {
            Some("message") => {
                let part = &item["content"][0];
                let (field, kind) = if part["type"] == "refusal" {
                    ("refusal", "response.refusal")
                } else {
                    ("text", "response.output_text")
                };
                self.part(&with(&place, json!({ "content_index": 0 })), "content_part", (kind, field), part, half);
            }
            Some("reasoning") => {
                let parts = item["summary"].as_array().map_or(&[][..], Vec::as_slice);
                for (index, part) in parts.iter().enumerate() {
                    let half = half && index + 1 == parts.len();
                    let place = with(&place, json!({ "summary_index": index }));
                    let kind = "response.reasoning_summary_text";
                    self.part(&place, "reasoning_summary_part", (kind, "text"), part, half);
                }
            }
            Some("function_call") => {
                let kind = "response.function_call_arguments";
                self.deltas(&place, (kind, "arguments"), item["arguments"].as_str().unwrap_or_default(), 11, half);
            }
            _ => {}
        }
        if !half {
            self.send("response.output_item.done", json!({ "output_index": output_index, "item": item }));
        }
    }

    fn part(&mut self, place: &Value, name: &str, (kind, field): (&str, &str), part: &Value, half: bool) {
        let mut empty = part.clone();
        empty[field] = json!("");
        self.send(&format!("response.{name}.added"), with(place, json!({ "part": empty })));
        self.deltas(place, (kind, field), part[field].as_str().unwrap_or_default(), 7, half);
        if !half {
            self.send(&format!("response.{name}.done"), with(place, json!({ "part": part })));
        }
    }

    fn deltas(&mut self, place: &Value, (kind, field): (&str, &str), text: &str, size: usize, half: bool) {
        let logprobs = if kind == "response.output_text" { json!({ "logprobs": [] }) } else { json!({}) };
        let place = &with(place, logprobs);
        let deltas = wire::pieces_of(text, size);
        let sent = if half { deltas.len().div_ceil(2) } else { deltas.len() };
        for delta in &deltas[..sent] {
            // Hides from who counts bytes how long a piece is.
            let padding = "x".repeat(16 - delta.len() % 16);
            self.send(&format!("{kind}.delta"), with(place, json!({ "delta": delta, "obfuscation": padding })));
        }
        if !half {
            self.send(&format!("{kind}.done"), with(place, json!({ field: text })));
        }
    }
}

/// An item as it stands at its beginning: whoever takes it from here has too little.
fn begun(item: &Value) -> Value {
    let empty = match item["type"].as_str() {
        Some("message") => json!({ "content": [], "status": "in_progress" }),
        Some("reasoning") => json!({ "summary": [], "encrypted_content": UNFINISHED }),
        Some("function_call") => json!({ "arguments": "", "status": "in_progress" }),
        Some("computer_call") => json!({ "actions": [], "pending_safety_checks": [], "status": "in_progress" }),
        _ => json!({}),
    };
    with(item, empty)
}

fn with(value: &Value, members: Value) -> Value {
    let mut value = value.clone();
    for (name, member) in members.as_object().into_iter().flatten() {
        value[name] = member.clone();
    }
    value
}
