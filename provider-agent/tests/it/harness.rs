//! An agent without its gateway's socket: the real core, follower and effects.

use std::time::Duration;

use anyhow::{Context, Result};
use chain::rpc::At;
use chain::{ChainClient, TxSender};
use crd::{ComputeLease, ComputeLeaseStatus, condition};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use market::{LeaseId, Requirements, Timestamp, Usage};
use provider_agent::agent::{Event, State};
use provider_agent::bidding::Policy;
use provider_agent::cluster::ClusterCache;
use provider_agent::config::Config;
use provider_agent::effects::{Effects, Shared};
use provider_agent::follow::Follow;
use provider_agent::inbox::{AgentHandle, QUEUE};
use provider_agent::journal::ConfigMapJournal;
use provider_agent::metrics::Metrics;
use provider_agent::runtime::{Core, rules};
use provider_agent::series::Series;
use serde_json::{Value, json};
use telemetry::{CancellationToken, Checks, Registry};
use testkit::TestMarket;
use testkit::mock_api::MockApi;
use testkit::test_market::quick;
use tokio::sync::{OnceCell, mpsc};
use tokio::task::JoinHandle;

const NAMESPACE: &str = "leasehold-system";
const JOURNAL: &str = "leasehold-agent-transactions";
/// Ticks and looks come this often, so that tests do not wait.
const TICK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

const MANIFEST: &str = "
version: v1
name: guestbook
duration: 1h
tier: strict
services:
  web:
    image: registry.example/web@sha256:0000000000000000000000000000000000000000000000000000000000000000
    resources: {cpu: 250m, memory: 64Mi}
";

pub(crate) struct Harness {
    pub(crate) handle: AgentHandle,
    api: MockApi,
    metrics: Metrics,
    shutdown: CancellationToken,
    core: JoinHandle<()>,
}

fn manifest() -> manifest::ValidManifest {
    let parsed = manifest::parse(MANIFEST, "test.yaml").expect("the manifest parses");
    manifest::validate(&parsed).expect("the manifest is valid")
}

pub(crate) fn manifest_bytes() -> Vec<u8> {
    manifest().canonical_json()
}

pub(crate) fn requirements() -> Requirements {
    manifest().requirements()
}

/// Looks until it is so, or fails naming what was waited for.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let look = async {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            if is_so().await? {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.with_context(|| format!("waited in vain for {what}"))?
}

fn cluster() -> Result<ClusterCache> {
    let node: Node = serde_json::from_value(json!({
        "metadata": {"name": "n"},
        "status": {
            "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "50Gi"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }))?;
    Ok(ClusterCache::fixed(vec![node], vec![], Vec::<StorageClass>::new()))
}

fn config(market: &TestMarket, more: &str) -> Result<Config> {
    let deployment = market.deployment();
    let text = format!(
        "[chain]\nrpc_url = \"{}\"\nmax_head_age = \"30d\"\n\
         deployment = {{ chain_id = {}, market = \"{}\", registry = \"{}\", token = \"{}\", token_decimals = 6, deployed_block = {} }}\n\
         [provider]\nowner = \"{}\"\noperator_key_file = \"/nowhere\"\n\
         [gateway]\npublic_url = \"https://127.0.0.1:8443\"\n\
         [pricing]\ncpu_core_hour = \"0.5\"\nmemory_gib_hour = \"0.5\"\negress_gib = \"0\"\n\
         [terms]\nmax_slash = \"1\"\nno_show_penalty = \"0.1\"\n{more}",
        market.anvil.url(),
        deployment.chain_id,
        deployment.market,
        deployment.registry,
        deployment.token,
        deployment.deployed_block,
        market.provider.address(),
    );
    Ok(Config::parse(&text)?)
}

impl Harness {
    pub(crate) async fn start(market: &TestMarket) -> Result<Self> {
        Self::start_through(market, market.client.clone()).await
    }

    /// Starts an agent whose node is the one that `chain` speaks to.
    pub(crate) async fn start_through(market: &TestMarket, chain: ChainClient) -> Result<Self> {
        Self::start_on(market, chain, MockApi::new(), "").await
    }

    /// Starts an agent with further sections of configuration.
    pub(crate) async fn start_with(market: &TestMarket, more: &str) -> Result<Self> {
        Self::start_on(market, market.client.clone(), MockApi::new(), more).await
    }

    /// Kills this agent's core, and starts another agent of the same cluster that takes over the journal.
    pub(crate) async fn replaced(self, market: &TestMarket, more: &str) -> Result<Self> {
        self.core.abort();
        self.shutdown.cancel();
        Self::start_on(market, market.client.clone(), self.api.clone(), more).await
    }

    async fn start_on(market: &TestMarket, chain: ChainClient, api: MockApi, more: &str) -> Result<Self> {
        let config = config(market, more)?;
        let deployment = *market.deployment();
        let policy = Policy::new(&config, market.operator.address(), deployment.token, 6)?;
        let windows = chain.windows(At::Latest).await?;
        let metrics = Metrics::new(&Registry::new())?;
        let (messages, inbox) = mpsc::channel(QUEUE);
        let handle = AgentHandle::new(messages);
        let shutdown = CancellationToken::new();
        let effects = Effects::new(Shared {
            sender: TxSender::spawn_with_journal(
                chain.rpc().clone(),
                deployment,
                market.operator.clone(),
                quick(),
                ConfigMapJournal::new(api.client(), NAMESPACE, JOURNAL),
            ),
            chain: chain.clone(),
            key: market.operator.clone(),
            provider: policy.provider,
            kubernetes: api.client(),
            namespace: NAMESPACE.into(),
            cache: cluster()?,
            agent: handle.clone(),
            metrics: metrics.clone(),
            series: Series::none(),
            inherited_by: OnceCell::new(),
        });
        let follow = Follow {
            rpc: chain.rpc().clone(),
            deployment,
            provider: policy.provider,
            operator: market.operator.address(),
            poll_interval: TICK,
            confirmations: 0,
            max_head_age: config.chain.max_head_age.0,
            agent: handle.clone(),
            metrics: metrics.clone(),
            check: Checks::new().add("chain", "not followed yet"),
        };
        tokio::spawn(follow.run(shutdown.clone()));
        tokio::spawn(tick(handle.clone(), shutdown.clone()));
        let state = State::new(rules(&config, policy, &chain, windows)?);
        let core = Core::new(state, effects, metrics.clone(), 6);
        let core = tokio::spawn(core.run(inbox, shutdown.clone()));
        Ok(Self { handle, api, metrics, shutdown, core })
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        Ok(self.core.await?)
    }

    /// How often an order was declined for a reason.
    pub(crate) fn declines(&self, reason: &str) -> u64 {
        self.metrics.declines.with_label_values(&[reason]).get()
    }

    pub(crate) fn bids_placed(&self) -> u64 {
        self.metrics.bids_placed.get()
    }

    pub(crate) fn orders_seen(&self) -> u64 {
        self.metrics.orders_seen.get()
    }

    /// Whether the journal of transactions has a value whose name begins so.
    pub(crate) fn has_written_down(&self, prefix: &str) -> bool {
        let journal = self.api.find(&format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{JOURNAL}"));
        let data = journal.as_ref().and_then(|journal| journal["data"].as_object());
        data.is_some_and(|data| data.keys().any(|key| key.starts_with(prefix)))
    }

    pub(crate) fn compute_lease(&self, id: LeaseId) -> Result<Option<ComputeLease>> {
        let found = self.api.find(&compute_lease_path(id));
        Ok(found.map(serde_json::from_value).transpose()?)
    }

    pub(crate) fn secret(&self, id: LeaseId) -> Option<Value> {
        let name = crd::LeaseName::of(id).manifest_secret();
        self.api.find(&format!("/api/v1/namespaces/{NAMESPACE}/secrets/{name}"))
    }

    /// Says what the operator says: all is ready.
    pub(crate) async fn report_ready(&self, id: LeaseId) -> Result<()> {
        self.report(id, |status| {
            status.phase = crd::Phase::Ready;
            status.conditions = vec![is_true(condition::READY)];
        })
        .await
    }

    /// Says what the operator says at the end: the last usage, of a lease that was there all the time.
    pub(crate) async fn report_final_usage(&self, id: LeaseId, end: Timestamp) -> Result<()> {
        self.report(id, |status| {
            status.phase = crd::Phase::Ended;
            status.conditions = vec![is_true(condition::USAGE_FINAL)];
            status.usage = Some(usage_to(end));
        })
        .await
    }

    /// Says what the meter says while a lease runs.
    pub(crate) async fn report_usage(&self, id: LeaseId, as_of: Timestamp) -> Result<()> {
        self.report(id, |status| status.usage = Some(usage_to(as_of))).await
    }

    /// A person pauses the lease, and the watch has not brought it yet.
    pub(crate) fn pause_unseen(&self, id: LeaseId) -> Result<()> {
        let mut object = self.compute_lease(id)?.context("no ComputeLease")?;
        object.spec.desired = crd::DesiredState::Paused;
        object.metadata.generation = object.metadata.generation.map(|generation| generation + 1);
        self.api.insert(&compute_lease_path(id), &object);
        Ok(())
    }

    async fn report(&self, id: LeaseId, change: impl FnOnce(&mut ComputeLeaseStatus)) -> Result<()> {
        let mut object = self.compute_lease(id)?.context("no ComputeLease")?;
        let mut status = object.status.take().unwrap_or_default();
        status.observed_generation = object.metadata.generation;
        change(&mut status);
        object.status = Some(status);
        self.api.insert(&compute_lease_path(id), &object);
        Ok(self.handle.deliver(Event::ComputeLeaseObserved(Box::new(object))).await?)
    }
}

fn usage_to(as_of: Timestamp) -> crd::LeaseUsage {
    let usage = Usage([100, 25_000, 100 * (64 << 20), 0, 0, 0, 0, 0]);
    crd::LeaseUsage {
        as_of: i64::try_from(as_of.0).unwrap_or(i64::MAX),
        sequence: 1,
        allocated: crd::ResourceUsage::from(&usage),
        used: crd::UsedResources {
            cpu_nanoseconds: "0".into(),
            memory_byte_seconds: "0".into(),
            network_rx_bytes: "0".into(),
            network_tx_bytes: "0".into(),
        },
        meter_root: crd::convert::hex(&[7; 32]),
        state: None,
    }
}

async fn tick(handle: AgentHandle, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if handle.deliver(Event::Tick).await.is_err() {
            return;
        }
    }
}

fn compute_lease_path(id: LeaseId) -> String {
    let name = crd::lease_name(id);
    format!("/apis/leasehold.dev/v1alpha1/namespaces/{NAMESPACE}/computeleases/{name}")
}

fn is_true(type_: &str) -> Condition {
    Condition {
        type_: type_.into(),
        status: "True".into(),
        reason: "Test".into(),
        message: String::new(),
        observed_generation: None,
        last_transition_time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
    }
}
