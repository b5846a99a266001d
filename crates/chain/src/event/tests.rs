//! Logs as nodes send them, honest and not.

use alloy::primitives::{LogData, aliases::U40};
use proptest::prelude::*;

use super::*;

fn deployment() -> Deployment {
    Deployment {
        chain_id: 1,
        market: Address::repeat_byte(0xaa),
        registry: Address::repeat_byte(0xbb),
        token: Address::repeat_byte(0xcc),
        token_decimals: 6,
        deployed_block: 0,
        rewards: None,
    }
}

fn log(address: Address, data: LogData) -> Log {
    Log { inner: alloy::primitives::Log { address, data }, ..Log::default() }
}

#[test]
fn an_event_is_read_in_the_words_of_the_market() {
    let event = m::LeaseConfirmed {
        leaseId: B256::repeat_byte(1),
        provider: Address::repeat_byte(2),
        startedAt: U40::from(3),
        endAt: U40::from(4),
    };
    let read = ChainEvent::read(&deployment(), &log(deployment().market, event.encode_log_data()));
    let expected = ChainEvent::LeaseConfirmed {
        lease_id: LeaseId(B256::repeat_byte(1)),
        provider: Address::repeat_byte(2),
        started_at: Timestamp(3),
        end_at: Timestamp(4),
    };
    assert_eq!(read, Some(expected));
}

#[test]
fn a_strangers_contract_says_nothing() {
    let event = m::OrderCancelled { tenant: Address::repeat_byte(2), nonce: 7 };
    let data = event.encode_log_data();
    assert_eq!(ChainEvent::read(&deployment(), &log(Address::repeat_byte(0xdd), data.clone())), None);
    let expected = ChainEvent::OrderCancelled { tenant: Address::repeat_byte(2), nonce: 7 };
    assert_eq!(ChainEvent::read(&deployment(), &log(deployment().market, data.clone())), Some(expected));
    assert_eq!(ChainEvent::read(&deployment(), &log(deployment().registry, data)), None);
}

#[test]
fn a_published_bid_that_cannot_be_is_reported_and_does_not_stop_the_reader() {
    let bid = m::Bid {
        provider: Address::ZERO,
        tenant: Address::ZERO,
        token: Address::ZERO,
        orderHash: B256::ZERO,
        bidEpoch: 0,
        salt: 0,
        validUntil: U40::ZERO,
        startWindow: 0,
        maxDuration: 0,
        noticePeriod: 0,
        maxSlash: Default::default(),
        noShowPenalty: Default::default(),
        minDeposit: 0,
        splitBps: u16::MAX,
        arbiter: Address::ZERO,
        price: [0; 8],
        limit: [0; 8],
    };
    let event = m::BidPosted {
        leaseId: B256::ZERO,
        orderHash: B256::ZERO,
        provider: Address::ZERO,
        bid,
        r: B256::ZERO,
        vs: B256::ZERO,
    };
    let read = ChainEvent::read(&deployment(), &log(deployment().market, event.encode_log_data()));
    let reason = ConvertError::BasisPoints(market::BasisPointsOutOfRange(u16::MAX));
    assert_eq!(read, Some(ChainEvent::Malformed { topic: topics::BID_POSTED, reason }));
}

proptest! {
    #[test]
    fn no_log_makes_the_reader_panic(
        topic in 0usize..6, rest in prop::collection::vec(any::<[u8; 32]>(), 0..4),
        data in prop::collection::vec(any::<u8>(), 0..1200), registry: bool,
    ) {
        let known = [
            topics::ORDER_POSTED,
            topics::BID_POSTED,
            topics::LEASE_OPENED,
            topics::PROVIDER_REGISTERED,
            topics::PROVIDER_UPDATED,
            B256::ZERO,
        ];
        let topics = std::iter::once(known[topic]).chain(rest.into_iter().map(B256::from)).collect();
        let address = if registry { deployment().registry } else { deployment().market };
        let log = log(address, LogData::new_unchecked(topics, data.into()));
        let _whatever = ChainEvent::read(&deployment(), &log);
    }
}
