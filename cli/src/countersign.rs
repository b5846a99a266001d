//! Whether a proposed statement may be signed: judged by the chain's terms and clock, by what was signed before, by what
//! this side saw itself, and by what the provider says elsewhere.

mod refusal;
mod series;
mod signer;

use gateway_api::{RefusalReason, StatementProposal};
use market::{
    Amount, BasisPoints, Bid, Lease, LeaseId, LeaseState, PendingClaim, Statement, StatementProblem,
    Timestamp, Usage, amount, cap_cum,
};

use crate::own_view::{METER_LAG_SECONDS, Observed};
pub(crate) use refusal::Refusal;
pub(crate) use series::check_series;
pub(crate) use signer::{Countersigner, Look};

/// What the tenant wants of every statement of a lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// How much more than this side's own figure is accepted.
    pub(crate) tolerance: Tolerance,
    /// The most that is signed for in all; none: all that the lease holds.
    pub(crate) budget: Option<Amount>,
}

/// An addition to this side's own figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tolerance {
    /// So much, whatever the figure.
    pub(crate) fixed: Amount,
    /// And such a share of the figure.
    pub(crate) share: BasisPoints,
}

impl Tolerance {
    /// A figure with its tolerance.
    pub(crate) fn over(self, figure: Amount) -> Amount {
        figure.saturating_add(self.fixed).saturating_add(self.share.of(figure))
    }
}

/// What this side knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own<'a> {
    pub(crate) bid: &'a Bid,
    pub(crate) lease: &'a Lease,
    /// The chain's clock.
    pub(crate) now: Timestamp,
    pub(crate) previous: Option<&'a StatementProposal>,
    pub(crate) terms: Terms,
    /// What this side's own probes saw, if it probes.
    pub(crate) observed: Option<Observed<'a>>,
}

/// The statement to sign, or why not.
pub(crate) fn check(
    lease_id: LeaseId,
    own: &Own<'_>,
    proposal: &StatementProposal,
) -> Result<Statement, Refusal> {
    decide(lease_id, own, proposal).map_err(|reason| refused(reason, proposal, largest(own, proposal)))
}

fn refused(reason: RefusalReason, proposal: &StatementProposal, largest_accepted: Amount) -> Refusal {
    Refusal {
        reason,
        proposed: Amount(proposal.amount_cum.0),
        largest_accepted,
        as_of: Timestamp(proposal.as_of),
        usage_hash: proposal.usage_hash,
    }
}

/// What this side owes by a claim on chain: the concession of a dispute. The contract holds a claim to the bid's caps and
/// to the usage that the provider states with it; this holds it to what was signed, proposed and seen.
pub(crate) fn owed(own: &Own<'_>, claim: &PendingClaim) -> Amount {
    let at = claim.at.min(own.lease.end_at);
    let elapsed = own.lease.elapsed(at);
    let everything = Usage(own.bid.limits.0.map(|limit| u128::from(limit) * u128::from(elapsed)));
    let allowed =
        own.observed.map_or(everything, |observed| observed.allowed(&own.bid.limits, own.lease, at));
    let mut owed = amount(&own.bid.prices, &own.bid.limits, &allowed, elapsed);
    let signed = own.previous.map(|previous| (Amount(previous.amount_cum.0), Timestamp(previous.as_of)));
    let proposed = own.observed.and_then(Observed::proposed).map(|(usage, as_of)| {
        (amount(&own.bid.prices, &own.bid.limits, &usage, own.lease.elapsed(as_of)), as_of)
    });
    for (before, since) in [signed, proposed].into_iter().flatten() {
        if at >= since {
            owed = owed.min(grown(own.lease, before, since, at));
        }
    }
    let signed = signed.map_or(Amount::ZERO, |(amount, _)| amount);
    owed.max(signed).max(own.lease.paid).min(claim.cum)
}

/// The most that usage, time, own probes and the budget justify.
fn largest(own: &Own<'_>, proposal: &StatementProposal) -> Amount {
    if own.lease.state != LeaseState::Active {
        return Amount::ZERO;
    }
    let growth = own.previous.map_or(Amount::MAX, |previous| growth_cap(own, previous, proposal));
    due(own, proposal).min(cap(own, proposal)).min(growth).min(observed(own, proposal)).min(budget(own))
}

/// What the usage costs, over the seconds that this side counts itself.
fn due(own: &Own<'_>, proposal: &StatementProposal) -> Amount {
    own.terms.tolerance.over(cost(own, proposal, &Usage::from(&proposal.usage)))
}

/// What the part of the usage costs that this side's own probes do not contradict.
fn observed(own: &Own<'_>, proposal: &StatementProposal) -> Amount {
    let Some(observed) = own.observed else { return Amount::MAX };
    let allowed = observed.allowed(&own.bid.limits, own.lease, Timestamp(proposal.as_of).min(own.now));
    let usage = Usage::from(&proposal.usage);
    let believed = Usage(std::array::from_fn(|index| usage.0[index].min(allowed.0[index])));
    own.terms.tolerance.over(cost(own, proposal, &believed))
}

fn cost(own: &Own<'_>, proposal: &StatementProposal, usage: &Usage) -> Amount {
    let as_of = Timestamp(proposal.as_of).min(own.now);
    amount(&own.bid.prices, &own.bid.limits, usage, own.lease.elapsed(as_of))
}

/// All that the lease holds, unless the tenant said less.
fn budget(own: &Own<'_>) -> Amount {
    let held = own.lease.paid.saturating_add(own.lease.balance);
    own.terms.budget.unwrap_or(held)
}

fn cap(own: &Own<'_>, proposal: &StatementProposal) -> Amount {
    let Lease { paid, rate_cap_e6, last_as_of, .. } = *own.lease;
    let as_of = Timestamp(proposal.as_of).min(own.now).min(own.lease.end_at);
    cap_cum(paid, rate_cap_e6, last_as_of, as_of).unwrap_or(paid)
}

/// The most that can have become due since the last signature. The chain asks the same only from one settlement to the
/// next; without this a provider could have an idle month signed for day by day and bill it as busy on the last.
fn growth_cap(own: &Own<'_>, previous: &StatementProposal, proposal: &StatementProposal) -> Amount {
    let before = Amount(previous.amount_cum.0);
    let since = Timestamp(previous.as_of);
    own.terms.tolerance.over(grown(own.lease, before, since, Timestamp(proposal.as_of)))
}

/// What `before` can have grown to, with a meter that lagged behind at first.
fn grown(lease: &Lease, before: Amount, since: Timestamp, upto: Timestamp) -> Amount {
    let upto = upto.max(since).saturating_add(METER_LAG_SECONDS);
    cap_cum(before, lease.rate_cap_e6, since, upto).unwrap_or(before)
}

fn decide(
    lease_id: LeaseId,
    own: &Own<'_>,
    proposal: &StatementProposal,
) -> Result<Statement, RefusalReason> {
    let statement = proposal.statement(lease_id).map_err(|_| RefusalReason::UsageHashMismatch)?;
    market::check_statement(own.lease, &statement, own.now).map_err(|problem| match problem {
        StatementProblem::WrongState(_) => RefusalReason::NotActive,
        StatementProblem::TooLate { .. } => RefusalReason::TooLate,
        StatementProblem::Cap(_) => RefusalReason::TooEarly,
        StatementProblem::BelowPaid { .. } => RefusalReason::AmountDecreased,
        StatementProblem::AboveCap { .. } => RefusalReason::AmountAboveCap,
    })?;
    // A last statement ends the lease at its moment, so it may only confirm an end that the chain already has.
    if statement.last && statement.as_of != own.lease.end_at {
        return Err(RefusalReason::LastTooEarly);
    }
    if let Some(previous) = own.previous {
        check_growth(previous, proposal)?;
        if statement.amount_cum > growth_cap(own, previous, proposal) {
            return Err(RefusalReason::AmountGrewTooFast);
        }
    }
    if statement.amount_cum > due(own, proposal) {
        return Err(RefusalReason::AmountAboveUsage);
    }
    if statement.amount_cum > observed(own, proposal) {
        return Err(RefusalReason::AmountAboveObserved);
    }
    if statement.amount_cum > budget(own) {
        return Err(RefusalReason::OverBudget);
    }
    Ok(statement)
}

fn check_growth(previous: &StatementProposal, proposal: &StatementProposal) -> Result<(), RefusalReason> {
    if proposal.as_of < previous.as_of {
        return Err(RefusalReason::TooEarly);
    }
    if !Usage::from(&proposal.usage).is_at_least(&Usage::from(&previous.usage)) {
        return Err(RefusalReason::UsageDecreased);
    }
    if proposal.amount_cum < previous.amount_cum {
        return Err(RefusalReason::AmountDecreased);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
