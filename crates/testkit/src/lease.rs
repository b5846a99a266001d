//! A lease as the chain keeps it, for tests that need one and no chain.

use market::{Address, Amount, BasisPoints, Lease, LeaseState, Timestamp};

/// A lease that runs from second 1000 to second 5000 at one base unit a second at most, with money for all of it and
/// nothing paid yet. A test states what differs: `Lease { paid: Amount(7), ..testkit::lease() }`.
pub fn lease() -> Lease {
    Lease {
        state: LeaseState::Active,
        tenant: Address::repeat_byte(1),
        provider: Address::repeat_byte(2),
        signer: Address::repeat_byte(3),
        token: Address::repeat_byte(4),
        started_at: Some(Timestamp(1_000)),
        end_at: Timestamp(5_000),
        last_as_of: Timestamp(1_000),
        rate_cap_e6: 1_000_000,
        fee_bps: BasisPoints::ZERO,
        balance: Amount(4_000),
        paid: Amount(0),
        pending: None,
        disputed_at: None,
    }
}
