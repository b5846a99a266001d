//! What real parts show of themselves: transactions, pods, API writes, memory.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::B256;
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use anyhow::{Context, Result};
use chain::abi::ILeaseMarket::{BidPosted, ILeaseMarketEvents, LeaseOpened, OrderPosted};
use chain::abi::IProviderRegistry::IProviderRegistryEvents;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::report::{self, Latencies, Transaction};
use crate::story::order::Opened;
use crate::world::World;
use crate::{chart, cluster};

/// The admin port of operator and agent.
const ADMIN_PORT: u16 = 8080;

/// The lease's pods; there must be some, and all must have been pulled by digest.
///
/// # Errors
/// When there is none.
pub(super) async fn pods(world: &World, opened: &Opened) -> Result<Vec<report::Pod>> {
    let pods = cluster::pods(&world.cluster, &opened.namespace).await?;
    anyhow::ensure!(!pods.is_empty(), "no pod runs in {}", opened.namespace);
    for pod in &pods {
        anyhow::ensure!(
            pod.images.iter().all(|image| image.contains("@sha256:")),
            "{} runs an image without a digest",
            pod.name
        );
    }
    Ok(pods)
}

/// Every transaction that the two contracts logged, in order.
///
/// # Errors
/// When the chain does not answer.
pub(super) async fn transactions(world: &World) -> Result<Vec<Transaction>> {
    let filter = Filter::new()
        .address(vec![world.chain.deployment().market, world.chain.deployment().registry])
        .from_block(world.chain.deployment().deployed_block);
    let mut seen = BTreeSet::new();
    let mut transactions = Vec::new();
    for log in world.node.get_logs(&filter).await? {
        // What is not in our interfaces is a library's, from the deployment.
        let Some(event) = event_name(&log) else { continue };
        let hash = log.transaction_hash.context("a log without a transaction")?;
        if !seen.insert((hash, event)) {
            continue;
        }
        let receipt = world.node.get_transaction_receipt(hash).await?.context("a log without a receipt")?;
        transactions.push(Transaction {
            event: event.to_owned(),
            hash: hash.to_string(),
            block: receipt.block_number.context("a receipt without a block")?,
            gas_used: receipt.gas_used,
        });
    }
    Ok(transactions)
}

fn event_name(log: &Log) -> Option<&'static str> {
    let topic = log.topic0()?.0;
    ILeaseMarketEvents::name_by_selector(topic).or_else(|| IProviderRegistryEvents::name_by_selector(topic))
}

/// The latencies a user feels, from the chain's own clock and the cluster's.
///
/// # Errors
/// When an event of the lease is missing, or the lease was confirmed before its pods were ready.
pub(super) async fn latencies(
    world: &World,
    opened: &Opened,
    close_to_namespace_gone: u64,
) -> Result<Latencies> {
    let bid_log = logged(world, BidPosted::SIGNATURE_HASH, opened.lease_id.0).await?;
    let bid = BidPosted::decode_log(&bid_log.inner)?;
    let order_log = logged(world, OrderPosted::SIGNATURE_HASH, bid.orderHash).await?;
    let lease_log = logged(world, LeaseOpened::SIGNATURE_HASH, opened.lease_id.0).await?;
    let started_at =
        world.lease(opened.lease_id).await?.started_at.context("the lease was never confirmed")?;
    let ready_at = u64::try_from(opened.ready_at)?;
    anyhow::ensure!(started_at.0 >= ready_at, "confirmed at {started_at}, before it was ready at {ready_at}");

    let order_to_bid = time_of(world, &bid_log).await?.saturating_sub(time_of(world, &order_log).await?);
    let lease_to_ready = ready_at.saturating_sub(time_of(world, &lease_log).await?);
    Ok(Latencies {
        order_to_bid: order_to_bid * 1000,
        lease_to_ready: lease_to_ready * 1000,
        close_to_namespace_gone,
    })
}

/// The first log of an event about one id.
async fn logged(world: &World, event: B256, id: B256) -> Result<Log> {
    let deployment = world.chain.deployment();
    let filter = Filter::new()
        .address(deployment.market)
        .event_signature(event)
        .topic1(id)
        .from_block(deployment.deployed_block);
    let logs = world.node.get_logs(&filter).await?;
    logs.into_iter().next().with_context(|| format!("no event {event} about {id} on chain"))
}

async fn time_of(world: &World, log: &Log) -> Result<u64> {
    let number = log.block_number.context("a log without a block")?;
    let block = world.node.get_block_by_number(number.into()).await?.context("a log of an unknown block")?;
    Ok(block.header.timestamp)
}

/// The operator's writes to the API server so far, by kind and verb.
///
/// # Errors
/// When the operator does not serve its metrics.
pub(super) async fn api_writes(world: &World) -> Result<BTreeMap<String, u64>> {
    let pod = component(world, "operator").await?;
    let text = cluster::pod_get(&world.cluster, chart::NAMESPACE, &pod, ADMIN_PORT, "/metrics").await?;
    parse_writes(&text)
}

fn parse_writes(text: &str) -> Result<BTreeMap<String, u64>> {
    let mut writes = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("operator_api_writes_total{")) {
        let (labels, count) = line.split_once("} ").with_context(|| format!("no metric line: {line}"))?;
        let name: Vec<_> = labels.split(',').filter_map(|label| label.split('"').nth(1)).collect();
        writes.insert(name.join(" "), count.trim().parse()?);
    }
    Ok(writes)
}

/// Resident memory of operator and agent, bytes, as their kubelet sees it.
///
/// # Errors
/// When the kubelet does not list them.
pub(super) async fn resident_memory(world: &World) -> Result<BTreeMap<String, u64>> {
    let mut memory = BTreeMap::new();
    for node in cluster::nodes(&world.cluster).await? {
        let request =
            http::Request::get(format!("/api/v1/nodes/{}/proxy/stats/summary", node.name)).body(Vec::new())?;
        let summary: Value = world.cluster.request(request).await?;
        for pod in summary["pods"].as_array().context("the kubelet's summary has no pods")? {
            if pod["podRef"]["namespace"] == chart::NAMESPACE {
                let name = pod["podRef"]["name"].as_str().unwrap_or_default().to_owned();
                let containers = pod["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
                let bytes =
                    containers.iter().filter_map(|container| container["memory"]["rssBytes"].as_u64()).sum();
                memory.insert(name, bytes);
            }
        }
    }
    anyhow::ensure!(!memory.is_empty(), "no kubelet lists our own pods");
    Ok(memory)
}

/// Looks for the tenant's secrets and the hot key in the logs of operator and agent.
///
/// # Errors
/// When a log holds one; the error names the pod only.
pub(super) async fn no_secret_was_logged(world: &World) -> Result<()> {
    let key = std::fs::read_to_string(&world.keys.operator.file).context("failed to read the hot key")?;
    let key = key.trim().trim_start_matches("0x");
    for (pod, log) in cluster::logs(&world.cluster, chart::NAMESPACE).await? {
        anyhow::ensure!(!log.contains(key), "{pod} logged the hot key");
        let leaked = world.tenant.secrets().any(|secret| log.contains(secret));
        anyhow::ensure!(!leaked, "{pod} logged a secret of the tenant");
    }
    Ok(())
}

/// Version of the API server.
///
/// # Errors
/// When it does not answer.
pub(super) async fn kubernetes_version(world: &World) -> Result<String> {
    Ok(world.cluster.apiserver_version().await?.git_version)
}

async fn component(world: &World, name: &str) -> Result<String> {
    let selector = ListParams::default().labels(&format!("app.kubernetes.io/component={name}"));
    let pods = Api::<Pod>::namespaced(world.cluster.clone(), chart::NAMESPACE).list(&selector).await?;
    pods.items.first().map(ResourceExt::name_any).with_context(|| format!("no pod of the {name} runs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_read_from_the_metrics_text() {
        let text = "# TYPE operator_api_writes_total counter\n\
                    operator_api_writes_total{kind=\"Namespace\",verb=\"apply\"} 1\n\
                    operator_api_writes_total{kind=\"Service\",verb=\"apply\"} 2\nother 3\n";
        let expected = BTreeMap::from([("Namespace apply".to_owned(), 1), ("Service apply".to_owned(), 2)]);
        assert_eq!(parse_writes(text).unwrap(), expected);
    }
}
