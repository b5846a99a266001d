//! The chain changes its mind: the follower says so, the sender sends again.

use std::time::Duration;

use anyhow::{Context, Result};
use chain::{ChainEvent, Followed, Outcome, SenderConfig};
use market::Amount;
use testkit::TestMarket;
use testkit::test_market::quick;

use crate::support::{follow_to_head, follower, until};

fn deposits(events: &[chain::LoggedEvent]) -> usize {
    events.iter().filter(|found| matches!(found.event, ChainEvent::Deposited { .. })).count()
}

#[tokio::test]
async fn events_of_dropped_blocks_are_taken_back() -> Result<()> {
    let market = TestMarket::start().await?;
    let mut follower = follower(&market, market.client.rpc().clone(), 1000);
    market.anvil.mine(3).await?;
    follow_to_head(&mut follower).await?;
    let before = market.client.block(chain::At::Latest).await?.number;
    market.fund_tenant(Amount(5)).await?;
    assert_eq!(deposits(&follow_to_head(&mut follower).await?), 1);

    // Approval and deposit are in the two newest blocks.
    market.anvil.reorg(2).await?;
    assert_eq!(follower.next().await?, Followed::Reorged { to: before });
    assert_eq!(deposits(&follow_to_head(&mut follower).await?), 0);
    market.fund_tenant(Amount(6)).await?;
    assert_eq!(deposits(&follow_to_head(&mut follower).await?), 1);
    Ok(())
}

#[tokio::test]
async fn following_through_a_reorganisation_ends_where_starting_over_does() -> Result<()> {
    let market = TestMarket::start().await?;
    let mut incremental = follower(&market, market.client.rpc().clone(), 1000);
    let mut seen = follow_to_head(&mut incremental).await?;
    for round in 1..=3u64 {
        market.fund_tenant(Amount(u128::from(round))).await?;
        seen.extend(follow_to_head(&mut incremental).await?);
        market.anvil.reorg(round).await?;
        let Followed::Reorged { to } = incremental.next().await? else {
            anyhow::bail!("no reorganisation seen")
        };
        seen.retain(|event| event.block_number <= to);
        seen.extend(follow_to_head(&mut incremental).await?);
    }
    let mut anew = follower(&market, market.client.rpc().clone(), 1000);
    assert_eq!(seen, follow_to_head(&mut anew).await?);
    assert_eq!(incremental.cursor().tip(), anew.cursor().tip());
    Ok(())
}

#[tokio::test]
async fn a_shorter_chain_counts_as_behind_until_it_contradicts_what_was_seen() -> Result<()> {
    let market = TestMarket::start().await?;
    let mut follower = follower(&market, market.client.rpc().clone(), 1000);
    market.anvil.mine(5).await?;
    follow_to_head(&mut follower).await?;
    let tip = follower.cursor().tip().context("nothing followed")?.number;
    market.anvil.rollback(3).await?;
    let error = follower.next().await.unwrap_err();
    assert!(error.is_retriable(), "{error}");
    assert_eq!(
        error.to_string(),
        format!("the node is behind: its newest block is {}, {tip} was processed", tip - 3)
    );
    // Another chain grows where the old one was.
    market.anvil.pass(1000).await?;
    market.anvil.mine(5).await?;
    assert_eq!(follower.next().await?, Followed::Reorged { to: tip - 3 });
    follow_to_head(&mut follower).await?;
    Ok(())
}

#[tokio::test]
async fn a_dropped_transaction_is_sent_again_with_the_same_bytes() -> Result<()> {
    let market = TestMarket::start().await?;
    let config = SenderConfig { confirmations: 4, rebroadcast_after: Duration::from_millis(50), ..quick() };
    let sender = market.sender_through(market.client.rpc().clone(), &market.tenant, config);
    let tenant = market.tenant.address();
    let nonce = market.client.rpc().mined_nonce(tenant).await?;
    let approve = market.client.calls().approve_market(Amount(77));
    let outcome = tokio::spawn(async move { sender.send(approve).await });
    let rpc = market.client.rpc();
    until("the first inclusion", || async { Ok(rpc.mined_nonce(tenant).await? == nonce + 1) }).await?;

    market.anvil.reorg(1).await?;
    until("the second inclusion", || async { Ok(rpc.mined_nonce(tenant).await? == nonce + 1) }).await?;
    assert!(!outcome.is_finished(), "it was reported before it was deep enough");
    market.anvil.mine(4).await?;
    let Outcome::Mined(mined) = outcome.await? else { anyhow::bail!("not mined") };
    let canonical = rpc.block_at(mined.block_number).await?.context("no block")?;
    assert_eq!((mined.success, mined.block_hash), (true, canonical.hash));
    let market_address = market.deployment().market;
    assert_eq!(market.client.allowance(tenant, market_address, chain::At::Latest).await?, Amount(77));
    Ok(())
}

#[tokio::test]
async fn finished_transactions_that_are_dropped_are_given_back_before_the_next() -> Result<()> {
    let market = TestMarket::start().await?;
    let sender = market.sender(&market.tenant);
    let (calls, tenant) = (market.client.calls(), market.tenant.address());
    sender.execute(calls.approve_market(Amount(10))).await?;
    sender.execute(calls.deposit(tenant, Amount(10))).await?;
    let nonce = market.client.rpc().mined_nonce(tenant).await?;
    market.anvil.reorg(2).await?;
    assert_eq!(market.client.rpc().mined_nonce(tenant).await?, nonce - 2);
    sender.execute(calls.approve_market(Amount(3))).await?;
    assert_eq!(market.client.rpc().mined_nonce(tenant).await?, nonce + 1);
    assert_eq!(market.client.available(tenant, chain::At::Latest).await?, Amount(10));
    Ok(())
}
