//! Whom the owner does not serve, and what a process that died had staked.

use anyhow::Result;
use chain::{At, HotKey};
use market::{Amount, LeaseState, Usage};
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

/// A lease that nobody's posted bid led to, because its bid was signed elsewhere, and that its tenant disputes.
async fn dispute_a_lease_of_elsewhere(market: &TestMarket) -> Result<()> {
    let calls = market.client.calls();
    let order = post_order(market, 1).await?;
    let (lease, signed) = market.operator.sign_bid(&market.client.eip712(), market.bid(order, 1).await?)?;
    let open = calls.open_lease(&signed, market.session.address(), Amount(10_000_000))?;
    market.run(&market.tenant, [open]).await?;
    market.run(&market.operator, [calls.confirm(&[lease])]).await?;
    market.anvil.pass(1200).await?;
    let usage = Usage(signed.bid.limits.0.map(|limit| u128::from(limit) * 1000));
    market.run(&market.operator, [calls.claim(&[(signed.bid, usage)])?]).await?;
    market.run(&market.tenant, [calls.dispute(&signed.bid, Amount::ZERO)?]).await?;
    assert_eq!(market.client.lease(lease, At::Latest).await?.state, LeaseState::Disputed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_what_it_locks_and_a_bid_that_was_signed_elsewhere_are_heard_from_the_chain() -> Result<()>
{
    let market = market().await?;
    // It stakes five tokens, and the agent's own bid would stake one more.
    dispute_a_lease_of_elsewhere(&market).await?;
    let bounded = |disputes: u32, tokens: u32| {
        format!(
            "[filter]\nmax_disputes_per_tenant = {disputes}\nmax_exposure = \"{tokens}\"\ndaily_bid_budget = \"{tokens}\"\n"
        )
    };
    let agent = Harness::start_with(&market, &bounded(0, 5)).await?;
    for reason in ["tenant_disputes", "exposure_too_high", "bid_budget_spent"] {
        declined(&agent, reason).await?;
    }
    agent.stop().await?;

    let agent = Harness::start_with(&market, &bounded(1, 6)).await?;
    eventually("a bid", async || Ok(agent.bids_placed() == 1)).await?;
    agent.stop().await
}
