//! Paths, headers and cookies that more than one program must spell alike.

use crate::{key::ProviderName, model::ModelApi};

/// Prefix of the public API.
pub const API: &str = "/api/v1";
/// Prefix of what sidecars call on the edge's VM listener.
pub const VM: &str = "/vm/v1";
/// Prefix of what only edges may call on control.
pub const INTERNAL: &str = "/internal/v1";
/// Prefix of a sidecar's model calls on the edge's VM listener.
pub const LLM: &str = "/llm";

/// A browser sends this header (any value) on every change: another site's form cannot.
pub const REQUEST_HEADER: &str = "x-cloudbot";
/// Carried through all programs and shown with a 5xx.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// Access and refresh cookies, without and with TLS. Under TLS the prefix binds them to the very host.
pub const ACCESS_COOKIE: &str = "cloudbot_access";
pub const ACCESS_COOKIE_TLS: &str = "__Host-cloudbot_access";
pub const REFRESH_COOKIE: &str = "cloudbot_refresh";
pub const REFRESH_COOKIE_TLS: &str = "__Host-cloudbot_refresh";

/// Parts of `desktops/{id}/…` that the desktop's sidecar answers; everything else is control's, but for
/// [`MCP_SERVER_SEGMENTS`].
pub const SIDECAR_SEGMENTS: &[&str] = &[
    "vnc",
    "chat",
    "terminal",
    "actions",
    "screenshot",
    "clipboard",
    "windows",
    "applications",
    "accessibility",
    "shell",
    "files",
    "recording",
    "recordings",
    "control",
    "mcp",
];

/// `desktops/{id}/mcp-servers` and `desktops/{id}/mcp-servers/{name}` are control's, which keeps what the servers are …
pub const MCP_SERVERS: &str = "mcp-servers";
/// … and these of `desktops/{id}/mcp-servers/{name}/…` the sidecar's, which runs them.
pub const MCP_SERVER_SEGMENTS: &[&str] = &["status", "start", "stop", "restart", "tools", "try", "logs"];

/// Where a sidecar's calls of a provider go on the edge's VM listener: `/llm/anthropic/v1/messages`.
pub fn llm_path(provider: &ProviderName, api: ModelApi) -> String {
    format!("{LLM}/{provider}{}", api.path())
}
