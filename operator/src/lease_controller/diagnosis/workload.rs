//! Pods that the API server refuses to a Deployment or StatefulSet.

use crd::{Cause, Trouble};
use k8s_openapi::api::apps::v1::Deployment;

use super::text::{self, Hidden};

const SENTENCE_CHARS: usize = 400;

/// What a Deployment says about pods that it could not create. A StatefulSet says it only in Events.
pub fn refusal_of(deployment: &Deployment) -> Option<String> {
    let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
    let failure = conditions.iter().find(|c| c.type_ == "ReplicaFailure" && c.status == "True")?;
    failure.message.clone()
}

/// Whose matter a refused pod is: ours, because both the pod and the quota are.
pub(super) fn refused(message: &str, hidden: &Hidden) -> Trouble {
    let cause = if message.contains("exceeded quota") { Cause::QuotaExceeded } else { Cause::PodRefused };
    let text = text::line(message, hidden, SENTENCE_CHARS);
    let text = if text.is_empty() { "the API server refuses the replica".to_owned() } else { text };
    Trouble::new(cause, text)
}
