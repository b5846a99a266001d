//! Counts the allocation of hours again, from the lives in them.

use std::collections::BTreeMap;

use market::Dimension;

use super::{Fault, Hour};
use crate::Millis;
use crate::lives::{self, Holder, Life, MOST_STRETCHES, Quantities};
use crate::rollup::Span;

/// Counts every hour again that tells lives; returns where the first of them begins.
///
/// Hours of a version that told none may only come first.
pub(super) fn recompute(hours: &[Hour]) -> Result<Option<u64>, Fault> {
    let mut since = None;
    // Up to when each holder was counted: nothing counts twice, in whatever hour.
    let mut counted_to = BTreeMap::new();
    for hour in hours {
        let start = hour.rollup.start;
        match (&hour.rollup.lives, &hour.lives) {
            (None, None) if since.is_none() => {}
            (Some(root), Some(told)) if *root == lives::root(told) => {
                since = since.or(Some(start));
                in_order(start, told, &mut counted_to)?;
                sums(hour, told)?;
            }
            _ => return Err(Fault::Lives { start }),
        }
    }
    Ok(since)
}

/// Checks that no stretch of an hour overlaps another of its holder, counts for more than its length, or ends after the hour.
fn in_order<'a>(
    start: u64,
    told: &'a [Life],
    counted_to: &mut BTreeMap<&'a Holder, Millis>,
) -> Result<(), Fault> {
    let end = Millis::from_seconds(start.saturating_add(Span::Hour.seconds()));
    let fault = |holder: &Holder| Fault::Life { start, holder: holder.clone() };
    let mut stretches = Vec::new();
    for Life { holder, stretches: of_life, .. } in told {
        if of_life.len() > MOST_STRETCHES {
            return Err(fault(holder));
        }
        stretches.extend(of_life.iter().map(|stretch| (holder, stretch)));
    }
    stretches.sort_by_key(|(_, stretch)| (stretch.from, stretch.to));
    for (holder, stretch) in stretches {
        if stretch.from > stretch.to || stretch.to > end {
            return Err(fault(holder));
        }
        // Several that are not told by name may be held at once.
        if *holder == Holder::Others {
            continue;
        }
        let before = counted_to.insert(holder, stretch.to).unwrap_or_default();
        if stretch.from < before || stretch.millis > stretch.to.since(stretch.from) {
            return Err(fault(holder));
        }
    }
    Ok(())
}

/// Multiplies every holding by its time, and adds up.
fn sums(hour: &Hour, told: &[Life]) -> Result<(), Fault> {
    let start = hour.rollup.start;
    let mut sum = Quantities::default();
    for Life { holder, holding, stretches, added } in told {
        let held = stretches.iter().fold(0u64, |sum, stretch| sum.saturating_add(stretch.millis));
        let recomputed = holding.over(held);
        if let Some((resource, claimed, recomputed)) = difference(added, &recomputed) {
            let holder = holder.clone();
            return Err(Fault::Allocated { start, holder, resource, claimed, recomputed });
        }
        sum = sum.plus(added);
    }
    let [a, b, c, d, e, f, g, h, ..] = hour.rollup.added.0;
    match difference(&Quantities([a, b, c, d, e, f, g, h]), &sum) {
        None => Ok(()),
        Some((resource, claimed, recomputed)) => {
            Err(Fault::HourAllocated { start, resource, claimed, recomputed })
        }
    }
}

/// The first resource of which less or more is claimed than was recomputed.
fn difference(claimed: &Quantities, recomputed: &Quantities) -> Option<(Dimension, u128, u128)> {
    let pairs = claimed.0.into_iter().zip(recomputed.0);
    let differs = |(dimension, (claimed, recomputed)): (Dimension, (u128, u128))| {
        (claimed != recomputed).then_some((dimension, claimed, recomputed))
    };
    Dimension::ALL.into_iter().zip(pairs).find_map(differs)
}

#[cfg(test)]
mod tests;
