//! A message of the Messages API put together from the events of its stream. Pure; what is unknown is passed over.

use protocol::{chat::DeltaKind, event::Usage};
use serde_json::{Value, json};

use super::super::assembly::{self, Block, Blocks, Broken, Ids, Seen, Whole};

#[derive(Default)]
pub struct Assembly {
    ids: Ids,
    blocks: Blocks,
    stop_reason: Option<String>,
    usage: Usage,
    /// Of making the conversation shorter, which the provider counts apart.
    compaction: Usage,
}

impl Assembly {
    /// A message of a conversation in which tools were used by these ids.
    pub fn after(ids: Ids) -> Self {
        Self { ids, ..Self::default() }
    }

    /// Takes the data of one event.
    pub fn take(&mut self, data: &str) -> Result<Seen, Broken> {
        let event = assembly::read(data)?;
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
                Err(Broken::new(&format!("{kind}: {said}")))
            }
            // ping, content_block_stop, and kinds that later years bring.
            _ => Ok(Seen::Nothing),
        }
    }

    pub fn usage(&self) -> Usage {
        let mut usage = self.usage;
        usage.add(&self.compaction);
        usage
    }

    fn begin_block(&mut self, event: &Value) -> Result<Seen, Broken> {
        let at = event["index"].as_u64().and_then(|index| usize::try_from(index).ok());
        if at != Some(self.blocks.count()) {
            return Err(Broken::new("the blocks of the message came out of order"));
        }
        self.blocks.begin(event["content_block"].clone())?;
        Ok(Seen::Nothing)
    }

    fn extend_block(&mut self, event: &Value) -> Result<Seen, Broken> {
        let index = event["index"].as_u64().and_then(|index| u32::try_from(index).ok()).unwrap_or(u32::MAX);
        let delta = &event["delta"];
        let (kind, member) = match delta["type"].as_str() {
            Some("text_delta") => (DeltaKind::Text, "text"),
            Some("thinking_delta") => (DeltaKind::Thinking, "thinking"),
            Some("input_json_delta") => (DeltaKind::ToolInput, "partial_json"),
            other => {
                if let Some(block) = self.blocks.get(index) {
                    complete(&mut block.value, other.unwrap_or_default(), delta);
                }
                return Ok(Seen::Nothing);
            }
        };
        self.blocks.extend(index, kind, delta[member].as_str().unwrap_or_default())
    }

    fn finish(&mut self) -> Result<Whole, Broken> {
        let stop_reason = self.stop_reason.take().ok_or_else(|| Broken::new("the message ended without a reason"))?;
        let mut content = Vec::with_capacity(self.blocks.count());
        for Block { mut value, input, .. } in self.blocks.take() {
            if value["type"] == "tool_use" {
                let id = value["id"].as_str().filter(|id| !id.is_empty());
                let (Some(id), true) = (id, value["name"].is_string()) else {
                    return Err(Broken::new("a use of a tool has no id or no name"));
                };
                self.ids.add(id)?;
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
                    _ => return Err(Broken::new("the input of a tool is not JSON")),
                }
            }
            content.push(value);
        }
        Ok(Whole { content, stop_reason, usage: self.usage() })
    }

    /// Counts are cumulative: the last one said holds.
    fn count(&mut self, usage: &Value) {
        overwrite(&mut self.usage, usage);
        if let Some(iterations) = usage["iterations"].as_array() {
            self.compaction = Usage::default();
            for iteration in iterations.iter().filter(|iteration| iteration["type"] == "compaction") {
                let mut one = Usage::default();
                overwrite(&mut one, iteration);
                self.compaction.add(&one);
            }
        }
    }
}

fn overwrite(usage: &mut Usage, said: &Value) {
    let Usage { input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens } = usage;
    for (name, count) in [
        ("input_tokens", input_tokens),
        ("output_tokens", output_tokens),
        ("cache_creation_input_tokens", cache_creation_input_tokens),
        ("cache_read_input_tokens", cache_read_input_tokens),
    ] {
        if let Some(said) = said[name].as_u64() {
            *count = said;
        }
    }
}

/// Deltas that nobody reads while they come.
fn complete(block: &mut Value, kind: &str, delta: &Value) {
    match kind {
        "signature_delta" => block["signature"] = delta["signature"].clone(),
        "citations_delta" => match block["citations"].as_array_mut() {
            Some(citations) => citations.push(delta["citation"].clone()),
            None => block["citations"] = json!([delta["citation"]]),
        },
        // What came before in few words; it comes at once.
        "compaction_delta" => {
            for (name, value) in delta.as_object().into_iter().flatten().filter(|(name, _)| *name != "type") {
                block[name] = value.clone();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
