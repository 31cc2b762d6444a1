//! A chat completion put together from its chunks. Pure; servers differ, so what is missing is made up where it can be.

use std::collections::BTreeMap;

use protocol::{MessageId, chat::DeltaKind, event::Usage};
use serde_json::{Value, json};

use super::super::assembly::{self, Block, Blocks, Broken, Ids, Seen, Whole};
use crate::gate::agent::catalogue;

pub struct Assembly {
    /// Of the message, for ids where the server gives none.
    own: String,
    ids: Ids,
    blocks: Blocks,
    thinking: Option<u32>,
    text: Option<u32>,
    /// By the server's index.
    calls: BTreeMap<u64, u32>,
    finish_reason: Option<String>,
    usage: Usage,
}

impl Assembly {
    /// A message of a conversation in which tools were used by these ids.
    pub fn after(message: &MessageId, ids: Ids) -> Self {
        Self {
            own: message.as_str().trim_start_matches("msg-").to_owned(),
            ids,
            blocks: Blocks::default(),
            thinking: None,
            text: None,
            calls: BTreeMap::new(),
            finish_reason: None,
            usage: Usage::default(),
        }
    }

    /// Takes the data of one event.
    pub fn take(&mut self, data: &str) -> Result<Seen, Broken> {
        if data.trim() == "[DONE]" {
            return match self.finish() {
                Some(whole) => Ok(Seen::Done(whole)),
                None => Err(Broken::new("the message ended without a reason")),
            };
        }
        let chunk = assembly::read(data)?;
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            let said = error["message"].as_str().or(error.as_str()).unwrap_or("no reason given");
            return Err(Broken::new(said));
        }
        self.count(&chunk["usage"]);
        let choice = &chunk["choices"][0];
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish_reason = Some(reason.to_owned());
        }
        let delta = &choice["delta"];
        let piece = |name: &str| delta[name].as_str().filter(|piece| !piece.is_empty());
        let mut seen = Seen::Nothing;
        if let Some(piece) = piece("reasoning_content").or_else(|| piece("reasoning")) {
            let block = begin(&mut self.blocks, &mut self.thinking, "thinking")?;
            seen = self.blocks.extend(block, DeltaKind::Thinking, piece)?;
        }
        if delta["tool_calls"].is_array() {
            seen = self.take_calls(&delta["tool_calls"])?;
        }
        if let Some(piece) = piece("content").or_else(|| piece("refusal")) {
            let block = begin(&mut self.blocks, &mut self.text, "text")?;
            seen = self.blocks.extend(block, DeltaKind::Text, piece)?;
        }
        // One chunk may bring all of them; what is not shown now is shown by the message as a whole.
        Ok(seen)
    }

    /// The stream is over. A server may leave out the last word, if it has said why the message ends.
    pub fn end(mut self) -> Option<Whole> {
        self.finish()
    }

    pub fn usage(&self) -> Usage {
        self.usage
    }

    fn take_calls(&mut self, calls: &Value) -> Result<Seen, Broken> {
        let mut seen = Seen::Nothing;
        for call in calls.as_array().into_iter().flatten() {
            let index = call["index"].as_u64().unwrap_or(self.calls.len() as u64);
            let known = self.calls.get(&index).copied();
            let block = match known.filter(|block| !self.is_another(*block, call)) {
                Some(block) => block,
                None => {
                    let block = self.blocks.begin(json!({"type": "tool_use", "id": "", "name": ""}))?;
                    self.calls.insert(index, block);
                    block
                }
            };
            let Some(Block { value, .. }) = self.blocks.get(block) else { continue };
            for (name, piece) in [("id", &call["id"]), ("name", &call["function"]["name"])] {
                // Said once, or again and again: never in pieces.
                if let Some(piece) = piece.as_str().filter(|piece| !piece.is_empty()) {
                    value[name] = json!(piece);
                }
            }
            let arguments = match &call["function"]["arguments"] {
                Value::String(piece) => piece.clone(),
                Value::Null => continue,
                // Some servers send what is meant instead of its text.
                whole => whole.to_string(),
            };
            seen = self.blocks.extend(block, DeltaKind::ToolInput, &arguments)?;
        }
        Ok(seen)
    }

    /// Some servers give all calls of a message the same index: one with a name and an id of its own is another one.
    fn is_another(&mut self, block: u32, call: &Value) -> bool {
        let said = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let known = self.blocks.get(block).and_then(|block| said(&block.value["id"]));
        let (id, name) = (said(&call["id"]), said(&call["function"]["name"]));
        name.is_some() && id.is_some() && known.is_some() && id != known
    }

    fn finish(&mut self) -> Option<Whole> {
        let reason = self.finish_reason.take()?;
        let mut content = Vec::new();
        let mut asks = false;
        for (n, Block { mut value, input, .. }) in self.blocks.take().into_iter().enumerate() {
            if value["type"] == "tool_use" {
                asks = true;
                let ours = format!("call_{}_{n}", self.own);
                value["id"] = json!(self.ids.settle(value["id"].as_str().unwrap_or_default(), &ours));
                if let Some(toolset) = value["name"].as_str().and_then(catalogue::toolset_of) {
                    value["toolset_name"] = json!(toolset);
                }
                assembly::give_input(&mut value, &input);
            }
            content.push(value);
        }
        let stop_reason = match reason.as_str() {
            "length" => "max_tokens",
            "content_filter" => "refusal",
            // Some say that they stop when they ask.
            _ if asks => "tool_use",
            _ => "end_turn",
        };
        Some(Whole { content, stop_reason: stop_reason.to_owned(), usage: self.usage })
    }

    /// Cached tokens are a part of the prompt there, and apart here.
    fn count(&mut self, usage: &Value) {
        let Some(prompt) = usage["prompt_tokens"].as_u64() else { return };
        let read = usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap_or(0);
        self.usage = Usage {
            input_tokens: prompt.saturating_sub(read),
            output_tokens: usage["completion_tokens"].as_u64().unwrap_or(0),
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: read,
        };
    }
}

/// The one block of its kind, begun when its first piece comes.
fn begin(blocks: &mut Blocks, place: &mut Option<u32>, kind: &str) -> Result<u32, Broken> {
    if let Some(block) = *place {
        return Ok(block);
    }
    let block = blocks.begin(json!({"type": kind, kind: ""}))?;
    *place = Some(block);
    Ok(block)
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
