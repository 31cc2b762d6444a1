//! Capabilities: what the edge shows a sidecar in place of a user's credential.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{DesktopId, UserId};

/// What may be done with a desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See the screen.
    View,
    /// Use mouse, keyboard and clipboard.
    Control,
    /// Talk with the agent.
    Chat,
    Files,
    Shell,
}

impl Scope {
    pub const ALL: &[Scope] = &[Scope::View, Scope::Control, Scope::Chat, Scope::Files, Scope::Shell];
}

/// Who uses a credential: only people can take control, programs are on the agent's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// In a browser, by its cookie.
    Person,
    /// By a token.
    Program,
}

/// The audience of a capability: one generation of one desktop.
pub fn audience(desktop: &DesktopId, generation: i64) -> String {
    format!("{desktop}/{generation}")
}

/// The claims of a capability: a JWT signed by control with Ed25519 (`EdDSA`), valid for [`LIFETIME_S`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// Always [`ISSUER`].
    pub iss: String,
    /// See [`audience`].
    pub aud: String,
    pub sub: UserId,
    pub actor: Actor,
    pub scopes: Vec<Scope>,
    /// Unix seconds.
    pub iat: i64,
    /// Unix seconds.
    pub exp: i64,
}

pub const ISSUER: &str = "cloudbot-control";
pub const LIFETIME_S: i64 = 60;
/// The header in which the edge hands a capability to the sidecar.
pub const HEADER: &str = "x-cloudbot-capability";
/// The header in which control's operator hands a viewer's one-time password to the sidecar.
pub const PASSWORD_HEADER: &str = "x-cloudbot-viewer-password";
