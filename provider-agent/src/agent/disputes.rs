//! Who disputed what, and when: tenants with too many disputes get no bids.

use std::collections::BTreeMap;

use market::{Address, LeaseId, Timestamp};

/// A lease is disputed at most once, and by its tenant alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Disputes(BTreeMap<LeaseId, Dispute>);

#[derive(Clone, Copy, Debug)]
struct Dispute {
    tenant: Address,
    at: Timestamp,
}

impl Disputes {
    /// A read of the lease knows the moment exactly; an old log has only one that is not before it, so the later word counts.
    pub(super) fn note(&mut self, lease: LeaseId, tenant: Address, at: Timestamp) {
        self.0.insert(lease, Dispute { tenant, at });
    }

    /// How many of a tenant's began within `window` seconds.
    pub(super) fn of(&self, tenant: Address, window: u64, chain_time: Timestamp) -> u32 {
        let counts = |dispute: &&Dispute| dispute.tenant == tenant && dispute.is_within(window, chain_time);
        u32::try_from(self.0.values().filter(counts).count()).unwrap_or(u32::MAX)
    }

    pub(super) fn prune(&mut self, window: u64, chain_time: Timestamp) {
        self.0.retain(|_, dispute| dispute.is_within(window, chain_time));
    }
}

impl Dispute {
    fn is_within(&self, window: u64, chain_time: Timestamp) -> bool {
        self.at.saturating_add(window) > chain_time
    }
}
