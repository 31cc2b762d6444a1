//! Sessions: conversations with the agent on a desktop.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    DesktopId, MessageId, Millis, SessionId,
    settings::{SessionSettings, Spent},
    spelled::spelled,
};

spelled! {
    /// Where a session is in its life.
    SessionState, "session state", {
        /// Nothing to do.
        Idle => "idle",
        /// A message waits for the desktop: it is not ready, or busy with another session.
        Queued => "queued",
        Running => "running",
        /// An action waits for a person's word.
        WaitingApproval => "waiting_approval",
        /// A person drives.
        Paused => "paused",
        /// The agent cannot reach control and waits for it.
        WaitingControl => "waiting_control",
        /// The last turn ended with an error; the next message tries again.
        Failed => "failed",
        /// Ended by a person before it was done; the next message goes on.
        Cancelled => "cancelled",
    }
}

impl SessionState {
    /// Does the agent have something to do, now or as soon as it can?
    pub fn has_work(self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::WaitingApproval | Self::Paused | Self::WaitingControl)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    pub id: SessionId,
    pub desktop_id: DesktopId,
    pub title: String,
    pub state: SessionState,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    pub archived: bool,
    /// The `seq` of its newest event; 0 when it has none.
    pub last_seq: i64,
    pub settings: SessionSettings,
    pub spent: Spent,
    pub created_at: Millis,
    pub updated_at: Millis,
}

/// Body of `POST sessions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    /// The desktop it works on; without one a desktop is created for it.
    #[serde(default)]
    pub desktop_id: Option<DesktopId>,
    /// 1 to 200 characters; the first message's beginning unless told.
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub settings: SessionSettings,
}

/// Body of `PATCH sessions/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchSession {
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub archived: Option<bool>,
    /// All of them, in the place of the earlier ones.
    #[serde(default)]
    pub settings: Option<SessionSettings>,
}

/// Body of `POST sessions/{id}/messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostMessage {
    /// 1 to 100,000 characters.
    pub text: String,
    /// The sender's own name for this message, at most 64 characters: a repeat is not stored twice.
    pub client_id: String,
}

/// Answer of `POST sessions/{id}/messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PostedMessage {
    pub message_id: MessageId,
    pub seq: i64,
}

/// A page of a list; `next` asks for the one after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}
