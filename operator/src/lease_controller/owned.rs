//! The kinds that the operator writes, and what it remembers of objects that are already there.

use std::fmt;

use crd::labels;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::digest::Digest;

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
    /// Pods that have ended.
    Pod,
}

impl Kind {
    /// Name of the kind in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ComputeLease => "ComputeLease",
            Self::Namespace => "Namespace",
            Self::ResourceQuota => "ResourceQuota",
            Self::LimitRange => "LimitRange",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::ServiceAccount => "ServiceAccount",
            Self::RoleBinding => "RoleBinding",
            Self::Secret => "Secret",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::Service => "Service",
            Self::HttpRoute => "HTTPRoute",
            Self::HostClaim => "HostClaim",
            Self::Pod => "Pod",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What matters about an object that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedMeta {
    /// UID of the object.
    pub uid: String,
    /// Hash of the state that was last applied.
    pub applied_hash: Option<Digest>,
    /// UID of the `ComputeLease` that owns a namespace, if the namespace is one of ours.
    pub owner: Option<String>,
    /// Resource version as a number: of two states of one object the greater is the later.
    pub version: u64,
    /// Which of our writes made this state; 0 for one that a watch showed.
    pub written: u64,
    /// Digest of everything that is ours to decide.
    pub fingerprint: Digest,
    /// Who changed it last, other than us and those who only leave notes.
    pub changed_by: Option<String>,
    /// Of a quota: whether the quota controller has taken over every bound.
    pub enforced: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
}

impl From<&ObjectMeta> for OwnedMeta {
    fn from(metadata: &ObjectMeta) -> Self {
        let annotation = |key| metadata.annotations.as_ref().and_then(|all| all.get(key)).cloned();
        let managed = metadata.labels.as_ref().and_then(|all| all.get(labels::MANAGED_BY));
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            applied_hash: annotation(labels::APPLIED_HASH).as_deref().and_then(Digest::parse),
            owner: managed
                .filter(|value| *value == labels::MANAGED_BY_VALUE)
                .and_then(|_| annotation(labels::COMPUTE_LEASE_UID)),
            terminating: metadata.deletion_timestamp.is_some(),
            changed_by: last_of_others(metadata),
            ..Self::default()
        }
    }
}

/// The manager who changed an object last. Controllers that note something in annotations or in the status change nothing of ours.
fn last_of_others(metadata: &ObjectMeta) -> Option<String> {
    let others = metadata.managed_fields.iter().flatten().filter(|entry| {
        entry.manager.as_deref() != Some(labels::OPERATOR_FIELD_MANAGER)
            && entry.subresource.is_none()
            && !entry.fields_v1.as_ref().is_some_and(|fields| is_note(&fields.0))
    });
    others.max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?.manager.clone()
}

fn is_note(fields: &Value) -> bool {
    let only = |value: &Value, key: &str| value.as_object().is_some_and(|all| all.keys().eq([key]));
    only(fields, "f:metadata") && only(&fields["f:metadata"], "f:annotations")
}

/// Objects of a lease that are there, by kind and name. Secrets are missing: the operator may not list them.
///
/// There are a dozen of them in each of thousands of leases, so they lie in one sorted list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned(Vec<OwnedObject>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct OwnedObject {
    kind: Kind,
    name: Box<str>,
    meta: OwnedMeta,
}

impl Owned {
    /// The object of this kind and name.
    pub fn find(&self, kind: Kind, name: &str) -> Option<&OwnedMeta> {
        let found = self.position(kind, name).ok()?;
        self.0.get(found).map(|object| &object.meta)
    }

    /// Everything, as kind, name and what matters.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &str, &OwnedMeta)> {
        self.0.iter().map(|object| (object.kind, &*object.name, &object.meta))
    }

    /// Everything, as kind, name and fingerprint.
    pub fn fingerprints(&self) -> impl Iterator<Item = (Kind, &str, Digest)> {
        self.iter().map(|(kind, name, meta)| (kind, name, meta.fingerprint))
    }

    /// Names of this kind.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(of, ..)| *of == kind).map(|(_, name, _)| name)
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes an object, in place of what was known of it.
    pub fn put(&mut self, kind: Kind, name: &str, meta: OwnedMeta) {
        match self.position(kind, name) {
            Ok(found) => self.0[found].meta = meta,
            Err(place) => {
                // Most leases have few objects, and a list that doubles would be half empty.
                self.0.reserve_exact(1);
                self.0.insert(place, OwnedObject { kind, name: name.into(), meta });
            }
        }
    }

    /// Forgets an object.
    pub fn remove(&mut self, kind: Kind, name: &str) {
        if let Ok(found) = self.position(kind, name) {
            self.0.remove(found);
        }
    }

    /// Forgets the objects of a kind for which `keep` is false.
    pub fn retain(&mut self, kind: Kind, keep: impl Fn(&str, &OwnedMeta) -> bool) {
        self.0.retain(|object| object.kind != kind || keep(&object.name, &object.meta));
    }

    fn position(&self, kind: Kind, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|object| (object.kind, &*object.name).cmp(&(kind, name)))
    }
}
