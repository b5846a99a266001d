//! The sender against full pools, stolen nonces and lost answers.

use std::time::Duration;

use anyhow::{Context, Result};
use chain::{At, HotKey, Outcome, Rpc, SendError, SenderConfig};
use market::Amount;
use serde_json::{Value, json};
use testkit::test_market::quick;
use testkit::{Fault, FaultyRpc, TestMarket};

use crate::support::until;

async fn pending(rpc: &Rpc) -> Result<Vec<Value>> {
    let content: Value = rpc.request("txpool_content", json!([])).await?;
    let accounts = content["pending"].as_object().context("no pool")?;
    let transactions = accounts.values().filter_map(Value::as_object).flat_map(|nonces| nonces.values());
    Ok(transactions.cloned().collect())
}

fn max_fee(transaction: &Value) -> Option<u128> {
    u128::from_str_radix(transaction["maxFeePerGas"].as_str()?.strip_prefix("0x")?, 16).ok()
}

#[tokio::test]
async fn many_calls_at_once_take_consecutive_nonces() -> Result<()> {
    let market = TestMarket::start().await?;
    market.anvil.pause_mining().await?;
    let config = SenderConfig { max_in_flight: 8, ..quick() };
    let sender = market.sender_through(market.client.rpc().clone(), &market.tenant, config);
    let nonce = market.client.rpc().mined_nonce(market.tenant.address()).await?;
    let calls = market.client.calls();
    let jobs: Vec<_> = (0..20u128)
        .map(|amount| {
            let (sender, call) = (sender.clone(), calls.approve_market(Amount(amount)));
            tokio::spawn(async move { sender.execute(call).await })
        })
        .collect();
    // Only as many as allowed are on their way at once.
    until("a full pool", || async { Ok(pending(market.client.rpc()).await?.len() == 8) }).await?;
    market.anvil.mine(1).await?;
    market.anvil.resume_mining().await?;
    market.anvil.mine(1).await?;
    for job in jobs {
        let done =
            tokio::time::timeout(Duration::from_secs(30), job).await.context("waited for a receipt")??;
        assert!(done?.success);
    }
    assert_eq!(market.client.rpc().mined_nonce(market.tenant.address()).await?, nonce + 20);
    Ok(())
}

#[tokio::test]
async fn a_transaction_that_does_not_get_in_is_replaced_at_a_higher_fee() -> Result<()> {
    let market = TestMarket::start().await?;
    market.anvil.pause_mining().await?;
    let config = SenderConfig { bump_after: Duration::from_millis(200), ..quick() };
    let sender = market.sender_through(market.client.rpc().clone(), &market.tenant, config);
    let call = market.client.calls().approve_market(Amount(5));
    let job = tokio::spawn(async move { sender.execute(call).await });
    let rpc = market.client.rpc();
    until("the first offer", || async { Ok(pending(rpc).await?.len() == 1) }).await?;
    let first = pending(rpc).await?.first().and_then(max_fee).context("no fee")?;
    until("a better offer", || async {
        let offers = pending(rpc).await?;
        assert!(offers.len() <= 1, "the replacement took another nonce");
        Ok(offers.first().and_then(max_fee).is_some_and(|fee| fee * 8 >= first * 9))
    })
    .await?;
    market.anvil.mine(1).await?;
    assert!(job.await??.success);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_lost_does_not_send_twice() -> Result<()> {
    let market = TestMarket::start().await?;
    let proxy = FaultyRpc::start(market.anvil.url()).await?;
    let tenant = market.tenant.address();
    let nonce = market.client.rpc().mined_nonce(tenant).await?;
    proxy.set(Fault::DropFirstAnswersTo("eth_sendRawTransaction", 1));
    let sender = market.sender_through(Rpc::dial(proxy.url().parse()?)?, &market.tenant, quick());
    let mined = sender.execute(market.client.calls().approve_market(Amount(5))).await?;
    assert!(mined.success);
    assert_eq!(market.client.rpc().mined_nonce(tenant).await?, nonce + 1);
    Ok(())
}

#[tokio::test]
async fn a_nonce_used_elsewhere_is_noticed_and_the_call_goes_through() -> Result<()> {
    let market = TestMarket::start().await?;
    let (first, second) = (market.sender(&market.tenant), market.sender(&market.tenant));
    let calls = market.client.calls();
    for amount in 1..=3 {
        first.execute(calls.approve_market(Amount(amount))).await?;
        second.execute(calls.approve_market(Amount(amount * 10))).await?;
    }
    let allowed =
        market.client.allowance(market.tenant.address(), market.deployment().market, At::Latest).await?;
    assert_eq!(allowed, Amount(30));
    Ok(())
}

#[tokio::test]
async fn a_transaction_displaced_by_another_of_the_same_key_is_reported() -> Result<()> {
    let market = TestMarket::start().await?;
    market.anvil.pause_mining().await?;
    let sender = market.sender(&market.tenant);
    let call = market.client.calls().approve_market(Amount(5));
    let job = tokio::spawn(async move { sender.execute(call).await });
    let rpc = market.client.rpc();
    until("the first offer", || async { Ok(pending(rpc).await?.len() == 1) }).await?;
    market.anvil.drop_pending().await?;
    let config = SenderConfig { max_fee_per_gas: u128::MAX, ..quick() };
    let thief = market.sender_through(rpc.clone(), &market.tenant, config);
    let stolen = market.client.calls().approve_market(Amount(6));
    let theft = tokio::spawn(async move { thief.execute(stolen).await });
    until("the second offer", || async { Ok(pending(rpc).await?.len() == 1) }).await?;
    market.anvil.resume_mining().await?;
    market.anvil.mine(1).await?;
    assert!(theft.await??.success);
    let error = job.await?.unwrap_err();
    assert!(matches!(error, SendError::NonceTaken { .. }) && error.is_retriable(), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn an_account_without_coin_is_told_to_fund_itself() -> Result<()> {
    let market = TestMarket::start().await?;
    let poor = HotKey::random();
    let outcome = market.sender(&poor).send(market.client.calls().approve_market(Amount(5))).await;
    let account = poor.address();
    assert!(
        matches!(&outcome, Outcome::Rejected(SendError::NoGas { account: found, .. }) if *found == account),
        "{outcome:?}"
    );
    Ok(())
}

#[tokio::test]
async fn gas_above_the_limit_is_not_paid() -> Result<()> {
    let market = TestMarket::start().await?;
    let config = SenderConfig { max_fee_per_gas: 1, ..quick() };
    let sender = market.sender_through(market.client.rpc().clone(), &market.tenant, config);
    let outcome = sender.send(market.client.calls().approve_market(Amount(5))).await;
    assert!(matches!(outcome, Outcome::Rejected(SendError::FeeTooHigh { limit: 1, .. })), "{outcome:?}");
    Ok(())
}
