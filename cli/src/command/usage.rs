//! `leasehold usage`: what was allocated, what of it was used, what it costs, what is paid, and how long the rest lasts.

mod report;
mod series;
mod verify;

use std::io::IsTerminal;

use anyhow::Context as _;
use chain::rpc::At;
use market::LeaseId;

use self::report::{Facts, csv, report, text};
use self::series::{series, sparkline};
use crate::context::{Context, find_lease};
use crate::moment::{Moment, Period};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    /// The lease
    #[arg(required = true)]
    lease: Option<LeaseId>,
    /// What was spent from then on, payment by payment, in place of the totals: a date (UTC), a time, or Unix seconds
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// The same before then
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Recompute the evidence behind a statement, hash by hash, without a network
    Verify(verify::Args),
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let (id, period) = match args {
        Args { command: Some(Command::Verify(args)), .. } => return verify::run(context, &args),
        Args { lease, from, to, command: None } => (lease.context("no lease is named")?, Period { from, to }),
    };
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    let bid = find_lease(&chain, id).await?.bid;
    let lease = chain.lease(id, At::Latest).await?;
    let published = context.gateway(id).await?.usage(id).await?;
    let signed = context.home.signed(id)?.map(|signed| signed.proposal);
    let report = report(&Facts { id, lease, bid, published, signed });
    let whole = series(&lease, &chain.payments_of(id).await?, report.counted());
    if period != Period::default() {
        let shown: Vec<_> = whole.into_iter().filter(|interval| interval.touches(period)).collect();
        return context.form.print(&shown, |shown| series::text(shown, &money), |shown| series::csv(shown));
    }
    let spent = std::io::stdout().is_terminal().then(|| sparkline(&whole)).flatten();
    context.form.print(&report, |report| text(report, &money, spent), csv)
}
