//! Chat Completions, as many servers speak them: every tool is a function, and a picture can only be shown by the user.

pub mod assemble;
pub mod history;

use serde_json::{Value, json};

use super::{language::Asked, prompt};
use crate::gate::agent::catalogue;

/// The body of a streaming call.
pub fn request(asked: &Asked<'_>, mut conversation: Vec<Value>) -> Value {
    let Asked { model, system_prompt, max_tokens, tools: more, .. } = asked;
    let ours = catalogue::tools();
    let mut tools: Vec<Value> = ours.iter().map(|tool| function(tool.name, &tool.description, &tool.input)).collect();
    tools.extend(more.iter().map(|tool| function(&tool.name, &tool.description, &tool.input_schema)));
    let system: Vec<&str> = [prompt::SYSTEM].into_iter().chain(prompt::own(*system_prompt)).collect();
    let mut messages = vec![json!({"role": "system", "content": system.join("\n\n")})];
    messages.append(&mut conversation);
    json!({
        "model": model.id,
        // The name that all of these servers know.
        "max_tokens": max_tokens,
        "stream": true,
        "stream_options": {"include_usage": true},
        "tools": tools,
        "messages": messages,
    })
}

fn function(name: &str, description: &str, parameters: &Value) -> Value {
    json!({"type": "function", "function": {"name": name, "description": description, "parameters": parameters}})
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
