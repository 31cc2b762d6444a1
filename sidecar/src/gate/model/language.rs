//! The languages that providers speak: the same question in the words of each, and each one's answer read.

use protocol::{
    MessageId,
    desktop::Size,
    event::{Event, Usage},
    model::{Model, ModelApi},
};
use serde_json::Value;

use super::{
    assembly::{Broken, Ids, Seen, Whole},
    chat, messages,
    pictures::Loaded,
    responses,
};
use crate::gate::agent::catalogue;

/// What is asked, but for the conversation.
pub struct Asked<'a> {
    pub model: &'a Model,
    pub screen: Size,
    /// Of the session, beside our own.
    pub system_prompt: Option<&'a str>,
    pub max_tokens: u32,
    /// Beside those of the desktop.
    pub tools: &'a [ToolDefinition],
    /// The same for all requests of a conversation.
    pub key: &'a str,
}

/// A tool that is told of by its schema.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolDefinition {
    pub name: String,
    pub description: String,
    /// A JSON Schema of an object.
    pub input_schema: Value,
}

/// The body of a streaming call.
pub fn request(asked: &Asked<'_>, events: &[Event], pictures: &Loaded) -> Value {
    let model = asked.model;
    match model.api {
        ModelApi::AnthropicMessages => messages::request(asked, messages::history::messages(model, events, pictures)),
        ModelApi::OpenaiResponses => responses::request(asked, responses::history::input(model, events, pictures)),
        ModelApi::OpenaiChat => chat::request(asked, chat::history::messages(model, events, pictures)),
    }
}

/// How many tools may be told of beside those of the desktop. OpenAI takes 128 functions, and others follow it.
pub fn most_tools(api: ModelApi) -> usize {
    match api {
        ModelApi::AnthropicMessages => 500,
        ModelApi::OpenaiResponses | ModelApi::OpenaiChat => 128 - catalogue::tools().len(),
    }
}

/// What goes beside the body.
pub fn headers(model: &Model) -> Vec<(&'static str, String)> {
    match model.api {
        ModelApi::AnthropicMessages => {
            let betas = messages::betas(model.computer).join(",");
            vec![("anthropic-version", messages::VERSION.to_owned()), ("anthropic-beta", betas)]
        }
        ModelApi::OpenaiResponses | ModelApi::OpenaiChat => Vec::new(),
    }
}

/// An answer while it comes.
pub enum Assembly {
    Messages(messages::assemble::Assembly),
    Responses(responses::assemble::Assembly),
    Chat(chat::assemble::Assembly),
}

impl Assembly {
    /// Of a conversation in which tools were used by these ids.
    pub fn new(api: ModelApi, message: &MessageId, ids: Ids) -> Self {
        match api {
            ModelApi::AnthropicMessages => Self::Messages(messages::assemble::Assembly::after(ids)),
            ModelApi::OpenaiResponses => Self::Responses(responses::assemble::Assembly::after(ids)),
            ModelApi::OpenaiChat => Self::Chat(chat::assemble::Assembly::after(message, ids)),
        }
    }

    /// Takes the data of one event.
    pub fn take(&mut self, data: &str) -> Result<Seen, Broken> {
        match self {
            Self::Messages(assembly) => assembly.take(data),
            Self::Responses(assembly) => assembly.take(data),
            Self::Chat(assembly) => assembly.take(data),
        }
    }

    /// What the provider has said so far of what it used.
    pub fn usage(&self) -> Usage {
        match self {
            Self::Messages(assembly) => assembly.usage(),
            Self::Responses(assembly) => assembly.usage(),
            Self::Chat(assembly) => assembly.usage(),
        }
    }

    /// The stream is over: is the message whole all the same?
    pub fn end(self) -> Option<Whole> {
        match self {
            Self::Messages(_) | Self::Responses(_) => None,
            Self::Chat(assembly) => assembly.end(),
        }
    }
}
