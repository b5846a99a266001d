//! Why a service is not up, from what the cluster shows of it: pure functions over watched objects, one file per
//! family of causes.
//!
//! Whatever a pod's status holds, the answer is one printable, bounded line without the lease's secrets. Messages hold
//! no ages and no back-off times, so that the status changes with the state and not with the clock.

mod container;
mod eviction;
mod image;
mod memory_limit;
pub(super) mod probe;
mod scheduling;
mod start;
pub mod text;
pub mod workload;

use std::sync::Arc;

use crd::Trouble;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use manifest::Service;

use self::text::Hidden;
use super::pods;

/// How long something that nobody complains about may take before it counts as trouble.
const PATIENCE: SignedDuration = SignedDuration::from_mins(3);

/// What is known about one service.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What the manifest says.
    pub service: &'a Service,
    /// Its pods.
    pub pods: &'a [&'a Arc<Pod>],
    /// Why its workload could not create pods, in the API server's words.
    pub refused_pod: Option<&'a str>,
    /// What was found before. A node tells a registry's answer only now and then.
    pub known: Option<&'a Trouble>,
    /// What must not be shown.
    pub hidden: &'a Hidden,
    /// The time.
    pub now: Timestamp,
}

/// What holds a service up. Call it only for a service with fewer ready pods than it should have.
pub fn diagnose(evidence: &Evidence<'_>) -> Option<Trouble> {
    let waiting = || evidence.pods.iter().filter(|pod| !pods::is_over(pod) && !pods::is_ready(pod));
    let present = || waiting().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let found = present()
        .find_map(|pod| live(pod, evidence))
        .or_else(|| waiting().find_map(|pod| eviction::disrupted(pod, evidence.hidden)))
        .or_else(|| refused(evidence))
        .or_else(|| {
            let over = evidence.pods.iter().filter(|pod| pods::is_over(pod));
            over.max_by_key(|pod| pod.metadata.creation_timestamp.clone())
                .and_then(|pod| eviction::over(pod, evidence.hidden))
        });
    found.map(spoken)
}

/// What was told may have been nothing but characters that are not shown.
fn spoken(trouble: Trouble) -> Trouble {
    if !trouble.message.is_empty() {
        return trouble;
    }
    Trouble { message: "the cluster says nothing more".to_owned(), ..trouble }
}

fn live(pod: &Pod, evidence: &Evidence<'_>) -> Option<Trouble> {
    scheduling::diagnose(pod, evidence)
        .or_else(|| container::diagnose(pod, evidence))
        .or_else(|| eviction::disrupted(pod, evidence.hidden))
}

/// While pods stop, the quota has no room for their successors, and that is nobody's fault. Where ended pods have filled it, what
/// ended them is the trouble.
fn refused(evidence: &Evidence<'_>) -> Option<Trouble> {
    let stopping = evidence.pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_some());
    let has_ended = evidence.pods.iter().any(|pod| pods::is_over(pod));
    let message = evidence.refused_pod.filter(|_| !stopping)?;
    if has_ended && message.contains("requested: count/pods=") {
        return None;
    }
    Some(workload::refused(message, evidence.hidden))
}

fn is_older_than(since: Option<Timestamp>, wait: SignedDuration, now: Timestamp) -> bool {
    since.is_some_and(|since| now.duration_since(since) >= wait)
}

#[cfg(test)]
mod tests;
