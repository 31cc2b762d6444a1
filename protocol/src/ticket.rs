//! Tickets: good once, for half a minute, for the WebSockets of one desktop.
//!
//! A WebSocket client that cannot send `Authorization` (a browser on a page of somebody else's, say) offers its ticket as
//! a subprotocol, `Sec-WebSocket-Protocol: binary, ticket.<ticket>`: so it stands in no URL.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{DesktopId, Millis, capability::Scope};

/// What stands before a ticket among the subprotocols.
pub const SUBPROTOCOL: &str = "ticket.";
/// How long a ticket is good, in milliseconds.
pub const LIFETIME_MS: Millis = 30_000;

/// Body of `POST tickets`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTicket {
    pub desktop_id: DesktopId,
    /// What the WebSocket may do; empty means all that who asks may.
    #[serde(default)]
    pub scopes: Vec<Scope>,
}

/// Answer of `POST tickets`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CreatedTicket {
    pub ticket: String,
    pub expires_at: Millis,
}
