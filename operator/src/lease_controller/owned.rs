//! The kinds that the operator writes, and what it remembers of objects that are already there.

use std::{collections::BTreeMap, fmt};

use crd::labels;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// A kind that the operator writes: label of a metric, never free text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Our own objects.
    ComputeLease,
    /// Namespaces of leases.
    Namespace,
    /// Quotas.
    ResourceQuota,
    /// Bounds per container.
    LimitRange,
    /// Policies.
    NetworkPolicy,
    /// Identities.
    ServiceAccount,
    /// The agent's right to read.
    RoleBinding,
    /// Secret environments.
    Secret,
    /// Workloads without volumes.
    Deployment,
    /// Workloads with volumes.
    StatefulSet,
    /// Names of workloads.
    Service,
    /// What leads requests from the internet to a Service.
    HttpRoute,
    /// Who holds a host.
    HostClaim,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What matters about an object that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedMeta {
    /// UID of the object.
    pub uid: String,
    /// Hash of the state that was last applied.
    pub applied_hash: Option<String>,
    /// Labels now.
    pub labels: BTreeMap<String, String>,
    /// Generation, for kinds that count it: it moves with every change of the spec.
    pub generation: Option<i64>,
    /// Whether it is being deleted.
    pub terminating: bool,
}

impl From<&ObjectMeta> for OwnedMeta {
    fn from(metadata: &ObjectMeta) -> Self {
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            applied_hash: metadata
                .annotations
                .as_ref()
                .and_then(|all| all.get(labels::APPLIED_HASH))
                .cloned(),
            labels: metadata.labels.clone().unwrap_or_default(),
            generation: metadata.generation,
            terminating: metadata.deletion_timestamp.is_some(),
        }
    }
}

/// Objects of a lease that are there, by kind and name. Secrets are missing: the operator may not list them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned(pub BTreeMap<Kind, BTreeMap<String, OwnedMeta>>);

impl Owned {
    /// The object of this kind and name.
    pub fn find(&self, kind: Kind, name: &str) -> Option<&OwnedMeta> {
        self.0.get(&kind)?.get(name)
    }

    /// Names of this kind.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.0.get(&kind).into_iter().flatten().map(|(name, _)| name.as_str())
    }
}
