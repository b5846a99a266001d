//! The core with its real effects, on a real chain and a recorded Kubernetes API.

mod filter;
mod harness;

use anyhow::{Context, Result};
use chain::rpc::At;
use chain::{ChainClient, HotKey};
use harness::{Harness, eventually, manifest_bytes, requirements};
use market::{Amount, B256, LeaseId, LeaseState, SignedBid, Statement, Timestamp};
use provider_agent::agent::{Answer, Refusal};
use provider_agent::inbox::Request;
use testkit::{Fault, FaultyRpc, TestMarket};

async fn market() -> Result<TestMarket> {
    let market = TestMarket::start().await?;
    market.register_provider().await?;
    market.fund_tenant(Amount(100_000_000)).await?;
    Ok(market)
}

async fn post_order(market: &TestMarket, nonce: u64) -> Result<market::OrderHash> {
    post_order_of(market, &market.tenant, nonce).await
}

async fn post_order_of(market: &TestMarket, tenant: &HotKey, nonce: u64) -> Result<market::OrderHash> {
    let (mut order, _) = market.order(nonce).await?;
    order.tenant = tenant.address();
    let encoded = chain::convert::encode_requirements(&requirements())?;
    order.requirements_hash = chain::convert::requirements_hash(&encoded);
    order.manifest_hash = manifest::manifest_hash(&B256::repeat_byte(1), &manifest_bytes());
    market.run(tenant, [market.client.calls().post_order(&order, encoded)?]).await?;
    Ok(market.client.eip712().order_digest(&order)?)
}

/// Posts an order and opens the lease that the agent bids for; done when the agent has written its object.
async fn open_lease(market: &TestMarket, agent: &Harness) -> Result<(LeaseId, SignedBid)> {
    let order = post_order(market, 1).await?;
    eventually("a bid", async || Ok(market.client.bids_for(order).await?.len() == 1)).await?;
    let (id, signed) = market.client.bids_for(order).await?.remove(0);
    let open = market.client.calls().open_lease(&signed, market.session.address(), Amount(10_000_000))?;
    market.run(&market.tenant, [open]).await?;
    eventually("the ComputeLease", async || Ok(agent.compute_lease(id)?.is_some())).await?;
    Ok((id, signed))
}

async fn store_manifest(agent: &Harness, id: LeaseId) -> Result<()> {
    let upload = Request::StoreManifest { lease: id, salt: B256::repeat_byte(1), manifest: manifest_bytes() };
    assert_eq!(agent.handle.request(upload).await?, Ok(Answer::ManifestStored));
    Ok(())
}

/// The statement that the agent proposes as soon as it is up to `as_of`.
async fn proposed(agent: &Harness, id: LeaseId, as_of: Timestamp) -> Result<Statement> {
    let mut statement = None;
    eventually("a proposal", async || {
        if let Ok(Answer::Proposal(found)) =
            agent.handle.request(Request::ProposeStatement { lease: id }).await?
        {
            statement = Some(found.statement).filter(|found| found.as_of == as_of);
        }
        Ok(statement.is_some())
    })
    .await?;
    statement.context("no proposal")
}

fn signed_by_session(market: &TestMarket, statement: Statement) -> Result<Request> {
    let signature = market.session.sign_statement(&market.client.eip712(), &statement)?;
    Ok(Request::StoreStatement { statement, signature, signer: market.session.address() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_gets_one_bid_on_chain_even_across_a_restart() -> Result<()> {
    let market = market().await?;
    let first = post_order(&market, 1).await?;
    let agent = Harness::start(&market).await?;
    eventually("a bid", async || Ok(market.client.bids_for(first).await?.len() == 1)).await?;
    agent.stop().await?;

    let agent = Harness::start(&market).await?;
    let second = post_order(&market, 2).await?;
    // When the second order has its bid, the first one has been considered, too.
    eventually("a second bid", async || Ok(market.client.bids_for(second).await?.len() == 1)).await?;
    assert_eq!(market.client.bids_for(first).await?.len(), 1);
    agent.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_drops_and_lies_delays_a_bid_and_nothing_else() -> Result<()> {
    let market = market().await?;
    let proxy = FaultyRpc::start(market.anvil.url()).await?;
    let through = ChainClient::connect(proxy.url().parse()?, *market.deployment()).await?;
    let agent = Harness::start_through(&market, through).await?;
    let first = post_order(&market, 1).await?;
    eventually("a bid", async || Ok(market.client.bids_for(first).await?.len() == 1)).await?;

    proxy.set(Fault::DropRequests);
    let second = post_order(&market, 2).await?;
    for fault in [Fault::DropRequests, Fault::Status(503), Fault::ChainId(1)] {
        proxy.set(fault.clone());
        let asked = proxy.total();
        eventually("more attempts", async || Ok(proxy.total() >= asked + 3)).await?;
        assert_eq!(market.client.bids_for(second).await?, vec![], "{fault:?}");
    }

    proxy.set(Fault::None);
    eventually("the second bid", async || Ok(market.client.bids_for(second).await?.len() == 1)).await?;
    assert_eq!(market.client.bids_for(first).await?.len(), 1);
    agent.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_runs_from_acceptance_to_refund() -> Result<()> {
    let market = market().await?;
    let agent = Harness::start(&market).await?;
    let (id, signed) = open_lease(&market, &agent).await?;
    assert_eq!(market.client.eip712().bid_signer(&signed), Some(market.operator.address()));
    store_manifest(&agent, id).await?;
    let secret = agent.secret(id).context("no Secret")?;
    assert_eq!(secret["metadata"]["ownerReferences"][0]["kind"], "ComputeLease");

    // Ready, so confirmed, so the term is written.
    agent.report_ready(id).await?;
    eventually("the confirmation", async || {
        Ok(market.client.lease(id, At::Latest).await?.state == LeaseState::Active)
    })
    .await?;
    eventually("the term", async || Ok(agent.compute_lease(id)?.is_some_and(|o| o.spec.term.is_some())))
        .await?;

    // The tenant closes after a while; the operator publishes the last usage.
    market.anvil.pass(120).await?;
    market.run(&market.tenant, [market.client.calls().close_lease(id)]).await?;
    eventually("the end in the cluster", async || {
        Ok(agent.compute_lease(id)?.is_some_and(|o| o.spec.desired == crd::DesiredState::Ended))
    })
    .await?;
    let end = market.client.lease(id, At::Latest).await?.end_at;
    agent.report_final_usage(id, end).await?;

    // The tenant signs the last statement; it is settled and the rest refunded.
    let before = market.client.available(market.tenant.address(), At::Latest).await?;
    let statement = proposed(&agent, id, end).await?;
    assert!(statement.last && !statement.amount_cum.is_zero());
    assert_eq!(
        agent.handle.request(signed_by_session(&market, statement)?).await?,
        Ok(Answer::StatementStored)
    );
    eventually("the close on chain", async || {
        Ok(market.client.lease(id, At::Latest).await?.state == LeaseState::Closed)
    })
    .await?;
    let refund = Amount(10_000_000 - statement.amount_cum.0);
    let after = market.client.available(market.tenant.address(), At::Latest).await?;
    assert_eq!(after, before.saturating_add(refund));
    let earned = market.client.available(market.provider.address(), At::Latest).await?;
    assert_eq!(earned, statement.amount_cum);
    eventually("the object's deletion", async || Ok(agent.compute_lease(id)?.is_none())).await?;
    eventually("the Secret's deletion", async || Ok(agent.secret(id).is_none())).await?;
    agent.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_without_a_manifest_is_declined_before_its_window_ends() -> Result<()> {
    let market = market().await?;
    let agent = Harness::start(&market).await?;
    let (id, _) = open_lease(&market, &agent).await?;
    market.anvil.pass(1700).await?;
    eventually("the decline", async || {
        Ok(market.client.lease(id, At::Latest).await?.state == LeaseState::Closed)
    })
    .await?;
    let available = market.client.available(market.tenant.address(), At::Latest).await?;
    assert_eq!(available, Amount(100_000_000));
    agent.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_the_agent_has_not_seen_is_not_undone_by_a_signed_statement() -> Result<()> {
    let market = market().await?;
    let agent = Harness::start(&market).await?;
    let (id, _) = open_lease(&market, &agent).await?;
    store_manifest(&agent, id).await?;
    agent.report_ready(id).await?;
    eventually("the term", async || Ok(agent.compute_lease(id)?.is_some_and(|o| o.spec.term.is_some())))
        .await?;
    market.anvil.pass(120).await?;
    let now = market.now().await?;
    agent.report_usage(id, now).await?;
    let statement = proposed(&agent, id, now).await?;
    let store = || signed_by_session(&market, statement);

    // The first try is decided on a spec that is not there any more; it shows the core the pause. The second carries it over.
    agent.pause_unseen(id)?;
    assert_eq!(agent.handle.request(store()?).await?, Err(Refusal::NotStored));
    let unsigned = agent.compute_lease(id)?.context("no ComputeLease")?.spec;
    assert_eq!((unsigned.desired, unsigned.settlement), (crd::DesiredState::Paused, None));
    assert_eq!(agent.handle.request(store()?).await?, Ok(Answer::StatementStored));
    let spec = agent.compute_lease(id)?.context("no ComputeLease")?.spec;
    assert_eq!(spec.desired, crd::DesiredState::Paused);
    assert!(spec.settlement.is_some());
    agent.stop().await
}
