//! What is there of every lease: all rendered objects of the cluster, watched in full and kept as small records.
//!
//! Objects arrive as plain JSON, so that a field which our types do not know is seen as well. What we write ourselves is noted
//! from the answer, so that a watch that lags behind does not make us write twice.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crd::labels;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::owned::{Kind, Owned, OwnedMeta};

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
        if let Some(known) = owned.0.get_mut(&kind)
            && known.get(name).is_some_and(|known| uid.is_none_or(|uid| known.uid == uid))
        {
            known.remove(name);
            if known.is_empty() {
                owned.0.remove(&kind);
            }
        }
        if owned.0.is_empty() {
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
            if let Some(known) = owned.0.get_mut(&kind) {
                let seen = listing.seen.get(lease);
                known.retain(|name, record| {
                    record.written > listing.writes_before || seen.is_some_and(|seen| seen.contains(name))
                });
                if known.is_empty() {
                    owned.0.remove(&kind);
                }
            }
        }
        leases.retain(|_, owned| !owned.0.is_empty());
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
        let known = self.leases.entry(lease).or_default().0.entry(kind).or_default();
        let is_old =
            known.get(&name).is_some_and(|known| known.uid == record.uid && known.version > record.version);
        if !is_old {
            known.insert(name, record);
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
fn fingerprint(object: &DynamicObject) -> String {
    let ours = |key: &str| key.starts_with(labels::GROUP);
    let annotations: BTreeMap<&String, &String> =
        object.metadata.annotations.iter().flatten().filter(|(key, _)| ours(key)).collect();
    let fields: BTreeMap<&String, &Value> =
        object.data.as_object().into_iter().flatten().filter(|(key, _)| *key != STATUS).collect();
    let parts = json!({
        "labels": object.metadata.labels, "annotations": annotations, "fields": fields,
        "finalizers": object.metadata.finalizers, "owners": object.metadata.owner_references,
    });
    data_encoding::HEXLOWER.encode(&Sha256::digest(parts.to_string()))
}

/// Whether the quota controller has taken over every bound of a quota.
fn is_enforced(data: &Value) -> bool {
    let wanted = &data["spec"]["hard"];
    !wanted.is_null() && *wanted == data[STATUS]["hard"]
}

/// One digest of all objects of a lease but its routes, whose kind may be missing from a cluster.
pub fn digest<'a>(objects: impl Iterator<Item = (Kind, &'a str, &'a str)>) -> String {
    let mut all: Vec<_> = objects.filter(|(kind, ..)| *kind != Kind::HttpRoute).collect();
    all.sort_unstable();
    let mut digest = Sha256::new();
    for (kind, name, fingerprint) in all {
        digest.update(format!("{kind} {name} {fingerprint}\n"));
    }
    data_encoding::HEXLOWER.encode(&digest.finalize())
}
