//! What the provider may still do about a disputed lease, and when. The arbiter decides the rest, or time does.

use market::{Amount, Lease, Timestamp, Usage, amount, check_admission, supplement_cum};

use super::{ChainAction, LeaseRecord};
use crate::agent::state::Rules;
use crate::agent::statement;

/// In this order: what the tenant signed before it disputed stays owed and is paid at once; work between the claim and
/// the dispute is billed, once, in the time for it; when the arbiter's time is over, the agreed split is asked for.
pub(super) fn disputed(
    record: &LeaseRecord,
    lease: &Lease,
    rules: &Rules,
    chain_time: Timestamp,
) -> Option<ChainAction> {
    let disputed_at = lease.disputed_at?;
    if let Some(signed) = record.signed_statement()
        && check_admission(lease, &signed.statement).is_ok()
    {
        return Some(ChainAction::Settle(signed.statement, signed.signature));
    }
    if chain_time >= disputed_at.saturating_add(rules.windows.arbiter) {
        return Some(ChainAction::Resolve(record.bid.clone()));
    }
    let last_chance = disputed_at.saturating_add(rules.windows.claim);
    // The last usage is waited for, but no longer than half of the time that there is.
    let patience = disputed_at.saturating_add(rules.windows.claim / 2);
    let may_wait = chain_time < patience && !is_final(record, lease, chain_time);
    if chain_time > last_chance || may_wait {
        return None;
    }
    let (usage, due) = price(record, lease)?;
    supplement_cum(lease, due)?;
    Some(ChainAction::Claim(record.bid.clone(), usage))
}

fn is_final(record: &LeaseRecord, lease: &Lease, chain_time: Timestamp) -> bool {
    record.compute.as_deref().is_some_and(|object| statement::is_final(object, lease, chain_time))
}

fn price(record: &LeaseRecord, lease: &Lease) -> Option<(Usage, Amount)> {
    let usage = statement::allocated(record.compute.as_deref()?)?;
    let due = amount(&record.bid.prices, &record.bid.limits, &usage, lease.elapsed(lease.end_at));
    Some((usage, due))
}
