//! Whether and what to bid. Pure: the order, the market's facts, the inventory and the policy arrive as values.
//!
//! ```text
//! order ─▶ checks, in this order, all of them ─▶ no reason: Place(bid)
//!          paused · tenant · disputes · token · deadline · requirements · tier · attributes · duration ·
//!          maintenance · resources · storage class · capacity · rate · deposit · tenant funds · unsigned ·
//!          standing · outstanding bids · exposure · budget
//!                                             └▶ any reason: Decline(all reasons)
//! ```
//! One file per check in `checks`. Every reason is a value that machines can count, and all of them are reported, not the first alone.

mod checks;
mod policy;
pub mod reason;

use market::{Address, Amount, Bid, Limits, Order, OrderHash, Prices, Requirements, Timestamp};

use crate::inventory::Inventory;

pub use checks::rate::minimum_deposit;
pub use policy::{Filter, Policy, PolicyError};
pub use reason::DeclineReason;

/// What the chain says at the moment of the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Height of the block that says so.
    pub block: u64,
    /// What the tenant has in the market and may spend.
    pub tenant_available: Amount,
    pub standing: Standing,
}

/// The provider in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub activity: Activity,
    /// The hot key that may sign bids.
    pub operator: Address,
    pub operator_expiry: Timestamp,
    pub bid_epoch: u32,
    pub bond: Amount,
    /// What can back new leases.
    pub free_bond: Amount,
    /// What leases lock of the bond.
    pub locked: Amount,
}

/// Whether the registry lets the provider take leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    Active,
    /// Not registered, or its bond is below the registry's minimum.
    Inactive,
}

/// What bids of ours may take from the bond: the sums of their `max_slash`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtStake {
    /// Of bids that may be accepted, or were and are not in [`Standing::locked`] yet.
    pub offered: Amount,
    /// Of all bids that were signed within a day, whatever became of them.
    pub signed: Amount,
}

/// Everything that a check may look at.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub order_hash: OrderHash,
    pub order: &'a Order,
    pub requirements: &'a Requirements,
    pub inventory: &'a Inventory,
    pub policy: &'a Policy,
    pub facts: &'a Facts,
    /// Bids that may still be accepted.
    pub outstanding: u32,
    /// What the tenant has not signed for here, if a lease of it is over a bound for that.
    pub held_against: Option<Amount>,
    /// How many of its leases here the tenant disputed within the policy's window.
    pub disputes: u32,
    pub at_stake: AtStake,
    pub now: Timestamp,
}

impl Case<'_> {
    /// What this order would pay.
    fn prices(&self) -> Prices {
        self.policy.price_list.quote(self.requirements, self.inventory.utilisation())
    }
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BidDecision {
    Place(Box<Bid>),
    Decline(Vec<DeclineReason>),
}

/// Decides about one order.
pub fn decide(case: &Case<'_>) -> BidDecision {
    let reasons = checks::all(case);
    match (reasons.is_empty(), case.requirements.limits()) {
        (true, Ok(limits)) => BidDecision::Place(Box::new(bid(case, limits))),
        (true, Err(_)) => BidDecision::Decline(vec![DeclineReason::RequirementsInvalid]),
        (false, _) => BidDecision::Decline(reasons),
    }
}

fn bid(case: &Case<'_>, limits: Limits) -> Bid {
    let Case { policy, order, .. } = case;
    Bid {
        provider: policy.provider,
        tenant: order.tenant,
        token: order.token,
        order_hash: case.order_hash,
        bid_epoch: case.facts.standing.bid_epoch,
        salt: salt(case.order_hash),
        valid_until: case.now.saturating_add(policy.bid_validity),
        start_window: policy.start_window,
        max_duration: case.requirements.duration,
        notice_period: policy.notice_period,
        max_slash: policy.max_slash,
        no_show_penalty: policy.no_show_penalty,
        min_deposit: minimum_deposit(case, &limits).unwrap_or_default(),
        split_bps: policy.split_bps,
        arbiter: policy.arbiter,
        prices: case.prices(),
        limits,
    }
}

/// The salt only has to differ between bids of one provider, and the order's hash does already; taking it from there keeps the decision pure.
fn salt(order: OrderHash) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&order.0[..8]);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
pub(crate) mod tests;
