//! The edge: everything that comes from outside enters here.

use clap::Parser;
use edge::config::Args;

// pingora's buffers come and go with every connection; glibc keeps what they leave behind.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::logging::init();
    let config = Args::parse().into_config()?;
    edge::run(config, telemetry::metrics::install()?, telemetry::shutdown::on_signals()?).await
}
