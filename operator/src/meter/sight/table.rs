//! Objects as a watch shows them, reduced.

use std::collections::BTreeMap;

use kube::{Resource, ResourceExt, runtime::watcher::Event};

/// Objects of one kind, by namespace and name.
#[derive(Debug)]
pub(in crate::meter) struct Table<V> {
    rows: BTreeMap<(String, String), V>,
    /// A list that has begun and not ended. Until it has, the last one stands.
    listing: Option<BTreeMap<(String, String), V>>,
    pub(super) listed: bool,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), listing: None, listed: false }
    }
}

impl<V> Table<V> {
    /// Takes what a watch tells. What `reduce` makes nothing of is as if it were not there.
    pub(in crate::meter) fn take<K: Resource>(&mut self, event: &Event<K>, reduce: impl Fn(&K) -> Option<V>) {
        let key = |object: &K| (object.namespace().unwrap_or_default(), object.name_any());
        match event {
            Event::Init => self.listing = Some(BTreeMap::new()),
            Event::InitApply(object) => {
                if let (Some(listing), Some(row)) = (&mut self.listing, reduce(object)) {
                    listing.insert(key(object), row);
                }
            }
            Event::InitDone => {
                self.rows = self.listing.take().unwrap_or_default();
                self.listed = true;
            }
            Event::Apply(object) => match reduce(object) {
                Some(row) => {
                    self.rows.insert(key(object), row);
                }
                None => {
                    self.rows.remove(&key(object));
                }
            },
            Event::Delete(object) => {
                self.rows.remove(&key(object));
            }
        }
    }

    pub(in crate::meter) fn find(&self, namespace: &str, name: &str) -> Option<&V> {
        self.rows.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Everything in one namespace.
    pub(in crate::meter) fn within(&self, namespace: &str) -> impl Iterator<Item = &V> {
        let namespace = namespace.to_owned();
        self.rows
            .range((namespace.clone(), String::new())..)
            .take_while(move |((of, _), _)| *of == namespace)
            .map(|(_, row)| row)
    }

    pub(in crate::meter) fn all(&self) -> impl Iterator<Item = &V> {
        self.rows.values()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim};
    use serde_json::json;

    use super::*;
    use crate::meter::{node, sight::claim};

    fn node(name: &str, address: &str) -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]}
        }))
        .unwrap()
    }

    fn table(events: impl IntoIterator<Item = Event<Node>>) -> Vec<String> {
        let mut table = Table::default();
        for event in events {
            table.take(&event, |node: &Node| node::node(node).map(|node| node.address));
        }
        table.all().map(IpAddr::to_string).collect()
    }

    #[test]
    fn a_new_list_replaces_the_old_one_only_when_it_has_ended() {
        let begun = [
            Event::Init,
            Event::InitApply(node("a", "10.0.0.1")),
            Event::InitDone,
            Event::Apply(node("b", "10.0.0.2")),
            Event::Init,
            Event::InitApply(node("c", "10.0.0.3")),
        ];
        assert_eq!(table(begun.clone()), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(table(begun.into_iter().chain([Event::InitDone])), ["10.0.0.3"]);
    }

    #[test]
    fn what_is_deleted_or_has_no_address_is_not_there() {
        let listed = [Event::Init, Event::InitDone, Event::Apply(node("a", "10.0.0.1"))];
        assert_eq!(table(listed.clone().into_iter().chain([Event::Delete(node("a", ""))])), [""; 0]);
        assert_eq!(table(listed.into_iter().chain([Event::Apply(node("a", "nonsense"))])), [""; 0]);
    }

    #[test]
    fn a_namespace_shows_nothing_of_its_neighbours() {
        let mut claims = Table::default();
        let bound = |namespace: &str, uid: &str| -> PersistentVolumeClaim {
            serde_json::from_value(json!({
                "metadata": {
                    "name": "data", "namespace": namespace, "uid": uid,
                    "creationTimestamp": "1970-01-01T00:00:05Z"
                },
                "spec": {"resources": {"requests": {"storage": "1Gi"}}},
                "status": {"phase": "Bound"},
            }))
            .unwrap()
        };
        for (namespace, uid) in [("lease-a", "1"), ("lease-ab", "2"), ("lease-b", "3")] {
            claims.take(&Event::Apply(bound(namespace, uid)), claim);
        }
        let uids: Vec<&str> = claims.within("lease-a").map(|volume| volume.uid.as_str()).collect();
        assert_eq!(uids, ["1"]);
    }
}
