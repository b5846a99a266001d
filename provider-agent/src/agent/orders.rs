//! Orders: seen, assessed, bid on once, forgotten.

use market::{Address, Bid, LeaseId, Order, OrderHash, Requirements, Timestamp};

use super::effect::{Effect, Record};
use super::event::BidOutcome;
use super::lease::OrderLookup;
use super::state::State;
use crate::bidding::{self, BidDecision, Case, DeclineReason, Facts, reason::Outlook};
use crate::inventory::{ClusterSnapshot, Commitment, Inventory, Shown};

/// How long an order that could not be bid on waits for another look.
pub(super) const REASSESS_AFTER: u64 = 30;
/// A bid holds its capacity a little longer than it is valid, because the log of its acceptance may come late.
pub(super) const ACCEPTANCE_LOG_GRACE: u64 = 60;
/// The size of the book: more orders than this at a time are left to others. It bounds memory against a flood of logs.
const MAX_OPEN_ORDERS: usize = 10_000;

/// An order that may still matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OrderRecord {
    pub(super) order: Order,
    pub(super) requirements: Option<Requirements>,
    pub(super) posted_at: Timestamp,
    pub(super) progress: Progress,
}

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// To be looked at, not before.
    Due { not_before: Timestamp },
    /// Facts were asked for.
    Assessing,
    /// A bid exists, is being posted, or never will.
    Settled,
}

/// A bid that may be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutstandingBid {
    pub(super) order: OrderHash,
    pub(super) holds_until: Timestamp,
}

impl State {
    pub(super) fn order_posted(
        &mut self,
        hash: OrderHash,
        order: Order,
        requirements: Option<Requirements>,
        posted_at: Timestamp,
        now: Timestamp,
    ) -> Vec<Effect> {
        if self.orders.contains_key(&hash) {
            return Vec::new();
        }
        let wanted_by_a_lease = self.leases.values().any(|record| record.bid.order_hash == hash);
        if self.caught_up && self.orders.len() >= MAX_OPEN_ORDERS && !wanted_by_a_lease {
            return Vec::new();
        }
        let progress = Progress::Due { not_before: Timestamp(0) };
        self.orders.insert(hash, OrderRecord { order, requirements, posted_at, progress });
        let mut effects = Vec::new();
        if order.deadline > now {
            effects.push(Effect::Record(Record::OrderSeen { order: hash }));
        }
        if self.caught_up {
            effects.extend(self.assess_due_orders(now));
        }
        if wanted_by_a_lease {
            let waiting = self.leases.iter().filter(|(_, record)| record.bid.order_hash == hash);
            let ids: Vec<_> = waiting.map(|(id, _)| *id).collect();
            effects.extend(self.converge(ids, now));
        }
        effects
    }

    pub(super) fn order_cancelled(&mut self, tenant: Address, nonce: u64) -> Vec<Effect> {
        for record in self.orders.values_mut() {
            if record.order.tenant == tenant && record.order.nonce == nonce {
                record.progress = Progress::Settled;
            }
        }
        Vec::new()
    }

    /// A log of our own bid. After a restart it is what keeps the agent from bidding twice.
    pub(super) fn bid_posted(&mut self, lease: LeaseId, bid: &Bid, now: Timestamp) -> Vec<Effect> {
        if bid.provider != self.rules.policy.provider {
            return Vec::new();
        }
        if let Some(record) = self.orders.get_mut(&bid.order_hash) {
            record.progress = Progress::Settled;
        }
        self.signed.sign(lease, bid);
        let accepted = self.leases.contains_key(&lease) || self.closed.contains(&lease);
        let holds_until = bid.valid_until.saturating_add(ACCEPTANCE_LOG_GRACE);
        if !accepted && holds_until > now {
            self.bids.insert(lease, OutstandingBid { order: bid.order_hash, holds_until });
        }
        Vec::new()
    }

    /// Asks for the facts of every order that is due. Nothing is asked while the chain's view is stale: its answer would be, too.
    pub(super) fn assess_due_orders(&mut self, now: Timestamp) -> Vec<Effect> {
        if !self.follows_the_chain(now) {
            return Vec::new();
        }
        let mut effects = Vec::new();
        for (hash, record) in &mut self.orders {
            let Progress::Due { not_before } = record.progress else { continue };
            if not_before > now {
                continue;
            }
            if record.order.deadline <= now {
                record.progress = Progress::Settled;
            } else if record.requirements.is_none() {
                record.progress = Progress::Settled;
                let reasons = vec![DeclineReason::RequirementsInvalid];
                effects.push(Effect::Record(Record::OrderDeclined { order: *hash, reasons }));
            } else {
                record.progress = Progress::Assessing;
                effects.push(Effect::AssessOrder { order: *hash, tenant: record.order.tenant });
            }
        }
        effects
    }

    pub(super) fn order_assessed(
        &mut self,
        hash: OrderHash,
        facts: &Facts,
        cluster: &ClusterSnapshot,
        now: Timestamp,
    ) -> Vec<Effect> {
        let inventory = Inventory::new(cluster, self.rules.policy.storage_capacity, &self.commitments());
        let chain_time = self.chain_time();
        let outstanding = u32::try_from(self.bids.len()).unwrap_or(u32::MAX);
        let Some(record) = self.orders.get_mut(&hash) else { return Vec::new() };
        // Cancelled, or bid on by a log that came in between.
        if record.progress != Progress::Assessing {
            return Vec::new();
        }
        let Some(requirements) = &record.requirements else { return Vec::new() };
        let decision = bidding::decide(&Case {
            order_hash: hash,
            order: &record.order,
            requirements,
            inventory: &inventory,
            policy: &self.rules.policy,
            facts,
            outstanding,
            held_against: self.unsigned.held_against(record.order.tenant),
            disputes: self.disputes.of(
                record.order.tenant,
                self.rules.policy.filter.dispute_window,
                chain_time,
            ),
            at_stake: self.signed.at_stake(facts.block, chain_time),
            now,
        });
        match decision {
            BidDecision::Place(bid) => {
                record.progress = Progress::Settled;
                // A bid whose numbers the chain cannot hold has no digest.
                let Ok(lease) = self.rules.eip712.bid_digest(&bid) else {
                    let reasons = vec![DeclineReason::RateUnusable];
                    return vec![Effect::Record(Record::OrderDeclined { order: hash, reasons })];
                };
                let order_posted_at = record.posted_at;
                let holds_until = bid.valid_until.saturating_add(ACCEPTANCE_LOG_GRACE);
                self.bids.insert(lease, OutstandingBid { order: hash, holds_until });
                self.signed.sign(lease, &bid);
                vec![Effect::PostBid { order: hash, lease, bid, order_posted_at }]
            }
            BidDecision::Decline(reasons) => {
                let passing = reasons.iter().all(|reason| reason.outlook() == Outlook::Passing);
                record.progress = if passing {
                    Progress::Due { not_before: now.saturating_add(REASSESS_AFTER) }
                } else {
                    Progress::Settled
                };
                vec![Effect::Record(Record::OrderDeclined { order: hash, reasons })]
            }
        }
    }

    pub(super) fn order_to_assess_again(&mut self, hash: OrderHash, not_before: Timestamp) -> Vec<Effect> {
        if let Some(record) = self.orders.get_mut(&hash)
            && record.progress == Progress::Assessing
        {
            record.progress = Progress::Due { not_before };
        }
        Vec::new()
    }

    pub(super) fn order_missing(&mut self, hash: OrderHash, now: Timestamp) -> Vec<Effect> {
        let waiting: Vec<_> = self
            .leases
            .iter_mut()
            .filter(|(_, record)| record.bid.order_hash == hash)
            .map(|(id, record)| {
                record.order_lookup = OrderLookup::Missing;
                *id
            })
            .collect();
        self.converge(waiting, now)
    }

    /// The next tick asks again.
    pub(super) fn order_unfetched(&mut self, hash: OrderHash) -> Vec<Effect> {
        for record in self.leases.values_mut().filter(|record| record.bid.order_hash == hash) {
            record.order_lookup = OrderLookup::NotAsked;
        }
        Vec::new()
    }

    pub(super) fn bid_finished(
        &mut self,
        lease: LeaseId,
        outcome: BidOutcome,
        now: Timestamp,
    ) -> Vec<Effect> {
        match outcome {
            BidOutcome::Posted => {}
            BidOutcome::Failed | BidOutcome::Lost => {
                if outcome == BidOutcome::Failed {
                    self.signed.take_back(lease);
                }
                // The next attempt makes a bid of another validity, so another id; both can never be accepted, because this one was not posted.
                if let Some(bid) = self.bids.remove(&lease)
                    && let Some(record) = self.orders.get_mut(&bid.order)
                {
                    record.progress = Progress::Due { not_before: now.saturating_add(REASSESS_AFTER) };
                }
            }
        }
        Vec::new()
    }

    /// Frees the capacity of bids that nobody accepted. The chain's clock decides validity.
    pub(super) fn expire_bids(&mut self) {
        let chain_time = self.chain_time();
        self.bids.retain(|_, bid| bid.holds_until > chain_time);
        self.signed.prune(chain_time);
    }

    /// Forgets orders that neither a bid nor a lease needs any more.
    pub(super) fn prune_orders(&mut self, now: Timestamp) {
        let (bids, leases) = (&self.bids, &self.leases);
        self.orders.retain(|hash, record| {
            record.order.deadline > now
                || bids.values().any(|bid| bid.order == *hash)
                || leases.values().any(|lease| lease.bid.order_hash == *hash)
        });
    }

    /// Everything promised: outstanding bids in full; leases in full until they are ready, then by their pods.
    fn commitments(&self) -> Vec<Commitment> {
        let requirements = |order: &OrderHash| self.orders.get(order)?.requirements.clone();
        let bids = self.bids.iter().filter_map(|(id, bid)| {
            Some(Commitment {
                namespace: crd::lease_name(*id),
                requirements: requirements(&bid.order)?,
                shown: Shown::NotYet,
            })
        });
        let leases = self.leases.values().filter_map(|lease| {
            Some(Commitment {
                namespace: lease.name.clone(),
                requirements: requirements(&lease.bid.order_hash)?,
                shown: lease.shown_by_pods(self.chain_time())?,
            })
        });
        bids.chain(leases).collect()
    }
}
