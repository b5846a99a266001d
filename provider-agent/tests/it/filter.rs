//! Whom the owner does not serve, and what a process that died had staked.

use anyhow::Result;
use chain::HotKey;
use market::Amount;
use testkit::TestMarket;

use crate::harness::{Harness, eventually};
use crate::{market, post_order, post_order_of};

/// Room for one bid a day.
fn one_a_day_and_never_for(tenant: &HotKey) -> String {
    format!("[filter]\ndaily_bid_budget = \"1\"\ntenants_deny = [\"{}\"]\n", tenant.address())
}

async fn declined(agent: &Harness, reason: &str) -> Result<()> {
    eventually(reason, async || Ok(agent.declines(reason) > 0)).await
}

/// Another tenant with money: the market's administrator.
async fn fund_another(market: &TestMarket) -> Result<()> {
    let (calls, money) = (market.client.calls(), Amount(100_000_000));
    let another = market.admin.address();
    let fund = [calls.mint(another, money), calls.approve_market(money), calls.deposit(another, money)];
    market.run(&market.admin, fund).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denied_tenant_gets_no_bid_and_another_one_does() -> Result<()> {
    let market = market().await?;
    fund_another(&market).await?;
    let agent = Harness::start_with(&market, &one_a_day_and_never_for(&market.tenant)).await?;
    let denied = post_order(&market, 1).await?;
    declined(&agent, "tenant_denied").await?;
    let served = post_order_of(&market, &market.admin, 1).await?;
    eventually("a bid", async || Ok(market.client.bids_for(served).await?.len() == 1)).await?;
    assert_eq!(market.client.bids_for(denied).await?, vec![]);
    agent.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bid_that_a_killed_process_left_on_its_way_uses_up_the_budget_of_the_next_ones() -> Result<()> {
    let market = market().await?;
    fund_another(&market).await?;
    let first = post_order(&market, 1).await?;
    let second = post_order_of(&market, &market.admin, 1).await?;
    market.anvil.pause_mining().await?;

    let killed = Harness::start_with(&market, &one_a_day_and_never_for(&market.admin)).await?;
    eventually("a bid on its way", async || Ok(killed.has_written_down("transaction-"))).await?;
    let settings = one_a_day_and_never_for(&market.tenant);
    let agent = killed.replaced(&market, &settings).await?;
    // No block knows of the bid while the next process reads all there is.
    eventually("both orders", async || Ok(agent.orders_seen() == 2)).await?;
    assert_eq!(market.client.bids_for(first).await?, vec![]);
    market.anvil.resume_mining().await?;
    market.anvil.mine(1).await?;
    declined(&agent, "bid_budget_spent").await?;
    assert_eq!(market.client.bids_for(first).await?.len(), 1);
    assert_eq!(market.client.bids_for(second).await?, vec![]);
    agent.stop().await?;

    let agent = Harness::start_with(&market, &settings).await?;
    declined(&agent, "bid_budget_spent").await?;
    assert_eq!(market.client.bids_for(second).await?, vec![]);
    agent.stop().await
}
