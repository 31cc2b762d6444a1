//! Logs on stderr: lines for people on a terminal, JSON everywhere else.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

const VARIABLE: &str = "CLOUDBOT_LOG";

/// Sets up logging for the process. `CLOUDBOT_LOG` filters as `tracing_subscriber::EnvFilter` reads it; `info` unless told.
///
/// Libraries stay at `warn`: pingora and hyper print header values in their debug lines.
pub fn init() {
    let registry = tracing_subscriber::registry().with(filter(std::env::var(VARIABLE).ok().as_deref()));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A second call, in tests that start several services in one process, finds the first one's set-up and keeps it.
    let _ = if std::io::stderr().is_terminal() {
        registry.with(layer.compact()).try_init()
    } else {
        registry.with(layer.json().flatten_event(true)).try_init()
    };
}

/// rmcp puts what a server answered, and so perhaps a secret, into its lines of every level; and it reports every mistake
/// of a client. Whoever wants to see that names one of its modules.
fn filter(wanted: Option<&str>) -> EnvFilter {
    let own = "warn,control=info,edge=info,sidecar=info,provisioning=info,telemetry=info";
    let filter = wanted.and_then(|wanted| EnvFilter::try_new(wanted).ok()).unwrap_or_else(|| EnvFilter::new(own));
    match "rmcp=off".parse() {
        Ok(off) => filter.add_directive(off),
        Err(_) => filter,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_rmcp_says_of_a_servers_answer_is_in_no_log() {
        for wanted in [None, Some("debug"), Some("warn,rmcp=error")] {
            let written = Written::default();
            let writer = written.clone();
            let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
            let subscriber = tracing_subscriber::registry().with(filter(wanted)).with(layer);

            tracing::subscriber::with_default(subscriber, || {
                tracing::error!(target: "rmcp::transport::worker", "worker quit with fatal: hunter2");
                tracing::error!(target: "rmcp", "hunter2");
                tracing::warn!(target: "sidecar::gate", "ours");
            });

            let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
            assert!(lines.contains("ours") && !lines.contains("hunter2"), "{wanted:?}: {lines}");
        }
    }
}
