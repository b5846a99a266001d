//! What a lease was given and what it used of that, by resource and over time. Pure.
//!
//! The provider's points are cumulative, so what is between two of them is their difference, and a point that is missing
//! makes one stretch of two and changes no sum.

use gateway_api::{Decimal, ResourceUsage, UsageReport, UsedResources};
use market::{Dimension, Lease, Timestamp, Usage};
use serde::Serialize;

use super::report::{human, unit, used_of};
use super::sparkline::{Stretch, sparkline};
use crate::command::provider::when;
use crate::moment::Period;
use crate::output::table;

/// What was counted between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Counted {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) allocated: ResourceUsage,
    pub(super) used: UsedResources,
}

/// A series that no honest provider has: it goes back, in time or in what it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the provider's series of usage goes back at {}", when(*.at))]
pub(super) struct GoesBack {
    at: u64,
}

/// What was counted from each point to the next, as far as it lies in a period. The first stretch begins with the lease,
/// unless a point says what had been counted before the period.
pub(super) fn counted(
    lease: &Lease,
    points: &[UsageReport],
    period: Period,
) -> Result<Vec<Counted>, GoesBack> {
    let (Some(first), Some(Timestamp(start))) = (points.first(), lease.started_at) else {
        return Ok(Vec::new());
    };
    let begins_later = period.from.is_none_or(|from| from.0 < Timestamp(first.as_of));
    let nothing = UsageReport {
        as_of: start,
        allocated: ResourceUsage::default(),
        used: UsedResources::default(),
        ..first.clone()
    };
    let base = (begins_later && start < first.as_of).then_some(&nothing);
    let points: Vec<&UsageReport> = base.into_iter().chain(points).collect();
    let pairs = points.windows(2).map(|pair| between(pair[0], pair[1]).ok_or(GoesBack { at: pair[1].as_of }));
    let shown = |counted: &Counted| period.touches(Timestamp(counted.from), Timestamp(counted.to));
    Ok(pairs.collect::<Result<Vec<_>, _>>()?.into_iter().filter(shown).collect())
}

/// The difference of two points.
fn between(before: &UsageReport, after: &UsageReport) -> Option<Counted> {
    if after.as_of <= before.as_of {
        return None;
    }
    let less = |after: Decimal, before: Decimal| after.0.checked_sub(before.0).map(Decimal);
    let [had, has] = [before, after].map(|point| Usage::from(&point.allocated));
    let mut allocated = Usage::default();
    for dimension in Dimension::ALL {
        allocated = allocated.with(dimension, has.of(dimension).checked_sub(had.of(dimension))?);
    }
    let used = UsedResources {
        cpu_nanoseconds: less(after.used.cpu_nanoseconds, before.used.cpu_nanoseconds)?,
        memory_byte_seconds: less(after.used.memory_byte_seconds, before.used.memory_byte_seconds)?,
        network_rx_bytes: less(after.used.network_rx_bytes, before.used.network_rx_bytes)?,
        network_tx_bytes: less(after.used.network_tx_bytes, before.used.network_tx_bytes)?,
    };
    Some(Counted { from: before.as_of, to: after.as_of, allocated: ResourceUsage::from(&allocated), used })
}

/// Whether bars are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bars {
    Drawn,
    Left,
}

/// A table of what there is of each resource in all, and one of when; of resources of which there is anything.
pub(super) fn text(counted: &[Counted], bars: Bars) -> String {
    let sum = sum(counted);
    let shown = |dimension: &Dimension| {
        Usage::from(&sum.allocated).of(*dimension) > 0
            || measured(*dimension, &sum.used).is_some_and(|used| used > 0)
    };
    let shown: Vec<Dimension> = Dimension::ALL.into_iter().filter(shown).collect();
    let cells = |dimension: Dimension, of: &Counted| {
        [
            dimension.name().to_owned(),
            human(dimension, Usage::from(&of.allocated).of(dimension)),
            used_of(dimension, &of.used),
            unit(dimension).to_owned(),
        ]
    };
    let line = |amount: &dyn Fn(&Counted) -> Option<u128>| {
        let stretches: Option<Vec<_>> = counted
            .iter()
            .map(|of| Some(Stretch { from: of.from, to: of.to, amount: amount(of)? }))
            .collect();
        stretches.and_then(|stretches| sparkline(&stretches)).unwrap_or_else(|| "-".to_owned())
    };
    let sums = match bars {
        Bars::Left => table(
            ["RESOURCE", "ALLOCATED", "USED", "UNIT"],
            shown.iter().map(|dimension| cells(*dimension, &sum)),
        ),
        Bars::Drawn => table(
            ["RESOURCE", "ALLOCATED", "USED", "UNIT", "ALLOCATED OVER TIME", "USED OVER TIME"],
            shown.iter().map(|dimension| {
                let [resource, allocated, used, unit] = cells(*dimension, &sum);
                let given = line(&|of| Some(Usage::from(&of.allocated).of(*dimension)));
                let taken = line(&|of| measured(*dimension, &of.used));
                [resource, allocated, used, unit, given, taken]
            }),
        ),
    };
    let rows = counted.iter().flat_map(|of| {
        shown.iter().map(move |dimension| {
            let [resource, allocated, used, unit] = cells(*dimension, of);
            [when(of.from), when(of.to), resource, allocated, used, unit]
        })
    });
    format!("{sums}\n{}", table(["FROM", "TO", "RESOURCE", "ALLOCATED", "USED", "UNIT"], rows))
}

/// Everything together. Differences of numbers of 128 bits that follow each other have a sum of as many.
fn sum(counted: &[Counted]) -> Counted {
    let nothing =
        Counted { from: 0, to: 0, allocated: ResourceUsage::default(), used: UsedResources::default() };
    counted.iter().fold(nothing, |sum, more| {
        let add = |one: Decimal, two: Decimal| Decimal(one.0.saturating_add(two.0));
        let [one, two] = [sum, *more].map(|of| Usage::from(&of.allocated).0);
        let allocated = Usage(std::array::from_fn(|index| one[index].saturating_add(two[index])));
        let used = UsedResources {
            cpu_nanoseconds: add(sum.used.cpu_nanoseconds, more.used.cpu_nanoseconds),
            memory_byte_seconds: add(sum.used.memory_byte_seconds, more.used.memory_byte_seconds),
            network_rx_bytes: add(sum.used.network_rx_bytes, more.used.network_rx_bytes),
            network_tx_bytes: add(sum.used.network_tx_bytes, more.used.network_tx_bytes),
        };
        Counted { allocated: ResourceUsage::from(&allocated), used, ..sum }
    })
}

/// What is measured of a resource, where anything is.
fn measured(dimension: Dimension, used: &UsedResources) -> Option<u128> {
    super::report::measured(dimension, used).map(|(used, _)| used.0)
}

#[cfg(test)]
pub(super) mod tests;
