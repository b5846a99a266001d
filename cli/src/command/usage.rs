//! `leasehold usage`: what was allocated, what of it was used, what it costs, what is paid, and how long the rest lasts.

mod history;
mod payments;
mod report;
mod resources;
mod sparkline;
mod verify;

use std::io::IsTerminal;

use anyhow::Context as _;
use chain::rpc::At;
use gateway_api::{ErrorCode, UsageReport};
use market::LeaseId;

use self::history::History;
use self::payments::{Interval, payments};
use self::report::{Facts, csv, report, text};
use self::resources::{Bars, counted};
use self::sparkline::sparkline;
use crate::context::{Context, find_lease};
use crate::gateway::Gateway;
use crate::moment::{Moment, Period};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    /// The lease
    #[arg(required = true)]
    lease: Option<LeaseId>,
    /// What was used and spent from then on, over time, in place of the totals: a date (UTC), a time, or Unix seconds
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
    let gateway = context.gateway(id).await?;
    let published = published(&gateway, id).await?;
    let signed = context.home.signed(id)?.map(|signed| signed.proposal);
    let report = report(&Facts { id, lease, bid, published, signed });
    let whole = payments(&lease, &chain.payments_of(id).await?, report.counted());
    let is_terminal = std::io::stdout().is_terminal();
    if period != Period::default() {
        let query = history::query(context.form, period, &lease, report.counted().0);
        let points = gateway.usage_series(id, &query).await?;
        let usage = points.map(|points| counted(&lease, &points, period)).transpose()?;
        let payments = whole.into_iter().filter(|interval| interval.touches(period)).collect();
        let bars = if is_terminal { Bars::Drawn } else { Bars::Left };
        let show = |history: &History| history::text(history, &money, bars);
        return context.form.print(&History { usage, payments }, show, history::csv);
    }
    let stretches: Vec<_> = whole.iter().map(Interval::stretch).collect();
    let spent = is_terminal.then(|| sparkline(&stretches)).flatten();
    context.form.print(&report, |report| text(report, &money, spent), csv)
}

/// What the provider counted last, also of a lease that is over and of which only the series is left.
async fn published(gateway: &Gateway, id: LeaseId) -> anyhow::Result<UsageReport> {
    match gateway.usage(id).await {
        Err(error) if error.code() == Some(ErrorCode::UnknownLease) => {
            // A provider that keeps no series answers as before.
            Ok(gateway.last_usage(id).await?.ok_or(error)?)
        }
        published => Ok(published?),
    }
}
