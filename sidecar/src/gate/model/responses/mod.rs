//! OpenAI's Responses API, without anything stored there: every request carries the whole conversation.

pub mod actions;
pub mod assemble;
pub mod history;

use protocol::model::ComputerTool;
use serde_json::{Value, json};

use super::{language::Asked, prompt};
use crate::gate::agent::catalogue::{self, Tool};

/// The body of a streaming call.
pub fn request(asked: &Asked<'_>, input: Vec<Value>) -> Value {
    let Asked { model, screen, system_prompt, max_tokens, tools: more, key } = asked;
    let mut tools: Vec<Value> = match model.computer {
        ComputerTool::Functions => Vec::new(),
        ComputerTool::ComputerUsePreview => vec![json!({
            "type": "computer_use_preview",
            "environment": "linux",
            "display_width": screen.width,
            "display_height": screen.height,
        })],
        _ => vec![json!({"type": "computer"})],
    };
    // The computer tool has all actions but this one.
    let is_wanted =
        |tool: &Tool| model.computer == ComputerTool::Functions || !tool.is_computer() || tool.name == "zoom";
    let ours = catalogue::tools().into_iter().filter(is_wanted);
    tools.extend(ours.map(|tool| function(tool.name, &tool.description, &tool.input)));
    tools.extend(more.iter().map(|tool| function(&tool.name, &tool.description, &tool.input_schema)));
    let instructions: Vec<&str> = [prompt::SYSTEM].into_iter().chain(prompt::own(*system_prompt)).collect();
    let mut request = json!({
        "model": model.id,
        "max_output_tokens": max_tokens,
        "stream": true,
        // The record is ours alone; what was thought comes back sealed.
        "store": false,
        "prompt_cache_key": key,
        "instructions": instructions.join("\n\n"),
        "tools": tools,
        "input": input,
    });
    if model.thinks {
        request["reasoning"] = json!({"summary": "auto"});
        request["include"] = json!(["reasoning.encrypted_content"]);
    }
    if model.computer == ComputerTool::ComputerUsePreview {
        // That model takes nothing else.
        request["truncation"] = json!("auto");
    } else {
        request["context_management"] = json!([{"type": "compaction", "compact_threshold": model.compact_at}]);
    }
    request
}

fn function(name: &str, description: &str, parameters: &Value) -> Value {
    // Not strict: that demands every member of every object.
    json!({"type": "function", "name": name, "description": description, "parameters": parameters, "strict": false})
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
