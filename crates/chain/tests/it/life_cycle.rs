//! One lease from order to refund, on a real chain, with every token accounted for.

use alloy::primitives::B256;
use anyhow::{Context, Result};
use chain::convert::decode_requirements;
use chain::{At, ChainEvent, CloseReason, ProviderStatus};
use market::{
    Amount, Bid, LeaseId, LeaseState, SignedBid, Statement, Timestamp, Usage, amount, check_statement,
    funded_until,
};
use testkit::TestMarket;
use testkit::test_market::{BOND, WALLET, requirements};

use crate::support::{follow_to_head, follower};

pub(crate) const DEPOSIT: Amount = Amount(20_000_000);
pub(crate) const LOCKED: Amount = Amount(10_000_000);

/// Posts an order and a bid, and opens the lease.
pub(crate) async fn open(market: &TestMarket) -> Result<(LeaseId, SignedBid)> {
    open_with(market, |bid| bid).await
}

/// The same with other terms.
pub(crate) async fn open_with(
    market: &TestMarket,
    change: impl FnOnce(Bid) -> Bid,
) -> Result<(LeaseId, SignedBid)> {
    let (calls, domain) = (market.client.calls(), market.client.eip712());
    market.register_provider().await?;
    market.fund_tenant(DEPOSIT).await?;
    let (order, encoded) = market.order(1).await?;
    market.run(&market.tenant, [calls.post_order(&order, encoded)?]).await?;
    let order_hash = domain.order_digest(&order)?;
    let (lease, signed) = market.operator.sign_bid(&domain, change(market.bid(order_hash, 2).await?))?;
    market.run(&market.operator, [calls.post_bid(&signed)?]).await?;
    let published = market.client.bids_for(order_hash).await?;
    assert_eq!(published, [(lease, signed)]);
    market.run(&market.tenant, [calls.open_lease(&signed, market.session.address(), LOCKED)?]).await?;
    Ok((lease, signed))
}

async fn wallets(market: &TestMarket) -> Result<Amount> {
    let deployment = market.deployment();
    let keys = [&market.admin, &market.provider, &market.operator, &market.tenant, &market.session];
    let mut sum = Amount::ZERO;
    for owner in keys.map(|key| key.address()).into_iter().chain([deployment.market, deployment.registry]) {
        let balance = market.client.token_balance(owner, At::Latest).await?;
        sum = sum.checked_add(balance).context("the sum of wallets does not fit")?;
    }
    Ok(sum)
}

/// What the market owes is what it holds, and what its accounts and the lease say.
async fn check_books(market: &TestMarket, lease: LeaseId) -> Result<()> {
    let client = &market.client;
    let at = At::Block(client.block(At::Latest).await?.hash);
    let owed = client.liabilities(at).await?;
    let held = client.token_balance(market.deployment().market, at).await?;
    let mut sum = client.lease(lease, at).await?.balance;
    for owner in [&market.tenant, &market.provider, &market.operator, &market.admin] {
        sum = sum.saturating_add(client.available(owner.address(), at).await?);
    }
    assert_eq!((owed, sum), (held, held));
    Ok(())
}

/// A statement over full use since the start, signed by the session key.
pub(crate) async fn settle(
    market: &TestMarket,
    lease: LeaseId,
    signed: &SignedBid,
    as_of: Timestamp,
    last: bool,
) -> Result<Amount> {
    let (calls, domain) = (market.client.calls(), market.client.eip712());
    let state = market.client.lease(lease, At::Latest).await?;
    let elapsed = state.elapsed(as_of);
    let usage = Usage(signed.bid.limits.0.map(|limit| u128::from(limit) * u128::from(elapsed) / 2));
    let amount_cum = amount(&signed.bid.prices, &signed.bid.limits, &usage, elapsed);
    let usage_hash = usage::usage_hash(&usage, as_of, B256::repeat_byte(3));
    let statement = Statement { lease_id: lease, amount_cum, as_of, usage_hash, last };
    assert_eq!(check_statement(&state, &statement, market.now().await?), Ok(()));
    let signature = market.session.sign_statement(&domain, &statement)?;
    assert_eq!(domain.statement_signer(&statement, &signature), Some(state.signer));
    let mined = market.run(&market.operator, [calls.settle(&[(statement, signature)])?]).await?;
    let settled = mined[0].events.iter().any(|found| {
        matches!(found.event, ChainEvent::LeaseSettled { lease_id, paid, usage_hash: hash, .. }
            if lease_id == lease && paid == amount_cum && hash == usage_hash)
    });
    assert!(settled, "{:?}", mined[0].events);
    Ok(amount_cum)
}

#[tokio::test]
async fn a_lease_runs_from_order_to_refund_and_no_token_is_lost() -> Result<()> {
    let market = TestMarket::start().await?;
    let (client, calls) = (&market.client, market.client.calls());
    let before = wallets(&market).await?;
    let (lease, signed) = open(&market).await?;
    assert_eq!(client.lease(lease, At::Latest).await?.state, LeaseState::Open);
    check_books(&market, lease).await?;

    market.run(&market.operator, [calls.confirm(&[lease])]).await?;
    let running = client.lease(lease, At::Latest).await?;
    assert_eq!(
        (running.state, running.balance, running.signer),
        (LeaseState::Active, LOCKED, market.session.address())
    );
    assert_eq!(running.rate_cap_e6, signed.bid.rate_cap_e6()?);
    assert_eq!(client.funded_until(lease, At::Latest).await?, funded_until(&running));

    market.anvil.pass(1800).await?;
    let first = settle(&market, lease, &signed, market.now().await?, false).await?;
    check_books(&market, lease).await?;
    market.anvil.pass(600).await?;
    market.run(&market.tenant, [calls.top_up(lease, Amount(1_000_000)), calls.close_lease(lease)]).await?;
    let end = client.lease(lease, At::Latest).await?.end_at;
    let paid = settle(&market, lease, &signed, end, true).await?;
    assert!(paid > first);
    market.run(&market.operator, [calls.finalize(&[signed.bid])?]).await?;

    let closed = client.lease(lease, At::Latest).await?;
    assert_eq!((closed.state, closed.balance, closed.paid), (LeaseState::Closed, Amount::ZERO, paid));
    let provider = client.provider_of(market.provider.address(), At::Latest).await?;
    assert_eq!(
        (provider.status, provider.locked, provider.free_bond()),
        (ProviderStatus::Active, Amount::ZERO, BOND)
    );
    check_books(&market, lease).await?;

    // Everybody takes out what is theirs; only what was used has changed hands.
    let refund = client.available(market.tenant.address(), At::Latest).await?;
    assert_eq!(refund.checked_add(paid), Some(DEPOSIT));
    market.run(&market.tenant, [calls.withdraw(market.tenant.address(), refund)]).await?;
    market.run(&market.provider, [calls.withdraw(market.provider.address(), paid)]).await?;
    let tenant = client.token_balance(market.tenant.address(), At::Latest).await?;
    let provider = client.token_balance(market.provider.address(), At::Latest).await?;
    assert_eq!(tenant.checked_add(paid), Some(WALLET));
    assert_eq!(provider.checked_add(BOND), WALLET.checked_add(paid));
    assert_eq!(wallets(&market).await?, before);
    assert_eq!(client.liabilities(At::Latest).await?, Amount::ZERO);
    Ok(())
}

#[tokio::test]
async fn the_log_alone_tells_the_whole_story() -> Result<()> {
    let market = TestMarket::start().await?;
    let (lease, signed) = open(&market).await?;
    let calls = market.client.calls();
    market.run(&market.operator, [calls.decline(&signed.bid)?]).await?;

    let mut follower = follower(&market, market.client.rpc().clone(), 1000);
    let events: Vec<ChainEvent> =
        follow_to_head(&mut follower).await?.into_iter().map(|found| found.event).collect();
    let mut told = Vec::new();
    for event in &events {
        match event {
            ChainEvent::OrderPosted(posted) => {
                let read = decode_requirements(posted.order.requirements_hash, &posted.requirements)?;
                assert_eq!(read, requirements());
                assert_eq!(market.client.eip712().order_digest(&posted.order)?, posted.order_hash);
                told.push("order");
            }
            ChainEvent::BidPosted { lease_id, bid } => {
                assert_eq!((*lease_id, **bid), (lease, signed));
                told.push("bid");
            }
            ChainEvent::LeaseOpened(opened) => {
                assert_eq!((opened.lease_id, opened.bid, opened.amount), (lease, signed.bid, LOCKED));
                assert_eq!(market.client.lease_opened(lease).await?.as_ref(), Some(&**opened));
                told.push("lease");
            }
            ChainEvent::LeaseClosed { lease_id, refund, reason, .. } => {
                assert_eq!((*lease_id, *refund, *reason), (lease, LOCKED, CloseReason::Declined));
                told.push("closed");
            }
            ChainEvent::ProviderRegistered { provider, uri, .. } => {
                assert_eq!(*provider, market.provider.address());
                let record = market.client.provider_record(*provider).await?.context("no record")?;
                assert_eq!(record.uri, *uri);
                told.push("provider");
            }
            ChainEvent::Deposited { .. } => told.push("deposit"),
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(told, ["provider", "deposit", "order", "bid", "lease", "closed"]);
    assert_eq!(market.client.leases_of_tenant(market.tenant.address()).await?.len(), 1);
    assert_eq!(market.client.leases_of_provider(market.provider.address()).await?.len(), 1);
    assert_eq!(market.client.leases_of_provider(market.tenant.address()).await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_silent_tenant_meets_a_claim_that_pays_after_its_window() -> Result<()> {
    let market = TestMarket::start().await?;
    let (client, calls) = (&market.client, market.client.calls());
    let (lease, signed) = open(&market).await?;
    market.run(&market.operator, [calls.confirm(&[lease])]).await?;
    market.anvil.pass(1200).await?;
    let usage = Usage(signed.bid.limits.0.map(|limit| u128::from(limit) * 600));
    market.run(&market.operator, [calls.claim(&[(signed.bid, usage)])?]).await?;
    let pending = client.lease(lease, At::Latest).await?.pending.context("no claim")?;
    let elapsed = client.lease(lease, At::Latest).await?.elapsed(pending.at);
    assert_eq!(pending.cum, amount(&signed.bid.prices, &signed.bid.limits, &usage, elapsed));

    let windows = client.windows(At::Latest).await?;
    market.anvil.pass(windows.dispute).await?;
    market.run(&market.operator, [calls.mature(&[lease])]).await?;
    let paid = client.lease(lease, At::Latest).await?;
    assert_eq!((paid.paid, paid.pending), (pending.cum, None));
    check_books(&market, lease).await
}

#[tokio::test]
async fn a_provider_that_never_starts_pays_for_it() -> Result<()> {
    let market = TestMarket::start().await?;
    let (client, calls) = (&market.client, market.client.calls());
    let (lease, signed) = open(&market).await?;
    market.anvil.pass(u64::from(signed.bid.start_window) + 1).await?;
    market.run(&market.tenant, [calls.abort(&signed.bid)?]).await?;
    let tenant = market.tenant.address();
    assert_eq!(client.available(tenant, At::Latest).await?, DEPOSIT);
    assert_eq!(client.claimable_bond(tenant, At::Latest).await?, signed.bid.no_show_penalty);
    market.run(&market.tenant, [calls.withdraw_claimable(tenant)]).await?;
    assert_eq!(client.claimable_bond(tenant, At::Latest).await?, Amount::ZERO);
    check_books(&market, lease).await
}

#[tokio::test]
async fn reads_pinned_to_a_block_see_that_block() -> Result<()> {
    let market = TestMarket::start().await?;
    let (lease, _) = open(&market).await?;
    let opened = market.client.block(At::Latest).await?;
    market.run(&market.operator, [market.client.calls().confirm(&[lease])]).await?;
    let then = market.client.lease(lease, At::Block(opened.hash)).await?;
    let now = market.client.lease(lease, At::Latest).await?;
    assert_eq!((then.state, now.state), (LeaseState::Open, LeaseState::Active));
    let nobody = market.client.lease(LeaseId(B256::repeat_byte(9)), At::Latest).await?;
    assert_eq!(nobody.state, LeaseState::None);
    Ok(())
}
