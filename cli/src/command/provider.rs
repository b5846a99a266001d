//! `leasehold provider`: offer a cluster to the market. Registration is open to everyone with a bond.

mod bond;
mod earnings;
mod preflight;
mod register;
mod status;

use crate::context::Context;
pub(crate) use status::{not_registered, when};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check, without changing anything, whether a cluster can run Leasehold and what has to change first
    Preflight(preflight::Args),
    /// Register with a bond, or bring the registration up to date
    Register(register::Args),
    /// Show a registration
    Status(status::Args),
    /// Ask bond back; after the registry's delay `withdraw` takes it out
    Unbond(bond::UnbondArgs),
    /// Take out the bond that was asked back
    Withdraw(bond::WithdrawArgs),
    /// Leave the market: remove the operator key, ask all of the bond back, and take it out when it may leave
    Deregister(bond::WithdrawArgs),
    /// Make every outstanding bid invalid, with the owner's or the operator's key
    VoidBids(bond::VoidBidsArgs),
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
        Command::Preflight(args) => preflight::run(context, args).await,
        Command::Register(args) => register::run(context, args).await,
        Command::Status(args) => status::run(context, args).await,
        Command::Unbond(args) => bond::unbond(context, args).await,
        Command::Withdraw(args) => bond::withdraw(context, args).await,
        Command::Deregister(args) => bond::deregister(context, args).await,
        Command::VoidBids(args) => bond::void_bids(context, args).await,
        Command::Earnings(args) => earnings::run(context, args).await,
    }
}
