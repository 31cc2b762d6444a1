//! The control binary.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use control::config::{Command, Config};

fn main() -> ExitCode {
    let config = Config::parse();
    match config.command {
        Some(Command::Openapi) => print_openapi(),
        Some(Command::Serve) | None => serve(config),
    }
}

fn serve(config: Config) -> ExitCode {
    telemetry::logging::init();
    let done =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from).and_then(
            |runtime| runtime.block_on(async { control::run(config, telemetry::shutdown::on_signals()?).await }),
        );
    telemetry::exit::code("control", done)
}

fn print_openapi() -> ExitCode {
    let document = control::http::openapi().to_pretty_json();
    let written = document.map_err(std::io::Error::other).and_then(|json| writeln!(std::io::stdout(), "{json}"));
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
