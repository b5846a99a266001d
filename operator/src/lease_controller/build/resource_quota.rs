//! The quota of a lease: exactly what the manifest adds up to, and nothing that leaves the namespace.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ResourceQuota, ResourceQuotaSpec},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{EPHEMERAL_STORAGE_BYTES, metadata, milli, number};
use crate::lease_controller::validate::Validated;

/// Name of the quota.
pub const NAME: &str = "lease";

/// The quota. A rollout replaces pods one for one (no surge), so no room is kept for it.
pub fn build(lease: &Validated) -> ResourceQuota {
    let services = lease.manifest.services();
    let sum = |of: fn(&manifest::Service) -> u64| -> u64 {
        services.values().map(|service| of(service).saturating_mul(u64::from(service.replicas.0))).sum()
    };
    let count = |of: fn(&manifest::Service) -> bool| -> u64 {
        u64::try_from(services.values().filter(|service| of(service)).count()).unwrap_or(u64::MAX)
    };
    let pods = sum(|_| 1);
    let workloads = count(|_| true);
    let mut hard: BTreeMap<String, Quantity> = [
        ("requests.cpu", milli(sum(|service| service.cpu.0))),
        ("limits.cpu", milli(sum(|service| service.cpu.0))),
        ("requests.memory", number(sum(|service| service.memory.0))),
        ("limits.memory", number(sum(|service| service.memory.0))),
        ("requests.ephemeral-storage", number(pods.saturating_mul(EPHEMERAL_STORAGE_BYTES))),
        ("limits.ephemeral-storage", number(pods.saturating_mul(EPHEMERAL_STORAGE_BYTES))),
        ("requests.storage", number(sum(|service| service.volumes.iter().map(|volume| volume.size.0).sum()))),
        ("persistentvolumeclaims", number(sum(|service| service.volumes.len() as u64))),
        ("pods", number(pods)),
        ("services", number(count(|service| !service.ports.is_empty()))),
        ("services.nodeports", number(0)),
        ("services.loadbalancers", number(0)),
        ("secrets", number(count(|service| !service.secrets.is_empty()))),
        // The cluster itself puts its CA into every namespace.
        ("configmaps", number(1)),
        ("count/serviceaccounts", number(2)),
        // The current and the previous template of each Deployment, and one in between.
        ("count/replicasets.apps", number(workloads.saturating_mul(3))),
        ("count/jobs.batch", number(0)),
        ("count/cronjobs.batch", number(0)),
        ("count/ingresses.networking.k8s.io", number(0)),
        ("count/leases.coordination.k8s.io", number(0)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(class) = &lease.storage_class {
        let storage = hard["requests.storage"].clone();
        hard.insert(format!("{class}.storageclass.storage.k8s.io/requests.storage"), storage);
    }
    ResourceQuota {
        metadata: metadata(lease, NAME),
        spec: Some(ResourceQuotaSpec { hard: Some(hard), ..ResourceQuotaSpec::default() }),
        ..ResourceQuota::default()
    }
}
