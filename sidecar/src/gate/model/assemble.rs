//! A message put together from the events of its stream. Pure; what is unknown is passed over.

use std::collections::HashSet;

use protocol::{chat::DeltaKind, event::Usage};
use serde_json::{Value, json};

/// More than any model writes in one message.
const MAX_BLOCKS: usize = 1000;
const MAX_BYTES: usize = 16 << 20;

/// What one event of the stream brought.
#[derive(Debug, PartialEq)]
pub enum Seen {
    Nothing,
    /// More of a block; `offset` counts the characters before.
    Delta {
        block: u32,
        offset: u64,
        kind: DeltaKind,
        text: String,
    },
    /// The message is whole.
    Done(Whole),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    pub content: Vec<Value>,
    pub stop_reason: String,
    pub usage: Usage,
}

/// The stream is of no use any more: the call is tried again.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

#[derive(Default)]
pub struct Assembly {
    /// Of all uses of tools so far.
    ids: HashSet<String>,
    blocks: Vec<Block>,
    stop_reason: Option<String>,
    usage: Usage,
    bytes: usize,
}

struct Block {
    value: Value,
    /// A tool's input, as JSON text.
    input: String,
    chars: u64,
}

impl Assembly {
    /// A message of a conversation in which tools were used by these ids.
    pub fn after(ids: HashSet<String>) -> Self {
        Self { ids, ..Self::default() }
    }

    /// Takes the data of one event.
    pub fn take(&mut self, data: &str) -> Result<Seen, Broken> {
        let event: Value = serde_json::from_str(data).map_err(|_| Broken("an event could not be read".to_owned()))?;
        match event["type"].as_str() {
            Some("message_start") => {
                self.count(&event["message"]["usage"]);
                Ok(Seen::Nothing)
            }
            Some("content_block_start") => self.begin_block(&event),
            Some("content_block_delta") => self.extend_block(&event),
            Some("message_delta") => {
                if let Some(reason) = event["delta"]["stop_reason"].as_str() {
                    self.stop_reason = Some(reason.to_owned());
                }
                self.count(&event["usage"]);
                Ok(Seen::Nothing)
            }
            Some("message_stop") => self.finish().map(Seen::Done),
            Some("error") => {
                let error = &event["error"];
                let kind = error["type"].as_str().unwrap_or("error");
                let said = error["message"].as_str().unwrap_or("no reason given");
                Err(Broken(format!("{kind}: {said}").chars().take(500).collect()))
            }
            // ping, content_block_stop, and kinds that later years bring.
            _ => Ok(Seen::Nothing),
        }
    }

    fn begin_block(&mut self, event: &Value) -> Result<Seen, Broken> {
        let at = event["index"].as_u64().and_then(|index| usize::try_from(index).ok());
        if at != Some(self.blocks.len()) || self.blocks.len() >= MAX_BLOCKS {
            return Err(Broken("the blocks of the message came out of order".to_owned()));
        }
        let value = event["content_block"].clone();
        if !value.is_object() {
            return Err(Broken("a block of the message could not be read".to_owned()));
        }
        self.blocks.push(Block { value, input: String::new(), chars: 0 });
        Ok(Seen::Nothing)
    }

    fn extend_block(&mut self, event: &Value) -> Result<Seen, Broken> {
        let index = event["index"].as_u64().and_then(|index| u32::try_from(index).ok());
        let Some((index, block)) = index.and_then(|index| Some((index, self.blocks.get_mut(index as usize)?))) else {
            return Err(Broken("the message goes on in a block that has not begun".to_owned()));
        };
        let delta = &event["delta"];
        let piece = |name: &str| delta[name].as_str().unwrap_or_default().to_owned();
        let (kind, text) = match delta["type"].as_str() {
            Some("text_delta") => (DeltaKind::Text, piece("text")),
            Some("thinking_delta") => (DeltaKind::Thinking, piece("thinking")),
            Some("input_json_delta") => (DeltaKind::ToolInput, piece("partial_json")),
            Some("signature_delta") => {
                block.value["signature"] = delta["signature"].clone();
                return Ok(Seen::Nothing);
            }
            Some("citations_delta") => {
                match block.value["citations"].as_array_mut() {
                    Some(citations) => citations.push(delta["citation"].clone()),
                    None => block.value["citations"] = json!([delta["citation"]]),
                }
                return Ok(Seen::Nothing);
            }
            _ => return Ok(Seen::Nothing),
        };
        self.bytes += text.len();
        if self.bytes > MAX_BYTES {
            return Err(Broken("the message does not end".to_owned()));
        }
        match kind {
            DeltaKind::Text => append(&mut block.value, "text", &text),
            DeltaKind::Thinking => append(&mut block.value, "thinking", &text),
            DeltaKind::ToolInput => block.input.push_str(&text),
        }
        let offset = block.chars;
        block.chars += text.chars().count() as u64;
        Ok(if text.is_empty() { Seen::Nothing } else { Seen::Delta { block: index, offset, kind, text } })
    }

    fn finish(&mut self) -> Result<Whole, Broken> {
        let stop_reason =
            self.stop_reason.take().ok_or_else(|| Broken("the message ended without a reason".to_owned()))?;
        let mut content = Vec::with_capacity(self.blocks.len());
        for Block { mut value, input, .. } in std::mem::take(&mut self.blocks) {
            if value["type"] == "tool_use" {
                let id = value["id"].as_str().filter(|id| !id.is_empty());
                let (Some(id), true) = (id, value["name"].is_string()) else {
                    return Err(Broken("a use of a tool has no id or no name".to_owned()));
                };
                // The provider would refuse the conversation ever after.
                if !self.ids.insert(id.to_owned()) {
                    return Err(Broken("two uses of a tool have the same id".to_owned()));
                }
                match serde_json::from_str::<Value>(&input) {
                    Ok(read) if read.is_object() => value["input"] = read,
                    // Nothing streamed means no input.
                    _ if input.is_empty() => {
                        if !value["input"].is_object() {
                            value["input"] = json!({});
                        }
                    }
                    // Cut off in the middle; it will not be run.
                    _ if stop_reason != "tool_use" => value["input"] = json!({}),
                    _ => return Err(Broken("the input of a tool is not JSON".to_owned())),
                }
            }
            content.push(value);
        }
        Ok(Whole { content, stop_reason, usage: self.usage })
    }

    /// Counts are cumulative: the last one said holds.
    fn count(&mut self, usage: &Value) {
        let Usage { input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens } =
            &mut self.usage;
        for (name, count) in [
            ("input_tokens", input_tokens),
            ("output_tokens", output_tokens),
            ("cache_creation_input_tokens", cache_creation_input_tokens),
            ("cache_read_input_tokens", cache_read_input_tokens),
        ] {
            if let Some(said) = usage[name].as_u64() {
                *count = said;
            }
        }
    }
}

fn append(block: &mut Value, name: &str, text: &str) {
    match &mut block[name] {
        Value::String(before) => before.push_str(text),
        other => *other = Value::String(text.to_owned()),
    }
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
