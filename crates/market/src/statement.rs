//! What a tenant countersigns.

use alloy_primitives::B256;

use crate::{Amount, LeaseId, Timestamp};

/// A cumulative amount that the tenant's session key signs; a newer statement replaces every older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// The lease.
    pub lease_id: LeaseId,
    /// What is owed in all since the lease started.
    pub amount_cum: Amount,
    /// The moment up to which it counts.
    pub as_of: Timestamp,
    /// Hash of the usage it was computed from.
    pub usage_hash: B256,
    /// Whether the lease ends at `as_of`.
    pub last: bool,
}
