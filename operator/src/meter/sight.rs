//! What the watches show of the cluster, reduced on arrival to the few words that are metered.
//!
//! Pure: events go in, views come out. A thousand leases cost a few megabytes here, not a copy of the cluster.

use std::{collections::BTreeMap, net::IpAddr};

use crd::{
    ComputeLease, DesiredState, Term,
    condition::{self, METERED, USAGE_COLLECTED, USAGE_FINAL},
    reason,
};
use k8s_openapi::{
    api::core::v1::{Node, PersistentVolumeClaim, Pod},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{Resource, ResourceExt, runtime::watcher::Event};
use market::B256;
use usage::{LeaseView, PodView, ServiceView, VolumeView};

use super::view;

/// Where a lease stands, as far as the meter cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It may still use something.
    Counting,
    /// It is over, and its last usage is to be published.
    Ending,
    /// It is over, and the operator went on with what had been published.
    Abandoned,
    /// Its last usage is published.
    Final,
}

/// A lease, reduced.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MeteredLease {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    /// Its id on chain, if it can be read.
    pub(super) id: Option<B256>,
    /// Root of the newest statement that the tenant signed.
    pub(super) signed: Option<B256>,
    pub(super) generation: Option<i64>,
    pub(super) life: Life,
    pub(super) term: Option<Term>,
    pub(super) services: Vec<ServiceView>,
    /// The meter's own conditions as they stand in the API.
    pub(super) conditions: Vec<Condition>,
    /// Sequence of the publication that stands in the API, 0 for none.
    pub(super) published: i64,
}

/// A pod, reduced.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MeteredPod {
    node: Option<String>,
    view: PodView,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct Sight {
    pub(super) leases: Table<MeteredLease>,
    pub(super) pods: Table<MeteredPod>,
    pub(super) claims: Table<VolumeView>,
    pub(super) nodes: Table<IpAddr>,
}

/// Objects of one kind, by namespace and name.
#[derive(Debug)]
pub(super) struct Table<V> {
    rows: BTreeMap<(String, String), V>,
    /// A list that has begun and not ended. Until it has, the last one stands.
    listing: Option<BTreeMap<(String, String), V>>,
    listed: bool,
}

impl MeteredLease {
    pub(super) fn of(lease: &ComputeLease) -> Self {
        let status = lease.status.as_ref();
        let services = status.map(|status| status.services.as_slice()).unwrap_or_default();
        let conditions = lease.conditions();
        Self {
            name: lease.name_any(),
            namespace: lease.namespace().unwrap_or_default(),
            uid: lease.uid().unwrap_or_default(),
            id: lease.spec.lease_id.parse().ok(),
            signed: lease
                .spec
                .settlement
                .as_ref()
                .and_then(|settled| settled.statement.meter_root.parse().ok()),
            generation: lease.metadata.generation,
            life: life(lease),
            term: lease.spec.term,
            services: services
                .iter()
                .map(|service| ServiceView {
                    name: service.name.clone(),
                    replicas: u32::try_from(service.replicas).unwrap_or(0),
                })
                .collect(),
            conditions: [METERED, USAGE_FINAL]
                .into_iter()
                .filter_map(|type_| condition::find(conditions, type_).cloned())
                .collect(),
            published: status.and_then(|status| status.usage.as_ref()).map_or(0, |usage| usage.sequence),
        }
    }
}

/// A paused lease still holds its volumes, so it is counted.
fn life(lease: &ComputeLease) -> Life {
    let conditions = lease.conditions();
    let is_over = lease.spec.desired == DesiredState::Ended || lease.metadata.deletion_timestamp.is_some();
    let collected = condition::find(conditions, USAGE_COLLECTED);
    if condition::is_true(conditions, USAGE_FINAL) {
        Life::Final
    } else if !is_over {
        Life::Counting
    } else if collected.is_some_and(|collected| collected.reason == reason::METER_SILENT) {
        Life::Abandoned
    } else {
        Life::Ending
    }
}

impl Sight {
    /// Whether all watches have listed. Before that, a pod that is missing is not a pod that is gone.
    pub(super) fn is_complete(&self) -> bool {
        self.waiting().next().is_none()
    }

    /// Kinds whose watches have not listed.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &'static str> + use<> {
        let kinds = [
            ("ComputeLease", self.leases.listed),
            ("Pod", self.pods.listed),
            ("PersistentVolumeClaim", self.claims.listed),
            ("Node", self.nodes.listed),
        ];
        kinds.into_iter().filter(|(_, listed)| !listed).map(|(kind, _)| kind)
    }

    /// Everything of a lease now.
    pub(super) fn view(&self, lease: &MeteredLease) -> LeaseView {
        LeaseView {
            services: lease.services.clone(),
            pods: self.pods.within(&lease.name).map(|pod| pod.view.clone()).collect(),
            volumes: self.claims.within(&lease.name).cloned().collect(),
            leased_ips: 0,
            // Nothing shapes traffic yet, so no reading can be called impossible.
            egress_bytes_per_second: None,
        }
    }

    /// Addresses of the nodes that run pods of these leases, by node name.
    pub(super) fn nodes_of<'a>(
        &self,
        leases: impl IntoIterator<Item = &'a MeteredLease>,
    ) -> BTreeMap<String, IpAddr> {
        let pods = leases.into_iter().flat_map(|lease| self.pods.within(&lease.name));
        pods.filter_map(|pod| {
            let node = pod.node.as_ref()?;
            Some((node.clone(), *self.nodes.find("", node)?))
        })
        .collect()
    }
}

pub(super) fn pod(pod: &Pod) -> Option<MeteredPod> {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    view::pod(pod).map(|view| MeteredPod { node, view })
}

pub(super) fn claim(claim: &PersistentVolumeClaim) -> Option<VolumeView> {
    view::volume(claim)
}

pub(super) fn node(node: &Node) -> Option<IpAddr> {
    let addresses = node.status.as_ref()?.addresses.as_ref()?;
    addresses.iter().find(|address| address.type_ == "InternalIP")?.address.parse().ok()
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), listing: None, listed: false }
    }
}

impl<V> Table<V> {
    /// Takes what a watch tells. What `reduce` makes nothing of is as if it were not there.
    pub(super) fn take<K: Resource>(&mut self, event: &Event<K>, reduce: impl Fn(&K) -> Option<V>) {
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

    pub(super) fn find(&self, namespace: &str, name: &str) -> Option<&V> {
        self.rows.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Everything in one namespace.
    pub(super) fn within(&self, namespace: &str) -> impl Iterator<Item = &V> {
        let namespace = namespace.to_owned();
        self.rows
            .range((namespace.clone(), String::new())..)
            .take_while(move |((of, _), _)| *of == namespace)
            .map(|(_, row)| row)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &V> {
        self.rows.values()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            table.take(&event, super::node);
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
