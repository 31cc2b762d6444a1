//! A conversation as the messages of Chat Completions.

use protocol::{
    event::{AssistantMessage, Event, Picture},
    model::Model,
};
use serde_json::{Value, json};

use super::super::{
    conversation::{self, Part, Turn, is_error, pictures_of, words_of},
    pictures::Loaded,
};
use crate::gate::agent::record::tool_uses;

/// The messages, in order.
pub fn messages(model: &Model, events: &[Event], pictures: &Loaded) -> Vec<Value> {
    let turns = conversation::turns(events, model);
    let mut messages = Vec::new();
    for turn in &turns {
        match turn {
            Turn::Told(told) => messages.push(json!({"role": "assistant", "content": told.join("\n\n")})),
            Turn::Own(own) => messages.extend(assistant(own)),
            Turn::User(parts) => user(parts, pictures, &mut messages),
        }
    }
    messages
}

/// `None` for a message that says nothing and asks for nothing.
fn assistant(own: &AssistantMessage) -> Option<Value> {
    let texts = own.content.iter().filter(|block| block["type"] == "text").filter_map(|block| block["text"].as_str());
    let text = texts.filter(|text| !text.trim().is_empty()).collect::<Vec<_>>().join("\n\n");
    let calls: Vec<Value> = tool_uses(own)
        .into_iter()
        .map(|tool| {
            // A model may make a name up; servers refuse a conversation with one that is none, ever after.
            let is_name = (1..=64).contains(&tool.name.len())
                && tool.name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
            let name = if is_name { tool.name.as_str() } else { "unknown_tool" };
            let function = json!({"name": name, "arguments": tool.input.to_string()});
            json!({"id": tool.id, "type": "function", "function": function})
        })
        .collect();
    let mut message = json!({"role": "assistant"});
    if !text.is_empty() {
        message["content"] = json!(text);
    }
    if !calls.is_empty() {
        message["tool_calls"] = Value::Array(calls);
    }
    message.as_object().is_some_and(|message| message.len() > 1).then_some(message)
}

/// First a message for each result, in words alone; then what the user says and shows.
fn user(parts: &[Part<'_>], pictures: &Loaded, messages: &mut Vec<Value>) {
    let mut content = Vec::new();
    for part in parts {
        match part {
            Part::Result(tool, result) => {
                messages.push(json!({"role": "tool", "tool_call_id": tool.id, "content": words_of(*result)}));
                for picture in result.filter(|_| !is_error(*result)).into_iter().flat_map(pictures_of) {
                    content.push(text(&format!("[the picture of {} ({})]", tool.name, tool.id)));
                    content.push(image(picture, pictures));
                }
            }
            Part::Text(said) => content.push(text(said)),
            Part::Screen(picture) | Part::Picture(picture) => content.push(image(picture, pictures)),
        }
    }
    if !content.is_empty() {
        messages.push(json!({"role": "user", "content": content}));
    }
}

fn image(picture: &Picture, pictures: &Loaded) -> Value {
    match pictures.get(&picture.sha256) {
        Some(Some(data)) => {
            json!({"type": "image_url", "image_url": {"url": format!("data:{};base64,{data}", picture.media_type)}})
        }
        _ => text(conversation::LOST_PICTURE),
    }
}

fn text(said: &str) -> Value {
    let said = if said.trim().is_empty() { "[empty]" } else { said };
    json!({"type": "text", "text": said})
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
