//! `leasehold provider`: offer a cluster to the market. Registration is open to everyone with a bond.

mod earnings;
mod register;
mod status;

use crate::context::Context;
pub(crate) use status::when;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Register with a bond, or bring the registration up to date
    Register(register::Args),
    /// Show a registration
    Status(status::Args),
    /// Explain every token in and out of an account, and compare with the chain
    Earnings(earnings::Args),
}

impl Command {
    /// Whether its result has lines that can be written as CSV.
    pub(crate) fn has_lines(&self) -> bool {
        matches!(self, Self::Earnings(_))
    }
}

pub(crate) async fn run(context: &Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Register(args) => register::run(context, args).await,
        Command::Status(args) => status::run(context, args).await,
        Command::Earnings(args) => earnings::run(context, args).await,
    }
}
