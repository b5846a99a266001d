//! `cargo xtask testbed`: a real chain and a real Kubernetes cluster on this machine.

use clap::Subcommand;

/// What to do with the testbed.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what runs.
    Status,
}

impl Command {
    /// Runs the command.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Status => anyhow::bail!("the testbed is not running"),
        }
    }
}
