//! A removal that does not come to its end: what remains, and who holds it.
//!
//! The operator never takes a foreign finalizer away: it cannot know what that protects. It says what stands in the way,
//! and docs/operators.md says what a person can do about it.

use crd::{ComputeLease, ComputeLeaseStatus, condition, reason};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume};
use kube::{Api, ResourceExt};

use super::{
    Context,
    cleanup::{self, Teardown},
    diagnosis::text::{self, Hidden},
};

/// How long a removal may take before somebody must look.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// Characters that one thing in the way is described with.
const DETAIL_CHARS: usize = 300;
/// Volumes that are named; a cluster that keeps more of a lease keeps them for one reason.
const MOST_VOLUMES: usize = 5;

/// Why a removal does not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Reason of the condition.
    pub reason: &'static str,
    /// What remains and who holds it, for people.
    pub message: String,
}

/// Tells what is in the way, once the removal has taken too long.
pub async fn look(
    lease: &ComputeLease,
    ctx: &Context,
    teardown: Teardown,
) -> Result<Option<Stuck>, cleanup::Error> {
    let since = since(lease, &ctx.memory.status(lease));
    if since.is_none_or(|since| (ctx.clock)().duration_since(since) < PATIENCE) {
        return Ok(None);
    }
    let name = lease.name_any();
    match teardown {
        Teardown::Gone => Ok(None),
        Teardown::DeletingNamespace => {
            let found = Api::<Namespace>::all(ctx.client.clone()).get_opt(&name).await;
            let found = found.map_err(|source| cleanup::Error::GetNamespace { name, source })?;
            Ok(found.map(|namespace| of_namespace(&namespace)))
        }
        Teardown::DeletingVolumes => {
            let volumes = cleanup::volumes_of(ctx, &name).await?;
            Ok((!volumes.is_empty()).then(|| of_volumes(&volumes)))
        }
    }
}

/// When the removal began, by what the API says, so that a restart does not begin it anew.
fn since(lease: &ComputeLease, status: &ComputeLeaseStatus) -> Option<Timestamp> {
    let deleted = lease.metadata.deletion_timestamp.as_ref().map(|time| time.0);
    let cleaned = condition::find(&status.conditions, condition::CLEANED);
    let ending =
        cleaned.filter(|cleaned| cleaned.status == "False").map(|cleaned| cleaned.last_transition_time.0);
    deleted.into_iter().chain(ending).min()
}

/// What the namespace's own controller says.
fn of_namespace(namespace: &Namespace) -> Stuck {
    let conditions = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let details: Vec<String> = conditions
        .filter(|condition| condition.status == "True" && condition.type_.starts_with("Namespace"))
        .filter_map(|condition| condition.message.as_deref())
        .map(|message| text::line(message, &Hidden::default(), DETAIL_CHARS))
        .collect();
    let name = namespace.name_any();
    let message = if details.is_empty() {
        format!("namespace {name} does not go, and does not say why")
    } else {
        format!("namespace {name} does not go: {}", details.join("; "))
    };
    Stuck { reason: reason::OBJECTS_REMAIN, message }
}

fn of_volumes(volumes: &[PersistentVolume]) -> Stuck {
    let mut details: Vec<String> = volumes.iter().take(MOST_VOLUMES).map(of_volume).collect();
    if volumes.len() > MOST_VOLUMES {
        details.push(format!("and {} more", volumes.len() - MOST_VOLUMES));
    }
    Stuck {
        reason: reason::VOLUMES_REMAIN,
        message: format!("the namespace is gone, but its data is not: {}", details.join("; ")),
    }
}

fn of_volume(volume: &PersistentVolume) -> String {
    let spec = volume.spec.as_ref();
    let policy = spec.and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref()).unwrap_or("Delete");
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("unknown");
    let said = volume.status.as_ref().and_then(|status| status.message.as_deref()).unwrap_or_default();
    let mut text = format!("volume {} is {phase}, reclaim policy {policy}", volume.name_any());
    if !volume.finalizers().is_empty() {
        text.push_str(&format!(", finalizers {}", volume.finalizers().join(" ")));
    }
    if !said.is_empty() {
        text.push_str(&format!(": {said}"));
    }
    text::line(&text, &Hidden::default(), DETAIL_CHARS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_namespace_says_what_remains_and_who_holds_it() {
        let namespace = serde_json::from_value(json!({
            "metadata": {"name": "lease-x"},
            "status": {"phase": "Terminating", "conditions": [
                {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All resources successfully discovered"},
                {"type": "NamespaceContentRemaining", "status": "True",
                 "message": "Some resources are remaining: pods. has 1 resource instances"},
                {"type": "NamespaceFinalizersRemaining", "status": "True",
                 "message": "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"}
            ]}
        }))
        .unwrap();
        assert_eq!(
            of_namespace(&namespace),
            Stuck {
                reason: reason::OBJECTS_REMAIN,
                message: "namespace lease-x does not go: Some resources are remaining: pods. has 1 resource instances; Some \
                          content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
                    .to_owned()
            }
        );
        let silent = serde_json::from_value(json!({"metadata": {"name": "lease-x"}})).unwrap();
        assert_eq!(of_namespace(&silent).message, "namespace lease-x does not go, and does not say why");
    }

    #[test]
    fn volumes_say_why_their_data_is_still_there() {
        let volume = |name: &str| {
            serde_json::from_value(json!({
                "metadata": {"name": name, "finalizers": ["kubernetes.io/pv-protection"]},
                "spec": {"persistentVolumeReclaimPolicy": "Retain"},
                "status": {"phase": "Released", "message": "no\nplugin"}
            }))
            .unwrap()
        };
        let named = "is Released, reclaim policy Retain, finalizers kubernetes.io/pv-protection: no plugin";
        assert_eq!(
            of_volumes(&[volume("pv-1")]).message,
            format!("the namespace is gone, but its data is not: volume pv-1 {named}")
        );
        let many: Vec<_> = (0..9).map(|number| volume(&format!("pv-{number}"))).collect();
        assert!(of_volumes(&many).message.ends_with(&format!("volume pv-4 {named}; and 4 more")));
    }
}
