//! The control binary.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use control::config::{AdminCommand, Command, Config, StoreArgs};

fn main() -> ExitCode {
    let mut config = Config::parse();
    match config.command.take() {
        Some(Command::Openapi) => print_openapi(),
        Some(Command::Admin(command)) => admin(&config.store, command),
        Some(Command::Serve) | None => serve(config),
    }
}

fn serve(config: Config) -> ExitCode {
    run(async { control::run(config, telemetry::shutdown::on_signals()?).await })
}

fn admin(store: &StoreArgs, command: AdminCommand) -> ExitCode {
    run(async { control::admin::run(store, command, &mut std::io::stdout(), telemetry::shutdown::on_signals()?).await })
}

fn run(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    telemetry::logging::init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from);
    telemetry::exit::code("control", runtime.and_then(|runtime| runtime.block_on(work)))
}

fn print_openapi() -> ExitCode {
    let document = control::http::openapi().to_pretty_json();
    let written = document.map_err(std::io::Error::other).and_then(|json| writeln!(std::io::stdout(), "{json}"));
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
