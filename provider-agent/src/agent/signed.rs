//! The bids that the hot key signed, for what they may take from the bond. The logs of the chain tell a new process of all that were sent.

use std::collections::BTreeMap;

use market::{Amount, Bid, LeaseId, Timestamp};

use super::orders::ACCEPTANCE_LOG_GRACE;
use crate::bidding::AtStake;

/// How long a bid counts as one of the day after it can no longer be accepted. That moment is in the bid itself, so every process counts alike.
const DAY: u64 = 86_400;

/// By the id of the lease that each would become.
#[derive(Clone, Debug, Default)]
pub(super) struct SignedBids(BTreeMap<LeaseId, SignedBid>);

#[derive(Clone, Copy, Debug)]
struct SignedBid {
    max_slash: Amount,
    valid_until: Timestamp,
    /// The newest block when the log of its acceptance came.
    opened_by: Option<u64>,
}

impl SignedBids {
    pub(super) fn sign(&mut self, lease: LeaseId, bid: &Bid) {
        let Bid { max_slash, valid_until, .. } = *bid;
        self.0.entry(lease).or_insert(SignedBid { max_slash, valid_until, opened_by: None });
    }

    /// It never left this process.
    pub(super) fn take_back(&mut self, lease: LeaseId) {
        self.0.remove(&lease);
    }

    /// It is a lease now; one that was never posted was signed all the same.
    pub(super) fn open(&mut self, lease: LeaseId, bid: &Bid, head: u64) {
        self.sign(lease, bid);
        if let Some(signed) = self.0.get_mut(&lease) {
            signed.opened_by.get_or_insert(head);
        }
    }

    /// Acceptances may be undone; those that are not are told of again.
    pub(super) fn reorganised(&mut self) {
        for signed in self.0.values_mut() {
            signed.opened_by = None;
        }
    }

    pub(super) fn prune(&mut self, chain_time: Timestamp) {
        self.0.retain(|_, signed| signed.is_of_the_day(chain_time));
    }

    /// What is at stake beside what leases lock in the block `facts`.
    pub(super) fn at_stake(&self, facts: u64, chain_time: Timestamp) -> AtStake {
        let sum = |counts: &dyn Fn(&SignedBid) -> bool| {
            let counted = self.0.values().filter(|signed| counts(signed));
            counted.fold(Amount::ZERO, |sum, signed| sum.saturating_add(signed.max_slash))
        };
        AtStake {
            offered: sum(&|signed| match signed.opened_by {
                // That block, or an earlier one, holds the lease.
                Some(head) => head > facts,
                None => signed.valid_until.saturating_add(ACCEPTANCE_LOG_GRACE) > chain_time,
            }),
            signed: sum(&|signed| signed.is_of_the_day(chain_time)),
        }
    }
}

impl SignedBid {
    fn is_of_the_day(&self, chain_time: Timestamp) -> bool {
        self.valid_until.saturating_add(DAY) > chain_time
    }
}
