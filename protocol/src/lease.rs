//! Who drives a desktop: the agent's side (agent, programs, MCP) or one person who has taken control.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Millis, SessionId, UserId, spelled::spelled};

/// The person who has taken control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Holder {
    pub user_id: UserId,
    pub since: Millis,
}

/// Who has taken control of a desktop, if somebody has. Of two that differ the one with the higher `epoch` holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lease {
    /// Grows with every change.
    pub epoch: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
}

/// Body of `PUT /vm/v1/lease`: the sidecar decides, control remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutLease {
    pub generation: i64,
    pub lease: Lease,
}

spelled! {
    Driver, "driver", {
        /// The desktop is idle: whoever may drive and touches it first does, for the moment.
        Nobody => "nobody",
        Agent => "agent",
        Person => "person",
    }
}

/// Answer of `GET desktops/{id}/control` and of `POST …/control/request|take|release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ControlStatus {
    pub driver: Driver,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Who waits for the agent's present action to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserId>,
    /// The session that the agent works on, or that waits until control is handed back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
}

/// Body of `POST desktops/{id}/control/release`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandBack {
    /// What the agent is told, at most 10,000 characters.
    #[serde(default)]
    pub note: Option<String>,
    /// The SHA-256 of the picture that `GET …/control/preview` showed: the agent gets exactly that one, or none.
    #[serde(default)]
    pub picture: Option<String>,
}
