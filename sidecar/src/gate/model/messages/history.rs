//! A conversation as the messages of the Messages API.

use protocol::event::{Event, Picture, ResultBlock, ToolResult};
use protocol::model::Model;
use serde_json::{Value, json};

use super::super::{
    conversation::{self, Part, Turn, is_error},
    pictures::Loaded,
};
use crate::gate::agent::{record::ToolUse, words::UNKNOWN};

/// The messages, user and assistant in turn.
pub fn messages(model: &Model, events: &[Event], pictures: &Loaded) -> Vec<Value> {
    let turns = conversation::turns(events, model);
    let messages = turns.iter().map(|turn| match turn {
        Turn::User(parts) => ("user", parts.iter().map(|part| of_part(part, pictures)).collect()),
        Turn::Own(message) => {
            ("assistant", message.content.iter().filter(|block| !is_empty_text(block)).cloned().collect())
        }
        Turn::Told(told) => ("assistant", told.iter().map(|said| text(said)).collect::<Vec<_>>()),
    });
    let said = messages.filter(|(_, content)| !content.is_empty());
    said.map(|(role, content)| json!({"role": role, "content": content})).collect()
}

fn of_part(part: &Part<'_>, pictures: &Loaded) -> Value {
    match part {
        Part::Result(tool, result) => tool_result(tool, *result, pictures),
        Part::Text(said) => text(said),
        Part::Screen(picture) | Part::Picture(picture) => image(picture, pictures),
    }
}

fn tool_result(tool: &ToolUse, result: Option<&ToolResult>, pictures: &Loaded) -> Value {
    let mut block = json!({"type": "tool_result", "tool_use_id": tool.id});
    if let Some(toolset) = &tool.toolset {
        block["toolset_name"] = json!(toolset);
    }
    let is_error = is_error(result);
    let blocks = |result: &ToolResult| -> Vec<Value> {
        let block = |block: &ResultBlock| match block {
            ResultBlock::Text { text: said } => text(said),
            ResultBlock::Image { picture } => image(picture, pictures),
        };
        result.content.iter().map(block).collect()
    };
    let mut content = result.map(blocks).unwrap_or_else(|| vec![text(UNKNOWN)]);
    if is_error {
        // The provider refuses an error that shows a picture or says nothing.
        content.retain(|block| block["type"] == "text");
    }
    if content.is_empty() {
        content.push(text(if is_error { "Error: it failed without a reason" } else { "Done." }));
    }
    block["content"] = Value::Array(content);
    if is_error {
        block["is_error"] = json!(true);
    }
    block
}

fn image(picture: &Picture, pictures: &Loaded) -> Value {
    match pictures.get(&picture.sha256) {
        Some(Some(data)) => json!({
            "type": "image",
            "source": {"type": "base64", "media_type": picture.media_type, "data": &**data},
        }),
        _ => text(conversation::LOST_PICTURE),
    }
}

/// The provider refuses a text of nothing but spaces.
fn text(said: &str) -> Value {
    let said = if said.trim().is_empty() { "[empty]" } else { said };
    json!({"type": "text", "text": said})
}

fn is_empty_text(block: &Value) -> bool {
    block["type"] == "text" && block["text"].as_str().is_none_or(|text| text.trim().is_empty())
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
