//! `leasehold provider`: offer a cluster to the market. Registration is open to everyone with a bond.

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
}

pub(crate) async fn run(context: &Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Register(args) => register::run(context, args).await,
        Command::Status(args) => status::run(context, args).await,
    }
}
