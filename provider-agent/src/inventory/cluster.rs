//! From the cluster's nodes, pods and storage classes to the figures that matter for a bid.

use std::collections::BTreeMap;

use crd::TenantNodes;
use k8s_openapi::api::core::v1::{Container, Node, Pod, PodSpec};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::quantity::{Rounding, milli, whole};
use super::{DefaultStorageClass, Resources};

const GPU: &str = "nvidia.com/gpu";
const GPU_MODEL_LABEL: &str = "nvidia.com/gpu.product";

type Quantities = BTreeMap<String, Quantity>;

/// The cluster at one moment, as far as bidding needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSnapshot {
    /// Nodes that would take a tenant's pod.
    pub nodes: Vec<NodeSnapshot>,
    /// Pods that hold resources of a node.
    pub pods: Vec<BoundPod>,
    pub default_storage_class: DefaultStorageClass,
    /// The nodes' allocatable ephemeral storage.
    pub ephemeral_storage_bytes: u64,
}

/// A node that takes tenants' pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSnapshot {
    pub name: String,
    pub gpu_model: Option<String>,
    pub allocatable: Resources,
}

/// A pod on a node that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundPod {
    pub namespace: String,
    pub node: String,
    pub requests: Resources,
}

/// Reads the objects. Room that cannot be read is none; a request that cannot be read takes everything.
pub fn snapshot<'a>(
    nodes: impl IntoIterator<Item = &'a Node>,
    pods: impl IntoIterator<Item = &'a Pod>,
    classes: impl IntoIterator<Item = &'a StorageClass>,
    tenant_nodes: &TenantNodes,
) -> ClusterSnapshot {
    let usable: Vec<&Node> = nodes.into_iter().filter(|node| tenant_nodes.take(node)).collect();
    let ephemeral = usable.iter().filter_map(|node| {
        whole(node.status.as_ref()?.allocatable.as_ref()?.get("ephemeral-storage")?, Rounding::Down)
    });
    let mut snapshot = ClusterSnapshot {
        ephemeral_storage_bytes: ephemeral.fold(0, u64::saturating_add),
        nodes: usable.iter().map(|node| node_snapshot(node)).collect(),
        pods: pods.into_iter().filter_map(bound_pod).collect(),
        default_storage_class: default_storage_class(classes),
    };
    // First fit depends on the order, and a watch cache has none.
    snapshot.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    snapshot
}

fn node_snapshot(node: &Node) -> NodeSnapshot {
    let empty = Quantities::new();
    let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref()).unwrap_or(&empty);
    let count = |name: &str| allocatable.get(name).and_then(|q| whole(q, Rounding::Down)).unwrap_or(0);
    NodeSnapshot {
        name: node.metadata.name.clone().unwrap_or_default(),
        gpu_model: node.metadata.labels.as_ref().and_then(|labels| labels.get(GPU_MODEL_LABEL)).cloned(),
        allocatable: Resources {
            cpu_milli: allocatable.get("cpu").and_then(|q| milli(q, Rounding::Down)).unwrap_or(0),
            memory_bytes: count("memory"),
            gpus: count(GPU),
            pods: count("pods"),
        },
    }
}

fn bound_pod(pod: &Pod) -> Option<BoundPod> {
    let spec = pod.spec.as_ref()?;
    let ended = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .is_some_and(|phase| matches!(phase, "Succeeded" | "Failed"));
    if ended {
        return None;
    }
    Some(BoundPod {
        namespace: pod.metadata.namespace.clone().unwrap_or_default(),
        node: spec.node_name.clone()?,
        requests: pod_requests(spec),
    })
}

/// What the scheduler counts: the containers and sidecars together, or the largest init container if that is more, and the overhead.
fn pod_requests(spec: &PodSpec) -> Resources {
    let empty = Vec::new();
    let inits = spec.init_containers.as_ref().unwrap_or(&empty);
    let is_sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sum = |containers: &mut dyn Iterator<Item = &Container>| {
        containers.fold(Resources::default(), |sum, one| sum.saturating_add(&container_requests(one)))
    };
    let sidecars = sum(&mut inits.iter().filter(is_sidecar));
    let running = sum(&mut spec.containers.iter()).saturating_add(&sidecars);
    let starting = inits
        .iter()
        .filter(|one| !is_sidecar(one))
        .fold(Resources::default(), |most, one| most.max(&container_requests(one).saturating_add(&sidecars)));
    let pod_level = spec
        .resources
        .as_ref()
        .and_then(|resources| resources.requests.as_ref())
        .map_or_else(Resources::default, requests);
    let overhead = spec.overhead.as_ref().map_or_else(Resources::default, requests);
    Resources { pods: 1, ..running.max(&starting).max(&pod_level).saturating_add(&overhead) }
}

fn container_requests(container: &Container) -> Resources {
    container
        .resources
        .as_ref()
        .and_then(|resources| resources.requests.as_ref())
        .map_or_else(Resources::default, requests)
}

fn requests(quantities: &Quantities) -> Resources {
    let count = |name: &str, read: fn(&Quantity, Rounding) -> Option<u64>| {
        quantities.get(name).map_or(0, |quantity| read(quantity, Rounding::Up).unwrap_or(u64::MAX))
    };
    Resources {
        cpu_milli: count("cpu", milli),
        memory_bytes: count("memory", whole),
        gpus: count(GPU, whole),
        pods: 0,
    }
}

/// A claim that names no class gets the newest default. One that keeps data, or whose volumes are made by hand, is as good
/// as none: the operator refuses it, because tenants' data would outlive their leases.
fn default_storage_class<'a>(classes: impl IntoIterator<Item = &'a StorageClass>) -> DefaultStorageClass {
    match crd::storage_class::default_class(classes).map(crd::storage_class::is_for_leases) {
        Some(true) => DefaultStorageClass::Present,
        _ => DefaultStorageClass::Missing,
    }
}
