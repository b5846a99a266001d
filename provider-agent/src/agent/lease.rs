//! One lease of ours: what is known about it, and the next thing to do.
//!
//! A lease has at most one write to the cluster and one transaction in flight at a time; each has its own back-off. That is what makes it safe
//! to converge after every event.

mod chain_action;
mod cluster_action;
mod dispute;
mod funds;
mod unsigned;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crd::ComputeLease;
use crd::convert::SettledStatement;
use market::{Bid, Lease, LeaseId, LeaseState, Timestamp};

use super::effect::{Effect, LeaseCall, Record};
use super::event::{CallOutcome, ReplyId, WriteFailure};
use super::object::ManifestSecret;
use super::refusals::KeptRefusal;
use super::state::State;
use super::statement::Proposal;
use crate::inventory::Shown;
use crate::series::{Owners, Point, Seen};

pub(super) use chain_action::ChainAction;
pub use unsigned::Unsigned;
pub(super) use unsigned::{Account, account};

/// The proposals that a tenant may still sign.
const REMEMBERED_PROPOSALS: usize = 16;
const FIRST_RETRY: u64 = 2;
const LONGEST_RETRY: u64 = 120;

/// What is known about one lease.
#[derive(Clone, Debug)]
pub struct LeaseRecord {
    pub(super) id: LeaseId,
    pub(super) name: String,
    pub(super) bid: Box<Bid>,
    /// The last read from the chain.
    pub(super) lease: Option<Lease>,
    /// Since when the chain has not known a lease whose log was seen.
    pub(super) unknown_since: Option<Timestamp>,
    pub(super) compute: Option<Arc<ComputeLease>>,
    pub(super) order_lookup: OrderLookup,
    pub(super) waiting: VecDeque<WaitingWrite>,
    pub(super) proposals: VecDeque<Proposal>,
    pub(super) refusal: Option<KeptRefusal>,
    pub(super) write: Slot,
    pub(super) call: Slot,
    /// Whether a batch passed over it: its next transaction goes alone, so that it holds up nobody and costs nothing if
    /// it would be passed over again.
    pub(super) goes_alone: bool,
    /// The lease that the transaction on its way was decided on.
    pub(super) called_on: Option<Lease>,
    /// When its money runs out, if that was told.
    pub(super) runs_out: Option<Timestamp>,
    /// Up to when published usage was handed on to be remembered.
    pub(super) usage_kept: Option<i64>,
}

/// Whether the lease's order can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderLookup {
    NotAsked,
    Asked,
    /// It was never posted.
    Missing,
}

/// A write that a caller waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WaitingWrite {
    Manifest { secret: ManifestSecret, reply: ReplyId },
    Statement { signed: Box<SettledStatement>, reply: ReplyId },
}

/// One action at a time, with a pause after failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    busy: bool,
    failures: u32,
    not_before: Timestamp,
}

impl Slot {
    pub(super) fn is_free(&self, now: Timestamp) -> bool {
        !self.busy && self.not_before <= now
    }

    fn take(&mut self) {
        self.busy = true;
    }

    fn succeeded(&mut self) {
        *self = Self::default();
    }

    fn failed(&mut self, now: Timestamp) {
        let pause = FIRST_RETRY.saturating_mul(1 << self.failures.min(6)).min(LONGEST_RETRY);
        self.busy = false;
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.saturating_add(pause);
    }
}

impl LeaseRecord {
    pub(super) fn new(id: LeaseId, bid: Box<Bid>) -> Self {
        Self {
            id,
            name: crd::lease_name(id),
            bid,
            lease: None,
            unknown_since: None,
            compute: None,
            order_lookup: OrderLookup::NotAsked,
            waiting: VecDeque::new(),
            proposals: VecDeque::new(),
            refusal: None,
            write: Slot::default(),
            call: Slot::default(),
            goes_alone: false,
            called_on: None,
            runs_out: None,
            usage_kept: None,
        }
    }

    pub(super) fn chain_read(&mut self, lease: Lease, now: Timestamp) {
        self.unknown_since = match lease.state {
            LeaseState::None => self.unknown_since.or(Some(now)),
            _ => None,
        };
        self.lease = Some(lease);
    }

    /// Takes an observation unless it is older than what is known: a watch may lag behind the answer to our own write.
    pub(super) fn observe(&mut self, object: ComputeLease) {
        let is_older = self.compute.as_ref().is_some_and(|known| {
            known.metadata.uid == object.metadata.uid
                && known.metadata.generation > object.metadata.generation
        });
        if !is_older {
            self.compute = Some(Arc::new(object));
        }
    }

    /// A full list says which objects exist; one that is being written right now may not be in it yet.
    pub(super) fn forget_absent(&mut self, present: &BTreeSet<String>) {
        if !self.write.busy && !present.contains(&self.name) {
            self.compute = None;
        }
    }

    pub(super) fn remember(&mut self, proposal: Proposal) {
        if self.proposals.contains(&proposal) {
            return;
        }
        if self.proposals.len() == REMEMBERED_PROPOSALS {
            self.proposals.pop_front();
        }
        self.proposals.push_back(proposal);
    }

    /// The newest statement that the tenant signed, from the object. A malformed one counts as none: it cannot be settled anyway.
    pub(super) fn signed_statement(&self) -> Option<SettledStatement> {
        self.compute.as_ref()?.spec.settlement.as_ref()?.statement.parse(self.id).ok()
    }

    /// How the lease counts in the inventory; `None` when it holds nothing any more.
    pub(super) fn shown_by_pods(&self, chain_time: Timestamp) -> Option<Shown> {
        let over = match self.lease {
            Some(lease) => match lease.state {
                LeaseState::Closed | LeaseState::Disputed => true,
                LeaseState::Active => lease.end_at <= chain_time,
                LeaseState::None | LeaseState::Open => false,
            },
            None => false,
        };
        if over {
            // Pods that still stop are counted as pods; the volumes go with them.
            return None;
        }
        let ready = self.compute.as_ref().is_some_and(|object| is_ready(object));
        Some(if ready { Shown::ByPods } else { Shown::NotYet })
    }
}

/// Whether the operator says that the present spec, with a manifest, is ready.
pub(super) fn is_ready(object: &ComputeLease) -> bool {
    let Some(status) = &object.status else { return false };
    object.spec.manifest.is_some()
        && status.observed_generation == object.metadata.generation
        && status.phase == crd::Phase::Ready
        && crd::condition::is_true(&status.conditions, crd::condition::READY)
}

impl State {
    /// Compares what is with what should be, for each of `ids`, and takes the next actions. Transactions of one kind go together.
    pub(super) fn converge(&mut self, ids: impl IntoIterator<Item = LeaseId>, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut actions: BTreeMap<LeaseCall, Vec<ChainAction>> = BTreeMap::new();
        let mut orders = BTreeSet::new();
        for id in ids.into_iter().collect::<BTreeSet<_>>() {
            // First: a lease that is over and cleaned up is forgotten next.
            effects.extend(self.usage_to_keep(id));
            effects.extend(self.next_write(id, now));
            if let Some(action) = self.next_call(id, now) {
                effects.extend(action.record());
                if self.leases.get(&id).is_some_and(|record| record.goes_alone) {
                    effects.extend(chain_action::effects(vec![action]));
                } else {
                    actions.entry(action.call()).or_default().push(action);
                }
            }
            orders.extend(self.order_to_fetch(id));
        }
        effects.extend(actions.into_values().flat_map(chain_action::effects));
        if !orders.is_empty() {
            effects.push(Effect::FetchOrders(orders.into_iter().collect()));
        }
        effects
    }

    pub(super) fn write_finished(
        &mut self,
        id: LeaseId,
        outcome: Result<Option<Box<ComputeLease>>, WriteFailure>,
        now: Timestamp,
    ) -> Vec<Effect> {
        let Some(record) = self.leases.get_mut(&id) else { return Vec::new() };
        match outcome {
            Ok(object) => {
                record.write.succeeded();
                match object {
                    Some(object) => record.observe(*object),
                    None => record.compute = None,
                }
            }
            Err(WriteFailure::Unneeded | WriteFailure::Failed) => record.write.failed(now),
        }
        self.converge([id], now)
    }

    pub(super) fn call_finished(
        &mut self,
        _call: LeaseCall,
        ids: &[LeaseId],
        outcome: CallOutcome,
        now: Timestamp,
    ) -> Vec<Effect> {
        for id in ids {
            let Some(record) = self.leases.get_mut(id) else { continue };
            match outcome {
                CallOutcome::Mined if record.lease != record.called_on => {
                    record.call.succeeded();
                    record.goes_alone = false;
                }
                CallOutcome::Skipped => {
                    record.call.failed(now);
                    record.goes_alone = true;
                }
                // The chain is ahead of us or refused, or the node lags: wait before the next look, so that a disagreement cannot
                // spin and burn gas.
                CallOutcome::Mined | CallOutcome::Unneeded | CallOutcome::Failed => record.call.failed(now),
            }
        }
        self.converge(ids.to_vec(), now)
    }

    /// What the meter has published since the last look, of a lease that the chain knows.
    fn usage_to_keep(&mut self, id: LeaseId) -> Option<Effect> {
        let record = self.leases.get_mut(&id)?;
        let lease = record.lease.filter(|lease| lease.state != LeaseState::None)?;
        let usage = record.compute.as_ref()?.status.as_ref()?.usage.as_ref()?;
        if record.usage_kept.replace(usage.as_of) == Some(usage.as_of) {
            return None;
        }
        Some(match Point::try_from(usage) {
            Ok(point) => Effect::KeepUsage(Box::new(Seen { lease: id, owners: Owners::of(&lease), point })),
            Err(_) => Effect::Record(Record::UnreadableUsage { lease: id }),
        })
    }

    fn order_to_fetch(&mut self, id: LeaseId) -> Option<market::OrderHash> {
        let record = self.leases.get_mut(&id)?;
        let hash = record.bid.order_hash;
        let known = self.orders.contains_key(&hash);
        let unfinished =
            record.lease.is_some_and(|lease| matches!(lease.state, LeaseState::Open | LeaseState::Active));
        if known || !unfinished || !self.caught_up || record.order_lookup != OrderLookup::NotAsked {
            return None;
        }
        record.order_lookup = OrderLookup::Asked;
        Some(hash)
    }
}
