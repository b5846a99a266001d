//! An update of the manifest in the status: what runs, what proved itself, what failed and why.

use std::sync::Arc;

use crd::{
    ComputeLease, ManifestRef,
    condition::{self, ConditionStatus},
    reason,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::Draft;
use crate::{
    lease_controller::{
        build::workload,
        pods,
        rollout::{self, Course, Readiness, Stage},
        validate::{Activity, Validated},
    },
    settings::Settings,
};

/// Notes what a complete application of a revision means for the update. The services must be in the draft already.
pub(super) fn track(
    draft: &mut Draft,
    lease: &ComputeLease,
    validated: &Validated,
    pods: &[Arc<Pod>],
    settings: &Settings,
) {
    let Some(newest) = &lease.spec.manifest else { return };
    draft.status.revision = Some(validated.course.revision(newest));
    if validated.activity == Activity::Paused
        || matches!(validated.course, Course::Previous | Course::Refused { .. })
    {
        // A pause stops the clock; it begins anew.
        draft.status.rollout = None;
        return;
    }
    let readiness = readiness(validated, pods, settings);
    let patience = rollout::patience(&validated.manifest);
    let stage = rollout::stage(newest, &draft.status, readiness, patience, draft.now);
    draft.status.rollout = None;
    match stage {
        Stage::Settled => {}
        Stage::Proven => proven(draft, newest),
        Stage::Trying(rollout) => {
            draft.status.rollout = Some(rollout);
            let limit = Timestamp::from_second(rollout.deadline_at).unwrap_or(draft.now);
            let message = format!(
                "revision {} is being rolled out; the one before comes back unless it is ready by {limit}",
                newest.revision
            );
            draft.set(condition::UPDATED, ConditionStatus::Unknown, reason::ROLLING_OUT, &message);
        }
        Stage::Failed => {
            draft.status.failed_revision = Some(newest.revision);
            let message = format!(
                "revision {} was not ready within {} s, so revision {} comes back: {}",
                newest.revision,
                patience.as_secs(),
                Course::Previous.revision(newest),
                cause(draft)
            );
            draft.set(condition::UPDATED, ConditionStatus::False, reason::ROLLED_BACK, &message);
        }
    }
    if let (Course::Stranded { why }, true) = (&validated.course, readiness == Readiness::Incomplete) {
        let message = format!(
            "revision {} failed and stays, because revision {} cannot come back: {why}",
            newest.revision,
            Course::Previous.revision(newest)
        );
        draft.set(condition::UPDATED, ConditionStatus::False, reason::CANNOT_ROLL_BACK, &message);
    }
}

fn proven(draft: &mut Draft, newest: &ManifestRef) {
    draft.status.proven_revision = Some(newest.revision);
    draft.status.failed_revision = draft.status.failed_revision.filter(|failed| *failed != newest.revision);
    // Of a lease that was never updated there is nothing to say.
    if newest.previous.is_some() || condition::find(&draft.status.conditions, condition::UPDATED).is_some() {
        let message = format!("revision {} runs", newest.revision);
        draft.set(condition::UPDATED, ConditionStatus::True, reason::ROLLED_OUT, &message);
    }
}

/// Old pods may all be ready while new ones have not begun, so only pods of the present form count.
fn readiness(lease: &Validated, pods: &[Arc<Pod>], settings: &Settings) -> Readiness {
    let complete = lease.manifest.services().iter().all(|(name, service)| {
        let form = workload::present_form(lease, settings, name, service);
        let own = pods.iter().filter(|pod| pods::service(pod) == Some(name.as_str()));
        let ready = own.filter(|pod| pods::is_ready(pod) && pods::has_form(pod, &form)).count();
        u32::try_from(ready).is_ok_and(|ready| ready >= service.replicas.0)
    });
    if complete { Readiness::Complete } else { Readiness::Incomplete }
}

fn cause(draft: &Draft) -> String {
    let services =
        || draft.status.services.iter().filter(|service| service.ready_replicas < service.replicas);
    services()
        .find_map(|service| service.trouble.as_ref().map(|trouble| format!("{}: {trouble}", service.name)))
        .or_else(|| {
            services().next().map(|service| {
                format!("{}: {} of {} pods ready", service.name, service.ready_replicas, service.replicas)
            })
        })
        .unwrap_or_else(|| "pods of the revision before were not replaced in time".to_owned())
}
