//! A lease as the chain keeps it.

use alloy_primitives::Address;

use crate::{Amount, BasisPoints, Timestamp};

/// The stage of a lease on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseState {
    /// Nobody has accepted such a bid.
    None = 0,
    /// Paid for, not started.
    Open = 1,
    /// Started; the clock may already have stopped at its end.
    Active = 2,
    /// A claim is contested.
    Disputed = 3,
    /// Over, and never to be opened again.
    Closed = 4,
}

/// The number names no state of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown lease state {0}")]
pub struct UnknownLeaseState(pub u8);

impl LeaseState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::None, Self::Open, Self::Active, Self::Disputed, Self::Closed];
}

impl TryFrom<u8> for LeaseState {
    type Error = UnknownLeaseState;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::ALL.into_iter().find(|state| *state as u8 == number).ok_or(UnknownLeaseState(number))
    }
}

/// A provider's unilateral claim that the tenant may still dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PendingClaim {
    /// The cumulative amount claimed.
    pub cum: Amount,
    /// The moment up to which it counts.
    pub at: Timestamp,
    /// When it was filed; the dispute window counts from here.
    pub filed_at: Timestamp,
}

/// A lease as the chain keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Its stage.
    pub state: LeaseState,
    /// Who pays.
    pub tenant: Address,
    /// Who is paid.
    pub provider: Address,
    /// The tenant's session key for this lease, which signs statements.
    pub signer: Address,
    /// The token it is paid in.
    pub token: Address,
    /// When the provider confirmed; none while it has not.
    pub started_at: Option<Timestamp>,
    /// When accrual stops; while open, the last moment to confirm.
    pub end_at: Timestamp,
    /// The moment up to which it is settled.
    pub last_as_of: Timestamp,
    /// What it may cost at most, in millionths of a base unit per second.
    pub rate_cap_e6: u128,
    /// The market's fee on payouts, fixed when it was opened.
    pub fee_bps: BasisPoints,
    /// What is left of the tenant's money.
    pub balance: Amount,
    /// What the provider was paid, fee included.
    pub paid: Amount,
    /// A claim under its dispute window.
    pub pending: Option<PendingClaim>,
    /// When the tenant disputed that claim.
    pub disputed_at: Option<Timestamp>,
}

/// The market's fixed windows, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Windows {
    /// How long after the end a provider may claim.
    pub claim: u64,
    /// How long a filed claim may be disputed.
    pub dispute: u64,
    /// How long an arbiter may take.
    pub arbiter: u64,
}

impl Lease {
    /// Seconds of delivered term at `now`: none before the start, none after the end.
    pub fn elapsed(&self, now: Timestamp) -> u64 {
        self.started_at.map_or(0, |started_at| now.min(self.end_at).seconds_since(started_at))
    }

    /// Whether its clock runs at `now`.
    pub fn is_running(&self, now: Timestamp) -> bool {
        self.state == LeaseState::Active && now < self.end_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_round_trips_through_its_number() {
        for state in LeaseState::ALL {
            assert_eq!(LeaseState::try_from(state as u8), Ok(state));
        }
        assert_eq!(LeaseState::try_from(5), Err(UnknownLeaseState(5)));
    }
}
