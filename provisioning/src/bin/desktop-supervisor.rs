//! The processes that the local provider keeps a desktop with: `vm FOLDER` stands outside of its fence, one
//! a VM; `session SPEC` is the first process inside, `only COMMAND` that of the gate's. None is started by hand.

use std::{path::Path, process::ExitCode};

use provisioning::local::{first, session, supervise};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("CLOUDBOT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_writer(std::io::stderr).with_env_filter(filter).init();

    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["vm", folder] => supervise::run(Path::new(folder)),
        ["session", spec] => match serde_json::from_str(spec) {
            Ok(spec) => session::run(&spec),
            Err(e) => {
                tracing::error!(error = %e, "understand the session's specification");
                ExitCode::from(2)
            }
        },
        ["only", ..] => first::run(&args[1..]),
        _ => {
            tracing::error!(
                "desktop-supervisor is started by control, as `vm FOLDER`, `session SPEC` or `only COMMAND`"
            );
            ExitCode::from(2)
        }
    }
}
