//! The chat socket between a browser and the sidecar (`WS desktops/{id}/chat?session=ID&after=SEQ`): JSON text frames.
//!
//! What is durable comes as [`ChatDown::Event`], numbered by control. What streams in between comes as
//! [`ChatDown::Delta`]: the event with the same `message_id` replaces it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{MessageId, SessionId, error::Problem, event::Event, lease::ControlStatus, session::SessionState};

/// From the browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ChatUp {
    /// Says something; answered by [`ChatDown::Accepted`] once it is stored. A repeat with the same `client_id` is harmless.
    Send { client_id: String, text: String },
    /// Stops whatever the agent does, at once.
    Stop,
    /// Lets an action run; `approval` is the `seq` of the event that asked. Counts once it is stored.
    Approve { approval: i64 },
    /// Does not let it run: at once, even when control is away.
    Deny { approval: i64 },
}

/// To the browser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChatDown {
    /// First frame. Events after the asked `after` follow.
    Hello {
        session_id: SessionId,
        state: SessionState,
        last_seq: i64,
        /// The model that will answer; absent when no key is set, and the chat is a console.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    Event {
        event: Event,
    },
    /// More of the message that is being written. `offset` counts the characters (Unicode scalar values)
    /// of this block that came before, so that a repeat is seen as one.
    Delta {
        message_id: MessageId,
        block: u32,
        offset: u64,
        kind: DeltaKind,
        text: String,
    },
    /// Forget the deltas of this message: the provider broke off and is asked again.
    Discarded {
        message_id: MessageId,
    },
    /// A tool has begun to run.
    ToolStarted {
        tool_use_id: String,
    },
    /// Who drives: sent at the beginning, and whenever it changes.
    Control {
        status: ControlStatus,
    },
    Accepted {
        client_id: String,
        seq: i64,
    },
    /// Something could not be done; the socket stays open.
    Problem {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<String>,
        problem: Problem,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeltaKind {
    Text,
    Thinking,
    /// The input of a tool use as JSON text, as far as it has come.
    ToolInput,
}
