//! Between the chain's integers and the domain's types. Every narrowing is checked.

mod claims;
mod requirements;

use alloy::primitives::aliases::{U40, U96};
use market::{
    Amount, BasisPoints, BasisPointsOutOfRange, Bid, Lease, LeaseId, LeaseState, Limits, Order, OrderHash,
    PendingClaim, Price, Prices, RequirementsProblem, Signature64, SignedBid, Statement, Timestamp,
    UnknownLeaseState, UnknownTier, Usage,
};

use crate::abi::ILeaseMarket as abi;
pub use claims::claims_hash;
pub use requirements::{decode_requirements, encode_requirements, requirements_hash};

/// A value that one side has and the other cannot express.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// A moment past the chain's 40 bits.
    #[error("the moment {0} does not fit the chain's clock")]
    Timestamp(Timestamp),
    /// A rate, slash or penalty past the chain's 96 bits.
    #[error("{0} does not fit 96 bits")]
    Uint96(u128),
    /// A share above the whole.
    #[error("the share is out of range")]
    BasisPoints(#[source] BasisPointsOutOfRange),
    /// A state that this version does not know.
    #[error("the lease state is unknown")]
    LeaseState(#[source] UnknownLeaseState),
    /// An amount wider than any balance can be.
    #[error("the amount does not fit 128 bits")]
    Amount,
    /// A provider status that this version does not know.
    #[error("the provider status {0} is unknown")]
    ProviderStatus(u8),
    /// A kind of programme that this version does not know.
    #[error("the kind {0} of the programme is unknown")]
    ProgrammeKind(u8),
    /// A multiplier past the chain's 16 bits.
    #[error("the factor {0} does not fit 16 bits")]
    Factor(u32),
    /// Requirements that are not the hash's preimage.
    #[error("the requirements do not hash to the order's requirements hash")]
    RequirementsHash,
    /// Requirements longer than an order may carry.
    #[error("the requirements take {0} bytes, more than an order may carry")]
    RequirementsTooLong(usize),
    /// Bytes that are no requirements.
    #[error("the requirements cannot be decoded: {0}")]
    RequirementsEncoding(String),
    /// Requirements of another version.
    #[error("the requirements have the unknown version {0}")]
    RequirementsVersion(u8),
    /// Requirements for a tier that this version does not know.
    #[error("the requirements ask for an unknown tier")]
    Tier(#[source] UnknownTier),
    /// Requirements that nobody could meet.
    #[error("the requirements cannot be met")]
    Requirements(#[source] RequirementsProblem),
}

/// A moment as the chain's `uint40`.
pub fn to_u40(moment: Timestamp) -> Result<U40, ConvertError> {
    U40::try_from(moment.0).map_err(|_| ConvertError::Timestamp(moment))
}

/// The chain's `uint40` as a moment.
pub fn from_u40(moment: U40) -> Timestamp {
    Timestamp(moment.to())
}

/// A number as the chain's `uint96`.
pub fn to_u96(value: u128) -> Result<U96, ConvertError> {
    U96::try_from(value).map_err(|_| ConvertError::Uint96(value))
}

/// The chain's `uint96` as a number.
pub fn from_u96(value: U96) -> u128 {
    value.to()
}

/// A `uint256` that must be an amount.
pub fn to_amount(value: alloy::primitives::U256) -> Result<Amount, ConvertError> {
    u128::try_from(value).map(Amount).map_err(|_| ConvertError::Amount)
}

/// A bid for the contract.
pub fn bid_to_abi(bid: &Bid) -> Result<abi::Bid, ConvertError> {
    Ok(abi::Bid {
        provider: bid.provider,
        tenant: bid.tenant,
        token: bid.token,
        orderHash: bid.order_hash.0,
        bidEpoch: bid.bid_epoch,
        salt: bid.salt,
        validUntil: to_u40(bid.valid_until)?,
        startWindow: bid.start_window,
        maxDuration: bid.max_duration,
        noticePeriod: bid.notice_period,
        maxSlash: to_u96(bid.max_slash.0)?,
        noShowPenalty: to_u96(bid.no_show_penalty.0)?,
        minDeposit: bid.min_deposit.0,
        splitBps: bid.split_bps.get(),
        arbiter: bid.arbiter,
        price: bid.prices.0.map(|price| price.0),
        limit: bid.limits.0,
    })
}

/// A bid from the contract.
pub fn bid_from_abi(bid: &abi::Bid) -> Result<Bid, ConvertError> {
    Ok(Bid {
        provider: bid.provider,
        tenant: bid.tenant,
        token: bid.token,
        order_hash: OrderHash(bid.orderHash),
        bid_epoch: bid.bidEpoch,
        salt: bid.salt,
        valid_until: from_u40(bid.validUntil),
        start_window: bid.startWindow,
        max_duration: bid.maxDuration,
        notice_period: bid.noticePeriod,
        max_slash: Amount(from_u96(bid.maxSlash)),
        no_show_penalty: Amount(from_u96(bid.noShowPenalty)),
        min_deposit: Amount(bid.minDeposit),
        split_bps: BasisPoints::new(bid.splitBps).map_err(ConvertError::BasisPoints)?,
        arbiter: bid.arbiter,
        prices: Prices(bid.price.map(Price)),
        limits: Limits(bid.limit),
    })
}

/// A signed bid from the contract's event.
pub fn signed_bid_from_abi(event: &abi::BidPosted) -> Result<SignedBid, ConvertError> {
    let signature = Signature64 { r: event.r, vs: event.vs };
    Ok(SignedBid { bid: bid_from_abi(&event.bid)?, signature })
}

/// An order for the contract.
pub fn order_to_abi(order: &Order) -> Result<abi::Order, ConvertError> {
    Ok(abi::Order {
        tenant: order.tenant,
        token: order.token,
        requirementsHash: order.requirements_hash,
        manifestHash: order.manifest_hash,
        maxRateE6: to_u96(order.max_rate_e6)?,
        deposit: order.deposit.0,
        deadline: to_u40(order.deadline)?,
        nonce: order.nonce,
    })
}

/// An order from the contract.
pub fn order_from_abi(order: &abi::Order) -> Order {
    Order {
        tenant: order.tenant,
        token: order.token,
        requirements_hash: order.requirementsHash,
        manifest_hash: order.manifestHash,
        max_rate_e6: from_u96(order.maxRateE6),
        deposit: Amount(order.deposit),
        deadline: from_u40(order.deadline),
        nonce: order.nonce,
    }
}

/// A statement for the contract.
pub fn statement_to_abi(statement: &Statement) -> Result<abi::Statement, ConvertError> {
    Ok(abi::Statement {
        leaseId: statement.lease_id.0,
        amountCum: statement.amount_cum.0,
        asOf: to_u40(statement.as_of)?,
        usageHash: statement.usage_hash,
        last: statement.last,
    })
}

/// A statement with its signature for the contract.
pub fn signed_statement_to_abi(
    statement: &Statement,
    signature: &Signature64,
) -> Result<abi::SignedStatement, ConvertError> {
    let statement = statement_to_abi(statement)?;
    Ok(abi::SignedStatement { statement, r: signature.r, vs: signature.vs })
}

/// A claim for the contract.
pub fn claim_to_abi(bid: &Bid, usage: &Usage) -> Result<abi::ClaimItem, ConvertError> {
    Ok(abi::ClaimItem { bid: bid_to_abi(bid)?, usage: usage.0 })
}

/// A lease from the contract.
pub fn lease_from_abi(view: &abi::LeaseView) -> Result<Lease, ConvertError> {
    let some_moment = |moment: U40| (!moment.is_zero()).then(|| from_u40(moment));
    let pending = some_moment(view.filedAt).map(|filed_at| PendingClaim {
        cum: Amount(view.pendingCum),
        at: from_u40(view.pendingAt),
        filed_at,
    });
    Ok(Lease {
        state: LeaseState::try_from(view.state).map_err(ConvertError::LeaseState)?,
        tenant: view.tenant,
        provider: view.provider,
        signer: view.signer,
        token: view.token,
        started_at: some_moment(view.startedAt),
        end_at: from_u40(view.endAt),
        last_as_of: from_u40(view.lastAsOf),
        rate_cap_e6: from_u96(view.rateCapE6),
        fee_bps: BasisPoints::new(view.feeBps).map_err(ConvertError::BasisPoints)?,
        balance: Amount(view.balance),
        paid: Amount(view.paid),
        pending,
        disputed_at: some_moment(view.disputedAt),
    })
}

/// The id in a topic.
pub fn lease_id(id: alloy::primitives::B256) -> LeaseId {
    LeaseId(id)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256};
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn bids()(
            words in prop::array::uniform8(any::<u32>()), salt: u64, valid_until in 0u64..1 << 40,
            slash in 0u128..1 << 96, penalty in 0u128..1 << 96, min_deposit: u128, split in 0u16..=10_000,
            prices: [u128; 8], limits: [u64; 8], bytes: [u8; 5],
        ) -> Bid {
            Bid {
                provider: Address::repeat_byte(bytes[0]),
                tenant: Address::repeat_byte(bytes[1]),
                token: Address::repeat_byte(bytes[2]),
                order_hash: OrderHash(B256::repeat_byte(bytes[3])),
                bid_epoch: words[0],
                salt,
                valid_until: Timestamp(valid_until),
                start_window: words[1],
                max_duration: words[2],
                notice_period: words[3],
                max_slash: Amount(slash),
                no_show_penalty: Amount(penalty),
                min_deposit: Amount(min_deposit),
                split_bps: BasisPoints::new(split).unwrap(),
                arbiter: Address::repeat_byte(bytes[4]),
                prices: Prices(prices.map(Price)),
                limits: Limits(limits),
            }
        }
    }

    proptest! {
        #[test]
        fn a_bid_survives_the_way_to_the_contract_and_back(bid in bids()) {
            let there = bid_to_abi(&bid).unwrap();
            prop_assert_eq!(bid_from_abi(&there), Ok(bid));
        }

        #[test]
        fn a_bid_that_does_not_fit_is_refused(bid in bids(), excess in 1u128..1 << 30) {
            let late = Timestamp((1 << 40) + excess as u64);
            prop_assert_eq!(bid_to_abi(&Bid { valid_until: late, ..bid }), Err(ConvertError::Timestamp(late)));
            let large = (1u128 << 96) + excess;
            let bid = Bid { max_slash: Amount(large), ..bid };
            prop_assert_eq!(bid_to_abi(&bid), Err(ConvertError::Uint96(large)));
        }
    }

    #[test]
    fn an_order_survives_the_way_to_the_contract_and_back() {
        let order = Order {
            tenant: Address::repeat_byte(1),
            token: Address::repeat_byte(2),
            requirements_hash: B256::repeat_byte(3),
            manifest_hash: B256::repeat_byte(4),
            max_rate_e6: 5,
            deposit: Amount(6),
            deadline: Timestamp(7),
            nonce: 8,
        };
        assert_eq!(order_from_abi(&order_to_abi(&order).unwrap()), order);
    }
}
