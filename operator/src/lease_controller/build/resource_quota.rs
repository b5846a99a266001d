//! The quota of a lease: what the manifest adds up to, and nothing that leaves the namespace.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ResourceQuota, ResourceQuotaSpec},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{EPHEMERAL_STORAGE_BYTES, metadata, milli, number};
use crate::lease_controller::{
    remains,
    validate::{Activity, Validated},
};

/// Name of the quota.
pub const NAME: &str = "lease";

/// Room for one try of a kind that only the operator writes, beyond those that are wanted. The API server counts a
/// create before it stores the object: one that dies in between leaves nothing but its count, which is only taken back
/// when everything is counted anew, minutes later. Nothing is lost by it: the admission policies let nobody else write
/// these kinds, and what the objects may use is counted by pods.
const SPARE: u64 = 1;

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
    // The quota counts what the runtime of the sandboxed tier takes for each pod.
    let overhead = lease.confinement.overhead();
    let with_overhead = |leased: u64, of_pod: u64| leased.saturating_add(pods.saturating_mul(of_pod));
    let cpu = || milli(with_overhead(sum(|service| service.cpu.0), overhead.cpu_milli));
    let memory = || number(with_overhead(sum(|service| service.memory.0), overhead.memory_bytes));
    let ephemeral = || {
        let leased = pods.saturating_mul(EPHEMERAL_STORAGE_BYTES);
        number(with_overhead(leased, overhead.ephemeral_storage_bytes))
    };
    let pull_secrets = u64::from(!lease.manifest.registries().is_empty());
    let stateful = count(|service| !service.volumes.is_empty());
    let stateless = count(|service| service.volumes.is_empty());
    let written = |wanted: u64| number(if wanted == 0 { 0 } else { wanted.saturating_add(SPARE) });
    let mut hard: BTreeMap<String, Quantity> = [
        ("requests.cpu", cpu()),
        ("limits.cpu", cpu()),
        ("requests.memory", memory()),
        ("limits.memory", memory()),
        ("requests.ephemeral-storage", ephemeral()),
        ("limits.ephemeral-storage", ephemeral()),
        ("requests.storage", number(sum(|service| service.volumes.iter().map(|volume| volume.size.0).sum()))),
        ("persistentvolumeclaims", number(sum(|service| service.volumes.len() as u64))),
        // A pause leaves no room for a pod, whoever would make it.
        ("pods", number(if lease.activity == Activity::Paused { 0 } else { pods })),
        // Those that have ended count here, and only here.
        ("count/pods", number(pods.saturating_add(remains::MOST))),
        ("services", written(count(|service| !service.ports.is_empty()))),
        ("services.nodeports", number(0)),
        ("services.loadbalancers", number(0)),
        ("secrets", written(count(|service| !service.secrets.is_empty()) + pull_secrets)),
        // The cluster itself puts its CA into every namespace.
        ("configmaps", number(1)),
        // `default` and `workload`, and one in reserve: the cluster makes `default` too, at the same moment, and the quota
        // counts both tries until it is counted anew minutes later.
        ("count/serviceaccounts", number(3)),
        ("count/deployments.apps", written(stateless)),
        ("count/statefulsets.apps", written(stateful)),
        // The current and the previous template of each workload, and one in between.
        ("count/replicasets.apps", number(stateless.saturating_mul(3))),
        ("count/controllerrevisions.apps", number(stateful.saturating_mul(3))),
        ("count/daemonsets.apps", number(0)),
        ("replicationcontrollers", number(0)),
        ("count/jobs.batch", number(0)),
        ("count/cronjobs.batch", number(0)),
        ("count/ingresses.networking.k8s.io", number(0)),
        ("count/leases.coordination.k8s.io", number(0)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let of_class = |class: &str| format!("{class}.storageclass.storage.k8s.io/requests.storage");
    if let Some(class) = &lease.storage_class {
        let storage = hard["requests.storage"].clone();
        hard.insert(of_class(class), storage);
    }
    hard.extend(lease.closed_classes.iter().map(|class| (of_class(class), number(0))));
    ResourceQuota {
        metadata: metadata(lease, NAME),
        spec: Some(ResourceQuotaSpec { hard: Some(hard), ..ResourceQuotaSpec::default() }),
        ..ResourceQuota::default()
    }
}
