//! The APIs that the server speaks, and where each is found.

use http::{HeaderMap, header};
use serde_json::Value;

use super::{
    KEY, messages,
    openai::{self, chat, responses},
    recorded::Recorded,
    script::Turn,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Dialect {
    /// Anthropic's Messages API.
    Messages,
    /// OpenAI's Responses API.
    Responses,
    /// Chat Completions, as OpenAI and many others speak them.
    Chat,
}

impl Dialect {
    /// The API that a path belongs to.
    pub(super) fn of(path: &str) -> Self {
        match path.split('/').nth(1) {
            Some("openai") => Self::Responses,
            Some("compatible") => Self::Chat,
            _ => Self::Messages,
        }
    }

    /// Where an answer of the model is asked for.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Messages => "/v1/messages",
            Self::Responses => "/openai/v1/responses",
            Self::Chat => "/compatible/v1/chat/completions",
        }
    }

    pub(super) fn models_path(self) -> &'static str {
        match self {
            Self::Messages => "/v1/models",
            Self::Responses => "/openai/v1/models",
            Self::Chat => "/compatible/v1/models",
        }
    }

    /// By which name the checker of requests knows it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Responses => "responses",
            Self::Chat => "chat",
        }
    }

    /// The header that carries the key.
    pub(super) fn key_header(self) -> &'static str {
        match self {
            Self::Messages => "x-api-key",
            Self::Responses | Self::Chat => header::AUTHORIZATION.as_str(),
        }
    }

    pub(super) fn has_the_key(self, headers: &HeaderMap) -> bool {
        let given = headers.get(self.key_header());
        match self {
            Self::Messages => given.is_some_and(|key| key == KEY),
            Self::Responses | Self::Chat => given.is_some_and(|given| given == &format!("Bearer {KEY}")),
        }
    }

    /// What a wrong key is called.
    pub(super) fn wrong_key(self) -> &'static str {
        match self {
            Self::Messages => "authentication_error",
            Self::Responses | Self::Chat => "invalid_api_key",
        }
    }

    /// By which name the real one tells who supports it of a request.
    pub(super) fn request_id_header(self) -> &'static str {
        match self {
            Self::Messages => "request-id",
            Self::Responses | Self::Chat => "x-request-id",
        }
    }

    /// The stream of a turn; `number` makes its ids.
    pub(super) fn encode(self, turn: &Turn, number: u64, request: &Recorded) -> Vec<u8> {
        match (turn, self) {
            (Turn::Streams(bytes), _) => bytes.clone(),
            (_, Self::Messages) => messages::encode(turn, number),
            (_, Self::Responses) => responses::encode(turn, number, &request.body),
            (_, Self::Chat) => chat::encode(turn, number, &request.body),
        }
    }

    /// A whole answer as the client is to keep it; nothing when it is never whole.
    pub(super) fn said(self, turn: &Turn, number: u64) -> Option<Value> {
        match self {
            Self::Messages => messages::said(turn, number),
            Self::Responses => responses::said(turn, number),
            Self::Chat => chat::said(turn, number),
        }
    }

    /// The body of an answer that is an error; `kind` is Anthropic's word, or OpenAI's type or code.
    pub(super) fn error(self, kind: &str, message: &str) -> Value {
        match self {
            Self::Messages => messages::error(kind, message),
            Self::Responses | Self::Chat => openai::error(kind, message),
        }
    }

    pub(super) fn models(self) -> Value {
        match self {
            Self::Messages => messages::models(),
            Self::Responses | Self::Chat => openai::models(),
        }
    }
}
