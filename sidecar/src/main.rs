//! Starts the half of the sidecar that the command line names.

use std::process::ExitCode;

use clap::Parser;
use sidecar::config::{Config, Half};

// What takes long has threads of its own; a second one here would be woken for each frame, in vain.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::logging::init();
    let config = Config::parse();
    let ended = match telemetry::shutdown::on_signals() {
        Ok(stop) => match config.half {
            Half::Gate(args) => sidecar::gate::run(args, stop).await,
            Half::Desk(args) => sidecar::desk::run(args, stop).await,
            Half::Keep(args) => sidecar::desk::children::keep::run(args, stop).await,
        },
        Err(error) => Err(error),
    };
    telemetry::exit::code("sidecar", ended)
}
