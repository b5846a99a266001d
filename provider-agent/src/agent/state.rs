//! What the core remembers, all of it derivable from the chain and the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chain::Eip712;
use crd::ComputeLease;
use market::{Address, Amount, Bid, Lease, LeaseId, LeaseState, OrderHash, Timestamp, Windows};

use super::disputes::Disputes;
use super::effect::{Effect, Record};
use super::event::{ChainNews, Head, OpenedLease};
use super::lease::{Account, LeaseRecord, Unsigned, account};
use super::orders::{OrderRecord, OutstandingBid};
use super::refusals::RefusedProposal;
use super::signed::SignedBids;
use crate::bidding::Policy;
use crate::gate::{GateRules, Hold};
use crate::settling::SettlingRules;

/// The constants of a run.
#[derive(Clone, Debug)]
pub struct Rules {
    pub policy: Policy,
    pub chain_id: u64,
    pub market: Address,
    /// The market's signing domain, in which a bid's digest is the id of its lease.
    pub eip712: Eip712,
    pub windows: Windows,
    pub namespace: String,
    pub max_head_age: u64,
    pub decline_margin: u64,
    pub settling: SettlingRules,
    pub countersign_timeout: u64,
    pub resync_interval: u64,
    /// Seconds before its money runs out at which a lease is warned of.
    pub warn_before: u64,
    pub gate: GateRules,
}

/// Everything the core knows.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) rules: Rules,
    pub(super) head: Option<Head>,
    /// Height up to which all logs were heard.
    pub(super) logs_read: u64,
    pub(super) caught_up: bool,
    pub(super) orders: BTreeMap<OrderHash, OrderRecord>,
    pub(super) bids: BTreeMap<LeaseId, OutstandingBid>,
    pub(super) signed: SignedBids,
    pub(super) disputes: Disputes,
    pub(super) leases: BTreeMap<LeaseId, LeaseRecord>,
    /// Leases that are over and cleaned up. A replayed log must not bring them back.
    pub(super) closed: BTreeSet<LeaseId>,
    pub(super) resynced_at: Option<Timestamp>,
    /// A cache of the last tick's, for orders and for people; decisions about leases never read it.
    pub(super) unsigned: Unsigned,
}

/// A lease as the gateway needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseView {
    pub id: LeaseId,
    pub bid: Box<Bid>,
    pub lease: Lease,
    pub compute: Option<Arc<ComputeLease>>,
    /// Absent while it does not run.
    pub acknowledgement: Option<Acknowledgement>,
}

/// What of a running lease's usage is signed, and what follows if no more is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    pub due: Amount,
    /// Signed or paid.
    pub acknowledged: Amount,
    /// Up to when.
    pub acknowledged_to: Timestamp,
    pub suspends_at: Option<Timestamp>,
    pub suspended_since: Option<Timestamp>,
    pub reclaims_at: Option<Timestamp>,
    pub refusal: Option<RefusedProposal>,
}

impl State {
    /// Nothing is known yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            head: None,
            logs_read: 0,
            caught_up: false,
            orders: BTreeMap::new(),
            bids: BTreeMap::new(),
            signed: SignedBids::default(),
            disputes: Disputes::default(),
            leases: BTreeMap::new(),
            closed: BTreeSet::new(),
            resynced_at: None,
            unsigned: Unsigned::default(),
        }
    }

    /// The lease, if the chain says that it is, or was, one of ours.
    pub fn lease_view(&self, id: LeaseId) -> Option<LeaseView> {
        let record = self.leases.get(&id)?;
        let lease = record.lease.filter(|lease| lease.state != LeaseState::None)?;
        let (bid, compute) = (record.bid.clone(), record.compute.clone());
        Some(LeaseView { id, bid, lease, compute, acknowledgement: self.acknowledgement(record) })
    }

    fn acknowledgement(&self, record: &LeaseRecord) -> Option<Acknowledgement> {
        let chain_time = self.chain_time();
        let Account { due, acknowledged, debt } = account(record, chain_time)?;
        let gate = &self.rules.gate;
        Some(Acknowledgement {
            due,
            acknowledged,
            acknowledged_to: debt.since,
            suspends_at: gate.suspends_at(&debt, self.unsigned.of(record.bid.tenant), chain_time),
            suspended_since: match debt.hold {
                Hold::Suspended { since } => Some(since),
                Hold::Free | Hold::Announced { .. } | Hold::Lifted | Hold::Foreign => None,
            },
            reclaims_at: gate.reclaims_at(&debt),
            refusal: record.refusal.map(|kept| kept.refused),
        })
    }

    /// The newest block.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// How many leases are not over and cleaned up.
    pub fn unfinished_leases(&self) -> usize {
        self.leases.len()
    }

    /// Whether all logs were seen and the newest block is not too old to act on.
    pub fn follows_the_chain(&self, now: Timestamp) -> bool {
        self.caught_up
            && self.head.is_some_and(|head| now.seconds_since(head.timestamp) <= self.rules.max_head_age)
    }

    /// The chain's clock. It, not ours, decides every deadline on chain.
    pub(super) fn chain_time(&self) -> Timestamp {
        self.head.map_or(Timestamp(0), |head| head.timestamp)
    }

    pub(super) fn head_seen(&mut self, head: Head) -> Vec<Effect> {
        self.head = Some(head);
        Vec::new()
    }

    pub(super) fn logs_read(&mut self, upto: u64) -> Vec<Effect> {
        self.logs_read = upto;
        Vec::new()
    }

    /// Whether all logs up to `height` were heard.
    pub(super) fn has_heard(&self, height: u64) -> bool {
        self.logs_read >= height
    }

    pub(super) fn caught_up(&mut self, now: Timestamp) -> Vec<Effect> {
        self.caught_up = true;
        self.prune_orders(now);
        let mut effects = vec![Effect::Resync];
        effects.extend(self.assess_due_orders(now));
        self.resynced_at = Some(now);
        effects
    }

    pub(super) fn chain_news(&mut self, news: ChainNews, now: Timestamp) -> Vec<Effect> {
        match news {
            ChainNews::OrderPosted { hash, order, requirements, posted_at } => {
                self.order_posted(hash, *order, requirements, posted_at, now)
            }
            ChainNews::OrderCancelled { tenant, nonce } => self.order_cancelled(tenant, nonce),
            ChainNews::BidPosted { lease, bid } => self.bid_posted(lease, &bid, now),
            ChainNews::LeaseOpened(opened) => {
                let id = opened.id;
                if opened.bid.provider == self.rules.policy.provider {
                    self.signed.open(id, &opened.bid, self.head.map_or(0, |head| head.number));
                }
                self.open(opened);
                self.read_again(id)
            }
            ChainNews::LeaseDisputed { lease, at } => {
                if let Some(record) = self.leases.get(&lease) {
                    self.disputes.note(lease, record.bid.tenant, at);
                }
                self.read_again(lease)
            }
            ChainNews::LeaseTouched(id) => self.read_again(id),
            ChainNews::Reorganised => {
                self.signed.reorganised();
                vec![Effect::Resync]
            }
        }
    }

    pub(super) fn resync(
        &mut self,
        opened: Vec<OpenedLease>,
        leases: Vec<(LeaseId, Lease)>,
        compute_leases: Vec<ComputeLease>,
        now: Timestamp,
    ) -> Vec<Effect> {
        for lease in opened {
            self.open(lease);
        }
        let present: BTreeSet<String> =
            compute_leases.iter().filter_map(|object| object.metadata.name.clone()).collect();
        for record in self.leases.values_mut() {
            record.forget_absent(&present);
        }
        let mut effects = Vec::new();
        for object in compute_leases {
            effects.extend(self.fold_compute_lease(object));
        }
        effects.extend(self.leases_read(leases, now));
        effects
    }

    pub(super) fn compute_lease_observed(
        &mut self,
        object: Box<ComputeLease>,
        now: Timestamp,
    ) -> Vec<Effect> {
        let name = object.metadata.name.clone();
        let mut effects = self.fold_compute_lease(*object);
        let id =
            self.leases.iter().find(|(_, record)| Some(&record.name) == name.as_ref()).map(|(id, _)| *id);
        if let Some(id) = id {
            effects.extend(self.converge([id], now));
        }
        effects
    }

    pub(super) fn compute_lease_deleted(&mut self, name: &str, now: Timestamp) -> Vec<Effect> {
        let Some((id, record)) = self.leases.iter_mut().find(|(_, record)| record.name == name) else {
            return Vec::new();
        };
        let id = *id;
        record.compute = None;
        self.converge([id], now)
    }

    pub(super) fn leases_read(&mut self, leases: Vec<(LeaseId, Lease)>, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut read = Vec::with_capacity(leases.len());
        for (id, lease) in leases {
            if let Some(at) = lease.disputed_at {
                self.disputes.note(id, lease.tenant, at);
            }
            let Some(record) = self.leases.get_mut(&id) else { continue };
            if lease.state == LeaseState::Disputed
                && record.lease.is_none_or(|before| before.state != LeaseState::Disputed)
            {
                effects.push(Effect::Record(Record::LeaseDisputed { lease: id }));
            }
            record.chain_read(lease, now);
            read.push(id);
        }
        effects.extend(self.converge(read, now));
        effects
    }

    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        if !self.caught_up {
            return Vec::new();
        }
        let mut effects = Vec::new();
        let due = |at: Timestamp| now.seconds_since(at) >= self.rules.resync_interval;
        if self.resynced_at.is_none_or(due) {
            self.resynced_at = Some(now);
            effects.push(Effect::Resync);
        }
        self.expire_bids();
        self.disputes.prune(self.rules.policy.filter.dispute_window, self.chain_time());
        self.prune_orders(now);
        effects.extend(self.assess_due_orders(now));
        let all: Vec<_> = self.leases.keys().copied().collect();
        effects.extend(self.converge(all, now));
        effects.extend(self.settle_what_pays(now));
        effects.extend(self.hold_what_is_unsigned(now));
        effects.extend(self.warn_of_empty_leases(now));
        effects
    }

    /// Remembers an accepted bid, once.
    fn open(&mut self, opened: OpenedLease) {
        self.bids.remove(&opened.id);
        if !self.closed.contains(&opened.id) && opened.bid.provider == self.rules.policy.provider {
            self.leases.entry(opened.id).or_insert_with(|| LeaseRecord::new(opened.id, opened.bid));
        }
    }

    fn read_again(&self, id: LeaseId) -> Vec<Effect> {
        // Before the logs are complete every lease would be read once for each of its logs; the resync reads it once.
        if self.caught_up && self.leases.contains_key(&id) {
            vec![Effect::ReadLeases(vec![id])]
        } else {
            Vec::new()
        }
    }

    /// Puts an object beside its lease. An object of ours whose lease has no log is treated as a lease that the chain does not know.
    fn fold_compute_lease(&mut self, object: ComputeLease) -> Vec<Effect> {
        let name = object.metadata.name.clone().unwrap_or_default();
        let Ok(spec) = crd::convert::LeaseSpec::try_from(&object.spec) else {
            return vec![Effect::Record(Record::ForeignComputeLease { name })];
        };
        let ours = spec.chain_id == self.rules.chain_id
            && spec.market == self.rules.market
            && spec.provider == self.rules.policy.provider
            && name == crd::lease_name(spec.id);
        if !ours {
            return vec![Effect::Record(Record::ForeignComputeLease { name })];
        }
        match self.leases.get_mut(&spec.id) {
            Some(record) => record.observe(object),
            None if self.caught_up && object.metadata.deletion_timestamp.is_none() => {
                return self.orphan(spec.id, name);
            }
            None => {}
        }
        Vec::new()
    }

    /// An object without a lease of ours: its lease is over (and the record gone), or was undone by a reorganisation. The effect reads the
    /// chain again and leaves the object alone unless the lease is closed or never was.
    fn orphan(&self, lease: LeaseId, name: String) -> Vec<Effect> {
        vec![
            Effect::Record(Record::OrphanComputeLease { name: name.clone() }),
            Effect::DeleteComputeLease { lease, name },
        ]
    }
}
