//! Logs on stderr: lines for people on a terminal, JSON everywhere else.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// Sets up logging for the process. `CLOUDBOT_LOG` filters as `tracing_subscriber::EnvFilter` reads it; `info` unless told.
///
/// Libraries stay at `warn`: pingora and hyper print header values in their debug lines.
/// rmcp reports every mistake of a client, and every one that goes away.
pub fn init() {
    let filter = EnvFilter::try_from_env("CLOUDBOT_LOG").unwrap_or_else(|_| {
        EnvFilter::new(
            "warn,rmcp=error,rmcp::service=off,control=info,edge=info,sidecar=info,provisioning=info,telemetry=info",
        )
    });
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A second call, in tests that start several services in one process, finds the first one's set-up and keeps it.
    let _ = if std::io::stderr().is_terminal() {
        registry.with(layer.compact()).try_init()
    } else {
        registry.with(layer.json().flatten_event(true)).try_init()
    };
}
