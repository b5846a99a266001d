//! What the cluster can still run. Pure: the cluster's objects arrive as a [`ClusterSnapshot`], commitments as data.
//!
//! The rule is that a bid is placed only if everything already promised **and** the new order pack onto the nodes together, by first fit
//! decreasing. Promises are outstanding bids and leases whose pods are not all there yet; leases that are ready count by their pods.

mod cluster;
mod packing;
mod quantity;

use std::collections::BTreeSet;

use market::Requirements;

use crate::pricing::Share;

pub use cluster::{BoundPod, ClusterSnapshot, NodeSnapshot, snapshot};
pub use packing::{Node, Placement, Replica, pack};

/// Countable resources of a node or of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    pub cpu_milli: u64,
    pub memory_bytes: u64,
    pub gpus: u64,
    /// Pods; a node takes only so many.
    pub pods: u64,
}

/// Something promised that the cluster's pods do not show in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// The lease namespace, whose pods, if any, must not be counted twice.
    pub namespace: String,
    pub requirements: Requirements,
    pub shown: Shown,
}

/// Whether the cluster's pods show all that a commitment uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All replicas run: the pods count, and only the storage comes from the commitment.
    ByPods,
    /// Replicas may be missing: the whole commitment is packed, and its pods are left out.
    NotYet,
}

/// The cluster's room, with all commitments already known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    nodes: Vec<Node>,
    committed: Vec<Replica>,
    /// All of the nodes, free or not.
    capacity: Resources,
    free_storage_bytes: u64,
    default_storage_class: DefaultStorageClass,
}

/// Whether volumes can be provisioned without naming a class, and go when they are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultStorageClass {
    Present,
    Missing,
}

/// Why an order does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The replicas do not pack onto the nodes.
    Nodes,
    /// The volumes exceed the storage that may be sold.
    Storage,
}

impl Inventory {
    /// The room that `cluster` has beside `commitments`.
    pub fn new(cluster: &ClusterSnapshot, storage_capacity: Option<u64>, commitments: &[Commitment]) -> Self {
        let repacked: BTreeSet<&str> = commitments
            .iter()
            .filter(|commitment| commitment.shown == Shown::NotYet)
            .map(|commitment| commitment.namespace.as_str())
            .collect();
        let nodes = cluster
            .nodes
            .iter()
            .map(|node| Node {
                name: node.name.clone(),
                gpu_model: node.gpu_model.clone(),
                free: cluster
                    .pods
                    .iter()
                    .filter(|pod| pod.node == node.name && !repacked.contains(pod.namespace.as_str()))
                    .fold(node.allocatable, |free, pod| free.saturating_sub(&pod.requests)),
            })
            .collect();
        let committed = commitments
            .iter()
            .filter(|commitment| commitment.shown == Shown::NotYet)
            .flat_map(|commitment| replicas(&commitment.requirements))
            .collect();
        let storage = storage_capacity.unwrap_or(cluster.ephemeral_storage_bytes);
        let used = commitments
            .iter()
            .fold(0_u64, |sum, commitment| sum.saturating_add(storage_bytes(&commitment.requirements)));
        Self {
            nodes,
            committed,
            capacity: sum(cluster.nodes.iter().map(|node| node.allocatable)),
            free_storage_bytes: storage.saturating_sub(used),
            default_storage_class: cluster.default_storage_class,
        }
    }

    /// Where everything promised and `requirements` would run; the reason if they would not.
    pub fn place(&self, requirements: &Requirements) -> Result<Placement, Shortage> {
        if storage_bytes(requirements) > self.free_storage_bytes {
            return Err(Shortage::Storage);
        }
        let wanted: Vec<Replica> = self.committed.iter().cloned().chain(replicas(requirements)).collect();
        pack(&self.nodes, &wanted).ok_or(Shortage::Nodes)
    }

    /// How much of the processors or of the memory, whichever is more, is promised.
    pub fn utilisation(&self) -> Share {
        let free = sum(self.nodes.iter().map(|node| node.free));
        let promised = sum(self.committed.iter().map(|replica| replica.needs));
        let taken = self.capacity.saturating_sub(&free).saturating_add(&promised);
        Share::of(taken.cpu_milli, self.capacity.cpu_milli)
            .max(Share::of(taken.memory_bytes, self.capacity.memory_bytes))
    }

    /// Whether volumes can be had.
    pub fn default_storage_class(&self) -> DefaultStorageClass {
        self.default_storage_class
    }

    /// The nodes with their free resources, before commitments that are still to be packed.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

fn sum(of: impl Iterator<Item = Resources>) -> Resources {
    of.fold(Resources::default(), |sum, more| sum.saturating_add(&more))
}

/// The bytes of all volumes of all replicas.
pub fn storage_bytes(requirements: &Requirements) -> u64 {
    requirements.services.iter().fold(0_u64, |sum, service| {
        let volumes = service.volume_bytes.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
        sum.saturating_add(volumes.saturating_mul(u64::from(service.replicas)))
    })
}

/// One entry per replica. A hostile replica count is cut where no cluster could follow, so that it costs no memory here.
fn replicas(requirements: &Requirements) -> impl Iterator<Item = Replica> {
    const MORE_THAN_ANY_CLUSTER_RUNS: usize = 100_000;
    requirements
        .services
        .iter()
        .flat_map(|service| {
            let replica = Replica {
                needs: Resources {
                    cpu_milli: service.cpu_milli,
                    memory_bytes: service.memory_bytes,
                    gpus: service.gpu_milli.div_ceil(1000),
                    pods: 1,
                },
                gpu_model: Some(service.gpu_model.clone()).filter(|model| !model.is_empty()),
            };
            std::iter::repeat_n(replica, service.replicas as usize)
        })
        .take(MORE_THAN_ANY_CLUSTER_RUNS)
}

impl Resources {
    /// Whether all of `self` is at most `room`.
    pub fn fits(&self, room: &Self) -> bool {
        self.cpu_milli <= room.cpu_milli
            && self.memory_bytes <= room.memory_bytes
            && self.gpus <= room.gpus
            && self.pods <= room.pods
    }

    /// What is left, at least nothing.
    #[must_use]
    pub fn saturating_sub(&self, other: &Self) -> Self {
        Self {
            cpu_milli: self.cpu_milli.saturating_sub(other.cpu_milli),
            memory_bytes: self.memory_bytes.saturating_sub(other.memory_bytes),
            gpus: self.gpus.saturating_sub(other.gpus),
            pods: self.pods.saturating_sub(other.pods),
        }
    }

    /// The sum, at most the largest number.
    #[must_use]
    pub fn saturating_add(&self, other: &Self) -> Self {
        Self {
            cpu_milli: self.cpu_milli.saturating_add(other.cpu_milli),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
            gpus: self.gpus.saturating_add(other.gpus),
            pods: self.pods.saturating_add(other.pods),
        }
    }

    /// The larger of each.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        Self {
            cpu_milli: self.cpu_milli.max(other.cpu_milli),
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            gpus: self.gpus.max(other.gpus),
            pods: self.pods.max(other.pods),
        }
    }
}

#[cfg(test)]
mod tests;
