//! Transactions that no block will hold must not hold up those after them.

use std::time::Duration;

use anyhow::{Context, Result};
use chain::{At, Outcome, Rpc, SendError, SenderConfig};
use market::Amount;
use testkit::test_market::quick;
use testkit::{Fault, FaultyRpc};

use super::disk::Disk;
use super::{SUM, approved, deposited, sender};
use crate::support::until;

/// A sender's patience, in which nothing is lost but time.
fn impatient() -> SenderConfig {
    SenderConfig {
        bump_after: Duration::from_millis(200),
        rebroadcast_after: Duration::from_millis(50),
        ..quick()
    }
}

#[tokio::test]
async fn a_node_that_lies_about_the_next_nonce_stops_nothing_for_ever() -> Result<()> {
    let market = approved().await?;
    let proxy = FaultyRpc::start(market.anvil.url()).await?;
    let disk = Disk::default();
    let (rpc, tenant) = (market.client.rpc().clone(), market.tenant.address());
    let nonce = rpc.mined_nonce(tenant).await?;
    let sender = sender(&market, Rpc::dial(proxy.url().parse()?)?, impatient(), &disk);
    proxy.set(Fault::PendingNonce(nonce + 3));
    // Two at once: the second one goes behind the first.
    let call = |sum| market.client.calls().approve_market(Amount(sum));
    let (first, second) = tokio::join!(sender.send(call(1_000)), sender.send(call(2_000)));
    for (outcome, behind) in [(first, nonce + 3), (second, nonce + 4)] {
        let Outcome::Rejected(error @ SendError::Gap { .. }) = outcome else {
            anyhow::bail!("not given up: {outcome:?}")
        };
        assert_eq!(
            error.to_string(),
            format!("the nonce {behind} of approve stands behind one that nobody uses")
        );
        assert!(error.is_retriable());
    }
    assert_eq!(rpc.mined_nonce(tenant).await?, nonce);

    proxy.set(Fault::None);
    for next in [nonce, nonce + 1] {
        sender.execute(market.client.calls().deposit(tenant, SUM)).await?;
        assert_eq!(rpc.mined_nonce(tenant).await?, next + 1);
    }
    assert_eq!(deposited(&market).await?, Amount(2 * SUM.0));
    Ok(())
}

#[tokio::test]
async fn what_an_earlier_process_signed_and_no_node_takes_is_given_up_for_a_new_call() -> Result<()> {
    let market = approved().await?;
    let disk = Disk::default();
    let (rpc, tenant) = (market.client.rpc().clone(), market.tenant.address());
    let nonce = rpc.mined_nonce(tenant).await?;
    market.anvil.pause_mining().await?;
    let first = sender(&market, rpc.clone(), quick(), &disk);
    let call = market.client.calls().deposit(tenant, SUM);
    let job = tokio::spawn(async move { first.execute(call).await });
    until("the entry", || async { Ok(disk.entries().len() == 1) }).await?;
    job.abort();

    let proxy = FaultyRpc::start(market.anvil.url()).await?;
    proxy.set(Fault::RefuseTransactions("tx fee (1.21 ether) exceeds the configured cap (1.00 ether)"));
    let second = sender(&market, Rpc::dial(proxy.url().parse()?)?, impatient(), &disk);
    // It has the journal now, so that nobody puts the transaction back.
    until("an attempt in vain", || async { Ok(proxy.count("eth_sendRawTransaction") > 0) }).await?;
    market.anvil.drop_pending().await?;
    second.ready().await?;
    until("the end of the entry", || async { Ok(disk.entries().is_empty()) }).await?;
    market.anvil.resume_mining().await?;
    let refused = second.send(market.client.calls().deposit(tenant, SUM)).await;
    assert!(matches!(refused, Outcome::Rejected(SendError::Refused { .. })), "{refused:?}");

    proxy.set(Fault::None);
    second.execute(market.client.calls().deposit(tenant, SUM)).await?;
    assert_eq!((deposited(&market).await?, rpc.mined_nonce(tenant).await?), (SUM, nonce + 1));
    Ok(())
}

#[tokio::test]
async fn while_nothing_can_be_written_down_the_offer_that_is_written_goes_out_again() -> Result<()> {
    let market = approved().await?;
    let disk = Disk::default();
    let (rpc, tenant) = (market.client.rpc().clone(), market.tenant.address());
    market.anvil.pause_mining().await?;
    let sender =
        sender(&market, rpc.clone(), SenderConfig { bump_after: Duration::ZERO, ..impatient() }, &disk);
    sender.ready().await?;
    let waiting = sender.clone();
    let call = market.client.calls().deposit(tenant, SUM);
    let job = tokio::spawn(async move { waiting.execute(call).await });
    until("the entry", || async { Ok(disk.entries().len() == 1) }).await?;
    disk.go_away();
    let written = disk.entries().pop().context("nothing is written down")?;
    let newest = written.hashes.last().context("no hash")?;
    // Twice, as the first time may be what was on its way when the disk went.
    for _ in 0..2 {
        market.anvil.drop_pending().await?;
        until("the same bytes", || async {
            let found: Option<serde_json::Value> =
                rpc.request("eth_getTransactionByHash", serde_json::json!([newest])).await?;
            Ok(found.is_some())
        })
        .await?;
    }
    market.anvil.resume_mining().await?;
    market.anvil.mine(1).await?;
    let mined = job.await??;
    assert!(mined.success && written.hashes.contains(&mined.tx_hash), "{mined:?} is none of {written:?}");
    disk.come_back();
    sender.execute(market.client.calls().deposit(tenant, SUM)).await?;
    assert_eq!(market.client.available(tenant, At::Latest).await?, Amount(2 * SUM.0));
    Ok(())
}
