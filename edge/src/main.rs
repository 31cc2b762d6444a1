//! The edge: everything that comes from outside enters here.

use std::process::ExitCode;

use clap::Parser;
use edge::config::Args;

// pingora's buffers come and go with every connection; glibc keeps what they leave behind.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    telemetry::logging::init();
    telemetry::exit::code("edge", run(Args::parse()).await)
}

async fn run(args: Args) -> anyhow::Result<()> {
    edge::run(args.into_config()?, telemetry::metrics::install()?, telemetry::shutdown::on_signals()?).await
}
