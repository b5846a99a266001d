//! Whether a proposal contradicts the provider's own series of usage. Pure.
//!
//! The series is the provider's word, as the proposal is: what agrees proves nothing, and what does not is refused. An honest
//! provider is never refused for what this side cannot know: points may be missing, and what a node counted while it was
//! cut off is credited once it speaks again, with what replaced it.

use gateway_api::{RefusalReason, ResourceUsage, StatementProposal, UsageReport};
use market::{Amount, Dimension, Limits, Timestamp, Usage};

use super::{Own, Refusal, largest, refused};
use crate::own_view::METER_LAG_SECONDS;

/// How much more than the leased limits may be counted at once: by pods that were cut off, and by those in their place.
const COPIES: u128 = 2;

/// Refuses a proposal that the points contradict. They begin with the one before the last signature, if there was one.
pub(crate) fn check_series(
    own: &Own<'_>,
    points: &[UsageReport],
    proposal: &StatementProposal,
) -> Result<(), Refusal> {
    let Some(newest) = points.last() else { return Ok(()) };
    if !points.windows(2).all(|pair| pair[1].follows(&pair[0])) {
        return Err(refused(RefusalReason::SeriesDecreased, proposal, signed_before(own)));
    }
    if !points.iter().all(|point| is_within_limits(own, point)) {
        return Err(refused(RefusalReason::SeriesAboveLimits, proposal, signed_before(own)));
    }
    let (usage, most) = (Usage::from(&proposal.usage), most(own, points, newest, proposal.as_of));
    if most.is_at_least(&usage) {
        return Ok(());
    }
    let believed = Usage(std::array::from_fn(|index| usage.0[index].min(most.0[index])));
    let believed = StatementProposal { usage: ResourceUsage::from(&believed), ..*proposal };
    Err(refused(RefusalReason::UsageAboveSeries, proposal, largest(own, &believed)))
}

/// What the series allows at a moment: what it says of that very moment, or else at its end. A proposal is dated no later
/// than the chain's clock, which may be behind the meter's, so a point in between says less than it may know.
fn most(own: &Own<'_>, points: &[UsageReport], newest: &UsageReport, as_of: u64) -> Usage {
    let exact = points.iter().find(|point| point.as_of == as_of);
    if let Some(point) = exact.or(Some(newest).filter(|newest| newest.as_of >= as_of)) {
        return Usage::from(&point.allocated);
    }
    // The provider has not written it yet.
    let (known, more) = (Usage::from(&newest.allocated), possible(&own.bid.limits, as_of - newest.as_of));
    Usage(std::array::from_fn(|index| known.0[index].saturating_add(more.0[index])))
}

fn is_within_limits(own: &Own<'_>, point: &UsageReport) -> bool {
    let elapsed = own.lease.elapsed(Timestamp(point.as_of));
    possible(&own.bid.limits, elapsed).is_at_least(&Usage::from(&point.allocated))
}

/// The most that can be counted in a time. Traffic is measured and may come at once, so it has no bound but its price's.
fn possible(limits: &Limits, seconds: u64) -> Usage {
    let seconds = u128::from(seconds.saturating_add(METER_LAG_SECONDS));
    let all = Usage(limits.0.map(|limit| u128::from(limit).saturating_mul(seconds)));
    let copied = Usage(all.0.map(|most| most.saturating_mul(COPIES)));
    copied.with(Dimension::Egress, u128::MAX).with(Dimension::Uptime, all.of(Dimension::Uptime))
}

/// Of a series that nobody can believe nothing more is signed.
fn signed_before(own: &Own<'_>) -> Amount {
    own.previous.map_or(Amount::ZERO, |previous| Amount(previous.amount_cum.0)).max(own.lease.paid)
}

#[cfg(test)]
mod tests;
