//! A node that nobody runs anything on: room that an agent can sell.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::{api::core::v1::Node, jiff::Timestamp};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::cluster::{Cluster, wait};

/// Far more often than the node controller gives a node up.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// A node whose kubelet, a task of the test, says nothing but that it is ready.
pub(super) struct ReadyNode {
    name: String,
    kubelet: JoinHandle<Result<(), kube::Error>>,
}

impl ReadyNode {
    /// Makes it, and waits until the node controller believes in it.
    pub(super) async fn start(cluster: &Cluster) -> Result<Self> {
        let name = format!("{}-node", cluster.system);
        let nodes = cluster.all::<Node>();
        let node = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        nodes.create(&PostParams::default(), &node).await.context("failed to make a node")?;
        let kubelet = tokio::spawn(beat(nodes.clone(), name.clone()));
        let node = Self { name, kubelet };
        let believed = |node: Option<&Node>| {
            let taints = node.and_then(|node| node.spec.as_ref()?.taints.as_ref());
            node.is_some_and(|node| node.status.as_ref().is_some_and(|status| status.conditions.is_some()))
                && taints.is_none_or(Vec::is_empty)
        };
        match wait(&nodes, &node.name, believed).await {
            Ok(_) => Ok(node),
            Err(error) => Err(node.remove(cluster).await.err().unwrap_or(error)),
        }
    }

    pub(super) async fn remove(self, cluster: &Cluster) -> Result<()> {
        self.kubelet.abort();
        cluster.delete(&cluster.all::<Node>(), &self.name).await
    }
}

async fn beat(nodes: Api<Node>, name: String) -> Result<(), kube::Error> {
    let room = json!({"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "50Gi"});
    let mut ticks = tokio::time::interval(HEARTBEAT);
    loop {
        ticks.tick().await;
        let now = Timestamp::now();
        let ready = json!({
            "type": "Ready", "status": "True", "reason": "Test", "message": "",
            "lastHeartbeatTime": now, "lastTransitionTime": Timestamp::UNIX_EPOCH,
        });
        let status = json!({"status": {"capacity": room, "allocatable": room, "conditions": [ready]}});
        nodes.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await?;
    }
}
