//! What a tenant wants.

use alloy_primitives::{Address, B256};

use crate::{Amount, Timestamp};

/// A tenant's wish for one lease. Its EIP-712 digest is its [`crate::OrderHash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// Who wants it and will pay.
    pub tenant: Address,
    /// The token it is paid in.
    pub token: Address,
    /// Keccak-256 of the ABI-encoded [`crate::Requirements`].
    pub requirements_hash: B256,
    /// Salted hash of the manifest, which only the chosen provider sees.
    pub manifest_hash: B256,
    /// The most it may cost, in millionths of a base unit per second.
    pub max_rate_e6: u128,
    /// What the tenant will lock when it accepts.
    pub deposit: Amount,
    /// The last moment at which bids are of use.
    pub deadline: Timestamp,
    /// Distinguishes the tenant's orders and cancels them.
    pub nonce: u64,
}
