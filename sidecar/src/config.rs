//! The command line of the sidecar: one binary, two halves.

use clap::{Parser, Subcommand};

use crate::{desk, gate};

#[derive(Debug, Parser)]
#[command(name = "sidecar", version, about = "What runs in every VM of CloudBot")]
pub struct Config {
    #[command(subcommand)]
    pub half: Half,
}

#[derive(Debug, Subcommand)]
pub enum Half {
    /// Identity, network and the agent loop; runs as a user of its own.
    Gate(gate::Args),
    /// Screen, input, shell and files; runs as the desktop's user.
    Desk(desk::Args),
    /// Runs one program for the desk, and keeps hold of all that comes of it.
    #[command(hide = true)]
    Keep(desk::children::keep::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_half_can_be_called_with_what_it_takes() {
        Config::command().debug_assert();
    }
}
