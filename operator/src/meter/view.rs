//! What the API says of pods and volumes, in the ledger's words. Pure.
//!
//! The API keeps whole seconds, cut off: starts are moved up and ends kept, so that the tenant never pays
//! for the rest of a second.

use crd::labels;
use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ContainerStateTerminated, ContainerStatus, PersistentVolumeClaim, Pod, PodCondition},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Time},
};
use kube::ResourceExt;
use usage::{
    ContainerState, ContainerView, Millis, NodeView, PodView, ResourceLimits, Run, Trouble, VolumeView,
};

use super::{millis, quantity};

/// A pod; `None` if it is of no service.
pub(super) fn pod(pod: &Pod) -> Option<PodView> {
    let ready_since = ready_since(pod);
    let spec = pod.spec.as_ref();
    let overhead = spec.and_then(|spec| spec.overhead.as_ref());
    let statuses =
        pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let containers = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
    Some(PodView {
        uid: pod.uid()?,
        service: pod.labels().get(labels::SERVICE)?.clone(),
        containers: containers
            .iter()
            .map(|container| {
                let status = statuses.iter().find(|status| status.name == container.name);
                ContainerView {
                    name: container.name.clone(),
                    limits: limits(container.resources.as_ref().and_then(|of| of.limits.as_ref())),
                    state: status.map_or(ContainerState::Waiting, |status| state(status, ready_since)),
                    last_run: status
                        .and_then(|status| status.last_state.as_ref()?.terminated.as_ref())
                        .and_then(run),
                }
            })
            .collect(),
        overhead: limits(overhead),
        // What is known of the node is added when the lease is looked at.
        node: NodeView { alive_until: Millis(0), boot: None },
        trouble: trouble(pod),
    })
}

/// Whether the cluster, not the tenant or the operator, takes the pod away.
fn trouble(pod: &Pod) -> Trouble {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let is_target = |found: &PodCondition| found.type_ == "DisruptionTarget" && found.status == "True";
    if conditions.iter().any(is_target) { Trouble::Provider } else { Trouble::None }
}

/// Since when the pod has been ready, by its condition: it flips with each restart and each failed probe.
fn ready_since(pod: &Pod) -> Option<Millis> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready =
        conditions.iter().find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
    Some(started(ready.last_transition_time.as_ref()?))
}

fn state(status: &ContainerStatus, ready_since: Option<Millis>) -> ContainerState {
    let Some(state) = &status.state else { return ContainerState::Waiting };
    if let Some(running) = &state.running {
        return match &running.started_at {
            Some(time) => ContainerState::Running {
                started_at: started(time),
                ready_since: ready_since.filter(|_| status.ready),
            },
            None => ContainerState::Waiting,
        };
    }
    state.terminated.as_ref().and_then(run).map_or(ContainerState::Waiting, ContainerState::Terminated)
}

fn run(terminated: &ContainerStateTerminated) -> Option<Run> {
    Some(Run {
        started_at: started(terminated.started_at.as_ref()?),
        finished_at: millis(terminated.finished_at.as_ref()?.0),
    })
}

fn limits(limits: Option<&BTreeMap<String, Quantity>>) -> ResourceLimits {
    let limit = |name: &str| limits.and_then(|limits| limits.get(name));
    ResourceLimits {
        cpu_milli: limit("cpu").and_then(quantity::milli).unwrap_or(0),
        memory_bytes: limit("memory").and_then(quantity::whole).unwrap_or(0),
        gpu_milli: 0,
        device_milli: 0,
    }
}

/// What was asked for is leased; a provisioner that rounds up gives the rest away.
pub(super) fn volume(claim: &PersistentVolumeClaim) -> Option<VolumeView> {
    let bound = claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound");
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    bound.then_some(VolumeView {
        uid: claim.uid()?,
        bytes: requests.get("storage").and_then(quantity::whole)?,
        bound_since: started(&claim.creation_timestamp()?),
    })
}

fn started(time: &Time) -> Millis {
    millis(time.0).plus(1000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod_of(status: serde_json::Value) -> PodView {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "web-0", "uid": "u1", "labels": {"leasehold.dev/service": "web"}},
            "spec": {"overhead": {"cpu": "50m", "memory": "32Mi"}, "containers": [{
                "name": "workload", "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}}
            }]},
            "status": status,
        }))
        .unwrap();
        super::pod(&pod).unwrap()
    }

    fn view(state: ContainerState, last_run: Option<Run>) -> PodView {
        let limits =
            ResourceLimits { cpu_milli: 1500, memory_bytes: 64 << 20, gpu_milli: 0, device_milli: 0 };
        PodView {
            uid: "u1".into(),
            service: "web".into(),
            containers: vec![ContainerView { name: "workload".into(), limits, state, last_run }],
            overhead: ResourceLimits { cpu_milli: 50, memory_bytes: 32 << 20, ..ResourceLimits::default() },
            node: NodeView { alive_until: Millis(0), boot: None },
            trouble: Trouble::None,
        }
    }

    fn ready(status: &str) -> serde_json::Value {
        json!([{"type": "Ready", "status": status, "lastTransitionTime": "1970-01-01T00:00:20Z"}])
    }

    #[test]
    fn a_ready_pod_is_delivered_since_its_condition() {
        let container = json!([{
            "name": "workload", "ready": true, "restartCount": 0, "image": "", "imageID": "",
            "state": {"running": {"startedAt": "1970-01-01T00:00:10Z"}},
            "lastState": {"terminated": {
                "exitCode": 1, "startedAt": "1970-01-01T00:00:02Z", "finishedAt": "1970-01-01T00:00:08Z"
            }}
        }]);
        let last = Some(Run { started_at: Millis(3_000), finished_at: Millis(8_000) });
        let state = |ready_since| ContainerState::Running { started_at: Millis(11_000), ready_since };
        assert_eq!(
            pod_of(json!({"conditions": ready("True"), "containerStatuses": container.clone()})),
            view(state(Some(Millis(21_000))), last)
        );
        assert_eq!(
            pod_of(json!({"conditions": ready("False"), "containerStatuses": container})),
            view(state(None), last)
        );
    }

    #[test]
    fn a_pod_without_status_waits_and_an_ended_one_tells_its_run() {
        assert_eq!(pod_of(json!({})), view(ContainerState::Waiting, None));
        let ended = json!([{
            "name": "workload", "ready": false, "restartCount": 0, "image": "", "imageID": "",
            "state": {"terminated": {
                "exitCode": 0, "startedAt": "1970-01-01T00:00:02Z", "finishedAt": "1970-01-01T00:00:08Z"
            }}
        }]);
        let run = Run { started_at: Millis(3_000), finished_at: Millis(8_000) };
        assert_eq!(pod_of(json!({"containerStatuses": ended})), view(ContainerState::Terminated(run), None));
    }

    #[test]
    fn a_pod_that_the_cluster_takes_away_is_the_providers_trouble() {
        let evicted = json!({"conditions": [{"type": "DisruptionTarget", "status": "True"}]});
        let expected = PodView { trouble: Trouble::Provider, ..view(ContainerState::Waiting, None) };
        assert_eq!(pod_of(evicted), expected);
    }

    #[test]
    fn only_bound_claims_count_and_by_what_was_asked_for() {
        let claim = |phase: &str| -> PersistentVolumeClaim {
            serde_json::from_value(json!({
                "metadata": {"name": "data", "uid": "c1", "creationTimestamp": "1970-01-01T00:00:05Z"},
                "spec": {"resources": {"requests": {"storage": "1Gi"}}},
                "status": {"phase": phase, "capacity": {"storage": "2Gi"}},
            }))
            .unwrap()
        };
        assert_eq!(volume(&claim("Pending")), None);
        assert_eq!(
            volume(&claim("Bound")),
            Some(VolumeView { uid: "c1".into(), bytes: 1 << 30, bound_since: Millis(6_000) })
        );
    }
}
