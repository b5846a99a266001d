//! `leasehold usage`: what was allocated, what of it was used, what it costs, what is paid, and how long the rest lasts.

mod report;
mod verify;

use anyhow::Context as _;
use chain::rpc::At;
use market::LeaseId;

use self::report::{Facts, csv, report, text};
use crate::context::{Context, find_lease};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    /// The lease
    #[arg(required = true)]
    lease: Option<LeaseId>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Recompute the evidence behind a statement, hash by hash, without a network
    Verify(verify::Args),
}

impl Args {
    /// Whether the result has lines that can be written as CSV.
    pub(crate) fn has_lines(&self) -> bool {
        self.command.is_none()
    }
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let id = match args {
        Args { command: Some(Command::Verify(args)), .. } => return verify::run(context, &args),
        Args { lease, command: None } => lease.context("no lease is named")?,
    };
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    let bid = find_lease(&chain, id).await?.bid;
    let lease = chain.lease(id, At::Latest).await?;
    let published = context.gateway(id).await?.usage(id).await?;
    let signed = context.home.signed(id)?.map(|signed| signed.proposal);
    let report = report(&Facts { id, lease, bid, published, signed });
    context.form.print(&report, |report| text(report, &money), csv)
}
