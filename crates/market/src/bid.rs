//! A provider's signed offer for one order.

use alloy_primitives::Address;

use crate::settlement::{ArithmeticError, rate_cap_e6};
use crate::{Amount, BasisPoints, Limits, MAX_UINT96, OrderHash, Prices, Signature64, Timestamp};

/// A provider's offer for one order. Its EIP-712 digest is the [`crate::LeaseId`] of the lease it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bid {
    /// The provider's owner address, whose bond stands behind the offer.
    pub provider: Address,
    /// The only address that may accept.
    pub tenant: Address,
    /// The token of prices, deposit and penalty.
    pub token: Address,
    /// The order it answers.
    pub order_hash: OrderHash,
    /// The provider's epoch: raising it on chain withdraws every bid of the former epoch.
    pub bid_epoch: u32,
    /// Distinguishes otherwise equal bids.
    pub salt: u64,
    /// The last moment at which it can be accepted.
    pub valid_until: Timestamp,
    /// Seconds from acceptance within which the provider must confirm.
    pub start_window: u32,
    /// The longest term, in seconds.
    pub max_duration: u32,
    /// Seconds of notice when the provider ends the lease.
    pub notice_period: u32,
    /// The most of the bond that an arbiter may take.
    pub max_slash: Amount,
    /// What the provider owes if it never starts.
    pub no_show_penalty: Amount,
    /// The least the tenant must lock.
    pub min_deposit: Amount,
    /// The provider's share of a contested sum on which no arbiter decides in time.
    pub split_bps: BasisPoints,
    /// Who decides disputes; zero for nobody.
    pub arbiter: Address,
    /// Price of each resource.
    pub prices: Prices,
    /// The most of each resource in one second.
    pub limits: Limits,
}

/// A bid with the signature of the provider's operator key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignedBid {
    /// The offer.
    pub bid: Bid,
    /// Signature over its EIP-712 digest.
    pub signature: Signature64,
}

/// Why the contract would never accept a bid, whoever sends it and whenever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BidProblem {
    /// The prices and limits have no rate that fits.
    #[error("the bid has no usable rate")]
    Rate(#[source] ArithmeticError),
    /// The penalty could not be taken from what is locked.
    #[error("the no-show penalty {penalty} exceeds the slashable bond {max_slash}")]
    PenaltyExceedsSlash {
        /// Penalty asked.
        penalty: Amount,
        /// Bond locked.
        max_slash: Amount,
    },
    /// The slashable bond does not fit the chain's 96 bits.
    #[error("the slashable bond {0} does not fit 96 bits")]
    SlashTooLarge(Amount),
    /// The term is empty or longer than the chain can hold.
    #[error("the longest term {0} s is not between 1 and 16777215")]
    BadDuration(u32),
    /// The validity lies past the end of the chain's clock.
    #[error("the bid is valid until {0}, past the end of the chain's clock")]
    ValidityTooLate(Timestamp),
}

impl Bid {
    /// What the lease may cost at most, in millionths of a base unit per second.
    pub fn rate_cap_e6(&self) -> Result<u128, ArithmeticError> {
        rate_cap_e6(&self.prices, &self.limits)
    }

    /// Checks what the contract checks about the bid alone.
    pub fn check(&self) -> Result<(), BidProblem> {
        self.rate_cap_e6().map_err(BidProblem::Rate)?;
        if self.no_show_penalty > self.max_slash {
            let (penalty, max_slash) = (self.no_show_penalty, self.max_slash);
            return Err(BidProblem::PenaltyExceedsSlash { penalty, max_slash });
        }
        if self.max_slash.0 > MAX_UINT96 {
            return Err(BidProblem::SlashTooLarge(self.max_slash));
        }
        if !(1..1 << 24).contains(&self.max_duration) {
            return Err(BidProblem::BadDuration(self.max_duration));
        }
        if self.valid_until > Timestamp::MAX {
            return Err(BidProblem::ValidityTooLate(self.valid_until));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;
    use crate::Price;

    fn bid() -> Bid {
        Bid {
            provider: Address::repeat_byte(1),
            tenant: Address::repeat_byte(2),
            token: Address::repeat_byte(3),
            order_hash: OrderHash(B256::repeat_byte(4)),
            bid_epoch: 5,
            salt: 6,
            valid_until: Timestamp(7),
            start_window: 8,
            max_duration: 9,
            notice_period: 10,
            max_slash: Amount(12),
            no_show_penalty: Amount(11),
            min_deposit: Amount(13),
            split_bps: BasisPoints::ZERO,
            arbiter: Address::ZERO,
            prices: Prices([Price(1_000_000_000_000_000_000); 8]),
            limits: Limits([1; 8]),
        }
    }

    #[test]
    fn a_sound_bid_passes_and_has_a_rate() {
        assert_eq!(bid().check(), Ok(()));
        assert_eq!(bid().rate_cap_e6(), Ok(8_000_000));
    }

    #[test]
    fn each_fault_of_a_bid_is_named() {
        let too_much = Amount(MAX_UINT96 + 1);
        let late = Timestamp(1 << 40);
        let cases = [
            (Bid { limits: Limits([0; 8]), ..bid() }, BidProblem::Rate(ArithmeticError::ZeroRate)),
            (
                Bid { no_show_penalty: Amount(13), ..bid() },
                BidProblem::PenaltyExceedsSlash { penalty: Amount(13), max_slash: Amount(12) },
            ),
            (Bid { max_slash: too_much, ..bid() }, BidProblem::SlashTooLarge(too_much)),
            (Bid { max_duration: 0, ..bid() }, BidProblem::BadDuration(0)),
            (Bid { max_duration: 1 << 24, ..bid() }, BidProblem::BadDuration(1 << 24)),
            (Bid { valid_until: late, ..bid() }, BidProblem::ValidityTooLate(late)),
        ];
        for (bid, problem) in cases {
            assert_eq!(bid.check(), Err(problem));
        }
    }
}
