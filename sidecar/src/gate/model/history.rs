//! A session's record as the messages of the Messages API. Pure, and the same for the same record:
//! what was sent once is sent again unchanged, which is what prompt caching and thinking blocks want.

use protocol::event::{AssistantMessage, Event, EventBody, Picture, ResultBlock, ToolResult};
use serde_json::{Value, json};

use super::pictures::Loaded;
use crate::gate::agent::{
    console,
    record::{ToolUse, tool_uses},
    words::UNKNOWN,
};

/// The pictures that the model is shown.
pub fn pictures(events: &[Event]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for event in events {
        let shown: Vec<&Picture> = match &event.body {
            EventBody::ToolResult(result) => result.content.iter().filter_map(picture_of).collect(),
            EventBody::HandedBack { picture, .. } => picture.iter().collect(),
            _ => continue,
        };
        for picture in shown {
            if !names.contains(&picture.sha256) {
                names.push(picture.sha256.clone());
            }
        }
    }
    names
}

fn picture_of(block: &ResultBlock) -> Option<&Picture> {
    match block {
        ResultBlock::Image { picture } => Some(picture),
        ResultBlock::Text { .. } => None,
    }
}

/// The messages, user and assistant in turn.
pub fn messages(events: &[Event], pictures: &Loaded) -> Vec<Value> {
    let mut history =
        History { messages: Vec::new(), asked: Vec::new(), results: Vec::new(), said: Vec::new(), pictures };
    for event in events {
        match &event.body {
            EventBody::UserMessage { text: said, .. } => history.said.push(text(said)),
            EventBody::HandedBack { note, picture, .. } => history.handed_back(note.as_deref(), picture.as_ref()),
            EventBody::AssistantMessage(message) => {
                history.end_user_message();
                history.assistant(message);
            }
            EventBody::ToolResult(result) => history.results.push(result),
            // What the model is to know of an approval stands in the result.
            EventBody::ApprovalAsked(_) | EventBody::ApprovalAnswered(_) => {}
            EventBody::StateChanged { .. } | EventBody::Notice { .. } => {}
        }
    }
    history.end_user_message();
    history.messages
}

struct History<'a> {
    messages: Vec<Value>,
    /// What the last assistant message asked for, and whether the console wrote it.
    asked: Vec<(ToolUse, bool)>,
    results: Vec<&'a ToolResult>,
    /// What people said and showed since, as blocks.
    said: Vec<Value>,
    pictures: &'a Loaded,
}

impl<'a> History<'a> {
    fn assistant(&mut self, message: &AssistantMessage) {
        // The conversation begins with a person.
        if self.messages.is_empty() {
            return;
        }
        let console = message.model == console::NAME;
        self.asked = tool_uses(message).into_iter().map(|tool| (tool, console)).collect();
        let content: Vec<Value> = message
            .content
            .iter()
            .filter(|block| !is_empty_text(block))
            .map(|block| if console { as_text(block) } else { block.clone() })
            .collect();
        if !content.is_empty() {
            self.messages.push(json!({"role": "assistant", "content": content}));
        }
    }

    fn end_user_message(&mut self) {
        let mut content = Vec::new();
        for (tool, console) in std::mem::take(&mut self.asked) {
            let result = self.results.iter().find(|result| result.tool_use_id == tool.id).copied();
            if console {
                content.push(text(&format!("[result of {}]", tool.name)));
                content.extend(result.map(|result| self.blocks(result)).unwrap_or_default());
            } else {
                content.push(self.tool_result(&tool, result));
            }
        }
        self.results.clear();
        content.append(&mut self.said);
        if !content.is_empty() {
            self.messages.push(json!({"role": "user", "content": content}));
        }
    }

    fn handed_back(&mut self, note: Option<&str>, picture: Option<&Picture>) {
        let now = match picture {
            Some(_) => "The screen is now:",
            None => "Take a screenshot before you go on.",
        };
        let mut told =
            format!("[A person drove the desktop and has handed it back. What they did was not recorded. {now}]");
        if let Some(note) = note {
            told.push_str(&format!("\n{note}"));
        }
        self.said.push(text(&told));
        if let Some(picture) = picture {
            let image = self.image(picture);
            self.said.push(image);
        }
    }

    fn tool_result(&self, tool: &ToolUse, result: Option<&ToolResult>) -> Value {
        let mut block = json!({"type": "tool_result", "tool_use_id": tool.id});
        if let Some(toolset) = &tool.toolset {
            block["toolset_name"] = json!(toolset);
        }
        let is_error = result.is_none_or(|result| result.is_error);
        let mut content = result.map(|result| self.blocks(result)).unwrap_or_else(|| vec![text(UNKNOWN)]);
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

    fn blocks(&self, result: &ToolResult) -> Vec<Value> {
        result
            .content
            .iter()
            .map(|block| match block {
                ResultBlock::Text { text: said } => text(said),
                ResultBlock::Image { picture } => self.image(picture),
            })
            .collect()
    }

    fn image(&self, picture: &Picture) -> Value {
        match self.pictures.get(&picture.sha256) {
            Some(Some(data)) => json!({
                "type": "image",
                "source": {"type": "base64", "media_type": picture.media_type, "data": &**data},
            }),
            _ => text("[this picture is not available any more]"),
        }
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

/// What the console did is told, not replayed: its tools are not all the model's.
fn as_text(block: &Value) -> Value {
    match ToolUse::read(block) {
        Some(tool) => text(&format!("[the person used {} {}]", tool.name, tool.input)),
        None => block.clone(),
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
