//! The next transaction of a lease, if any. Deadlines are the chain's, so its clock decides.

use market::{
    Amount, Bid, Lease, LeaseId, LeaseState, Signature64, Statement, Timestamp, Usage, amount, cap_cum,
    claim_cum, funded_until,
};

use super::dispute::disputed;
use super::{LeaseRecord, OrderLookup, is_ready};
use crate::agent::effect::{Effect, LeaseCall, LeaseDecline, ReclaimCause, Record};
use crate::agent::state::{Rules, State};
use crate::agent::statement;
use crate::settling::Held;

/// A lease whose money lasts no longer than this settles what is signed at once, so that it is not taken for insolvent.
const NEARLY_UNFUNDED: u64 = 600;

/// Refusals of the operator that no retry changes.
const FINAL_REJECTIONS: [&str; 11] = [
    crd::reason::NAME_MISMATCH,
    crd::reason::INVALID_SPEC,
    crd::reason::MANIFEST_INVALID,
    crd::reason::MANIFEST_HASH_MISMATCH,
    crd::reason::LIMITS_EXCEEDED,
    crd::reason::TIER_NOT_OFFERED,
    crd::reason::RESOURCE_NOT_OFFERED,
    crd::reason::NO_DEFAULT_STORAGE_CLASS,
    crd::reason::STORAGE_CLASS_RETAINS,
    crd::reason::STORAGE_CLASS_STATIC,
    crd::reason::NETWORK_NOT_ENFORCED,
];

/// One transaction about one lease.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::agent) enum ChainAction {
    Confirm(LeaseId),
    Decline { id: LeaseId, bid: Box<Bid>, reason: LeaseDecline },
    Reclaim(Box<Bid>),
    Settle(Statement, Signature64),
    Claim(Box<Bid>, Usage),
    Finalize(Box<Bid>),
    Resolve(Box<Bid>),
}

impl ChainAction {
    pub(in crate::agent) fn call(&self) -> LeaseCall {
        match self {
            Self::Confirm(_) => LeaseCall::Confirm,
            Self::Decline { .. } => LeaseCall::Decline,
            Self::Reclaim(_) => LeaseCall::Reclaim,
            Self::Settle(..) => LeaseCall::Settle,
            Self::Claim(..) => LeaseCall::Claim,
            Self::Finalize(_) => LeaseCall::Finalize,
            Self::Resolve(_) => LeaseCall::Resolve,
        }
    }

    pub(in crate::agent) fn record(&self) -> Option<Effect> {
        match self {
            Self::Decline { id, reason, .. } => {
                Some(Effect::Record(Record::LeaseDeclined { lease: *id, reason: *reason }))
            }
            Self::Confirm(_)
            | Self::Reclaim(_)
            | Self::Settle(..)
            | Self::Claim(..)
            | Self::Finalize(_)
            | Self::Resolve(_) => None,
        }
    }
}

/// The effects of actions of one kind: one transaction where the contract takes many.
pub(super) fn effects(actions: Vec<ChainAction>) -> Vec<Effect> {
    /// Far below the most gas of a transaction, 2^24, even for claims and closes.
    const BATCH: usize = 150;
    actions.chunks(BATCH).flat_map(batch).collect()
}

fn batch(actions: &[ChainAction]) -> Vec<Effect> {
    let (mut confirm, mut settle, mut claim, mut finalize) = (vec![], vec![], vec![], vec![]);
    let mut effects = Vec::new();
    for action in actions {
        match action.clone() {
            ChainAction::Confirm(id) => confirm.push(id),
            ChainAction::Decline { bid, .. } => effects.push(Effect::Decline(bid)),
            ChainAction::Reclaim(bid) => {
                effects.push(Effect::Reclaim { bid, cause: ReclaimCause::Unfunded });
            }
            ChainAction::Settle(statement, signature) => settle.push((statement, signature)),
            ChainAction::Claim(bid, usage) => claim.push((bid, usage)),
            ChainAction::Finalize(bid) => finalize.push(*bid),
            ChainAction::Resolve(bid) => effects.push(Effect::Resolve(bid)),
        }
    }
    if !confirm.is_empty() {
        effects.push(Effect::Confirm(confirm));
    }
    if !settle.is_empty() {
        effects.push(Effect::Settle(settle));
    }
    if !claim.is_empty() {
        effects.push(Effect::Claim(claim));
    }
    if !finalize.is_empty() {
        effects.push(Effect::Finalize(finalize));
    }
    effects
}

impl State {
    /// Takes the lease's transaction slot for the next transaction, if there is one.
    pub(super) fn next_call(&mut self, id: LeaseId, now: Timestamp) -> Option<ChainAction> {
        if !self.follows_the_chain(now) {
            return None;
        }
        let chain_time = self.chain_time();
        let record = self.leases.get_mut(&id)?;
        if !record.call.is_free(now) {
            return None;
        }
        let action = match record.lease? {
            lease if lease.state == LeaseState::Open => open(record, &lease, &self.rules, chain_time),
            lease if lease.is_running(chain_time) => running(record, &lease, chain_time),
            lease if lease.state == LeaseState::Active => ended(record, &lease, &self.rules, chain_time),
            lease if lease.state == LeaseState::Disputed => disputed(record, &lease, &self.rules, chain_time),
            _ => None,
        }?;
        record.call.take();
        record.called_on = record.lease;
        Some(action)
    }

    /// Settles what running leases' tenants have signed, where it is worth its gas: all of it looked at together.
    pub(in crate::agent) fn settle_what_pays(&mut self, now: Timestamp) -> Vec<Effect> {
        if !self.follows_the_chain(now) {
            return Vec::new();
        }
        let chain_time = self.chain_time();
        let held: Vec<Held> = self
            .leases
            .values()
            .filter(|record| record.call.is_free(now))
            .filter_map(|record| held(record, chain_time))
            .collect();
        let gas_price = self.head.map_or(0, |head| head.gas_price);
        let (mut together, mut effects) = (Vec::new(), Vec::new());
        for id in self.rules.settling.choose(&held, gas_price) {
            let Some(record) = self.leases.get_mut(&id) else { continue };
            let Some(signed) = record.signed_statement() else { continue };
            record.call.take();
            record.called_on = record.lease;
            let action = ChainAction::Settle(signed.statement, signed.signature);
            if record.goes_alone {
                effects.extend(self::effects(vec![action]));
            } else {
                together.push(action);
            }
        }
        effects.extend(self::effects(together));
        effects
    }
}

/// What a running lease has signed and unpaid.
fn held(record: &LeaseRecord, chain_time: Timestamp) -> Option<Held> {
    let lease = record.lease.filter(|lease| lease.is_running(chain_time))?;
    let signed = payable(record, &lease, chain_time)?;
    Some(Held {
        lease: record.id,
        unpaid: signed.statement.amount_cum.saturating_sub(lease.paid),
        waited: chain_time.seconds_since(lease.last_as_of),
    })
}

fn open(record: &LeaseRecord, lease: &Lease, rules: &Rules, chain_time: Timestamp) -> Option<ChainAction> {
    let decline = |reason| Some(ChainAction::Decline { id: record.id, bid: record.bid.clone(), reason });
    if record.order_lookup == OrderLookup::Missing {
        return decline(LeaseDecline::OrderUnknown);
    }
    if let Some(object) = &record.compute {
        if is_ready(object) && chain_time <= lease.end_at {
            return Some(ChainAction::Confirm(record.id));
        }
        if is_rejected(object) {
            return decline(LeaseDecline::Rejected);
        }
    }
    if chain_time.saturating_add(rules.decline_margin) >= lease.end_at {
        return decline(LeaseDecline::NotReadyInTime);
    }
    None
}

fn running(record: &LeaseRecord, lease: &Lease, chain_time: Timestamp) -> Option<ChainAction> {
    let funded = funded_until(lease);
    let nearly_unfunded = funded.is_some_and(|until| until <= chain_time.saturating_add(NEARLY_UNFUNDED));
    if let Some(signed) = payable(record, lease, chain_time)
        && (signed.statement.last || nearly_unfunded)
    {
        return Some(ChainAction::Settle(signed.statement, signed.signature));
    }
    // Only what the chain itself would call unfunded: the full rate since the last settlement eats the whole balance.
    if funded.is_some_and(|until| until <= chain_time) {
        return Some(ChainAction::Reclaim(record.bid.clone()));
    }
    None
}

fn ended(record: &LeaseRecord, lease: &Lease, rules: &Rules, chain_time: Timestamp) -> Option<ChainAction> {
    let finalize = || Some(ChainAction::Finalize(record.bid.clone()));
    if lease.last_as_of == lease.end_at && lease.pending.is_none() {
        return finalize();
    }
    // A final signature beats everything: it supersedes a claim and needs no window.
    let signed = payable(record, lease, chain_time);
    if let Some(signed) = &signed
        && signed.statement.as_of == lease.end_at
    {
        return Some(ChainAction::Settle(signed.statement, signed.signature));
    }
    if let Some(pending) = lease.pending {
        let matures = pending.filed_at.saturating_add(rules.windows.dispute);
        let reaches_the_end = pending.at == lease.end_at;
        let claims_are_over = chain_time > lease.end_at.saturating_add(rules.windows.claim);
        if chain_time > matures && (reaches_the_end || claims_are_over) {
            return finalize();
        }
        if reaches_the_end || claims_are_over {
            return None;
        }
    }
    if chain_time > lease.end_at.saturating_add(rules.windows.claim) {
        return finalize();
    }
    // Half of the claim window is the latest that prudence allows, whatever the configuration says.
    let patience = rules.countersign_timeout.min(rules.windows.claim / 2);
    if chain_time < lease.end_at.saturating_add(patience) {
        return None;
    }
    // What is signed is settled before the rest is claimed, so that only the rest can be disputed.
    if let Some(signed) = signed
        && signed.statement.amount_cum > lease.paid
    {
        return Some(ChainAction::Settle(signed.statement, signed.signature));
    }
    let usage = claimable_usage(record, lease)?;
    Some(ChainAction::Claim(record.bid.clone(), usage))
}

/// The stored statement, if the chain would take it now and it says something new.
pub(super) fn payable(
    record: &LeaseRecord,
    lease: &Lease,
    chain_time: Timestamp,
) -> Option<crd::convert::SettledStatement> {
    let signed = record.signed_statement()?;
    let is_news = signed.statement.as_of > lease.last_as_of || signed.statement.amount_cum > lease.paid;
    (is_news && market::check_statement(lease, &signed.statement, chain_time).is_ok()).then_some(signed)
}

/// The usage for a claim, if it is worth one. Final usage is waited for; should the operator never publish it, the last known usage stands, since
/// a claim at the end of the patience is better than none.
fn claimable_usage(record: &LeaseRecord, lease: &Lease) -> Option<Usage> {
    let usage = statement::allocated(record.compute.as_deref()?)?;
    let due = amount(&record.bid.prices, &record.bid.limits, &usage, lease.elapsed(lease.end_at));
    let cap = cap_cum(lease.paid, lease.rate_cap_e6, lease.last_as_of, lease.end_at).ok()?;
    let cum: Amount = claim_cum(due, cap, lease.paid, lease.balance);
    let already = lease.pending.map_or(lease.paid, |pending| pending.cum.max(lease.paid));
    (cum > already).then_some(usage)
}

fn is_rejected(object: &crd::ComputeLease) -> bool {
    let Some(status) = &object.status else { return false };
    status.observed_generation == object.metadata.generation
        && crd::condition::find(&status.conditions, crd::condition::ACCEPTED).is_some_and(|accepted| {
            accepted.status == "False" && FINAL_REJECTIONS.contains(&accepted.reason.as_str())
        })
}
