//! control's configuration: environment variables or flags, every one with a default.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use protocol::DesktopId;
use secrecy::SecretString;
use url::Url;

#[derive(Debug, Parser)]
#[command(
    name = "control",
    version,
    about = "CloudBot's control service: users, keys, desktops, sessions, the record of everything"
)]
pub struct Config {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub listen: ListenArgs,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub desktops: DesktopArgs,
    #[command(flatten)]
    pub model: ModelArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the service (what happens without a command).
    Serve,
    /// Print the OpenAPI document.
    Openapi,
    /// What an operator does where control's data is, beside the running service.
    #[command(subcommand)]
    Admin(AdminCommand),
}

#[derive(Debug, Clone, Subcommand)]
pub enum AdminCommand {
    /// Let one native VNC viewer in to a desktop, once, by a password that this prints.
    Vnc(VncArgs),
}

#[derive(Debug, Clone, Args)]
pub struct VncArgs {
    /// The desktop's id.
    pub desktop: DesktopId,
    /// Where the viewer finds it: an address of this machine alone.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// The viewer sees, and drives nothing.
    #[arg(long)]
    pub view_only: bool,
    /// So many seconds the viewer has to come; then it may stay.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub within: u64,
}

#[derive(Debug, Args)]
pub struct ListenArgs {
    /// Where edges reach control.
    #[arg(long, env = "CLOUDBOT_CONTROL_LISTEN", default_value = "127.0.0.1:8444")]
    pub control_listen: SocketAddr,
    /// Where browsers find CloudBot: changes are taken from pages of this origin only.
    #[arg(long, env = "CLOUDBOT_PUBLIC_URL", default_value = "http://localhost:8080")]
    pub public_url: Url,
    /// Where sidecars find the edge's VM listener.
    #[arg(long, env = "CLOUDBOT_VM_URL", default_value = "https://127.0.0.1:8443")]
    pub vm_url: Url,
    /// The folder in which the edge finds its certificate; "edge" in the data folder unless told.
    #[arg(long, env = "CLOUDBOT_EDGE_CERTS")]
    pub edge_certs: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct StoreArgs {
    /// Everything that is kept.
    #[arg(long, env = "CLOUDBOT_DATA", default_value = ".cloudbot")]
    pub data: PathBuf,
    /// sqlite:PATH or postgres://…; SQLite in the data folder unless told.
    #[arg(long, env = "CLOUDBOT_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// The key that seals provider keys: 32 bytes in base64; a file in the data folder unless told.
    #[arg(long, env = "CLOUDBOT_MASTER_KEY", hide_env_values = true)]
    pub master_key: Option<SecretString>,
}

#[derive(Debug, Args)]
pub struct DesktopArgs {
    /// Where desktops run.
    #[arg(long, env = "CLOUDBOT_PROVIDER", default_value = "local")]
    pub provider: Provider,
    /// The sidecar's binary for desktops on this machine; beside control's own unless told.
    #[arg(long, env = "CLOUDBOT_SIDECAR")]
    pub sidecar: Option<PathBuf>,
    #[arg(long, env = "CLOUDBOT_DESKTOPS_PER_USER", default_value_t = 2)]
    pub desktops_per_user: u32,
    /// End all desktops when control is stopped; otherwise they go on without it.
    #[arg(long, env = "CLOUDBOT_STOP_DESKTOPS_ON_EXIT", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub stop_desktops_on_exit: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// This machine.
    Local,
}

#[derive(Debug, Args)]
pub struct ModelArgs {
    /// Anthropic, or a gateway in its place.
    #[arg(long, env = "CLOUDBOT_ANTHROPIC_URL", default_value = "https://api.anthropic.com")]
    pub anthropic_url: Url,
    /// OpenAI, or a gateway in its place; with the version, as its own clients want it.
    #[arg(long, env = "CLOUDBOT_OPENAI_URL", default_value = "https://api.openai.com/v1")]
    pub openai_url: Url,
    /// The model table: a JSON file with the models, the first of which is the default, and with further providers.
    #[arg(long, env = "CLOUDBOT_MODELS", value_name = "FILE")]
    pub models: Option<PathBuf>,
    /// The model that answers where there is no table.
    #[arg(long, env = "CLOUDBOT_ANTHROPIC_MODEL", default_value = "claude-opus-5-5")]
    pub anthropic_model: String,
}
