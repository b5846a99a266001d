//! Nodes that drop, lie and lag: every fault is a typed error, and nothing is lost.

use anyhow::{Context, Result, bail};
use chain::{At, ChainClient, ClientError, FollowError, Outcome, Rpc, RpcError, SendError};
use market::Amount;
use serde_json::{Value, json};
use testkit::test_market::quick;
use testkit::{Fault, FaultyRpc, TestMarket};

use crate::support::{follow_to_head, follower};

async fn proxied(market: &TestMarket) -> Result<(FaultyRpc, Rpc)> {
    let proxy = FaultyRpc::start(market.anvil.url()).await?;
    let rpc = Rpc::dial(proxy.url().parse()?)?;
    Ok((proxy, rpc))
}

#[tokio::test]
async fn a_node_of_another_chain_is_refused_everywhere() -> Result<()> {
    let market = TestMarket::start().await?;
    let (proxy, rpc) = proxied(&market).await?;
    proxy.set(Fault::ChainId(1));
    let connected = ChainClient::connect(proxy.url().parse()?, *market.deployment()).await;
    let wrong = |error: &RpcError| matches!(error, RpcError::WrongChain { expected: 31337, found: 1 });
    assert!(matches!(&connected, Err(ClientError::Rpc(error)) if wrong(error) && !error.is_retriable()));

    let mut follower = follower(&market, rpc.clone(), 100);
    let followed = follower.next().await;
    assert!(matches!(&followed, Err(error @ FollowError::Rpc(rpc)) if wrong(rpc) && !error.is_retriable()));

    let nonce = market.client.rpc().mined_nonce(market.tenant.address()).await?;
    let sender = market.sender_through(rpc, &market.tenant, quick());
    let outcome = sender.send(market.client.calls().approve_market(Amount(1))).await;
    assert!(
        matches!(&outcome, Outcome::Rejected(SendError::Rpc { source, .. }) if wrong(source)),
        "{outcome:?}"
    );
    assert_eq!(market.client.rpc().mined_nonce(market.tenant.address()).await?, nonce);
    Ok(())
}

#[tokio::test]
async fn a_node_that_turns_into_one_of_another_chain_is_noticed() -> Result<()> {
    let market = TestMarket::start().await?;
    let (proxy, rpc) = proxied(&market).await?;
    let mut follower = follower(&market, rpc, 100);
    follow_to_head(&mut follower).await?;
    proxy.set(Fault::DropRequests);
    let dropped = follower.next().await.unwrap_err();
    assert!(dropped.is_retriable(), "{dropped}");
    proxy.set(Fault::ChainId(5));
    let wrong = follower.next().await.unwrap_err();
    assert!(matches!(wrong, FollowError::Rpc(RpcError::WrongChain { found: 5, .. })), "{wrong}");
    Ok(())
}

#[tokio::test]
async fn an_error_does_not_repeat_the_nodes_address_with_its_key() -> Result<()> {
    let rpc = Rpc::dial("http://user:hunter2@127.0.0.1:1/v3/hunter2?key=hunter2".parse()?)?;
    let error = rpc.chain_id().await.unwrap_err();
    assert!(error.is_retriable());
    let debugged = format!("{error:?}");
    let told = format!("{debugged} {:#}", anyhow::Error::new(error));
    assert!(told.contains("eth_chainId") && !told.contains("hunter2"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_deployment_of_another_chain_is_refused() -> Result<()> {
    let market = TestMarket::start().await?;
    let nowhere = chain::Deployment { market: market.tenant.address(), ..*market.deployment() };
    let connected = ChainClient::connect(market.anvil.url().parse()?, nowhere).await;
    assert!(matches!(connected, Err(ClientError::NoContract(address)) if address == market.tenant.address()));
    let mixed = chain::Deployment { registry: market.deployment().token, ..*market.deployment() };
    let connected = ChainClient::connect(market.anvil.url().parse()?, mixed).await;
    assert!(matches!(connected, Err(ClientError::WrongRegistry { .. })));
    Ok(())
}

#[tokio::test]
async fn nonsense_of_any_kind_is_an_error_and_nothing_is_lost() -> Result<()> {
    let market = TestMarket::start().await?;
    let (proxy, rpc) = proxied(&market).await?;
    let client = ChainClient::unchecked(rpc.clone(), *market.deployment());
    let mut follower = follower(&market, rpc.clone(), 100);
    let faults = [
        Fault::DropRequests,
        Fault::Garbage,
        Fault::Status(503),
        Fault::Status(429),
        Fault::Answer(Value::Null),
        Fault::Answer(json!("0x")),
        Fault::Answer(json!("0xzz")),
        Fault::Answer(json!({})),
        Fault::Answer(json!([])),
        Fault::Answer(json!([{ "address": "0x00" }])),
        Fault::Answer(json!(-1)),
        Fault::Answer(json!("0xffffffffffffffffffffffffffffffff")),
    ];
    for fault in faults {
        proxy.set(fault.clone());
        let followed = follower.next().await;
        assert!(followed.is_err(), "{fault:?}: {followed:?}");
        let read = client.get_leases(&[market::LeaseId(Default::default())], At::Latest).await;
        assert!(read.is_err(), "{fault:?}: {read:?}");
        assert!(client.provider_of(market.tenant.address(), At::Latest).await.is_err(), "{fault:?}");
        let outcome = market
            .sender_through(rpc.clone(), &market.tenant, quick())
            .send(market.client.calls().approve_market(Amount(1)))
            .await;
        assert!(matches!(outcome, Outcome::Rejected(_)), "{fault:?}: {outcome:?}");
    }
    proxy.set(Fault::None);
    market.fund_tenant(Amount(5)).await?;
    let through = follow_to_head(&mut follower).await?;
    let mut direct = crate::support::follower(&market, market.client.rpc().clone(), 100);
    assert_eq!(through, follow_to_head(&mut direct).await?);
    assert!(!through.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_node_that_lags_is_waited_for() -> Result<()> {
    let market = TestMarket::start().await?;
    let (proxy, rpc) = proxied(&market).await?;
    let mut follower = follower(&market, rpc, 100);
    follow_to_head(&mut follower).await?;
    let tip = follower.cursor().tip().context("nothing followed")?.number;
    market.fund_tenant(Amount(5)).await?;
    proxy.set(Fault::HeadAt(tip - 2));
    let behind = follower.next().await.unwrap_err();
    assert!(matches!(behind, FollowError::Behind { head, processed } if head == tip - 2 && processed == tip));
    assert!(behind.is_retriable());
    proxy.set(Fault::None);
    let events = follow_to_head(&mut follower).await?;
    assert_eq!(events.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_node_without_new_blocks_counts_as_stalled() -> Result<()> {
    let market = TestMarket::start().await?;
    let config = chain::FollowerConfig {
        poll_interval: std::time::Duration::from_millis(20),
        stall_after: Some(std::time::Duration::from_millis(100)),
        ..Default::default()
    };
    let cursor = chain::Cursor::start(market.deployment().deployed_block);
    let mut follower =
        chain::LogFollower::new(market.client.rpc().clone(), *market.deployment(), config, cursor);
    let stalled = loop {
        if let Err(error) = follower.next().await {
            break error;
        }
    };
    assert!(matches!(stalled, FollowError::Stalled { .. }) && stalled.is_retriable(), "{stalled}");
    market.anvil.mine(1).await?;
    follower.next().await?;
    Ok(())
}

#[tokio::test]
async fn ranges_shrink_until_the_node_answers() -> Result<()> {
    let market = TestMarket::start().await?;
    market.fund_tenant(Amount(5)).await?;
    market.anvil.mine(150).await?;
    market.fund_tenant(Amount(6)).await?;
    market.anvil.mine(150).await?;
    let (proxy, rpc) = proxied(&market).await?;
    proxy.set(Fault::MaxLogRange(7));
    let mut narrow = follower(&market, rpc.clone(), 2000);
    let through = follow_to_head(&mut narrow).await?;
    let mut direct = follower(&market, market.client.rpc().clone(), 2000);
    let expected = follow_to_head(&mut direct).await?;
    assert_eq!((&through, through.len()), (&expected, 2));
    // Looking up single facts shrinks its ranges as well.
    let client = ChainClient::unchecked(rpc, *market.deployment());
    assert_eq!(client.provider_record(market.provider.address()).await?, None);
    Ok(())
}

#[tokio::test]
async fn a_saved_cursor_goes_on_where_it_was() -> Result<()> {
    let market = TestMarket::start().await?;
    market.fund_tenant(Amount(5)).await?;
    let mut first = follower(&market, market.client.rpc().clone(), 100);
    assert_eq!(follow_to_head(&mut first).await?.len(), 1);
    let saved = serde_json::to_string(first.cursor())?;
    drop(first);
    market.fund_tenant(Amount(6)).await?;
    let cursor: chain::Cursor = serde_json::from_str(&saved)?;
    let config = chain::FollowerConfig::default();
    let mut second =
        chain::LogFollower::new(market.client.rpc().clone(), *market.deployment(), config, cursor);
    let events = follow_to_head(&mut second).await?;
    let [found] = events.as_slice() else { bail!("{events:?}") };
    let chain::ChainEvent::Deposited { amount, .. } = found.event else { bail!("{found:?}") };
    assert_eq!(amount, Amount(6));
    Ok(())
}
