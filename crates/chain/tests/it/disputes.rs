//! Disputed claims and protocol fees, on a real chain, with every token accounted for.

use alloy::primitives::TxKind;
use alloy::sol_types::SolCall;
use anyhow::{Context, Result};
use chain::abi::ILeaseMarket as abi;
use chain::{At, Call, ChainEvent, CloseReason, HotKey};
use market::{
    Amount, BasisPoints, Bid, LeaseId, LeaseState, Payout, Usage, amount, cap_cum, claim_cum, payout,
};
use testkit::TestMarket;
use testkit::test_market::{BOND, WALLET};

use crate::life_cycle::{DEPOSIT, LOCKED, open_with, settle};
use crate::reverts::refusal;

/// A lease whose claim waits, and the bid behind it.
struct Claimed {
    lease: LeaseId,
    bid: Bid,
    cum: Amount,
}

async fn claimed(market: &TestMarket, arbiter: &HotKey) -> Result<Claimed> {
    let (client, calls) = (&market.client, market.client.calls());
    market.anvil.fund(arbiter.address()).await?;
    let (lease, signed) = open_with(market, |bid| Bid { arbiter: arbiter.address(), ..bid }).await?;
    market.run(&market.operator, [calls.confirm(&[lease])]).await?;
    market.anvil.pass(1200).await?;
    let usage = Usage(signed.bid.limits.0.map(|limit| u128::from(limit) * 1000));
    market.run(&market.operator, [calls.claim(&[(signed.bid, usage)])?]).await?;
    let state = client.lease(lease, At::Latest).await?;
    let pending = state.pending.context("no claim")?;
    let due = amount(&signed.bid.prices, &signed.bid.limits, &usage, state.elapsed(pending.at));
    let cap = cap_cum(state.paid, state.rate_cap_e6, state.last_as_of, pending.at)?;
    assert_eq!(pending.cum, claim_cum(due, cap, state.paid, state.balance));
    Ok(Claimed { lease, bid: signed.bid, cum: pending.cum })
}

/// Disputes all but a quarter. Returns what stays contested and what the tenant staked on it.
async fn dispute(market: &TestMarket, claimed: &Claimed) -> Result<(Amount, Amount)> {
    let conceded = Amount(claimed.cum.0 / 4);
    let call = market.client.calls().dispute(&claimed.bid, conceded)?;
    let mined = market.run(&market.tenant, [call]).await?;
    let contested = claimed.cum.saturating_sub(conceded);
    let stake = BasisPoints::new(500)?.of(contested);
    let told = mined[0].events.iter().any(|found| {
        found.event
            == ChainEvent::LeaseDisputed {
                lease_id: claimed.lease,
                provider: market.provider.address(),
                conceded,
                contested,
                deposit: stake,
                from_balance: stake,
            }
    });
    assert!(told, "{:?}", mined[0].events);
    let state = market.client.lease(claimed.lease, At::Latest).await?;
    assert_eq!((state.state, state.paid), (LeaseState::Disputed, conceded));
    check_books(market, claimed.lease, stake).await?;
    Ok((contested, stake))
}

/// What the market owes is what it holds, and what accounts, lease and the stake of a dispute say.
async fn check_books(market: &TestMarket, lease: LeaseId, stake: Amount) -> Result<()> {
    let client = &market.client;
    let at = At::Block(client.block(At::Latest).await?.hash);
    let held = client.token_balance(market.deployment().market, at).await?;
    let mut sum = client.lease(lease, at).await?.balance.saturating_add(stake);
    for owner in [&market.tenant, &market.provider, &market.operator, &market.admin] {
        sum = sum.saturating_add(client.available(owner.address(), at).await?);
    }
    assert_eq!((client.liabilities(at).await?, sum), (held, held));
    Ok(())
}

/// Everybody takes out what is theirs, and nothing is left behind but the bond.
async fn settle_up(market: &TestMarket, lease: LeaseId) -> Result<()> {
    let (client, calls) = (&market.client, market.client.calls());
    check_books(market, lease, Amount::ZERO).await?;
    for key in [&market.tenant, &market.provider, &market.admin] {
        let owner = key.address();
        let account = client.available(owner, At::Latest).await?;
        if !account.is_zero() {
            market.run(key, [calls.withdraw(owner, account)]).await?;
        }
        if !client.claimable_bond(owner, At::Latest).await?.is_zero() {
            market.run(key, [calls.withdraw_claimable(owner)]).await?;
        }
    }
    let deployment = market.deployment();
    let bond = client.provider_of(market.provider.address(), At::Latest).await?;
    assert_eq!((bond.locked, bond.free_bond()), (Amount::ZERO, bond.bond));
    assert_eq!(client.liabilities(At::Latest).await?, Amount::ZERO);
    assert_eq!(client.token_balance(deployment.market, At::Latest).await?, Amount::ZERO);
    assert_eq!(client.token_balance(deployment.registry, At::Latest).await?, bond.bond);
    Ok(())
}

/// What each of tenant, provider and treasury has in its wallet.
async fn wallets(market: &TestMarket) -> Result<[Amount; 3]> {
    let mut held = [Amount::ZERO; 3];
    for (held, key) in held.iter_mut().zip([&market.tenant, &market.provider, &market.admin]) {
        *held = market.client.token_balance(key.address(), At::Latest).await?;
    }
    Ok(held)
}

#[tokio::test]
async fn an_arbiter_divides_what_is_contested_and_takes_from_the_bond() -> Result<()> {
    let market = TestMarket::start().await?;
    let (client, calls) = (&market.client, market.client.calls());
    let arbiter = HotKey::random();
    let claimed = claimed(&market, &arbiter).await?;
    let (contested, _) = dispute(&market, &claimed).await?;
    let conceded = claimed.cum.saturating_sub(contested);
    let (award, slash) = (Amount(contested.0 / 3), Amount(contested.0 + 1_000));

    // Not before the provider had its time to add to the claim; not by anybody else; not more than is contested.
    let ruling = calls.resolve(&claimed.bid, award, slash)?;
    assert_eq!(refusal(&market, &arbiter, ruling.clone()).await?, "LeaseMarket_TooEarly");
    market.anvil.pass(client.windows(At::Latest).await?.claim + 1).await?;
    assert_eq!(refusal(&market, &market.tenant, ruling.clone()).await?, "LeaseMarket_NotArbiter");
    let excess = calls.resolve(&claimed.bid, Amount(contested.0 + 1), slash)?;
    assert_eq!(refusal(&market, &arbiter, excess).await?, "LeaseMarket_OverCap");
    let mined = market.run(&arbiter, [ruling]).await?;
    let paid = Amount(conceded.0 + award.0);
    let closed = mined[0].events.iter().any(|found| {
        matches!(found.event, ChainEvent::LeaseClosed { lease_id, reason: CloseReason::Resolved, paid: told, refund, .. }
            if lease_id == claimed.lease && told == paid && refund.0 < LOCKED.0 - paid.0)
    });
    assert!(closed, "{:?}", mined[0].events);

    let state = client.lease(claimed.lease, At::Latest).await?;
    assert_eq!((state.state, state.balance, state.paid), (LeaseState::Closed, Amount::ZERO, paid));
    settle_up(&market, claimed.lease).await?;
    // The stake came home, and the tenant was compensated out of the bond for what it contested, no more.
    let expected = [
        Amount(WALLET.0 - paid.0 + contested.0),
        Amount(WALLET.0 - BOND.0 + paid.0),
        Amount(slash.0 - contested.0),
    ];
    assert_eq!(wallets(&market).await?, expected);
    let bond = client.provider_of(market.provider.address(), At::Latest).await?.bond;
    assert_eq!(bond, BOND.saturating_sub(slash));
    Ok(())
}

#[tokio::test]
async fn when_the_arbiter_stays_silent_anybody_applies_the_agreed_split() -> Result<()> {
    let market = TestMarket::start().await?;
    let (client, calls) = (&market.client, market.client.calls());
    let arbiter = HotKey::random();
    let claimed = claimed(&market, &arbiter).await?;
    let (contested, _) = dispute(&market, &claimed).await?;
    let stranger = HotKey::random();
    market.anvil.fund(stranger.address()).await?;
    let split = calls.resolve(&claimed.bid, Amount::ZERO, Amount::ZERO)?;
    let windows = client.windows(At::Latest).await?;
    market.anvil.pass(windows.arbiter - 30).await?;
    assert_eq!(refusal(&market, &stranger, split.clone()).await?, "LeaseMarket_NotArbiter");
    market.anvil.pass(30).await?;
    // The arbiter has had its time.
    let late = calls.resolve(&claimed.bid, Amount(1), Amount::ZERO)?;
    assert_eq!(refusal(&market, &arbiter, late).await?, "LeaseMarket_TooLate");
    market.run(&stranger, [split]).await?;

    let award = claimed.bid.split_bps.of(contested);
    let paid = Amount(claimed.cum.0 - contested.0 + award.0);
    let state = client.lease(claimed.lease, At::Latest).await?;
    assert_eq!((state.state, state.balance, state.paid), (LeaseState::Closed, Amount::ZERO, paid));
    settle_up(&market, claimed.lease).await?;
    let expected = [Amount(WALLET.0 - paid.0), Amount(WALLET.0 - BOND.0 + paid.0), Amount::ZERO];
    assert_eq!(wallets(&market).await?, expected);
    Ok(())
}

fn set_fee(market: &TestMarket, bps: u16) -> Call {
    let data = abi::setFeeCall { feeBps: bps, treasury: market.admin.address() }.abi_encode().into();
    Call { name: "setFee", to: TxKind::Call(market.deployment().market), data }
}

#[tokio::test]
async fn the_fee_of_a_lease_is_the_one_it_was_opened_under_and_rounds_as_on_chain() -> Result<()> {
    let market = TestMarket::start().await?;
    let (client, calls) = (&market.client, market.client.calls());
    market.run(&market.admin, [set_fee(&market, 333)]).await?;
    let (lease, signed) = open_with(&market, |bid| bid).await?;
    // Too late for a lease that is open.
    market.run(&market.admin, [set_fee(&market, 500)]).await?;
    market.run(&market.operator, [calls.confirm(&[lease])]).await?;
    let fee_bps = client.lease(lease, At::Latest).await?.fee_bps;
    assert_eq!(fee_bps, BasisPoints::new(333)?);

    let mut earned = Payout::default();
    let mut settled = Amount::ZERO;
    for seconds in [611, 1327] {
        market.anvil.pass(seconds).await?;
        let before = client.lease(lease, At::Latest).await?;
        assert_eq!(before.paid, settled);
        settled = settle(&market, lease, &signed, market.now().await?, false).await?;
        let part = payout(settled, before.paid, before.balance, fee_bps);
        earned.fee = earned.fee.saturating_add(part.fee);
        earned.net = earned.net.saturating_add(part.net);
        assert!(!part.fee.is_zero());
        assert_eq!(client.available(market.admin.address(), At::Latest).await?, earned.fee);
        assert_eq!(client.available(market.provider.address(), At::Latest).await?, earned.net);
        check_books(&market, lease, Amount::ZERO).await?;
    }
    assert_eq!(earned.fee.saturating_add(earned.net), settled);

    market.run(&market.tenant, [calls.close_lease(lease)]).await?;
    market.anvil.pass(client.windows(At::Latest).await?.claim + 1).await?;
    market.run(&market.tenant, [calls.finalize(&[signed.bid])?]).await?;
    assert_eq!(client.available(market.tenant.address(), At::Latest).await?, DEPOSIT.saturating_sub(settled));
    settle_up(&market, lease).await
}
