//! A response put together from the events of its stream. Pure; what is unknown is passed over.
//!
//! Each item of the output becomes blocks as the record has them. The item itself stands beside, to be sent back unchanged;
//! of a computer call with several actions each is a use of a tool of its own, so that each has its result, its
//! approval and its mark.

use std::collections::HashMap;

use protocol::{chat::DeltaKind, event::Usage};
use serde_json::{Value, json};

use super::{
    super::assembly::{self, Block, Blocks, Broken, Ids, Seen, Whole},
    actions,
};
use crate::gate::agent::catalogue;

#[derive(Default)]
pub struct Assembly {
    ids: Ids,
    /// Shown while they come, by the item's place in the output.
    shown: Blocks,
    by_output: HashMap<u64, u32>,
    /// Complete items, in the order of their places.
    items: Vec<(u64, Value)>,
    bytes: usize,
    usage: Usage,
}

/// All complete items together.
const MAX_BYTES: usize = 16 << 20;

impl Assembly {
    /// A response in a conversation in which tools were used by these ids.
    pub fn after(ids: Ids) -> Self {
        Self { ids, ..Self::default() }
    }

    /// Takes the data of one event.
    pub fn take(&mut self, data: &str) -> Result<Seen, Broken> {
        let event = assembly::read(data)?;
        let piece = || event["delta"].as_str().unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "response.output_text.delta" | "response.refusal.delta" => self.show(&event, DeltaKind::Text, piece()),
            "response.reasoning_summary_text.delta" => self.show(&event, DeltaKind::Thinking, piece()),
            // Between two parts of a summary.
            "response.reasoning_summary_part.added" if event["summary_index"].as_u64() > Some(0) => {
                self.show(&event, DeltaKind::Thinking, "\n\n")
            }
            "response.function_call_arguments.delta" => self.show(&event, DeltaKind::ToolInput, piece()),
            "response.output_item.done" => {
                self.bytes += data.len();
                if self.bytes > MAX_BYTES {
                    return Err(Broken::new("the response does not end"));
                }
                self.items.push((event["output_index"].as_u64().unwrap_or(u64::MAX), event["item"].clone()));
                Ok(Seen::Nothing)
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.usage = usage(&event["response"]["usage"]);
                if event["type"] == "response.failed" {
                    return Err(failed(&event["response"]["error"]));
                }
                self.finish(&event["response"]).map(Seen::Done)
            }
            "error" => Err(failed(if event["error"].is_object() { &event["error"] } else { &event })),
            _ => Ok(Seen::Nothing),
        }
    }

    pub fn usage(&self) -> Usage {
        self.usage
    }

    fn show(&mut self, event: &Value, kind: DeltaKind, text: &str) -> Result<Seen, Broken> {
        let output = event["output_index"].as_u64().unwrap_or(0);
        let block = match self.by_output.get(&output) {
            Some(block) => *block,
            None => {
                let block = self.shown.begin(json!({}))?;
                self.by_output.insert(output, block);
                block
            }
        };
        self.shown.extend(block, kind, text)
    }

    fn finish(&mut self, response: &Value) -> Result<Whole, Broken> {
        let mut items = std::mem::take(&mut self.items);
        items.sort_by_key(|(place, _)| *place);
        let is_incomplete = response["status"] == "incomplete";
        let mut content = Blocks::default();
        let mut refused = false;
        for (_, item) in items {
            refused |= item["content"].as_array().into_iter().flatten().any(|part| part["type"] == "refusal");
            for block in self.blocks(item)? {
                content.begin(block)?;
            }
        }
        let content: Vec<Value> = content.take().into_iter().map(|Block { value, .. }| value).collect();
        let asks = content.iter().any(|block| block["type"] == "tool_use");
        let stop_reason = match response["incomplete_details"]["reason"].as_str() {
            Some("content_filter") => "refusal",
            _ if is_incomplete => "max_tokens",
            // Who refuses asks for nothing.
            _ if refused => "refusal",
            _ if asks => "tool_use",
            _ => "end_turn",
        };
        Ok(Whole { content, stop_reason: stop_reason.to_owned(), usage: self.usage })
    }

    fn blocks(&mut self, item: Value) -> Result<Vec<Value>, Broken> {
        let text = |parts: &Value, separator: &str| {
            let part = |part: &Value| part["text"].as_str().or(part["refusal"].as_str()).map(str::to_owned);
            parts.as_array().into_iter().flatten().filter_map(part).collect::<Vec<_>>().join(separator)
        };
        let mut blocks = match item["type"].as_str().unwrap_or_default() {
            "message" => vec![json!({"type": "text", "text": text(&item["content"], "")})],
            "reasoning" => vec![json!({"type": "thinking", "thinking": text(&item["summary"], "\n\n")})],
            "function_call" => {
                let (id, name) = (identity(&item["call_id"])?, identity(&item["name"])?);
                self.ids.add(&id)?;
                let mut block = json!({"type": "tool_use", "id": id, "name": name});
                if let Some(toolset) = catalogue::toolset_of(&name) {
                    block["toolset_name"] = json!(toolset);
                }
                assembly::give_input(&mut block, item["arguments"].as_str().unwrap_or_default());
                vec![block]
            }
            "computer_call" => self.computer_call(&item)?,
            kind => vec![json!({"type": kind})],
        };
        if let Some(first) = blocks.first_mut() {
            first["item"] = item;
        }
        Ok(blocks)
    }

    fn computer_call(&mut self, item: &Value) -> Result<Vec<Value>, Broken> {
        let call = identity(&item["call_id"])?;
        let members = actions::members(item);
        let last = members.len() - 1;
        let mut blocks = Vec::with_capacity(members.len());
        for (n, (name, input)) in members.into_iter().enumerate() {
            let id = if n == 0 { call.clone() } else { format!("{call}_{n}") };
            self.ids.add(&id)?;
            let mut block =
                json!({"type": "tool_use", "id": id, "name": name, "toolset_name": "computer", "input": input});
            if n > 0 {
                block["call"] = json!(call);
            }
            if n == last {
                // The call is answered with what the screen looks like then.
                block["picture"] = json!(true);
            }
            blocks.push(block);
        }
        let checks: Vec<Value> = item["pending_safety_checks"].as_array().into_iter().flatten().map(of_check).collect();
        if !checks.is_empty() {
            blocks[0]["safety_checks"] = Value::Array(checks);
            let in_words = |block: &Value| format!("{} {}", block["name"].as_str().unwrap_or_default(), block["input"]);
            blocks[0]["then"] = blocks[1..].iter().map(in_words).collect();
        }
        Ok(blocks)
    }
}

/// What a person reads of it.
fn of_check(check: &Value) -> Value {
    let said = check["message"].as_str().or(check["code"].as_str()).unwrap_or("it did not say what of");
    json!(said.chars().take(1000).collect::<String>())
}

fn identity(value: &Value) -> Result<String, Broken> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| Broken::new("a use of a tool has no id or no name"))
}

/// Cached tokens are a part of the input there, and apart here.
pub fn usage(said: &Value) -> Usage {
    let details = &said["input_tokens_details"];
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let (read, written) = (count(&details["cached_tokens"]), count(&details["cache_write_tokens"]));
    Usage {
        input_tokens: count(&said["input_tokens"]).saturating_sub(read.saturating_add(written)),
        output_tokens: count(&said["output_tokens"]),
        cache_creation_input_tokens: written,
        cache_read_input_tokens: read,
    }
}

/// Only what may be otherwise in a moment is tried again.
fn failed(error: &Value) -> Broken {
    let code = error["code"].as_str().unwrap_or_default();
    let said = error["message"].as_str().unwrap_or("no reason given");
    let stays = ["invalid_", "image_", "unsupported_", "context_length", "insufficient_quota", "data_residency"];
    let for_good = stays.iter().any(|kind| code.starts_with(kind)) || code.contains("policy");
    Broken { for_good, ..Broken::new(&format!("{code}: {said}")) }
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
