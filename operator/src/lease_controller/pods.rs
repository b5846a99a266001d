//! What pods and nodes tell about a lease. Pure functions over watched objects.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use crd::{ComputeLease, PodStatus, labels};
use k8s_openapi::api::core::v1::{Node, Pod, PodSpec, Volume};
use kube::ResourceExt;

use super::{apply::Pulls, build::ClusterAddresses, pod_index::PodIndex};
use crate::settings::Cidr;

/// Pods of a lease, by name.
pub fn of_lease(pods: &PodIndex, lease: &ComputeLease) -> Vec<Arc<Pod>> {
    // The lease's namespace has its name.
    pods.of(lease.metadata.name.as_deref().unwrap_or_default())
}

/// Drops everything of a pod that nobody here looks at: thousands of pods are kept.
pub fn keep_what_matters(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    pod.metadata.owner_references = None;
    if let Some(spec) = pod.spec.take() {
        let claims = |volume: &Volume| volume.persistent_volume_claim.is_some();
        pod.spec = Some(PodSpec {
            node_name: spec.node_name,
            runtime_class_name: spec.runtime_class_name,
            volumes: spec.volumes.map(|volumes| volumes.into_iter().filter(claims).collect()),
            ..PodSpec::default()
        });
    }
}

/// Name of the service that a pod belongs to.
pub fn service(pod: &Pod) -> Option<&str> {
    pod.labels().get(labels::SERVICE).map(String::as_str)
}

/// Whether a pod is ready and not on its way out.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// Whether a pod was made from the template with this digest.
pub fn has_form(pod: &Pod, form: &str) -> bool {
    pod.annotations().get(labels::FORM).map(String::as_str) == Some(form)
}

/// Whether a pod has ended and will never run again, such as one that was evicted. The cluster keeps thousands of them.
pub fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

/// The part of a pod that tenants see.
pub fn pod_status(pod: &Pod) -> PodStatus {
    let spec = pod.spec.as_ref();
    PodStatus {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        node: spec.and_then(|spec| spec.node_name.clone()),
        runtime_class: spec.and_then(|spec| spec.runtime_class_name.clone()),
    }
}

/// Services with a pod that cannot start because an object it refers to is gone.
pub fn services_without_secret(pods: &[Arc<Pod>]) -> BTreeSet<String> {
    let missing = |pod: &&Arc<Pod>| {
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
        statuses.into_iter().flatten().any(|container| {
            let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
            waiting.and_then(|waiting| waiting.reason.as_deref()) == Some("CreateContainerConfigError")
        })
    };
    pods.iter().filter(missing).filter_map(|pod| service(pod)).map(str::to_owned).collect()
}

/// Whether each pod has its image, or one waits for it in vain.
pub fn pulls(pods: &[Arc<Pod>]) -> Pulls {
    let is_failing = |pod: &Arc<Pod>| {
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
        statuses.into_iter().flatten().any(|container| {
            let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
            let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
            matches!(reason, Some("ErrImagePull" | "ImagePullBackOff"))
        })
    };
    if pods.iter().any(is_failing) { Pulls::Failing } else { Pulls::Unhindered }
}

/// Addresses of the nodes, which tenants may not reach even where they are public.
pub fn cluster_addresses(nodes: &[Arc<Node>]) -> ClusterAddresses {
    let mut nodes: Vec<Cidr> = nodes
        .iter()
        .filter_map(|node| node.status.as_ref()?.addresses.as_ref())
        .flatten()
        .filter_map(|address| address.address.parse::<IpAddr>().ok())
        .map(Cidr::host)
        .collect();
    nodes.sort();
    nodes.dedup();
    ClusterAddresses { nodes }
}
