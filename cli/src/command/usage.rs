//! `leasehold usage`: what was allocated, what of it was used, and what of it is paid.

mod verify;

use alloy_primitives::B256;
use anyhow::Context as _;
use chain::rpc::At;
use gateway_api::{ResourceUsage, UsageReport, UsedResources};
use market::{Amount, Dimension, LeaseId, Limits, Prices, Timestamp, Usage, amount};
use serde::Serialize;

use crate::context::{Context, find_lease};
use crate::output::table;

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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    lease_id: B256,
    /// Moment up to which the provider has counted.
    as_of: u64,
    allocated: ResourceUsage,
    used: UsedResources,
    /// Usage in the newest statement that this machine signed.
    signed: Option<ResourceUsage>,
    /// Amount in it, base units.
    signed_amount: Option<String>,
    /// What the allocated usage costs at the bid's prices, base units.
    cost: String,
    /// What was paid on chain, base units.
    settled: String,
    /// Moment up to which it is paid.
    settled_as_of: u64,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let id = match args {
        Args { command: Some(Command::Verify(args)), .. } => return verify::run(context, &args),
        Args { lease, command: None } => lease.context("no lease is named")?,
    };
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    let opened = find_lease(&chain, id).await?;
    let lease = chain.lease(id, At::Latest).await?;
    let UsageReport { as_of, allocated, used, .. } = context.gateway(id).await?.usage(id).await?;
    let signed = context.home.signed(id)?;
    let usage = Usage::from(&allocated);
    let bid = &opened.bid;
    let elapsed = lease.elapsed(Timestamp(as_of));
    let cost = amount(&bid.prices, &bid.limits, &usage, elapsed);
    let report = Report {
        lease_id: id.0,
        as_of,
        allocated,
        used,
        signed: signed.as_ref().map(|signed| signed.proposal.usage),
        signed_amount: signed.as_ref().map(|signed| signed.proposal.amount_cum.0.to_string()),
        cost: cost.to_string(),
        settled: lease.paid.to_string(),
        settled_as_of: lease.last_as_of.0,
    };
    context.output.print(&report, |report| {
        let signed = report.signed.as_ref().map(Usage::from);
        let rows = Dimension::ALL.into_iter().map(|dimension| {
            let cost = cost_of(dimension, &bid.prices, &bid.limits, &usage, elapsed);
            let show = |usage: &Usage| human(dimension, usage.of(dimension));
            [
                dimension.name().to_owned(),
                show(&usage),
                used_of(dimension, &report.used),
                signed.as_ref().map_or("-".to_owned(), show),
                unit(dimension).to_owned(),
                money.show(cost),
            ]
        });
        let text = table(["RESOURCE", "ALLOCATED", "USED", "SIGNED", "UNIT", "COST"], rows);
        format!("{text}\ntotal    {}\nsettled  {}\n", money.show(cost), money.show(lease.paid))
    })
}

/// What one resource alone costs. Rounded down, so that the sum of all may be a little less than the total.
fn cost_of(dimension: Dimension, prices: &Prices, limits: &Limits, usage: &Usage, elapsed: u64) -> Amount {
    let alone = Prices::default().with(dimension, prices.of(dimension));
    amount(&alone, limits, usage, elapsed)
}

/// The unit of the table's figures.
fn unit(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Uptime => "s",
        Dimension::Cpu => "CPU s",
        Dimension::Memory | Dimension::Storage => "MiB s",
        Dimension::Gpu => "GPU s",
        Dimension::Egress => "MiB",
        Dimension::LeasedIps => "address s",
        Dimension::Devices => "device s",
    }
}

fn human(dimension: Dimension, value: u128) -> String {
    match dimension {
        Dimension::Uptime | Dimension::LeasedIps => value.to_string(),
        Dimension::Cpu | Dimension::Gpu | Dimension::Devices => thousandths(value, 1_000),
        Dimension::Memory | Dimension::Storage | Dimension::Egress => thousandths(value, 1 << 20),
    }
}

fn used_of(dimension: Dimension, used: &UsedResources) -> String {
    match dimension {
        Dimension::Cpu => thousandths(used.cpu_nanoseconds.0, 1_000_000_000),
        Dimension::Memory => thousandths(used.memory_byte_seconds.0, 1 << 20),
        Dimension::Egress => thousandths(used.network_tx_bytes.0, 1 << 20),
        _ => "-".to_owned(),
    }
}

/// `value / divisor` with three digits after the point, rounded down.
fn thousandths(value: u128, divisor: u128) -> String {
    let (whole, rest) = (value / divisor, value % divisor);
    format!("{whole}.{:03}", rest * 1_000 / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_in_units_that_people_use() {
        assert_eq!(human(Dimension::Cpu, 61_250), "61.250");
        assert_eq!(human(Dimension::Memory, 128 << 20), "128.000");
        assert_eq!(human(Dimension::Uptime, 61), "61");
        assert_eq!(thousandths(1_999_999, 1_000_000), "1.999");
    }
}
