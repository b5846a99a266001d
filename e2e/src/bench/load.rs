//! Makes leases, changes them and ends them, and sees what becomes of each.

use std::{
    collections::HashMap,
    ops::Range,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use crd::{ComputeLease, LeaseName, Phase, labels};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use manifest::ValidManifest;
use serde_json::json;

use super::{
    leases,
    seen::Seen,
    storm::{self, Storm},
};
use crate::cluster::{connect, connect_as};

/// Requests of the load that are under way at once while everything is created.
const AT_ONCE: usize = 16;
/// Nodes of the cluster; kwok gives each room for a million pods.
const NODES: u32 = 10;
/// How long anything may take to become true of all leases.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The tenants' side of the measurement.
pub struct Load {
    client: Client,
    /// What the statuses of pods come from.
    kubelet: Client,
    leases: Api<ComputeLease>,
    secrets: Api<Secret>,
    revisions: [ValidManifest; 2],
    /// When the first pod of a namespace had a node.
    scheduled: Seen<Instant>,
    states: Seen<State>,
}

/// Where a lease stands.
#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    revision: i64,
}

impl Load {
    /// Makes the nodes and begins to watch.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn start(kubeconfig: &Path, namespace: &str) -> Result<Self> {
        let client = connect(kubeconfig).await?;
        let kubelet = connect_as(kubeconfig, "leasehold-load", "system:nodes").await?;
        let nodes = Api::<Node>::all(client.clone());
        for number in 0..NODES {
            let node: Node = serde_json::from_value(json!({"metadata": {"name": format!("load-{number}")}}))?;
            nodes.create(&PostParams::default(), &node).await.context("failed to make a node")?;
        }
        let leases = Api::namespaced(client.clone(), namespace);
        let scheduled = Seen::start(Api::<Pod>::all(client.clone()), |seen: &mut HashMap<_, _>, pod| {
            let has_node = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
            if let Some(namespace) = pod.namespace().filter(|_| has_node) {
                seen.entry(namespace).or_insert_with(Instant::now);
            }
        });
        let states = Seen::start(leases.clone(), |seen: &mut HashMap<_, _>, lease: ComputeLease| {
            let name = lease.name_any();
            let status = lease.status.unwrap_or_default();
            let revision = status.revision.unwrap_or_default();
            seen.insert(name, State { phase: status.phase, revision });
        });
        let secrets = Api::namespaced(client.clone(), namespace);
        let revisions = [leases::manifest(1)?, leases::manifest(2)?];
        Ok(Self { client, kubelet, leases, secrets, revisions, scheduled, states })
    }

    /// Creates leases as fast as the API server takes them; returns when each was asked for.
    ///
    /// # Errors
    /// When it refuses one.
    pub async fn create_all(&self, numbers: Range<u32>) -> Result<Vec<(String, Instant)>> {
        stream::iter(numbers).map(|number| self.create(number)).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Creates leases one after the other; returns when each was asked for.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub async fn create_paced(&self, numbers: Range<u32>, pace: Duration) -> Result<Vec<(String, Instant)>> {
        let mut ticks = tokio::time::interval(pace);
        let mut begun = Vec::new();
        for number in numbers {
            ticks.tick().await;
            begun.push(self.create(number).await?);
        }
        Ok(begun)
    }

    /// Gives each lease the second revision of its manifest.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub async fn update_paced(&self, numbers: Range<u32>, pace: Duration) -> Result<()> {
        let [before, now] = &self.revisions;
        let mut ticks = tokio::time::interval(pace);
        for number in numbers {
            ticks.tick().await;
            let name = LeaseName::of(leases::id(number));
            let secret = leases::secret(&name, 2, now);
            self.secrets.create(&PostParams::default(), &secret).await?;
            let manifest = leases::reference_after(&name, 2, before, now);
            self.change(&name, &json!({"spec": {"manifest": manifest}})).await?;
        }
        Ok(())
    }

    /// Asks each lease to end.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub async fn close_paced(&self, numbers: Range<u32>, pace: Duration) -> Result<()> {
        let mut ticks = tokio::time::interval(pace);
        for number in numbers {
            ticks.tick().await;
            let name = LeaseName::of(leases::id(number));
            self.change(&name, &json!({"spec": {"desired": "Ended"}})).await?;
        }
        Ok(())
    }

    /// Seconds from the request for each lease to its pods having a node.
    ///
    /// # Errors
    /// When a pod does not get one.
    pub async fn waits(&self, begun: &[(String, Instant)]) -> Result<Vec<f64>> {
        let names: Vec<String> = begun.iter().map(|(name, _)| name.clone()).collect();
        let scheduled = self.scheduled.all(&names, PATIENCE, |_| true).await?;
        let waits = begun.iter().zip(scheduled).map(|((_, begun), at)| (at - *begun).as_secs_f64());
        Ok(waits.collect())
    }

    /// Waits until a revision of each lease is ready.
    ///
    /// # Errors
    /// When one does not get ready.
    pub async fn all_ready(&self, numbers: Range<u32>, revision: i64) -> Result<()> {
        let ready = |state: &State| state.phase == Phase::Ready && state.revision == revision;
        self.states.all(&names(numbers), PATIENCE, ready).await.map(drop)
    }

    /// Waits until each lease has ended and its namespace is gone.
    ///
    /// # Errors
    /// When one does not end, or ends while its namespace is there.
    pub async fn all_ended(&self, numbers: Range<u32>) -> Result<()> {
        let names = names(numbers);
        self.states.all(&names, PATIENCE, |state| state.phase == Phase::Ended).await?;
        let namespaces = Api::<Namespace>::all(self.client.clone());
        for name in &names {
            ensure!(namespaces.get_opt(name).await?.is_none(), "{name} has ended and its namespace is there");
        }
        Ok(())
    }

    /// Lets pods of all leases crash and come back.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn crash(&self) -> Result<Storm> {
        storm::crash(&self.kubelet).await
    }

    /// Bytes that etcd uses for what it keeps.
    ///
    /// # Errors
    /// When the API server does not say.
    pub async fn storage_bytes(&self) -> Result<f64> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let text = self.client.request_text(request).await?;
        let line = text.lines().find(|line| line.starts_with("apiserver_storage_size_bytes{"));
        let value = line.and_then(|line| line.rsplit_once(' ')).context("the size of etcd is not known")?.1;
        Ok(value.parse()?)
    }

    async fn create(&self, number: u32) -> Result<(String, Instant)> {
        let [manifest, _] = &self.revisions;
        let lease = leases::lease(number, manifest)?;
        let name = LeaseName::of(leases::id(number));
        self.secrets.create(&PostParams::default(), &leases::secret(&name, 1, manifest)).await?;
        let begun = Instant::now();
        self.leases.create(&PostParams::default(), &lease).await.context("failed to create a lease")?;
        Ok((name.as_str().to_owned(), begun))
    }

    async fn change(&self, name: &LeaseName, change: &serde_json::Value) -> Result<()> {
        let parameters = PatchParams {
            field_manager: Some(labels::AGENT_FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        self.leases
            .patch(name.as_str(), &parameters, &Patch::Merge(change))
            .await
            .with_context(|| format!("failed to change {}", name.as_str()))?;
        Ok(())
    }
}

fn names(numbers: Range<u32>) -> Vec<String> {
    numbers.map(|number| LeaseName::of(leases::id(number)).as_str().to_owned()).collect()
}
