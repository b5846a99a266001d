//! Pods that a node or the cluster took away.

use crd::{Cause, Trouble};
use k8s_openapi::api::core::v1::Pod;

use super::text::{self, Hidden};

const SENTENCE_CHARS: usize = 300;

/// Why a pod is over that should have run on.
pub(super) fn over(pod: &Pod, hidden: &Hidden) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    let reason = status.reason.as_deref()?;
    let message = status.message.as_deref().unwrap_or_default();
    let own_limit =
        ["exceeds the total limit", "exceeded its local ephemeral storage limit", "exceeds the limit"];
    if reason == "Evicted" && own_limit.iter().any(|words| message.contains(words)) {
        let text = text::line(message, hidden, SENTENCE_CHARS);
        return Some(Trouble::new(Cause::EphemeralStorageExceeded, text));
    }
    let cause = if reason == "NodeLost" { Cause::NodeUnreachable } else { Cause::Evicted };
    Some(Trouble::new(cause, sentence(reason, message, hidden)))
}

/// Why a pod is being taken away.
pub(super) fn disrupted(pod: &Pod, hidden: &Hidden) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    if status.reason.as_deref() == Some("NodeLost") {
        return over(pod, hidden);
    }
    let conditions = status.conditions.iter().flatten();
    let target = conditions.into_iter().find(|c| c.type_ == "DisruptionTarget" && c.status == "True")?;
    let reason = target.reason.as_deref().unwrap_or_default();
    let cause = if reason == "DeletionByTaintManager" { Cause::NodeUnreachable } else { Cause::Evicted };
    let message = target.message.as_deref().unwrap_or_default();
    Some(Trouble::new(cause, sentence(reason, message, hidden)))
}

/// Whoever ends a pod may leave both empty.
fn sentence(reason: &str, message: &str, hidden: &Hidden) -> String {
    let text = text::line(&format!("{reason}: {message}"), hidden, SENTENCE_CHARS);
    match text.trim_matches([':', ' ']) {
        "" => "the cluster ended the pod and gives no reason".to_owned(),
        text => text.to_owned(),
    }
}
