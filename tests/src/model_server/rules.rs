//! What the real Messages API refuses with 400: a conversation that passes here would pass there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Recorded;

/// The first rule that a request breaks.
pub(super) fn broken(request: &Recorded) -> Option<String> {
    check(request).err()
}

fn check(request: &Recorded) -> Result<(), String> {
    let body = &request.body;
    if !request.headers.contains_key("anthropic-version") {
        return Err("the header anthropic-version is missing".to_owned());
    }
    for sensitive in ["authorization", "cookie", "x-cloudbot-vm", "x-cloudbot-capability"] {
        if request.headers.contains_key(sensitive) {
            return Err(format!("the header {sensitive} is nothing for a provider"));
        }
    }
    if body["stream"] != true {
        return Err("the script streams, but `stream` is not true".to_owned());
    }
    if !body["max_tokens"].is_u64() || !body["model"].is_string() {
        return Err("model and max_tokens are required".to_owned());
    }
    for gone in ["temperature", "top_p", "top_k"] {
        if !body[gone].is_null() {
            return Err(format!("{gone} is gone since 2026-10-21"));
        }
    }
    let breakpoints = body.to_string().matches("\"cache_control\"").count();
    if breakpoints > 4 {
        return Err(format!("{breakpoints} cache_control breakpoints; at most 4"));
    }
    conversation(body["messages"].as_array().ok_or("messages is no array")?)
}

fn conversation(messages: &[Value]) -> Result<(), String> {
    if messages.first().is_none_or(|first| first["role"] != "user") {
        return Err("the first message must be the user's".to_owned());
    }
    let mut open: BTreeSet<String> = BTreeSet::new();
    let mut toolsets = std::collections::BTreeMap::new();
    for (index, message) in messages.iter().enumerate() {
        let blocks = match &message["content"] {
            Value::Array(blocks) if !blocks.is_empty() => blocks.clone(),
            Value::String(text) if !text.is_empty() => Vec::new(),
            _ => return Err(format!("messages.{index}: content is empty")),
        };
        match message["role"].as_str() {
            Some("user") => {
                for block in &blocks {
                    user_block(index, block, &mut open, &toolsets)?;
                }
                if !open.is_empty() {
                    return Err(format!("messages.{index}: no tool_result for {open:?} in the very next message"));
                }
            }
            Some("assistant") => {
                if !open.is_empty() {
                    return Err(format!("messages.{index}: tool_use {open:?} has no tool_result"));
                }
                for block in blocks.iter().filter(|block| block["type"] == "tool_use") {
                    let id = block["id"].as_str().ok_or("a tool_use without id")?.to_owned();
                    if !block["input"].is_object() {
                        return Err(format!("messages.{index}: the input of {id} is no object"));
                    }
                    toolsets.insert(id.clone(), block["toolset_name"].clone());
                    open.insert(id);
                }
                let empty = |block: &&Value| block["type"] == "text" && block["text"] == "";
                if blocks.iter().any(|block| empty(&block)) {
                    return Err(format!("messages.{index}: text blocks must be non-empty"));
                }
            }
            other => return Err(format!("messages.{index}: the role {other:?}")),
        }
    }
    if messages.last().is_some_and(|last| last["role"] != "user") {
        return Err("the last message must be the user's".to_owned());
    }
    Ok(())
}

fn user_block(
    index: usize,
    block: &Value,
    open: &mut BTreeSet<String>,
    toolsets: &std::collections::BTreeMap<String, Value>,
) -> Result<(), String> {
    if block["type"] == "text" && block["text"] == "" {
        return Err(format!("messages.{index}: text blocks must be non-empty"));
    }
    if block["type"] != "tool_result" {
        return Ok(());
    }
    let id = block["tool_use_id"].as_str().ok_or("a tool_result without tool_use_id")?;
    if !open.remove(id) {
        return Err(format!("messages.{index}: unexpected tool_result {id}"));
    }
    if block["toolset_name"] != toolsets[id] {
        return Err(format!("messages.{index}: the result of {id} does not echo toolset_name {}", toolsets[id]));
    }
    if block["is_error"] == true {
        let parts = block["content"].as_array().cloned().unwrap_or_default();
        if block["content"].as_str() == Some("") || parts.iter().any(|part| part["type"] != "text") {
            return Err(format!("messages.{index}: an error result is non-empty text only"));
        }
    }
    Ok(())
}
