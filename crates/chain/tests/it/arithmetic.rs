//! The market's arithmetic in Rust and in Solidity gives the same numbers.

use anyhow::{Context, Result};
use chain::{At, ClientError};
use futures::{StreamExt, TryStreamExt, stream};
use market::{Bid, Limits, OrderHash, Price, Prices, Usage, amount_exact, rate_cap_e6};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use testkit::TestMarket;

const CASES: usize = 2_500;

#[derive(Clone, Copy, Debug)]
struct Case {
    prices: Prices,
    limits: Limits,
    usage: Usage,
    elapsed: u64,
}

/// Numbers of every size, with the edges among them.
fn sized(bits: u32) -> impl Strategy<Value = u128> {
    let most = u128::MAX >> (128 - bits);
    prop_oneof![
        1 => Just(0),
        1 => Just(1),
        1 => Just(most),
        9 => (0..bits, any::<u128>()).prop_map(move |(shift, value)| (value & most) >> shift),
    ]
}

prop_compose! {
    fn cases()(
        prices in prop::array::uniform8(sized(128)),
        limits in prop::array::uniform8(sized(64)),
        usage in prop::array::uniform8(sized(128)),
        elapsed in sized(40),
    ) -> Case {
        Case {
            prices: Prices(prices.map(Price)),
            limits: Limits(limits.map(|limit| limit as u64)),
            usage: Usage(usage),
            elapsed: elapsed as u64,
        }
    }
}

prop_compose! {
    /// Terms as real providers offer them, so that the rate fits.
    fn real_cases()(
        prices in prop::array::uniform8(sized(64)),
        limits in prop::array::uniform8(sized(40)),
        usage in prop::array::uniform8(sized(70)),
        elapsed in 0u64..100_000_000,
    ) -> Case {
        Case {
            prices: Prices(prices.map(Price)),
            limits: Limits(limits.map(|limit| limit as u64)),
            usage: Usage(usage),
            elapsed,
        }
    }
}

async fn compare(market: &TestMarket, template: Bid, case: Case, at: At) -> Result<()> {
    let bid = Bid { prices: case.prices, limits: case.limits, ..template };
    let theirs = market.client.amount_of(&bid, &case.usage, case.elapsed, at).await?;
    let ours = amount_exact(&case.prices, &case.limits, &case.usage, case.elapsed);
    anyhow::ensure!(ours == theirs, "{case:?}: {ours} in Rust, {theirs} in Solidity");
    match (rate_cap_e6(&case.prices, &case.limits), market.client.rate_cap(&bid, at).await) {
        (Ok(ours), Ok(theirs)) if ours == theirs => Ok(()),
        (Err(_), Err(ClientError::Reverted { reason, .. })) if reason.name() == "LeaseMarket_BadBid" => {
            Ok(())
        }
        (ours, theirs) => anyhow::bail!("{case:?}: {ours:?} in Rust, {theirs:?} in Solidity"),
    }
}

#[tokio::test]
async fn amounts_and_rate_caps_agree_on_generated_cases() -> Result<()> {
    let market = TestMarket::start().await?;
    let template = market.bid(OrderHash(Default::default()), 0).await?;
    let mut runner = TestRunner::deterministic();
    let strategy = prop_oneof![cases(), real_cases()];
    let cases: Vec<Case> = (0..CASES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let fitting = cases.iter().filter(|case| rate_cap_e6(&case.prices, &case.limits).is_ok()).count();
    assert!(fitting > CASES / 3, "only {fitting} of {CASES} cases have a rate");
    // One block for all, so that the node answers every question from the same state.
    let at = At::Block(market.client.block(At::Latest).await?.hash);
    stream::iter(cases)
        .map(|case| compare(&market, template, case, at))
        .buffer_unordered(16)
        .try_collect::<()>()
        .await
        .context("Rust and Solidity disagree")
}
