//! What an answer's stream brings, in whatever language: pieces for the chat, and in the end one message. Pure.

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

/// The stream is of no use any more.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct Broken {
    pub reason: String,
    /// Would the same call only break again?
    pub for_good: bool,
}

impl Broken {
    pub fn new(reason: &str) -> Self {
        Self { reason: reason.chars().take(500).collect(), for_good: false }
    }
}

/// The event's data; what cannot be read breaks the answer.
pub fn read(data: &str) -> Result<Value, Broken> {
    serde_json::from_str(data).map_err(|_| Broken::new("an event could not be read"))
}

/// The blocks of one message while they grow.
#[derive(Default)]
pub struct Blocks {
    blocks: Vec<Block>,
    bytes: usize,
}

pub struct Block {
    pub value: Value,
    /// A tool's input, as JSON text.
    pub input: String,
    chars: u64,
}

impl Blocks {
    /// Adds a block; it is known by the number that comes back.
    pub fn begin(&mut self, value: Value) -> Result<u32, Broken> {
        if self.blocks.len() >= MAX_BLOCKS {
            return Err(Broken::new("the message has too many blocks"));
        }
        if !value.is_object() {
            return Err(Broken::new("a block of the message could not be read"));
        }
        self.blocks.push(Block { value, input: String::new(), chars: 0 });
        Ok(self.blocks.len() as u32 - 1)
    }

    pub fn get(&mut self, index: u32) -> Option<&mut Block> {
        self.blocks.get_mut(index as usize)
    }

    /// Adds to a block, which must have begun.
    pub fn extend(&mut self, index: u32, kind: DeltaKind, text: &str) -> Result<Seen, Broken> {
        let Some(block) = self.blocks.get_mut(index as usize) else {
            return Err(Broken::new("the message goes on in a block that has not begun"));
        };
        self.bytes += text.len();
        if self.bytes > MAX_BYTES {
            return Err(Broken::new("the message does not end"));
        }
        match kind {
            DeltaKind::Text => append(&mut block.value, "text", text),
            DeltaKind::Thinking => append(&mut block.value, "thinking", text),
            DeltaKind::ToolInput => block.input.push_str(text),
        }
        let offset = block.chars;
        block.chars += text.chars().count() as u64;
        let text = text.to_owned();
        Ok(if text.is_empty() { Seen::Nothing } else { Seen::Delta { block: index, offset, kind, text } })
    }

    pub fn count(&self) -> usize {
        self.blocks.len()
    }

    /// All blocks; none are left.
    pub fn take(&mut self) -> Vec<Block> {
        std::mem::take(&mut self.blocks)
    }
}

/// The ids of all uses of tools in a conversation.
#[derive(Debug, Default, Clone)]
pub struct Ids(HashSet<String>);

impl Ids {
    pub fn of(known: HashSet<String>) -> Self {
        Self(known)
    }

    /// One that comes twice breaks the answer: the provider would refuse the conversation ever after.
    pub fn add(&mut self, id: &str) -> Result<(), Broken> {
        if !self.0.insert(id.to_owned()) {
            return Err(Broken::new("two uses of a tool have the same id"));
        }
        Ok(())
    }

    /// `wished` if it can be an id and is new, else one that is.
    pub fn settle(&mut self, wished: &str, ours: &str) -> String {
        let can_be = (1..=64).contains(&wished.len())
            && wished.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let id = if can_be && !self.0.contains(wished) { wished } else { ours };
        self.0.insert(id.to_owned());
        id.to_owned()
    }
}

/// A function's arguments as a tool's input. What is no JSON object is a fault that the model is told of, not one of the
/// stream: weaker models do that often.
pub fn give_input(block: &mut Value, arguments: &str) {
    match serde_json::from_str::<Value>(arguments) {
        Ok(input) if input.is_object() => block["input"] = input,
        _ if arguments.trim().is_empty() => block["input"] = json!({}),
        _ => {
            block["input"] = json!({});
            block["fault"] = json!("the arguments are not a JSON object");
        }
    }
}

fn append(block: &mut Value, name: &str, text: &str) {
    match &mut block[name] {
        Value::String(before) => before.push_str(text),
        other => *other = Value::String(text.to_owned()),
    }
}
