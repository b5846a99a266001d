//! What is there of every lease: all rendered objects of the cluster, watched in full and kept as small records.
//!
//! Objects arrive as plain JSON, so that a field which our types do not know is seen as well. What we write ourselves is noted
//! from the answer, so that a watch that lags behind does not make us write twice.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crd::labels;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::DynamicObject;
use serde::Serialize;
use serde_json::Value;

use super::{
    digest::Digest,
    owned::{Kind, Owned, OwnedMeta},
};

/// What controllers report: none of ours to decide.
const STATUS: &str = "status";

/// Records of all leases, by the lease's namespace and by kind and name.
#[derive(Debug, Default)]
pub struct Live {
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    leases: HashMap<String, Owned>,
    /// How many objects we wrote so far.
    writes: u64,
}

/// A listing that a watch began with: what it does not hold is gone.
#[derive(Debug, Default)]
pub struct Listing {
    seen: HashMap<String, Vec<String>>,
    /// Writes of ours before it began.
    writes_before: u64,
}

impl Live {
    /// Everything that is there of a lease.
    pub fn of(&self, lease: &str) -> Owned {
        self.lock().leases.get(lease).cloned().unwrap_or_default()
    }

    /// Notes an object as a watch shows it, unless a newer state of it is known.
    pub fn apply(&self, kind: Kind, object: &DynamicObject) {
        self.lock().put(kind, object, record(object));
    }

    /// Notes an object as the API server answered when we wrote it.
    pub fn wrote(&self, kind: Kind, object: &DynamicObject) {
        let mut index = self.lock();
        index.writes += 1;
        let record = OwnedMeta { written: index.writes, ..record(object) };
        index.put(kind, object, record);
    }

    /// Notes that an object is gone. A later one of the same name stays.
    pub fn remove(&self, kind: Kind, object: &DynamicObject) {
        let (Some(lease), Some(name)) = (lease_of(kind, object), object.metadata.name.as_deref()) else {
            return;
        };
        self.forget(kind, &lease, name, object.metadata.uid.as_deref());
    }

    /// Notes that an object was deleted by us.
    pub fn forget(&self, kind: Kind, lease: &str, name: &str, uid: Option<&str>) {
        let leases = &mut self.lock().leases;
        let Some(owned) = leases.get_mut(lease) else { return };
        if owned.find(kind, name).is_some_and(|known| uid.is_none_or(|uid| known.uid == uid)) {
            owned.remove(kind, name);
        }
        if owned.is_empty() {
            leases.remove(lease);
        }
    }

    /// Begins a listing.
    pub fn listing(&self) -> Listing {
        Listing { seen: HashMap::new(), writes_before: self.lock().writes }
    }

    /// Notes an object of a listing.
    pub fn list(&self, kind: Kind, listing: &mut Listing, object: &DynamicObject) {
        if let (Some(lease), Some(name)) = (lease_of(kind, object), object.metadata.name.clone()) {
            listing.seen.entry(lease).or_default().push(name);
        }
        self.apply(kind, object);
    }

    /// Drops what the finished listing did not hold, but for what we wrote since it began.
    pub fn listed(&self, kind: Kind, listing: &Listing) {
        let leases = &mut self.lock().leases;
        for (lease, owned) in leases.iter_mut() {
            let seen = listing.seen.get(lease);
            owned.retain(kind, |name, record| {
                record.written > listing.writes_before
                    || seen.is_some_and(|seen| seen.iter().any(|seen| seen == name))
            });
        }
        leases.retain(|_, owned| !owned.is_empty());
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        // Each change is complete before the next can panic, so a poisoned lock is still good.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn put(&mut self, kind: Kind, object: &DynamicObject, record: OwnedMeta) {
        let (Some(lease), Some(name)) = (lease_of(kind, object), object.metadata.name.clone()) else {
            return;
        };
        let known = self.leases.entry(lease).or_default();
        let is_old = known
            .find(kind, &name)
            .is_some_and(|known| known.uid == record.uid && known.version > record.version);
        if !is_old {
            known.put(kind, &name, record);
        }
    }
}

/// Name of the lease's namespace, which an object is in or is. Its labels are no proof: somebody may have changed them.
pub fn lease_of(kind: Kind, object: &DynamicObject) -> Option<String> {
    match kind {
        Kind::Namespace => object.metadata.name.clone(),
        _ => object.metadata.namespace.clone(),
    }
}

/// What is kept of an object.
pub fn record(object: &DynamicObject) -> OwnedMeta {
    let version = object.metadata.resource_version.as_deref().and_then(|version| version.parse().ok());
    OwnedMeta {
        version: version.unwrap_or_default(),
        fingerprint: fingerprint(object),
        enforced: is_enforced(&object.data),
        ..OwnedMeta::from(&object.metadata)
    }
}

/// Digest of everything about an object that is ours to decide: all labels, our annotations and every field but the status.
///
/// Annotations of others stay: network plug-ins and the Deployment controller leave their notes there.
fn fingerprint(object: &DynamicObject) -> Digest {
    let ours = |key: &str| key.starts_with(labels::GROUP);
    let metadata = &object.metadata;
    let parts = Parts {
        annotations: metadata.annotations.iter().flatten().filter(|(key, _)| ours(key)).collect(),
        fields: object.data.as_object().into_iter().flatten().filter(|(key, _)| *key != STATUS).collect(),
        finalizers: metadata.finalizers.as_deref(),
        labels: metadata.labels.as_ref(),
        owners: metadata.owner_references.as_deref(),
    };
    // Maps of texts and values that were read from JSON can be written as such.
    Digest::of(serde_json::to_vec(&parts).unwrap_or_default())
}

/// What a fingerprint is of. The order of the fields is part of it.
#[derive(Serialize)]
struct Parts<'a> {
    annotations: BTreeMap<&'a String, &'a String>,
    fields: BTreeMap<&'a String, &'a Value>,
    finalizers: Option<&'a [String]>,
    labels: Option<&'a BTreeMap<String, String>>,
    owners: Option<&'a [OwnerReference]>,
}

/// Whether the quota controller has taken over every bound of a quota.
fn is_enforced(data: &Value) -> bool {
    let wanted = &data["spec"]["hard"];
    !wanted.is_null() && *wanted == data[STATUS]["hard"]
}

/// One digest of all objects of a lease but its routes, whose kind may be missing from a cluster.
pub fn digest<'a>(objects: impl Iterator<Item = (Kind, &'a str, Digest)>) -> String {
    let mut all: Vec<_> = objects.filter(|(kind, ..)| *kind != Kind::HttpRoute).collect();
    all.sort_unstable();
    let lines: String = all.iter().map(|(kind, name, mark)| format!("{kind} {name} {mark}\n")).collect();
    Digest::of(lines).to_string()
}
