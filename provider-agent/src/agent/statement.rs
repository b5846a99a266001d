//! Statements: what the tenant is asked to sign, computed from metered usage by the market's arithmetic.

use crd::{ComputeLease, condition};
use market::{Amount, B256, Bid, Lease, Statement, Timestamp, Usage, amount, cap_cum, claim_cum};

use super::lease::LeaseRecord;
use super::object::term_end;

/// A statement that waits for the tenant's signature, with everything it follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub statement: Statement,
    pub usage: Usage,
    pub meter_root: B256,
    /// What was paid before.
    pub settled: Amount,
}

/// Why there is nothing to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoProposal {
    NotStarted,
    /// Nothing is metered yet, or only up to a moment that is settled already.
    NoNewUsage,
}

/// The usage that settles, if the meter published any that can be read.
pub(super) fn allocated(object: &ComputeLease) -> Option<Usage> {
    object.status.as_ref()?.usage.as_ref()?.allocated().ok()
}

/// What was metered, and what it costs in all.
struct Metered {
    usage: Usage,
    meter_root: B256,
    as_of: Timestamp,
    /// Whether nothing more is going to be metered.
    is_last: bool,
    due: Amount,
}

/// What the tenant should sign now.
pub(super) fn propose(
    record: &LeaseRecord,
    lease: &Lease,
    chain_time: Timestamp,
) -> Result<Proposal, NoProposal> {
    let Metered { usage, meter_root, as_of, is_last, due } = metered(record, lease, chain_time)?;
    let usage_hash = usage::usage_hash(&usage, as_of, meter_root);
    let statement = Statement { lease_id: record.id, amount_cum: due, as_of, usage_hash, last: is_last };
    Ok(Proposal { statement, usage, meter_root, settled: lease.paid })
}

/// What a proposal would ask for in all, if there is anything to propose.
pub(super) fn due_now(record: &LeaseRecord, lease: &Lease, chain_time: Timestamp) -> Option<Amount> {
    metered(record, lease, chain_time).ok().map(|metered| metered.due)
}

fn metered(record: &LeaseRecord, lease: &Lease, chain_time: Timestamp) -> Result<Metered, NoProposal> {
    let object = record.compute.as_deref().ok_or(NoProposal::NoNewUsage)?;
    let started_at = lease.started_at.ok_or(NoProposal::NotStarted)?;
    let metered = object.status.as_ref().and_then(|status| status.usage.as_ref());
    let metered = metered.ok_or(NoProposal::NoNewUsage)?;
    let unreadable = |_| NoProposal::NoNewUsage;
    let usage = metered.allocated().map_err(unreadable)?;
    let meter_root = metered.meter_root().map_err(unreadable)?;
    let is_last = is_final(object, lease, chain_time);
    let as_of = if is_last {
        lease.end_at
    } else {
        metered.as_of().map_err(unreadable)?.min(chain_time).min(lease.end_at)
    };
    if as_of < lease.last_as_of || as_of < started_at {
        return Err(NoProposal::NoNewUsage);
    }
    let due = due(&record.bid, lease, &usage, as_of).ok_or(NoProposal::NoNewUsage)?;
    Ok(Metered { usage, meter_root, as_of, is_last, due })
}

/// What is owed in all at `as_of`: usage at the bid's prices, within the interval's cap and the lease's money, never below what is paid.
fn due(bid: &Bid, lease: &Lease, usage: &Usage, as_of: Timestamp) -> Option<Amount> {
    let exact = amount(&bid.prices, &bid.limits, usage, lease.elapsed(as_of));
    let cap = cap_cum(lease.paid, lease.rate_cap_e6, lease.last_as_of, as_of).ok()?;
    Some(claim_cum(exact, cap, lease.paid, lease.balance).max(lease.paid))
}

/// The term is over on chain and the operator has published the last usage for exactly this end.
pub(super) fn is_final(object: &ComputeLease, lease: &Lease, chain_time: Timestamp) -> bool {
    chain_time >= lease.end_at
        && term_end(object.spec.term.as_ref()) == Some(lease.end_at.0)
        && condition::is_true(object.conditions(), condition::USAGE_FINAL)
}
