//! What watches fill, and what reconciliations read of it.

use crd::ComputeLease;
use k8s_openapi::api::{
    core::v1::{Node, PersistentVolumeClaim, Service},
    node::v1::RuntimeClass,
    storage::v1::StorageClass,
};
use kube::runtime::reflector::{Store, store::Writer};

use super::pod_index::PodIndex;

/// Objects of the whole cluster, kept up to date by watches.
#[derive(Clone)]
pub struct Stores {
    /// Pods of leases.
    pub pods: PodIndex,
    /// Claims of leases.
    pub claims: Store<PersistentVolumeClaim>,
    /// All nodes.
    pub nodes: Store<Node>,
    /// All storage classes.
    pub storage_classes: Store<StorageClass>,
    /// All runtime classes.
    pub runtime_classes: Store<RuntimeClass>,
    /// The Service of the tenants' name server, if there is one.
    pub name_servers: Store<Service>,
}

/// The writing ends of the stores that watches fill.
#[derive(Default)]
pub struct Writers {
    /// Our own objects.
    pub leases: Writer<ComputeLease>,
    /// Claims of leases.
    pub claims: Writer<PersistentVolumeClaim>,
    /// All nodes.
    pub nodes: Writer<Node>,
    /// All storage classes.
    pub storage_classes: Writer<StorageClass>,
    /// All runtime classes.
    pub runtime_classes: Writer<RuntimeClass>,
    /// The Service of the tenants' name server.
    pub name_servers: Writer<Service>,
}

impl Writers {
    /// The reading ends, with an empty index of pods.
    pub fn stores(&self) -> Stores {
        let Self { leases: _, claims, nodes, storage_classes, runtime_classes, name_servers } = self;
        Stores {
            pods: PodIndex::default(),
            claims: claims.as_reader(),
            nodes: nodes.as_reader(),
            storage_classes: storage_classes.as_reader(),
            runtime_classes: runtime_classes.as_reader(),
            name_servers: name_servers.as_reader(),
        }
    }
}
