//! Three nodes of which two must agree: one may do what it likes, and two may not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use chain::{At, ChainClient, NodeDeed, Outcome, Rpc, RpcError};
use market::Amount;
use serde_json::{Value, json};
use testkit::test_market::quick;
use testkit::{Fault, FaultyRpc, TestMarket};

use crate::support::{follow_to_head, follower, until};

/// A word of 32 bytes that no read expects.
const LIE: &str = "0x00000000000000000000000000000000000000000000000000000000000f4240";

struct Panel {
    nodes: Vec<FaultyRpc>,
    rpc: Rpc,
    deeds: Arc<Mutex<HashMap<(usize, NodeDeed), u32>>>,
}

impl Panel {
    async fn start(market: &TestMarket, nodes: usize) -> Result<Self> {
        let mut proxies = Vec::new();
        for _ in 0..nodes {
            proxies.push(FaultyRpc::start(market.anvil.url()).await?);
        }
        let deeds = Arc::new(Mutex::new(HashMap::new()));
        let seen = Arc::clone(&deeds);
        let urls = proxies.iter().map(|node| node.url().parse()).collect::<Result<Vec<_>, _>>()?;
        let rpc = Rpc::dial_several(urls, Rpc::majority(nodes))?.watched(Arc::new(move |node, deed| {
            *seen.lock().expect("nobody panics with it").entry((node, deed)).or_default() += 1;
        }));
        Ok(Self { nodes: proxies, rpc, deeds })
    }

    fn set(&self, node: usize, fault: Fault) {
        self.nodes.get(node).expect("no such node").set(fault);
    }

    fn deeds(&self, node: usize, deed: NodeDeed) -> u32 {
        self.deeds.lock().expect("nobody panics with it").get(&(node, deed)).copied().unwrap_or(0)
    }

    fn client(&self, market: &TestMarket) -> ChainClient {
        ChainClient::unchecked(self.rpc.clone(), *market.deployment())
    }
}

#[tokio::test]
async fn whatever_one_node_does_the_truth_is_read_and_transactions_arrive() -> Result<()> {
    let market = TestMarket::start().await?;
    market.fund_tenant(Amount(5)).await?;
    market.anvil.mine(80).await?;
    market.fund_tenant(Amount(6)).await?;
    let mut direct = follower(&market, market.client.rpc().clone(), 100);
    let events = follow_to_head(&mut direct).await?;
    assert!(!events.is_empty());
    let tenant = market.tenant.address();
    let faults = [
        Fault::None,
        Fault::DropRequests,
        Fault::Garbage,
        Fault::Status(429),
        Fault::ChainId(1),
        Fault::HeadAt(3),
        Fault::Answer(Value::Null),
        Fault::AnswerTo("eth_call", json!(LIE)),
        Fault::AnswerTo("eth_getLogs", json!([])),
        Fault::AnswerTo("eth_getTransactionReceipt", Value::Null),
        Fault::AnswerTo("eth_getTransactionCount", json!("0xffff")),
        Fault::RefuseTransactions("not today"),
    ];
    for (number, fault) in (1u64..).zip(faults) {
        let liar = usize::try_from(number % 3)?;
        let panel = Panel::start(&market, 3).await?;
        let client = panel.client(&market);
        panel.set(liar, fault.clone());
        let mut follower = follower(&market, panel.rpc.clone(), 100);
        let followed = follow_to_head(&mut follower).await?;
        assert_eq!(followed.get(..events.len()), Some(events.as_slice()), "{fault:?}");
        client.check().await.with_context(|| format!("{fault:?}"))?;
        let sender = market.sender_through(panel.rpc.clone(), &market.tenant, quick());
        let mined = sender.execute(client.calls().approve_market(Amount(number.into()))).await;
        assert!(mined.with_context(|| format!("{fault:?}"))?.success);
        let allowed = client.allowance(tenant, market.deployment().market, At::Latest).await?;
        assert_eq!(allowed, Amount(number.into()), "{fault:?}");
    }
    assert_eq!(market.client.allowance(tenant, market.deployment().market, At::Latest).await?, Amount(12));
    Ok(())
}

#[tokio::test]
async fn a_liar_is_named_and_one_that_only_lags_is_not() -> Result<()> {
    let market = TestMarket::start().await?;
    let panel = Panel::start(&market, 3).await?;
    let client = panel.client(&market);
    let tip = market.client.rpc().head().await?.number;
    panel.set(0, Fault::AnswerTo("eth_call", json!(LIE)));
    panel.set(2, Fault::HeadAt(tip - 1));
    assert_eq!(
        client.allowance(market.tenant.address(), market.deployment().market, At::Latest).await?,
        Amount(0)
    );
    assert!(panel.deeds(0, NodeDeed::Contradicted) > 0);
    assert_eq!((panel.deeds(1, NodeDeed::Contradicted), panel.deeds(2, NodeDeed::Contradicted)), (0, 0));
    Ok(())
}

#[tokio::test]
async fn the_head_is_what_two_have_reached() -> Result<()> {
    let market = TestMarket::start().await?;
    let panel = Panel::start(&market, 3).await?;
    let tip = market.client.rpc().head().await?.number;
    for (lagging, expected) in [(vec![0], tip), (vec![0, 1], tip - 2)] {
        for node in lagging {
            panel.set(node, Fault::HeadAt(tip - 2));
        }
        assert_eq!(panel.rpc.head().await?.number, expected);
    }
    Ok(())
}

#[tokio::test]
async fn when_two_lie_differently_or_are_away_nothing_is_believed_and_nothing_is_spent() -> Result<()> {
    let market = TestMarket::start().await?;
    let panel = Panel::start(&market, 3).await?;
    let client = panel.client(&market);
    let tenant = market.tenant.address();
    let spender = market.deployment().market;
    let nonce = market.client.rpc().mined_nonce(tenant).await?;
    panel.set(0, Fault::AnswerTo("eth_call", json!(LIE)));
    panel.set(1, Fault::AnswerTo("eth_call", json!(LIE.replace('f', "e"))));
    let read = client.allowance(tenant, spender, At::Latest).await.unwrap_err();
    assert!(read.is_retriable(), "{read}");
    assert_eq!(read.to_string(), "the nodes disagree about eth_call: 2 must say the same, at most 1 do");

    panel.set(0, Fault::DropRequests);
    panel.set(1, Fault::DropRequests);
    let read = panel.rpc.head().await.unwrap_err();
    assert!(matches!(read, RpcError::TooFew { needed: 2, answered: 1, .. }) && read.is_retriable(), "{read}");
    let sender = market.sender_through(panel.rpc.clone(), &market.tenant, quick());
    let outcome = sender.send(client.calls().approve_market(Amount(1))).await;
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    assert_eq!(market.client.rpc().mined_nonce(tenant).await?, nonce);

    panel.set(0, Fault::None);
    until("the rest of one node is over", || async { Ok(panel.rpc.head().await.is_ok()) }).await
}

#[tokio::test]
async fn two_nodes_of_another_chain_are_too_many() -> Result<()> {
    let market = TestMarket::start().await?;
    let panel = Panel::start(&market, 3).await?;
    panel.set(0, Fault::ChainId(1));
    panel.set(1, Fault::ChainId(1));
    let checked = panel.rpc.check_chain(31337).await.unwrap_err();
    assert!(matches!(checked, RpcError::WrongChain { expected: 31337, found: 1 }), "{checked}");
    Ok(())
}

#[tokio::test]
async fn a_node_that_failed_lately_is_asked_where_the_others_are_too_few() -> Result<()> {
    let market = TestMarket::start().await?;
    let panel = Panel::start(&market, 3).await?;
    panel.set(0, Fault::DropRequests);
    panel.rpc.head().await?;
    panel.set(0, Fault::None);
    panel.set(1, Fault::ChainId(1));
    panel.rpc.check_chain(31337).await?;
    Ok(())
}

#[tokio::test]
async fn while_all_is_well_no_more_nodes_are_asked_than_must_agree() -> Result<()> {
    let market = TestMarket::start().await?;
    let panel = Panel::start(&market, 3).await?;
    let block = market.client.rpc().head().await?.hash;
    for _ in 0..5 {
        panel.client(&market).windows(At::Block(block)).await?;
    }
    let calls: Vec<usize> = panel.nodes.iter().map(|node| node.count("eth_call")).collect();
    assert_eq!(calls, [5, 5, 0]);
    Ok(())
}

#[test]
fn a_panel_that_can_never_agree_is_refused() {
    let node = || "http://127.0.0.1:1".parse().unwrap();
    for needed in [0, 3] {
        let refused = Rpc::dial_several([node(), node()], needed).unwrap_err();
        assert!(matches!(refused, RpcError::Nodes(_)) && !refused.is_retriable(), "{refused}");
    }
    assert_eq!([1, 2, 3, 4, 5].map(Rpc::majority), [1, 2, 2, 3, 3]);
}
