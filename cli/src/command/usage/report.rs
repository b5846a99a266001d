//! What is said of a lease's usage. Pure.

use alloy_primitives::B256;
use gateway_api::{Decimal, ResourceUsage, StatementProposal, UsageReport, UsedResources};
use market::{Amount, Bid, Dimension, Lease, LeaseId, Prices, Timestamp, Usage, amount, funded_until};
use serde::Serialize;

use crate::command::provider::when;
use crate::money::Money;
use crate::output::{csv_lines, fields, table};

/// Everything that the report follows from.
pub(super) struct Facts {
    pub(super) id: LeaseId,
    /// The lease on chain.
    pub(super) lease: Lease,
    pub(super) bid: Bid,
    /// What the provider says.
    pub(super) published: UsageReport,
    /// The newest statement that this machine signed.
    pub(super) signed: Option<StatementProposal>,
}

/// The result of the command. Amounts are base units.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    lease_id: B256,
    /// Moment up to which the provider has counted.
    as_of: u64,
    allocated: ResourceUsage,
    used: UsedResources,
    /// Usage in the newest statement that this machine signed.
    signed: Option<ResourceUsage>,
    /// Amount in it.
    signed_amount: Option<Decimal>,
    /// The same by resource.
    resources: Vec<Resource>,
    /// What the allocated usage costs at the bid's prices.
    cost: Decimal,
    /// What was paid on chain.
    settled: Decimal,
    /// Moment up to which it is paid.
    settled_as_of: u64,
    /// What the lease holds on chain.
    balance: Decimal,
    /// What of it is left once the usage so far is paid.
    remaining: Decimal,
    /// Until when the balance lasts if everything is used up to its limits; none where the lease is not running.
    funded_until: Option<u64>,
    /// When the lease ends whatever it holds.
    end_at: u64,
}

/// One priced resource.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource: &'static str,
    /// Of `allocated` and `signed`.
    unit: &'static str,
    allocated: Decimal,
    signed: Option<Decimal>,
    /// What this resource alone costs. Rounded down, so that the sum of all may be a little less than the total.
    cost: Decimal,
    /// What was measured, where anything is.
    used: Option<Decimal>,
    used_unit: Option<&'static str>,
}

pub(super) fn report(facts: &Facts) -> Report {
    let Facts { id, lease, bid, published, signed } = facts;
    let UsageReport { as_of, allocated, used, .. } = published;
    let usage = Usage::from(allocated);
    let elapsed = lease.elapsed(Timestamp(*as_of));
    let cost = amount(&bid.prices, &bid.limits, &usage, elapsed);
    let signed_usage = signed.as_ref().map(|signed| Usage::from(&signed.usage));
    let resource = |dimension: Dimension| {
        let alone = Prices::default().with(dimension, bid.prices.of(dimension));
        let measured = measured(dimension, used);
        Resource {
            resource: dimension.name(),
            unit: dimension.unit(),
            allocated: Decimal(usage.of(dimension)),
            signed: signed_usage.as_ref().map(|usage| Decimal(usage.of(dimension))),
            cost: Decimal(amount(&alone, &bid.limits, &usage, elapsed).0),
            used: measured.map(|(used, _)| used),
            used_unit: measured.map(|(_, unit)| unit),
        }
    };
    let unpaid = cost.saturating_sub(lease.paid);
    Report {
        lease_id: id.0,
        as_of: *as_of,
        allocated: *allocated,
        used: *used,
        signed: signed.as_ref().map(|signed| signed.usage),
        signed_amount: signed.as_ref().map(|signed| signed.amount_cum),
        resources: Dimension::ALL.into_iter().map(resource).collect(),
        cost: Decimal(cost.0),
        settled: Decimal(lease.paid.0),
        settled_as_of: lease.last_as_of.0,
        balance: Decimal(lease.balance.0),
        remaining: Decimal(lease.balance.saturating_sub(unpaid).0),
        funded_until: funded_until(lease).map(|until| until.0),
        end_at: lease.end_at.0,
    }
}

/// What is measured of a resource, and in what.
pub(super) fn measured(dimension: Dimension, used: &UsedResources) -> Option<(Decimal, &'static str)> {
    match dimension {
        Dimension::Cpu => Some((used.cpu_nanoseconds, "CPU nanoseconds")),
        Dimension::Memory => Some((used.memory_byte_seconds, "byte seconds")),
        Dimension::Egress => Some((used.network_tx_bytes, "bytes")),
        Dimension::Uptime
        | Dimension::Storage
        | Dimension::Gpu
        | Dimension::LeasedIps
        | Dimension::Devices => None,
    }
}

impl Report {
    /// Up to when the provider has counted, and what that costs.
    pub(super) fn counted(&self) -> (Timestamp, Amount) {
        (Timestamp(self.as_of), Amount(self.cost.0))
    }
}

/// `spent` is a line of bars for a terminal.
pub(super) fn text(report: &Report, money: &Money, spent: Option<String>) -> String {
    let show = |amount: Decimal| money.show(Amount(amount.0));
    let rows = Dimension::ALL.into_iter().zip(&report.resources).map(|(dimension, of)| {
        let human = |value: Decimal| human(dimension, value.0);
        [
            of.resource.to_owned(),
            human(of.allocated),
            used_of(dimension, &report.used),
            of.signed.map_or("-".to_owned(), human),
            unit(dimension).to_owned(),
            show(of.cost),
        ]
    });
    let rows = table(["RESOURCE", "ALLOCATED", "USED", "SIGNED", "UNIT", "COST"], rows);
    let sums = fields([
        ("counted until", when(report.as_of)),
        ("cost", show(report.cost)),
        ("signed", report.signed_amount.map_or("-".to_owned(), show)),
        ("settled", show(report.settled)),
        ("balance", show(report.balance)),
        ("remaining", show(report.remaining)),
        ("funded until", report.funded_until.map_or("-".to_owned(), when)),
    ]);
    let spent = spent.map(|bars| format!("spending       {bars}\n")).unwrap_or_default();
    format!("{rows}\n{sums}{spent}")
}

/// One line for each resource, in the units of the chain.
pub(super) fn csv(report: &Report) -> String {
    let number = |value: Option<Decimal>| value.map_or_else(String::new, |value| value.0.to_string());
    let rows = report.resources.iter().map(|of| {
        [
            report.as_of.to_string(),
            of.resource.to_owned(),
            of.allocated.0.to_string(),
            number(of.signed),
            of.unit.to_owned(),
            number(of.used),
            of.used_unit.unwrap_or_default().to_owned(),
            of.cost.0.to_string(),
        ]
    });
    csv_lines(["as_of", "resource", "allocated", "signed", "unit", "used", "used_unit", "cost"], rows)
}

/// The unit of the table's figures.
pub(super) fn unit(dimension: Dimension) -> &'static str {
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

pub(super) fn human(dimension: Dimension, value: u128) -> String {
    match dimension {
        Dimension::Uptime | Dimension::LeasedIps => value.to_string(),
        Dimension::Cpu | Dimension::Gpu | Dimension::Devices => thousandths(value, 1_000),
        Dimension::Memory | Dimension::Storage | Dimension::Egress => thousandths(value, 1 << 20),
    }
}

pub(super) fn used_of(dimension: Dimension, used: &UsedResources) -> String {
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
mod tests;
