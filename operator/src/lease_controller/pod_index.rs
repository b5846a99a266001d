//! Pods of leases, found by the lease's namespace: a reconciliation looks at its own, however many there are of others.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, runtime::watcher};

/// Pods of one namespace, by name.
type Pods = BTreeMap<String, Arc<Pod>>;

/// All pods that a watch shows. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct PodIndex {
    namespaces: Arc<RwLock<HashMap<String, Pods>>>,
}

/// Names that a listing held so far, by namespace: what it does not hold is gone.
#[derive(Debug, Default)]
pub struct Listing(HashMap<String, HashSet<String>>);

impl PodIndex {
    /// The pods of a namespace, by name.
    pub fn of(&self, namespace: &str) -> Vec<Arc<Pod>> {
        self.read().get(namespace).into_iter().flat_map(Pods::values).cloned().collect()
    }

    /// Takes in what the watch says; returns the namespaces that it changed.
    ///
    /// A listing changes pods as they come, and its end drops those that it did not hold: in between nothing that is there is missing.
    pub fn take(&self, listing: &mut Listing, event: watcher::Event<Pod>) -> Vec<String> {
        match event {
            watcher::Event::Init => {
                *listing = Listing::default();
                Vec::new()
            }
            watcher::Event::InitApply(pod) => {
                let names = listing.0.entry(pod.namespace().unwrap_or_default()).or_default();
                names.insert(pod.name_any());
                vec![self.put(pod)]
            }
            watcher::Event::InitDone => self.keep(&std::mem::take(listing)),
            watcher::Event::Apply(pod) => vec![self.put(pod)],
            watcher::Event::Delete(pod) => vec![self.remove(&pod)],
        }
    }

    fn put(&self, pod: Pod) -> String {
        let namespace = pod.namespace().unwrap_or_default();
        self.write().entry(namespace.clone()).or_default().insert(pod.name_any(), Arc::new(pod));
        namespace
    }

    fn remove(&self, pod: &Pod) -> String {
        let namespace = pod.namespace().unwrap_or_default();
        let mut namespaces = self.write();
        if let Some(pods) = namespaces.get_mut(&namespace) {
            pods.remove(&pod.name_any());
            if pods.is_empty() {
                namespaces.remove(&namespace);
            }
        }
        namespace
    }

    /// Keeps what the listing held; returns the namespaces that lost a pod.
    fn keep(&self, Listing(listed): &Listing) -> Vec<String> {
        let mut changed = Vec::new();
        self.write().retain(|namespace, pods| {
            let before = pods.len();
            pods.retain(|name, _| listed.get(namespace).is_some_and(|names| names.contains(name)));
            if pods.len() < before {
                changed.push(namespace.clone());
            }
            !pods.is_empty()
        });
        changed
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Pods>> {
        // Each change is complete before the next can panic, so a poisoned lock is still good.
        self.namespaces.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Pods>> {
        self.namespaces.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;
    use watcher::Event;

    use super::*;

    fn pod(namespace: &str, name: &str, uid: &str) -> Pod {
        let text = |text: &str| Some(text.to_owned());
        let metadata = ObjectMeta {
            namespace: text(namespace),
            name: text(name),
            uid: text(uid),
            ..ObjectMeta::default()
        };
        Pod { metadata, ..Pod::default() }
    }

    fn uids(index: &PodIndex, namespace: &str) -> Vec<String> {
        index.of(namespace).iter().filter_map(|pod| pod.uid()).collect()
    }

    #[test]
    fn a_namespace_has_its_own_pods_in_the_order_of_their_names() {
        let (index, mut listing) = (PodIndex::default(), Listing::default());
        let events = [("one", "b", "2"), ("other", "c", "3"), ("one", "a", "1"), ("one", "b", "4")];
        let changed: Vec<_> = events
            .map(|(namespace, name, uid)| index.take(&mut listing, Event::Apply(pod(namespace, name, uid))))
            .concat();
        assert_eq!(changed, ["one", "other", "one", "one"]);
        assert_eq!((uids(&index, "one"), uids(&index, "none")), (vec!["1".into(), "4".into()], vec![]));
        assert_eq!(index.take(&mut listing, Event::Delete(pod("one", "a", "1"))), ["one"]);
        assert_eq!(uids(&index, "one"), ["4"]);
    }

    #[test]
    fn what_a_new_listing_does_not_hold_is_gone_and_is_told_of() {
        let (index, mut listing) = (PodIndex::default(), Listing::default());
        for (namespace, name) in [("kept", "a"), ("shrunk", "a"), ("shrunk", "b"), ("gone", "a")] {
            index.take(&mut listing, Event::Apply(pod(namespace, name, name)));
        }
        let mut changed = index.take(&mut listing, Event::Init);
        for (namespace, name) in [("kept", "a"), ("shrunk", "b")] {
            changed.extend(index.take(&mut listing, Event::InitApply(pod(namespace, name, name))));
        }
        assert_eq!(uids(&index, "gone"), ["a"], "nothing is dropped before the listing is complete");
        let mut dropped = index.take(&mut listing, Event::InitDone);
        dropped.sort();
        assert_eq!(
            (changed, dropped),
            (vec!["kept".into(), "shrunk".into()], vec!["gone".into(), "shrunk".into()])
        );
        assert_eq!(
            ["kept", "shrunk", "gone"].map(|namespace| uids(&index, namespace)),
            [vec!["a".to_owned()], vec!["b".to_owned()], vec![]]
        );
    }
}
