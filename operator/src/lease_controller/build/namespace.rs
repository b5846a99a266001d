//! The namespace of a lease. Its labels switch on Pod Security and our admission policies.
//!
//! Pod Security has no level for root behind a wall: *restricted* takes all capabilities away, and images that start as
//! root then fail. The userns and sandboxed tiers are *baseline*, and the wall itself is held by admission policies.

use std::collections::BTreeMap;

use crd::labels;
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use manifest::HostName;

use super::recommended_labels;
use crate::lease_controller::{hosts::Publicity, tiers::Confinement, validate::Validated};

/// The namespace, owned by annotation: a namespaced object cannot be the owner reference of a cluster-wide one.
pub fn build(lease: &Validated) -> Namespace {
    let mut all = recommended_labels(lease);
    all.extend(
        [
            (labels::LEASE_NAMESPACE, "true"),
            (labels::TIER, lease.tier.name()),
            ("pod-security.kubernetes.io/enforce", enforced_level(&lease.confinement)),
            ("pod-security.kubernetes.io/enforce-version", "latest"),
            ("pod-security.kubernetes.io/audit", "restricted"),
            ("pod-security.kubernetes.io/audit-version", "latest"),
            ("pod-security.kubernetes.io/warn", "restricted"),
            ("pod-security.kubernetes.io/warn-version", "latest"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let mut annotations = BTreeMap::from([(labels::COMPUTE_LEASE_UID.to_owned(), lease.uid.clone())]);
    let held = lease.publicity.iter().flat_map(Publicity::held).map(HostName::as_str).collect::<Vec<_>>();
    if !held.is_empty() {
        annotations.insert(labels::HOSTS.to_owned(), held.join(","));
    }
    Namespace {
        metadata: ObjectMeta {
            name: Some(lease.name.as_str().to_owned()),
            labels: Some(all),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

fn enforced_level(confinement: &Confinement) -> &'static str {
    match confinement {
        Confinement::Strict => "restricted",
        Confinement::UserNamespace | Confinement::Sandbox(_) => "baseline",
    }
}
