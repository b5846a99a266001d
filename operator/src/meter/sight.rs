//! What the watches show of the cluster, reduced on arrival to the few words that are metered.
//!
//! Pure: events go in, views come out. A thousand leases cost a few megabytes here, not a copy of the cluster.

mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crd::{
    ComputeLease, DesiredState, Term,
    condition::{self, METERED, USAGE_COLLECTED, USAGE_FINAL},
    reason,
};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{PersistentVolumeClaim, Pod},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{ResourceExt, runtime::watcher::Event};
use market::B256;
use usage::{LeaseView, Millis, NodeView, PodView, ServiceView, Trouble, VolumeView};

pub(super) use self::table::Table;
use super::{
    node::{self, MeteredNode},
    view,
};

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
    /// Up to when it counts, in Unix seconds; none before the first.
    pub(super) published_to: Option<i64>,
}

/// A pod, reduced.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MeteredPod {
    node: Option<String>,
    /// When its time to end by itself is over, if it was told to end.
    ends_by: Option<Timestamp>,
    view: PodView,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct Sight {
    pub(super) leases: Table<MeteredLease>,
    pub(super) pods: Table<MeteredPod>,
    pub(super) claims: Table<VolumeView>,
    pub(super) nodes: Table<MeteredNode>,
    /// When each kubelet last renewed its `coordination.k8s.io` Lease, by its own clock.
    pub(super) heartbeats: Table<Millis>,
    /// When each kubelet that answered us was last asked.
    answered: BTreeMap<String, Millis>,
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
            published_to: status.and_then(|status| status.usage.as_ref()).map(|usage| usage.as_of),
        }
    }

    /// How many seconds of its term no publication tells of yet.
    pub(super) fn unpublished_seconds(&self, now: Timestamp) -> i64 {
        let Some(term) = self.term else { return 0 };
        let since = self.published_to.unwrap_or(term.started_at).max(term.started_at);
        now.as_second().min(term.ends_at).saturating_sub(since).max(0)
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
            ("Lease", self.heartbeats.listed),
        ];
        kinds.into_iter().filter(|(_, listed)| !listed).map(|(kind, _)| kind)
    }

    /// Everything of a lease now.
    pub(super) fn view(&self, lease: &MeteredLease) -> LeaseView {
        LeaseView {
            services: lease.services.clone(),
            pods: self.pods.within(&lease.name).map(|pod| self.pod_view(pod)).collect(),
            volumes: self.claims.within(&lease.name).cloned().collect(),
            leased_ips: 0,
            // Nothing shapes traffic yet, so no reading can be called impossible.
            egress_bytes_per_second: None,
        }
    }

    fn pod_view(&self, pod: &MeteredPod) -> PodView {
        let name = pod.node.as_deref();
        let node = name.and_then(|name| self.nodes.find("", name));
        PodView {
            node: NodeView {
                alive_until: name.map_or(Millis(0), |name| self.alive_until(name)),
                boot: node.and_then(|node| node.boot),
            },
            trouble: node.map_or(Trouble::Provider, |node| node.trouble.or(pod.view.trouble)),
            ..pod.view.clone()
        }
    }

    /// The last sign of life of a node: a renewed Lease or an answer.
    fn alive_until(&self, node: &str) -> Millis {
        let renewed = self.heartbeats.find(node::HEARTBEATS, node);
        let answered = self.answered.get(node);
        renewed.max(answered).copied().unwrap_or_default()
    }

    /// A kubelet answered what it was asked at this moment; returns how long it had not, if it ever had.
    pub(super) fn answered(&mut self, node: &str, at: Millis) -> Option<u64> {
        let Self { nodes, answered, .. } = self;
        answered.retain(|name, _| nodes.find("", name).is_some());
        let before = answered.get(node).copied();
        let newest = answered.entry(node.to_owned()).or_default();
        *newest = at.max(*newest);
        before.map(|before| at.since(before))
    }

    /// Until when the pod of an event has time to end by itself, as far as is known.
    pub(super) fn ends_by(&self, event: &Event<Pod>) -> Option<Timestamp> {
        let (Event::Apply(pod) | Event::InitApply(pod) | Event::Delete(pod)) = event else { return None };
        self.pods.find(&pod.namespace()?, &pod.name_any())?.ends_by
    }

    /// Addresses of these nodes, by their names.
    pub(super) fn addresses(&self, names: impl IntoIterator<Item = String>) -> BTreeMap<String, IpAddr> {
        let address = |name: String| self.nodes.find("", &name).map(|node| (name, node.address));
        names.into_iter().filter_map(address).collect()
    }

    /// Addresses of the nodes that run pods of these leases, by node name.
    pub(super) fn nodes_of<'a>(
        &self,
        leases: impl IntoIterator<Item = &'a MeteredLease>,
    ) -> BTreeMap<String, IpAddr> {
        let pods = leases.into_iter().flat_map(|lease| self.pods.within(&lease.name));
        self.addresses(pods.filter_map(|pod| pod.node.clone()).collect::<BTreeSet<_>>())
    }
}

pub(super) fn pod(pod: &Pod) -> Option<MeteredPod> {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let ends_by = pod.metadata.deletion_timestamp.as_ref().map(|time| time.0);
    view::pod(pod).map(|view| MeteredPod { node, ends_by, view })
}

pub(super) fn claim(claim: &PersistentVolumeClaim) -> Option<VolumeView> {
    view::volume(claim)
}
