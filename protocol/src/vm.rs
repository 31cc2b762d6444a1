//! What a sidecar says to control through the edge's VM listener, under `/vm/v1`, by its certificate.

use serde::{Deserialize, Serialize};

use crate::{DesktopId, SessionId, VmId, desktop::Size, lease::Lease, model::Model, settings::SessionSettings};

/// What a VM is born with (its user-data on EC2, a file on one machine): JSON, at most 16 KB, no secret but the token.
#[derive(Clone, Serialize, Deserialize)]
pub struct UserData {
    pub vm_id: VmId,
    /// Base URL of the edge's VM listener.
    pub edge_url: String,
    /// The private CA's root certificate: the only one that the sidecar trusts.
    pub ca_pem: String,
    /// One-time: binds to the first key that enrols with it.
    pub enrolment_token: String,
    /// The first screen.
    pub size: Size,
}

/// Body of `POST /vm/v1/enrol`, by server TLS alone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    pub vm_id: VmId,
    pub enrolment_token: String,
    /// PKCS#10, PEM. control takes nothing but the public key from it.
    pub csr_pem: String,
}

/// Answer of `enrol`. `POST /vm/v1/renew` answers the same to a [`RenewRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Enrolled {
    /// The VM's certificate, with [`server_name`] as its DNS name; good as a client's and as a server's.
    pub certificate_pem: String,
    /// Unix milliseconds.
    pub expires_at: i64,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    pub csr_pem: String,
}

/// Answer of `GET /vm/v1/assignment`: whom this VM serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    pub desktop_id: DesktopId,
    pub generation: i64,
    /// Ed25519 public key (SPKI, PEM) that capabilities are checked with.
    pub capability_key_pem: String,
    pub size: Size,
    /// As control last heard of it: a new VM goes on where the one before it was.
    #[serde(default)]
    pub lease: Lease,
}

/// Body of `POST /vm/v1/report`: sent when it changes, and every 10 s as a sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub generation: i64,
    /// The TCP port on which the sidecar serves the edge.
    pub port: u16,
    pub desk: DeskHealth,
    /// The sidecar's version.
    pub version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeskHealth {
    /// Not there yet, or lost and awaited.
    Waiting { reason: String },
    /// A screenshot shows a painted desktop.
    Painted { size: Size },
}

/// One event of `GET /vm/v1/notices` (SSE, `data:` lines of JSON): "look again", never the thing itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Notice {
    /// The stream has begun: whatever was missed, look at it now.
    Hello,
    /// `GET /vm/v1/work` may answer differently now; `session_id` has new events.
    Work { session_id: SessionId },
    /// A person asked through the API that this session stops.
    Stop { session_id: SessionId },
    /// `GET /vm/v1/mcp-servers` answers differently now.
    McpServers,
}

/// Answer of `GET /vm/v1/work`: the session that this desktop is to work on now, the oldest that has work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<WorkSession>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkSession {
    pub session_id: SessionId,
    /// Absent when the owner has no provider key: the chat is a console then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    #[serde(default)]
    pub settings: SessionSettings,
}

/// The DNS name in a VM's certificate, which the edge demands when it connects.
pub fn server_name(vm: &VmId) -> String {
    format!("{vm}.vm.cloudbot.internal")
}

/// The DNS name of the edge's VM listener in its certificate.
pub const EDGE_SERVER_NAME: &str = "edge.cloudbot.internal";
/// The DNS name of control in its certificate.
pub const CONTROL_SERVER_NAME: &str = "control.cloudbot.internal";
