//! The record of a session: events that control alone numbers and that are never changed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    MessageId, Millis, UserId,
    action::{Point, Rect},
    approval::{ApprovalAnswered, ApprovalAsked},
    desktop::Size,
    model::ModelApi,
    session::SessionState,
};

/// One entry of a session's record. `seq` counts from 1 without a gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    pub seq: i64,
    pub at: Millis,
    #[serde(flatten)]
    pub body: EventBody,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    /// A person or a program said something.
    UserMessage { message_id: MessageId, user_id: UserId, text: String },
    /// The model's answer, whole, stored before any tool that it asks for runs.
    AssistantMessage(AssistantMessage),
    /// What an answer used of which nothing came: it broke off, was stopped, or somebody spoke meanwhile.
    AnswerLost(AnswerLost),
    /// What one tool use gave, stored as soon as it is over.
    ToolResult(ToolResult),
    /// The session changed its state.
    StateChanged {
        state: SessionState,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A use of a tool waits for a person's word; the session is `waiting_approval`.
    ApprovalAsked(ApprovalAsked),
    /// A person's word on it; the session is `running` again.
    ApprovalAnswered(ApprovalAnswered),
    /// A person drove and has handed control back: the model reads the note and sees the picture.
    HandedBack {
        user_id: UserId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        picture: Option<Picture>,
    },
    /// A word from CloudBot itself to the people in the chat; the model never sees it.
    Notice { text: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AssistantMessage {
    pub message_id: MessageId,
    /// Content blocks in the form of the Messages API (`text`, `thinking`, `tool_use`, …), unknown kinds included. What
    /// a provider with a form of its own gave stands in a block's `item`, so that it can be sent back unchanged.
    #[schema(value_type = Vec<Object>)]
    pub content: Vec<serde_json::Value>,
    /// As the API gave it: `end_turn`, `tool_use`, `max_tokens`, `refusal`, `pause_turn`, …
    pub stop_reason: String,
    /// Who answered: a model's name, or `console` when no model is connected.
    pub model: String,
    /// In which language; absent for the console, and in records from when there was only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ModelApi>,
    /// What the name stood for then; absent for the console, and in records from when it was not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    #[serde(default)]
    pub usage: Usage,
    /// Absent where the model's prices are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnswerLost {
    /// Who was asked: a model's name.
    pub model: String,
    pub usage: Usage,
    /// Absent where the model's prices are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

/// Tokens, as the provider counted them; estimated, and rather too many, where it does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    #[serde(default)]
    pub input_tokens: u64,
    #[serde(default)]
    pub output_tokens: u64,
    #[serde(default)]
    pub cache_creation_input_tokens: u64,
    #[serde(default)]
    pub cache_read_input_tokens: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolResult {
    /// The `id` of the `tool_use` block it answers.
    pub tool_use_id: String,
    pub is_error: bool,
    /// What the model reads. An error is non-empty text only.
    pub content: Vec<ResultBlock>,
    /// What only people see of it.
    #[serde(default)]
    pub trace: ActionTrace,
}

/// A piece of a tool's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ResultBlock {
    Text { text: String },
    Image { picture: Picture },
}

/// A picture, kept as a blob under the SHA-256 of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Picture {
    /// 64 hex digits.
    pub sha256: String,
    /// `image/png` or `image/jpeg`.
    pub media_type: String,
    pub size: Size,
    /// The length of the file; 0 in records from when it was not told.
    #[serde(default)]
    pub bytes: u64,
}

/// How an action went, for the chat's card: not part of what the model reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionTrace {
    pub took_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<u64>,
    /// The screen after the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
    /// Where it clicked, in that picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Point>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Rect>,
}
