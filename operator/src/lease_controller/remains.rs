//! Pods that have ended for good, such as evicted ones.
//!
//! The workload's controller makes another at once, and the cluster would keep thousands of the old ones. The quota has room for
//! [`MOST`] of them in a lease, and they go one by one when their time is over: that is the pace at which pods that are evicted
//! again and again are made anew, however fast they fail.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Preconditions},
};
use tokio::time::Duration;

use super::{Context, calls, owned::Kind, pods};
use crate::metrics::Verb;

/// Ended pods that a lease has room for.
pub const MOST: u64 = 8;
/// How long one stays: as long as a kubelet waits at most before it starts a container again.
const STAY: SignedDuration = SignedDuration::from_mins(5);

/// An ended pod could not be removed.
#[derive(Debug, thiserror::Error)]
#[error("failed to delete the ended pod {name}")]
pub struct Error {
    name: String,
    #[source]
    source: kube::Error,
}

/// Removes the ended pods whose time is over; returns when the next one's will be.
pub async fn remove(ctx: &Context, namespace: &str, pods: &[Arc<Pod>]) -> Result<Option<Duration>, Error> {
    let now = (ctx.clock)();
    let ended = || pods.iter().filter(|pod| pods::is_over(pod) && pod.metadata.deletion_timestamp.is_none());
    let api = Api::<Pod>::namespaced(ctx.client.clone(), namespace);
    let overdue = ended().filter(|pod| rest(pod, now).is_none());
    calls::to_the_end(overdue.map(|pod| delete(ctx, &api, pod))).await?;
    Ok(ended().filter_map(|pod| rest(pod, now)).min())
}

/// How long a pod may still stay.
fn rest(pod: &Pod, now: Timestamp) -> Option<Duration> {
    let until = ended_at(pod)?.checked_add(STAY).ok()?;
    Duration::try_from(until.duration_since(now)).ok().filter(|rest| !rest.is_zero())
}

/// When a pod ended, or the last thing that is known of it before.
fn ended_at(pod: &Pod) -> Option<Timestamp> {
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten();
    let finished = containers
        .filter_map(|container| container.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref());
    let tells = ["DisruptionTarget", "Ready"];
    let conditions =
        status.conditions.iter().flatten().filter(|condition| tells.contains(&condition.type_.as_str()));
    let changed = conditions.filter_map(|condition| condition.last_transition_time.as_ref());
    finished.chain(changed).map(|time| time.0).max().or_else(|| Some(pod.creation_timestamp()?.0))
}

async fn delete(ctx: &Context, api: &Api<Pod>, pod: &Pod) -> Result<(), Error> {
    // A pod of a StatefulSet gets its predecessor's name.
    let preconditions = Preconditions { uid: pod.uid(), resource_version: None };
    let name = pod.name_any();
    match api.delete(&name, &DeleteParams::default().preconditions(preconditions)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(source) => Err(Error { name, source }),
        Ok(_) => {
            ctx.metrics.api_write(Kind::Pod, Verb::Delete);
            Ok(())
        }
    }
}
