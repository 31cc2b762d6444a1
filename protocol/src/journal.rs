//! How a sidecar adds to a session's record: `POST /vm/v1/sessions/{id}/events`.

use serde::{Deserialize, Serialize};

use crate::{
    UserId,
    approval::Verdict,
    event::{Event, EventBody},
    model::Model,
    session::SessionState,
    settings::SessionSettings,
};

/// An append. The same `client_id` again gets the first answer again; an old generation is refused
/// (`stale_generation`), and so is an `expected_seq` that is no longer the next (`sequence_conflict`: read on, then decide again).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Append {
    pub generation: i64,
    /// The `seq` that the event will get: the last one known plus one.
    pub expected_seq: i64,
    /// At most 64 characters, unique in the session.
    pub client_id: String,
    /// Anything but what people say: a message goes by [`Say`], a word on an action by [`Judged`].
    pub body: EventBody,
}

/// Answer of an append, once it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    pub seq: i64,
    pub at: i64,
}

/// Body of `POST /vm/v1/sessions/{id}/messages`: what a person typed into the chat socket. Answered by
/// [`PostedMessage`](crate::session::PostedMessage).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Say {
    pub generation: i64,
    pub user_id: UserId,
    pub client_id: String,
    pub text: String,
}

/// Body of `POST /vm/v1/sessions/{id}/verdicts`: what a person answered in the chat socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    pub generation: i64,
    pub user_id: UserId,
    /// The `seq` of the event that asked.
    pub approval: i64,
    pub verdict: Verdict,
}

/// Answer of `GET /vm/v1/sessions/{id}/events?after=SEQ&limit=N` (at most 500).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Events {
    pub events: Vec<Event>,
    pub last_seq: i64,
    pub state: SessionState,
    /// As in [`WorkSession`](crate::vm::WorkSession).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    #[serde(default)]
    pub settings: SessionSettings,
}
