//! Whether a proposed statement may be signed: judged by the chain's terms and clock and by what was signed before.

use gateway_api::StatementProposal;
use market::{
    Amount, Bid, Lease, LeaseId, LeaseState, Statement, StatementProblem, Timestamp, Usage, amount, cap_cum,
};
use serde::Serialize;

/// Seconds by which a meter's count may trail behind, so that the next statement makes up for it.
const METER_LAG_SECONDS: u64 = 120;

/// What this side knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own<'a> {
    pub(crate) bid: &'a Bid,
    pub(crate) lease: &'a Lease,
    /// The chain's clock.
    pub(crate) now: Timestamp,
    pub(crate) previous: Option<&'a StatementProposal>,
    /// How much more than this side's own figure is accepted.
    pub(crate) tolerance: Amount,
}

/// Why a statement is not signed, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    #[error("the lease is not running on chain")]
    NotActive,
    #[error("the usage hash is not the hash of the usage")]
    UsageHashMismatch,
    #[error("it counts time that has not passed or lies after the lease's end")]
    TooLate,
    #[error("it counts to before what was settled or signed already")]
    TooEarly,
    #[error("it claims to be the last before the lease has ended")]
    LastTooEarly,
    #[error("its usage is lower than what was signed before")]
    UsageDecreased,
    #[error("its amount is lower than what was paid or signed before")]
    AmountDecreased,
    #[error("its amount is more than its usage costs at the bid's prices")]
    AmountAboveUsage,
    #[error("its amount is more than the bid's highest rate allows for the time since the last settlement")]
    AmountAboveCap,
    #[error(
        "its amount is more than the bid's highest rate allows for the time since what was signed before"
    )]
    AmountGrewTooFast,
}

/// A refusal with the figures behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("the statement over {proposed} is refused: {reason}")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    #[serde(serialize_with = "decimal")]
    pub(crate) proposed: Amount,
    /// The most that would be signed for this usage and moment.
    #[serde(serialize_with = "decimal")]
    pub(crate) largest_accepted: Amount,
}

fn decimal<S: serde::Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// The statement to sign, or why not.
pub(crate) fn check(
    lease_id: LeaseId,
    own: &Own<'_>,
    proposal: &StatementProposal,
) -> Result<Statement, Refusal> {
    let largest_accepted = largest(own, proposal);
    let proposed = Amount(proposal.amount_cum.0);
    decide(lease_id, own, proposal).map_err(|reason| Refusal { reason, proposed, largest_accepted })
}

/// The most that usage and time justify.
fn largest(own: &Own<'_>, proposal: &StatementProposal) -> Amount {
    if own.lease.state != LeaseState::Active {
        return Amount::ZERO;
    }
    let due = due(own, proposal).saturating_add(own.tolerance);
    let growth = own.previous.map_or(Amount(u128::MAX), |previous| growth_cap(own, previous, proposal));
    due.min(cap(own, proposal)).min(growth)
}

/// What the usage costs, over the seconds that this side counts itself.
fn due(own: &Own<'_>, proposal: &StatementProposal) -> Amount {
    let as_of = Timestamp(proposal.as_of).min(own.now);
    let usage = Usage::from(&proposal.usage);
    amount(&own.bid.prices, &own.bid.limits, &usage, own.lease.elapsed(as_of))
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
    let upto = Timestamp(proposal.as_of).max(since).saturating_add(METER_LAG_SECONDS);
    let grown = cap_cum(before, own.lease.rate_cap_e6, since, upto);
    grown.map_or(before, |cap| cap.saturating_add(own.tolerance))
}

fn decide(lease_id: LeaseId, own: &Own<'_>, proposal: &StatementProposal) -> Result<Statement, Reason> {
    let statement = proposal.statement(lease_id).map_err(|_| Reason::UsageHashMismatch)?;
    market::check_statement(own.lease, &statement, own.now).map_err(|problem| match problem {
        StatementProblem::WrongState(_) => Reason::NotActive,
        StatementProblem::TooLate { .. } => Reason::TooLate,
        StatementProblem::Cap(_) => Reason::TooEarly,
        StatementProblem::BelowPaid { .. } => Reason::AmountDecreased,
        StatementProblem::AboveCap { .. } => Reason::AmountAboveCap,
    })?;
    // A last statement ends the lease at its moment, so it may only confirm an end that the chain already has.
    if statement.last && statement.as_of != own.lease.end_at {
        return Err(Reason::LastTooEarly);
    }
    if let Some(previous) = own.previous {
        check_growth(previous, proposal)?;
        if statement.amount_cum > growth_cap(own, previous, proposal) {
            return Err(Reason::AmountGrewTooFast);
        }
    }
    if statement.amount_cum > due(own, proposal).saturating_add(own.tolerance) {
        return Err(Reason::AmountAboveUsage);
    }
    Ok(statement)
}

fn check_growth(previous: &StatementProposal, proposal: &StatementProposal) -> Result<(), Reason> {
    if proposal.as_of < previous.as_of {
        return Err(Reason::TooEarly);
    }
    if !Usage::from(&proposal.usage).is_at_least(&Usage::from(&previous.usage)) {
        return Err(Reason::UsageDecreased);
    }
    if proposal.amount_cum < previous.amount_cum {
        return Err(Reason::AmountDecreased);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
