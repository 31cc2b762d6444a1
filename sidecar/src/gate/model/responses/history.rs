//! A conversation as the input items of the Responses API.

use std::collections::HashMap;

use protocol::{
    event::{AssistantMessage, Event, Picture, ToolResult},
    model::Model,
};
use serde_json::{Value, json};

use super::super::{
    conversation::{self, Part, Turn, is_error, pictures_of, words_of},
    pictures::Loaded,
};
use crate::gate::agent::record::ToolUse;

/// The items, in order.
pub fn input(model: &Model, events: &[Event], pictures: &Loaded) -> Vec<Value> {
    let turns = conversation::turns(events, model);
    let mut input = Input { items: Vec::new(), pictures, seen: None };
    let mut turns = turns.iter().peekable();
    while let Some(turn) = turns.next() {
        match turn {
            Turn::Told(told) => input.items.extend(told.iter().map(|said| message("assistant", json!(said)))),
            Turn::User(parts) => input.user(parts, Vec::new()),
            Turn::Own(own) => {
                let parts = match turns.peek() {
                    Some(Turn::User(parts)) => parts.as_slice(),
                    _ => &[],
                };
                let notes = input.own(own, parts);
                if turns.next_if(|next| matches!(next, Turn::User(_))).is_some() {
                    input.user(parts, notes);
                }
            }
        }
    }
    // Nothing before the newest of these is read any more.
    if let Some(at) = input.items.iter().rposition(|item| item["type"] == "compaction") {
        input.items.drain(..at);
    }
    input.items
}

struct Input<'a> {
    items: Vec<Value>,
    pictures: &'a Loaded,
    /// The screen as the model has seen it last: coordinates are of that.
    seen: Option<&'a Picture>,
}

/// A use of a tool and what came of it.
type Answered<'a, 'b> = (&'b ToolUse, Option<&'a ToolResult>);

impl<'a> Input<'a> {
    /// A response as it was given, then the outputs of its calls; answers what is left to be told of them.
    fn own(&mut self, own: &AssistantMessage, parts: &[Part<'a>]) -> Vec<String> {
        let of_id: HashMap<&str, Answered<'a, '_>> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Result(tool, result) => Some((tool.id.as_str(), (&**tool, *result))),
                _ => None,
            })
            .collect();
        let answered = |block: &Value| of_id.get(block["id"].as_str()?).copied();
        let (mut given, mut outputs, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        let mut blocks = own.content.iter().peekable();
        while let Some(block) = blocks.next() {
            let item = &block["item"];
            match item["type"].as_str() {
                Some("function_call") if item["status"] != "incomplete" => {
                    given.push(item.clone());
                    outputs.extend(answered(block).map(|(_, result)| self.function_output(item, result)));
                }
                Some("computer_call" | "function_call") => {
                    let mut uses: Vec<Answered<'a, '_>> = answered(block).into_iter().collect();
                    while let Some(more) = blocks.next_if(|next| next["call"] == item["call_id"]) {
                        uses.extend(answered(more));
                    }
                    match self.computer_output(item, &uses) {
                        Some(output) => {
                            given.push(item.clone());
                            outputs.push(output);
                        }
                        None => in_words(&mut given, &uses),
                    }
                    notes.extend(uses.iter().filter(|(_, result)| is_error(*result)).map(note));
                }
                // What was thought and is not stored there is taken back only when it is sealed.
                Some("reasoning") if !item["encrypted_content"].is_string() => {}
                Some(_) => given.push(item.clone()),
                // Of no item: not given by a response.
                None => {}
            }
        }
        drop_thoughts(&mut given);
        self.items.append(&mut given);
        self.items.append(&mut outputs);
        notes
    }

    fn function_output(&mut self, call: &Value, result: Option<&'a ToolResult>) -> Value {
        let mut output = json!(words_of(result));
        let shown: Vec<&Picture> = result.filter(|result| !result.is_error).into_iter().flat_map(pictures_of).collect();
        if let Some(last) = shown.last() {
            if call["name"] == "screenshot" {
                self.seen = Some(last);
            }
            let mut parts = vec![json!({"type": "input_text", "text": output})];
            parts.extend(shown.into_iter().map(|picture| self.image(picture)));
            output = Value::Array(parts);
        }
        json!({"type": "function_call_output", "call_id": call["call_id"], "output": output})
    }

    /// The output is always a picture: where none was taken, the one that the model knows. `None` where there is none at
    /// all, and where a safety check was not acknowledged: then the call is no part of the conversation.
    fn computer_output(&mut self, call: &Value, uses: &[Answered<'a, '_>]) -> Option<Value> {
        if call["type"] != "computer_call" {
            return None;
        }
        let checks = call["pending_safety_checks"].as_array().filter(|checks| !checks.is_empty());
        let is_acknowledged = uses.first().is_some_and(|(_, result)| !is_error(*result));
        if checks.is_some() && !is_acknowledged {
            return None;
        }
        let taken = uses.last().and_then(|(_, result)| result.filter(|result| !result.is_error));
        let picture = taken.and_then(|result| pictures_of(result).last()).or(self.seen)?;
        let url = self.url(picture)?;
        self.seen = Some(picture);
        let mut output = json!({
            "type": "computer_call_output",
            "call_id": call["call_id"],
            "output": {"type": "computer_screenshot", "image_url": url},
        });
        if let Some(checks) = checks {
            output["acknowledged_safety_checks"] = json!(checks);
        }
        Some(output)
    }

    fn user(&mut self, parts: &[Part<'a>], notes: Vec<String>) {
        let mut content: Vec<Value> = notes.iter().map(|note| text(note)).collect();
        for part in parts {
            match part {
                // Told with the call that it answers.
                Part::Result(..) => {}
                Part::Text(said) => content.push(text(said)),
                Part::Screen(picture) => {
                    self.seen = Some(picture);
                    content.push(self.image(picture));
                }
                Part::Picture(picture) => content.push(self.image(picture)),
            }
        }
        if !content.is_empty() {
            self.items.push(message("user", Value::Array(content)));
        }
    }

    fn image(&self, picture: &Picture) -> Value {
        match self.url(picture) {
            Some(url) => json!({"type": "input_image", "image_url": url, "detail": "auto"}),
            None => text(conversation::LOST_PICTURE),
        }
    }

    fn url(&self, picture: &Picture) -> Option<String> {
        let data = self.pictures.get(&picture.sha256)?.as_ref()?;
        Some(format!("data:{};base64,{data}", picture.media_type))
    }
}

/// A call that cannot be sent back as it was: told, without what was thought of it.
fn in_words(given: &mut Vec<Value>, uses: &[Answered<'_, '_>]) {
    drop_thoughts(given);
    let told = uses.iter().map(|(tool, _)| message("assistant", json!(format!("[used {} {}]", tool.name, tool.input))));
    given.extend(told);
}

/// A thought is taken back only with what came of it.
fn drop_thoughts(given: &mut Vec<Value>) {
    while given.last().is_some_and(|item| item["type"] == "reasoning") {
        given.pop();
    }
}

fn note((tool, result): &Answered<'_, '_>) -> String {
    format!("[{}: {}]", tool.name, words_of(*result))
}

fn text(said: &str) -> Value {
    json!({"type": "input_text", "text": said})
}

fn message(role: &str, content: Value) -> Value {
    json!({"type": "message", "role": role, "content": content})
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
