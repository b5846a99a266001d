//! Which bid to accept: every offer is judged on this machine, by facts of the chain alone.

use alloy_primitives::Address;
use market::{Amount, Bid, LeaseId, Limits, OrderHash, SignedBid, Timestamp};
use serde::Serialize;

/// Longest time that a provider may keep an unstarted lease's money, in seconds. A tenant cannot leave before.
pub(crate) const LONGEST_START_WINDOW: u32 = 3_600;
/// The largest share of a contested sum that may go to the provider when nobody rules on it, in ten-thousandths.
const LARGEST_SPLIT_BPS: u16 = 5_000;

/// What the tenant asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) order_hash: OrderHash,
    pub(crate) tenant: Address,
    pub(crate) token: Address,
    pub(crate) limits: Limits,
    pub(crate) duration: u32,
    pub(crate) max_rate_e6: u128,
    pub(crate) deposit: Amount,
    /// Whom this tenant lets decide a dispute. A bid may also name nobody.
    pub(crate) arbiters: Vec<Address>,
    /// The chain's clock.
    pub(crate) now: Timestamp,
}

/// What the registry says about a bidder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bidder {
    pub(crate) is_active: bool,
    pub(crate) operator: Address,
    pub(crate) operator_expiry: Timestamp,
    pub(crate) bid_epoch: u32,
    pub(crate) free_bond: Amount,
}

/// A bid as found on chain, with what was found out about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The id that the event claims.
    pub(crate) claimed_id: LeaseId,
    /// The digest of the bid on this chain and this market; none if it has no digest.
    pub(crate) computed_id: Option<LeaseId>,
    /// Who signed that digest.
    pub(crate) signer: Option<Address>,
    pub(crate) signed: SignedBid,
    /// None if the provider is not registered.
    pub(crate) bidder: Option<Bidder>,
}

/// Why an offer is not acceptable, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    #[error("it is signed for another chain or market")]
    OtherChainOrMarket,
    #[error("it answers another order")]
    OtherOrder,
    #[error("it names another tenant")]
    OtherTenant,
    #[error("it is in another token")]
    OtherToken,
    #[error("its terms could never be accepted by the market")]
    ImpossibleTerms,
    #[error("its provider is not registered")]
    UnregisteredProvider,
    #[error("its provider is not active")]
    InactiveProvider,
    #[error("it is not signed by the provider's operator key")]
    BadSignature,
    #[error("the provider's operator key has expired")]
    OperatorExpired,
    #[error("the provider has withdrawn it")]
    StaleEpoch,
    #[error("it has expired")]
    Expired,
    #[error("it grants other resources than asked for")]
    OtherLimits,
    #[error("its term is shorter than asked for")]
    TermTooShort,
    #[error("it costs more than the order allows")]
    TooExpensive,
    #[error("it wants more money locked than the order offers")]
    DepositTooHigh,
    #[error("the provider's free bond does not cover it")]
    BondTooSmall,
    #[error("it lets the provider keep the money for more than an hour without starting")]
    StartWindowTooLong,
    #[error("it names an arbiter that you did not allow")]
    ForeignArbiter,
    #[error("it gives the provider more than half of a contested sum that nobody rules on")]
    SplitTooHigh,
}

/// An offer that may be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acceptable {
    pub(crate) lease_id: LeaseId,
    pub(crate) signed: SignedBid,
    pub(crate) rate_e6: u128,
}

/// Judges one offer. The first reason found is returned.
pub(crate) fn judge(wanted: &Wanted, offer: &Offer) -> Result<Acceptable, Refusal> {
    let bid = &offer.signed.bid;
    let lease_id = match offer.computed_id {
        Some(id) if id == offer.claimed_id => id,
        _ => return Err(Refusal::OtherChainOrMarket),
    };
    check_identity(wanted, bid)?;
    bid.check().map_err(|_| Refusal::ImpossibleTerms)?;
    let rate_e6 = bid.rate_cap_e6().map_err(|_| Refusal::ImpossibleTerms)?;
    check_bidder(wanted, offer)?;
    check_terms(wanted, bid, rate_e6)?;
    Ok(Acceptable { lease_id, signed: offer.signed, rate_e6 })
}

/// The cheapest by the highest total rate it may charge; of equals, the one with the lowest id.
pub(crate) fn cheapest(offers: impl IntoIterator<Item = Acceptable>) -> Option<Acceptable> {
    offers.into_iter().min_by_key(|offer| (offer.rate_e6, offer.lease_id))
}

fn check_identity(wanted: &Wanted, bid: &Bid) -> Result<(), Refusal> {
    let checks = [
        (bid.order_hash == wanted.order_hash, Refusal::OtherOrder),
        (bid.tenant == wanted.tenant, Refusal::OtherTenant),
        (bid.token == wanted.token, Refusal::OtherToken),
    ];
    first_failure(checks)
}

fn check_bidder(wanted: &Wanted, offer: &Offer) -> Result<(), Refusal> {
    let bid = &offer.signed.bid;
    let bidder = offer.bidder.ok_or(Refusal::UnregisteredProvider)?;
    // The owner key may sign too; it does not expire.
    let is_owner = offer.signer == Some(bid.provider);
    first_failure([
        (bidder.is_active, Refusal::InactiveProvider),
        (is_owner || offer.signer == Some(bidder.operator), Refusal::BadSignature),
        (is_owner || wanted.now <= bidder.operator_expiry, Refusal::OperatorExpired),
        (bid.bid_epoch == bidder.bid_epoch, Refusal::StaleEpoch),
        (bidder.free_bond >= bid.max_slash, Refusal::BondTooSmall),
    ])
}

fn check_terms(wanted: &Wanted, bid: &Bid, rate_e6: u128) -> Result<(), Refusal> {
    first_failure([
        (wanted.now <= bid.valid_until, Refusal::Expired),
        (bid.limits == wanted.limits, Refusal::OtherLimits),
        (bid.max_duration >= wanted.duration, Refusal::TermTooShort),
        (rate_e6 <= wanted.max_rate_e6, Refusal::TooExpensive),
        (bid.min_deposit <= wanted.deposit, Refusal::DepositTooHigh),
        (bid.start_window <= LONGEST_START_WINDOW, Refusal::StartWindowTooLong),
        // Whoever a provider names unasked is the provider's friend.
        (bid.arbiter.is_zero() || wanted.arbiters.contains(&bid.arbiter), Refusal::ForeignArbiter),
        (bid.split_bps.get() <= LARGEST_SPLIT_BPS, Refusal::SplitTooHigh),
    ])
}

fn first_failure<const N: usize>(checks: [(bool, Refusal); N]) -> Result<(), Refusal> {
    checks.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, refusal)| Err(refusal))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use market::{BasisPoints, Price, Prices, Signature64};

    use super::*;

    const PROVIDER: Address = Address::repeat_byte(1);
    const TENANT: Address = Address::repeat_byte(2);
    const TOKEN: Address = Address::repeat_byte(3);
    const OPERATOR: Address = Address::repeat_byte(4);
    const ARBITER: Address = Address::repeat_byte(7);
    const LIMITS: Limits = Limits([1, 350, 1000, 2000, 0, 0, 0, 0]);

    fn wanted() -> Wanted {
        Wanted {
            order_hash: OrderHash(B256::repeat_byte(5)),
            tenant: TENANT,
            token: TOKEN,
            limits: LIMITS,
            duration: 3_600,
            max_rate_e6: 2_000_000,
            deposit: Amount(500),
            arbiters: vec![ARBITER],
            now: Timestamp(1_000),
        }
    }

    fn bid() -> Bid {
        Bid {
            provider: PROVIDER,
            tenant: TENANT,
            token: TOKEN,
            order_hash: OrderHash(B256::repeat_byte(5)),
            bid_epoch: 7,
            salt: 8,
            valid_until: Timestamp(1_000),
            start_window: LONGEST_START_WINDOW,
            max_duration: 3_600,
            notice_period: 60,
            max_slash: Amount(90),
            no_show_penalty: Amount(9),
            min_deposit: Amount(500),
            split_bps: BasisPoints::new(LARGEST_SPLIT_BPS).unwrap(),
            arbiter: ARBITER,
            // One base unit per second of uptime: a rate of 1 000 000 millionths.
            prices: Prices([
                Price(1_000_000_000_000_000_000),
                Price(0),
                Price(0),
                Price(0),
                Price(0),
                Price(0),
                Price(0),
                Price(0),
            ]),
            limits: LIMITS,
        }
    }

    fn bidder() -> Bidder {
        Bidder {
            is_active: true,
            operator: OPERATOR,
            operator_expiry: Timestamp(1_000),
            bid_epoch: 7,
            free_bond: Amount(90),
        }
    }

    fn offer(bid: Bid) -> Offer {
        let id = LeaseId(B256::repeat_byte(6));
        let signature = Signature64 { r: B256::ZERO, vs: B256::ZERO };
        Offer {
            claimed_id: id,
            computed_id: Some(id),
            signer: Some(OPERATOR),
            signed: SignedBid { bid, signature },
            bidder: Some(bidder()),
        }
    }

    #[test]
    fn an_offer_at_every_bound_is_accepted() {
        let accepted = judge(&wanted(), &offer(bid())).unwrap();
        assert_eq!((accepted.rate_e6, accepted.signed.bid), (1_000_000, bid()));
        let by_owner = Offer {
            signer: Some(PROVIDER),
            bidder: Some(Bidder { operator_expiry: Timestamp(1), ..bidder() }),
            ..offer(bid())
        };
        assert!(judge(&wanted(), &by_owner).is_ok());
        // Without an arbiter the split decides, which is the tenant's worst case anyway.
        assert!(judge(&wanted(), &offer(Bid { arbiter: Address::ZERO, ..bid() })).is_ok());
    }

    #[test]
    fn each_fault_of_a_bid_has_its_own_reason() {
        let other = Address::repeat_byte(9);
        let faults = [
            (Bid { order_hash: OrderHash(B256::ZERO), ..bid() }, Refusal::OtherOrder),
            (Bid { tenant: other, ..bid() }, Refusal::OtherTenant),
            (Bid { token: other, ..bid() }, Refusal::OtherToken),
            (Bid { prices: Prices::default(), ..bid() }, Refusal::ImpossibleTerms),
            (Bid { no_show_penalty: Amount(91), ..bid() }, Refusal::ImpossibleTerms),
            (Bid { bid_epoch: 6, ..bid() }, Refusal::StaleEpoch),
            (Bid { max_slash: Amount(91), ..bid() }, Refusal::BondTooSmall),
            (Bid { valid_until: Timestamp(999), ..bid() }, Refusal::Expired),
            (Bid { limits: Limits([1, 349, 1000, 2000, 0, 0, 0, 0]), ..bid() }, Refusal::OtherLimits),
            (Bid { limits: Limits([1, 351, 1000, 2000, 0, 0, 0, 0]), ..bid() }, Refusal::OtherLimits),
            (Bid { max_duration: 3_599, ..bid() }, Refusal::TermTooShort),
            (Bid { min_deposit: Amount(501), ..bid() }, Refusal::DepositTooHigh),
            (Bid { start_window: LONGEST_START_WINDOW + 1, ..bid() }, Refusal::StartWindowTooLong),
            (Bid { start_window: u32::MAX, ..bid() }, Refusal::StartWindowTooLong),
            (Bid { arbiter: PROVIDER, ..bid() }, Refusal::ForeignArbiter),
            (Bid { arbiter: OPERATOR, ..bid() }, Refusal::ForeignArbiter),
            (Bid { split_bps: BasisPoints::new(5_001).unwrap(), ..bid() }, Refusal::SplitTooHigh),
        ];
        for (bid, refusal) in faults {
            assert_eq!(judge(&wanted(), &offer(bid)), Err(refusal), "{bid:?}");
        }
        let cheap = Wanted { max_rate_e6: 999_999, ..wanted() };
        assert_eq!(judge(&cheap, &offer(bid())), Err(Refusal::TooExpensive));
    }

    #[test]
    fn each_fault_of_a_bidder_has_its_own_reason() {
        let other_id = LeaseId(B256::ZERO);
        let expired = Bidder { operator_expiry: Timestamp(999), ..bidder() };
        let faults = [
            (Offer { computed_id: Some(other_id), ..offer(bid()) }, Refusal::OtherChainOrMarket),
            (Offer { computed_id: None, ..offer(bid()) }, Refusal::OtherChainOrMarket),
            (Offer { signer: None, ..offer(bid()) }, Refusal::BadSignature),
            (Offer { signer: Some(TENANT), ..offer(bid()) }, Refusal::BadSignature),
            (Offer { bidder: None, ..offer(bid()) }, Refusal::UnregisteredProvider),
            (
                Offer { bidder: Some(Bidder { is_active: false, ..bidder() }), ..offer(bid()) },
                Refusal::InactiveProvider,
            ),
            (Offer { bidder: Some(expired), ..offer(bid()) }, Refusal::OperatorExpired),
        ];
        for (offer, refusal) in faults {
            assert_eq!(judge(&wanted(), &offer), Err(refusal));
        }
    }

    #[test]
    fn the_cheapest_offer_wins_whatever_its_place() {
        let accepted = |id: u8, rate_e6| Acceptable {
            lease_id: LeaseId(B256::repeat_byte(id)),
            rate_e6,
            signed: offer(bid()).signed,
        };
        let offers = [accepted(3, 20), accepted(2, 10), accepted(1, 10), accepted(0, 30)];
        assert_eq!(cheapest(offers), Some(accepted(1, 10)));
        assert_eq!(cheapest([]), None);
    }
}
