//! Sessions: conversations with the agent on a desktop.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{DesktopId, MessageId, Millis, SessionId};

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Nothing to do.
    Idle,
    /// A message waits for the desktop: it is not ready, or busy with another session.
    Queued,
    Running,
    /// An action waits for a person's word.
    WaitingApproval,
    /// A person drives.
    Paused,
    /// The agent cannot reach control and waits for it.
    WaitingControl,
    /// The last turn ended with an error; the next message tries again.
    Failed,
    /// Ended by a person before it was done; the next message goes on.
    Cancelled,
}

impl SessionState {
    pub const ALL: &[SessionState] = &[
        Self::Idle,
        Self::Queued,
        Self::Running,
        Self::WaitingApproval,
        Self::Paused,
        Self::WaitingControl,
        Self::Failed,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::WaitingApproval => "waiting_approval",
            Self::Paused => "paused",
            Self::WaitingControl => "waiting_control",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Does the agent have something to do, now or as soon as it can?
    pub fn has_work(self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::WaitingApproval | Self::Paused | Self::WaitingControl)
    }
}

impl std::str::FromStr for SessionState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| format!("no session state is called {text:?}"))
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
}

/// Body of `PATCH sessions/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchSession {
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub archived: Option<bool>,
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
