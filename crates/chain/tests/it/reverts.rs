//! Refusals of the contracts arrive under their names, before anything is sent.

use anyhow::{Result, bail};
use chain::{At, Call, ChainEvent, HotKey, Outcome};
use market::{Amount, Timestamp};
use testkit::TestMarket;

use crate::life_cycle::open;

/// The name under which a call is refused.
pub(crate) async fn refusal(market: &TestMarket, key: &HotKey, call: Call) -> Result<String> {
    let nonce = market.client.rpc().mined_nonce(key.address()).await?;
    match market.sender(key).send(call).await {
        Outcome::Reverted(reason) => {
            assert_eq!(market.client.rpc().mined_nonce(key.address()).await?, nonce, "something was sent");
            Ok(reason.name().to_owned())
        }
        other => bail!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn each_refusal_is_named_and_costs_nothing() -> Result<()> {
    let market = TestMarket::start().await?;
    let (calls, domain) = (market.client.calls(), market.client.eip712());
    let (tenant, operator, session) = (&market.tenant, &market.operator, market.session.address());
    let deposit = calls.deposit(tenant.address(), Amount(1));
    assert_eq!(refusal(&market, tenant, deposit).await?, "ERC20InsufficientAllowance");
    let expiry = Timestamp(u64::from(u32::MAX));
    let register = calls.register(operator.address(), expiry, Amount(1), "https://x", Default::default())?;
    assert_eq!(refusal(&market, &market.provider, register).await?, "ProviderRegistry_BelowMinBond");

    let (lease, signed) = open(&market).await?;
    let open_again = calls.open_lease(&signed, session, Amount(1_000_000))?;
    assert_eq!(refusal(&market, tenant, open_again.clone()).await?, "LeaseMarket_WrongState");
    assert_eq!(refusal(&market, operator, open_again).await?, "LeaseMarket_NotTenant");

    let fresh = market.bid(signed.bid.order_hash, 99).await?;
    let (_, other) = operator.sign_bid(&domain, fresh)?;
    let greedy = calls.open_lease(&other, session, Amount(900_000_000))?;
    assert_eq!(refusal(&market, tenant, greedy).await?, "LeaseMarket_Insufficient");
    let (_, forged) = HotKey::random().sign_bid(&domain, fresh)?;
    let forged = calls.open_lease(&forged, session, Amount(1_000_000))?;
    assert_eq!(refusal(&market, tenant, forged).await?, "ProviderRegistry_BadSigner");
    let stale = calls.open_lease(&other, session, Amount(1_000_000))?;
    market.run(operator, [calls.bump_bid_epoch(market.provider.address())]).await?;
    assert_eq!(refusal(&market, tenant, stale.clone()).await?, "ProviderRegistry_StaleEpoch");
    market.anvil.pass(301).await?;
    assert_eq!(refusal(&market, tenant, stale).await?, "LeaseMarket_BidExpired");
    assert_eq!(refusal(&market, operator, calls.close_lease(lease)).await?, "LeaseMarket_WrongState");
    Ok(())
}

#[tokio::test]
async fn a_batch_passes_over_what_it_cannot_do_and_says_why() -> Result<()> {
    let market = TestMarket::start().await?;
    let (lease, _) = open(&market).await?;
    let mined = market.run(&market.tenant, [market.client.calls().confirm(&[lease])]).await?;
    let [found] = mined[0].events.as_slice() else { bail!("{:?}", mined[0].events) };
    let ChainEvent::ItemSkipped { lease_id, reason } = &found.event else { bail!("{found:?}") };
    assert_eq!((*lease_id, reason.name()), (lease, "LeaseMarket_NotProvider"));
    let state = market.client.lease(lease, At::Latest).await?;
    assert_eq!(state.started_at, None);
    Ok(())
}
