//! A cluster as a meter sees it: nodes that live, and leases whose pods have run since the beginning.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result};
use crd::{ComputeLease, LeaseName, Term, labels};
use fake_kubelet::{Fleet, SteadyPod};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::{
    api::coordination::v1::Lease,
    api::core::v1::{Namespace, Node, Pod, ServiceAccount},
    jiff::Timestamp,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use manifest::ValidManifest;
use serde_json::json;

use crate::{bench::leases, cluster::connect};

/// Requests that are under way at once.
const AT_ONCE: usize = 16;
/// So often a kubelet renews its Lease.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Where kubelets keep them.
const HEARTBEATS: &str = "kube-node-lease";
/// What each pod may take, and what it burns.
pub(super) const CPU_LIMIT_MILLI: u64 = 100;
const CPU_MILLI: u64 = 40;

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Pods in all.
    pub pods: u32,
    /// Nodes that run them.
    pub nodes: u32,
    /// Pods of each lease.
    pub pods_per_lease: u32,
}

impl Size {
    /// The last lease may have fewer pods.
    pub fn leases(self) -> u32 {
        self.pods.div_ceil(self.pods_per_lease)
    }

    /// The pods of a lease, by their numbers in the cluster.
    fn pods_of(self, lease: u32) -> std::ops::Range<u32> {
        let first = lease * self.pods_per_lease;
        first..(first + self.pods_per_lease).min(self.pods)
    }

    fn node_of(self, pod: u32) -> u32 {
        pod % self.nodes
    }
}

/// Everything that was made.
pub struct Cluster {
    client: Client,
    namespace: String,
    size: Size,
    /// When all leases began, in Unix seconds.
    began: i64,
    /// With the node of each.
    pods: Vec<(u32, SteadyPod)>,
}

impl Cluster {
    /// Makes it.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn make(kubeconfig: &Path, namespace: &str, size: Size) -> Result<Self> {
        let client = connect(kubeconfig).await?;
        let mut cluster = Self {
            client,
            namespace: namespace.to_owned(),
            size,
            began: Timestamp::now().as_second(),
            pods: Vec::new(),
        };
        cluster.namespace(namespace).await?;
        for number in 0..size.nodes {
            cluster.node(number).await.context("failed to make a node")?;
        }
        let manifest = leases::manifest(1)?;
        let made: Vec<_> = stream::iter(0..size.leases())
            .map(|number| cluster.lease(number, &manifest))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        cluster.pods = made.into_iter().flatten().collect();
        Ok(cluster)
    }

    /// How large it is.
    pub fn size(&self) -> Size {
        self.size
    }

    /// When all leases began, in Unix seconds.
    pub fn began(&self) -> i64 {
        self.began
    }

    /// The leases.
    pub fn leases(&self) -> Api<ComputeLease> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The pods of each namespace.
    pub fn pods_by_lease(&self) -> BTreeMap<&str, Vec<&SteadyPod>> {
        let mut by_lease: BTreeMap<&str, Vec<&SteadyPod>> = BTreeMap::new();
        for (_, pod) in &self.pods {
            by_lease.entry(&pod.namespace).or_default().push(pod);
        }
        by_lease
    }

    /// The pods of each node, in the order of the nodes.
    pub fn pods_by_node(&self) -> Vec<Vec<SteadyPod>> {
        let mut by_node = vec![Vec::new(); self.size.nodes as usize];
        for (node, pod) in &self.pods {
            by_node[*node as usize].push(pod.clone());
        }
        by_node
    }

    /// Renews the Lease of every node, for ever; ends when the API server refuses.
    pub fn heartbeats(&self) -> impl Future<Output = Result<()>> + use<> {
        let api = Api::<Lease>::namespaced(self.client.clone(), HEARTBEATS);
        let nodes = self.size.nodes;
        async move {
            let mut ticks = tokio::time::interval(HEARTBEAT);
            loop {
                ticks.tick().await;
                for number in 0..nodes {
                    // Six digits of a second, neither more nor fewer.
                    let renewed = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
                    let lease = json!({
                        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": node_name(number)},
                        "spec": {"holderIdentity": node_name(number), "leaseDurationSeconds": 40, "renewTime": renewed}
                    });
                    let params = PatchParams::apply("kubelet").force();
                    api.patch(&node_name(number), &params, &Patch::Apply(lease))
                        .await
                        .context("failed to renew a node's Lease")?;
                }
            }
        }
    }

    /// Removes the nodes and the pods, which no kubelet ends. The leases and their namespaces are their owner's.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn remove(&self) -> Result<()> {
        let at_once = DeleteParams::default().grace_period(0);
        for (_, SteadyPod { namespace, name, .. }) in &self.pods {
            let pods = Api::<Pod>::namespaced(self.client.clone(), namespace);
            pods.delete(name, &at_once).await.context("failed to remove a pod")?;
        }
        let heartbeats = Api::<Lease>::namespaced(self.client.clone(), HEARTBEATS);
        for number in 0..self.size.nodes {
            let name = node_name(number);
            Api::<Node>::all(self.client.clone())
                .delete(&name, &at_once)
                .await
                .context("failed to remove a node")?;
            heartbeats.delete(&name, &at_once).await.context("failed to remove a node's Lease")?;
        }
        Ok(())
    }

    async fn namespace(&self, name: &str) -> Result<()> {
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        let made = Api::all(self.client.clone()).create(&PostParams::default(), &namespace).await;
        unless_there(made).with_context(|| format!("failed to make the namespace {name}"))?;
        // Where no controller is there to make it.
        let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": "default"}}))?;
        let accounts = Api::namespaced(self.client.clone(), name);
        let made = accounts.create(&PostParams::default(), &account).await;
        unless_there(made).context("failed to make a ServiceAccount")
    }

    async fn node(&self, number: u32) -> Result<()> {
        let api = Api::<Node>::all(self.client.clone());
        let name = node_name(number);
        let node: Node = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        api.create(&PostParams::default(), &node).await?;
        let boot = format!("00000000-0000-4000-8000-{number:012}");
        let status = json!({"status": {
            "addresses": [{"type": "InternalIP", "address": Fleet::address(number as usize).to_string()}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}],
            "nodeInfo": {
                "bootID": boot, "architecture": "amd64", "containerRuntimeVersion": "", "kernelVersion": "",
                "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "operatingSystem": "linux",
                "osImage": "", "systemUUID": ""
            }
        }});
        api.patch_status(&name, &PatchParams::default(), &Patch::Strategic(status)).await?;
        Ok(())
    }

    /// Makes a lease with its namespace and its pods.
    async fn lease(&self, number: u32, manifest: &ValidManifest) -> Result<Vec<(u32, SteadyPod)>> {
        let name = LeaseName::of(leases::id(number));
        let namespace = name.as_str();
        self.namespace(namespace).await?;
        let mut pods = Vec::new();
        for pod in self.size.pods_of(number) {
            let made = self.pod(namespace, pod).await.context("failed to make a pod")?;
            pods.push((self.size.node_of(pod), made));
        }
        let mut lease = leases::lease(number, manifest)?;
        let ends_at = self.began + 365 * 24 * 3600;
        lease.spec.term = Some(Term { started_at: self.began, ends_at });
        let api = self.leases();
        api.create(&PostParams::default(), &lease).await.context("failed to make a lease")?;
        let replicas = pods.len();
        let service = json!({"name": "web", "replicas": replicas, "readyReplicas": replicas});
        let status = json!({"status": {"phase": "Ready", "services": [service]}});
        api.patch_status(namespace, &PatchParams::default(), &Patch::Merge(status))
            .await
            .context("failed to say that a lease is ready")?;
        Ok(pods)
    }

    async fn pod(&self, namespace: &str, number: u32) -> Result<SteadyPod> {
        let api = Api::<Pod>::namespaced(self.client.clone(), namespace);
        let name = format!("web-{number}");
        let resources = json!({"cpu": format!("{CPU_LIMIT_MILLI}m"), "memory": "64Mi"});
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {
                labels::MANAGED_BY: labels::MANAGED_BY_VALUE, labels::SERVICE: "web"
            }},
            "spec": {
                "nodeName": node_name(self.size.node_of(number)),
                "automountServiceAccountToken": false,
                "containers": [{
                    "name": "workload", "image": format!("registry.example/web@sha256:{}", "1".repeat(64)),
                    "resources": {"requests": resources, "limits": resources}
                }]
            }
        }))?;
        let made = api.create(&PostParams::default(), &pod).await?;
        let since = Timestamp::from_second(self.began)?.to_string();
        let is_true = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": since});
        let status = json!({"status": {
            "phase": "Running",
            "startTime": since,
            "conditions": [is_true("PodScheduled"), is_true("Initialized"), is_true("ContainersReady"), is_true("Ready")],
            "containerStatuses": [{
                "name": "workload", "ready": true, "started": true, "restartCount": 0, "image": "", "imageID": "",
                "state": {"running": {"startedAt": since}}
            }]
        }});
        api.patch_status(&name, &PatchParams::default(), &Patch::Strategic(status)).await?;
        Ok(SteadyPod {
            namespace: namespace.to_owned(),
            name,
            uid: made.uid().context("a pod has no UID")?,
            started: self.began,
            cpu_milli: CPU_MILLI,
            memory: 48 << 20,
            tx_per_second: 2_000,
        })
    }
}

fn unless_there<K>(made: kube::Result<K>) -> kube::Result<()> {
    match made {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        made => made.map(drop),
    }
}

fn node_name(number: u32) -> String {
    format!("load-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pod_has_one_lease_and_one_node() {
        let size = Size { pods: 10, nodes: 3, pods_per_lease: 4 };
        let pods: Vec<u32> = (0..size.leases()).flat_map(|lease| size.pods_of(lease)).collect();
        assert_eq!((size.leases(), pods), (3, (0..10).collect()));
        assert!((0..10).all(|pod| size.node_of(pod) < 3));
    }
}
