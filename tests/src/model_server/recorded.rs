//! A request as it came, and what a test asks about it.

use std::time::Instant;

use http::{HeaderMap, header};
use serde_json::{Value, json};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
    pub came_at: Instant,
    /// When the last byte of the answer was handed over, or the client went; nothing while it goes on.
    pub answered_at: Option<Instant>,
}

impl Recorded {
    /// The text of everything in it, for "does it contain" questions.
    pub fn text(&self) -> String {
        self.body.to_string()
    }

    /// What was added since the model spoke: the blocks of the last message, or OpenAI's items or messages after the
    /// model's last.
    pub fn newest(&self) -> Vec<Value> {
        match (&self.body["input"], self.path.ends_with("/chat/completions")) {
            (Value::String(words), _) => vec![json!({ "type": "message", "role": "user", "content": words })],
            (Value::Array(items), _) => after_the_models_last(items),
            (_, true) => after_the_models_last(self.body["messages"].as_array().map_or(&[], Vec::as_slice)),
            _ => self.newest_blocks(),
        }
    }

    /// The results of calls among what was added, in any API's form.
    pub fn newest_results(&self) -> Vec<Value> {
        self.newest().into_iter().filter(|item| call_of_result(item).is_some()).collect()
    }

    /// The one result of this call among what was added.
    pub fn result_of(&self, call: &str) -> Value {
        let of_call = |item: &Value| call_of_result(item) == Some(call);
        let mut results: Vec<Value> = self.newest().into_iter().filter(of_call).collect();
        assert_eq!(results.len(), 1, "results of {call} in {:?}", self.newest());
        results.remove(0)
    }

    /// What a person, or what stands for one, has said since the model spoke: a line for each text.
    pub fn newest_words(&self) -> String {
        let newest = self.newest();
        let of_people = newest.iter().filter(|item| item["role"] == "user" || item["type"] == "text");
        of_people.flat_map(texts_of).collect::<Vec<_>>().join("\n")
    }

    /// The pictures among what was added, as base64 text.
    pub fn newest_pictures(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.newest().iter().for_each(|item| find_pictures(item, &mut found));
        found
    }

    /// By which names the tools are declared; one without a name, by its type.
    pub fn tool_names(&self) -> Vec<String> {
        let tools = self.body["tools"].as_array().map_or(&[][..], Vec::as_slice);
        let name_of = |tool: &Value| {
            let names = [&tool["function"]["name"], &tool["name"], &tool["type"]];
            names.iter().find_map(|name| name.as_str().map(str::to_owned))
        };
        tools.iter().filter_map(name_of).collect()
    }

    /// The key that an OpenAI request carries.
    pub fn bearer(&self) -> Option<&str> {
        self.headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
    }

    fn newest_blocks(&self) -> Vec<Value> {
        let last = self.body["messages"].as_array().and_then(|messages| messages.last()).cloned().unwrap_or_default();
        match &last["content"] {
            Value::String(text) => vec![json!({ "type": "text", "text": text })],
            Value::Array(blocks) => blocks.clone(),
            _ => Vec::new(),
        }
    }
}

fn after_the_models_last(items: &[Value]) -> Vec<Value> {
    let begin = items.iter().rposition(is_the_models).map_or(0, |last| last + 1);
    items[begin..].to_vec()
}

fn is_the_models(item: &Value) -> bool {
    match item["role"].as_str() {
        Some(role) => role == "assistant",
        None => !item["type"].as_str().is_some_and(|kind| kind.ends_with("_output")),
    }
}

fn call_of_result(item: &Value) -> Option<&str> {
    match (item["role"].as_str(), item["type"].as_str()) {
        (Some("tool"), _) => item["tool_call_id"].as_str(),
        (_, Some("tool_result")) => item["tool_use_id"].as_str(),
        (_, Some(kind)) if kind.ends_with("_output") => item["call_id"].as_str(),
        _ => None,
    }
}

/// The texts of a message or of a block.
fn texts_of(item: &Value) -> Vec<&str> {
    match &item["content"] {
        Value::String(text) => vec![text],
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => item["text"].as_str().into_iter().collect(),
    }
}

/// A picture stands as `data` beside its `media_type`, or as a `data:` URL.
fn find_pictures(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with("data:image/") => {
            found.extend(text.split_once(";base64,").map(|(_, data)| data.to_owned()));
        }
        Value::Object(members) if members.contains_key("media_type") => {
            found.extend(members["data"].as_str().map(str::to_owned));
        }
        Value::Object(members) => members.values().for_each(|member| find_pictures(member, found)),
        Value::Array(items) => items.iter().for_each(|item| find_pictures(item, found)),
        _ => {}
    }
}
