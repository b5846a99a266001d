//! The status of a lease, computed from values alone.

mod services;
mod update;

use std::{collections::BTreeMap, sync::Arc};

use crd::{
    ComputeLease, ComputeLeaseStatus, FinalLog, Phase, Suspension, SuspensionReason,
    condition::{self, ConditionStatus},
    reason,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::{
    Applied,
    end::Ending,
    hosts::Publicity,
    rollout::Course,
    validate::{Activity, Validated},
};
use crate::settings::Settings;

/// What one reconciliation came to.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// The lease is not provisioned.
    Refused {
        /// Reason of the condition.
        reason: &'static str,
        /// Text for people.
        message: String,
    },
    /// The lease was accepted and applied this far.
    Accepted {
        /// The lease.
        lease: &'a Validated,
        /// How far.
        applied: Applied,
    },
    /// The lease was accepted and a write failed.
    Failed {
        /// The lease.
        lease: &'a Validated,
        /// Text for people, without internals.
        message: String,
    },
    /// The lease ends.
    Ending(Ending),
}

impl<'a> Outcome<'a> {
    /// The outcome of a lease that was accepted.
    pub fn of(applied: Applied, lease: &'a Validated) -> Self {
        Self::Accepted { lease, applied }
    }
}

/// Everything that a status follows from.
#[derive(Debug)]
pub struct Observation<'a> {
    /// The object.
    pub lease: &'a ComputeLease,
    /// The newest status.
    pub current: &'a ComputeLeaseStatus,
    /// What happened.
    pub outcome: Outcome<'a>,
    /// Pods of the lease.
    pub pods: &'a [Arc<Pod>],
    /// Decisions of the provider, which the form of a pod follows from.
    pub settings: &'a Settings,
    /// What its containers printed last, once it has ended.
    pub final_logs: &'a [FinalLog],
    /// Services whose pods the API server refuses, and its words.
    pub refused_pods: &'a BTreeMap<String, String>,
    /// The time.
    pub now: Timestamp,
}

/// Computes the status.
pub fn compute(observation: Observation<'_>) -> ComputeLeaseStatus {
    let Observation { lease, current, outcome, pods, settings, final_logs, refused_pods, now } = observation;
    let mut draft = Draft {
        status: ComputeLeaseStatus { observed_generation: lease.metadata.generation, ..current.clone() },
        generation: lease.metadata.generation,
        now,
    };
    match outcome {
        Outcome::Refused { reason, message } => refused(&mut draft, reason, message),
        Outcome::Accepted { lease: validated, applied } => {
            accepted(&mut draft, validated, pods, refused_pods);
            progress(&mut draft, lease, validated, applied);
            if applied == Applied::Complete {
                update::track(&mut draft, lease, validated, pods, settings);
            }
        }
        Outcome::Failed { lease: validated, message } => {
            accepted(&mut draft, validated, pods, refused_pods);
            draft.set(condition::PROVISIONED, ConditionStatus::False, reason::API_ERROR, &message);
            draft.status.message = Some(message);
            if !was_up(current.phase) {
                draft.status.phase = Phase::Provisioning;
            }
        }
        Outcome::Ending(ending) => {
            cleaned(&mut draft, &ending, final_logs);
            ended(&mut draft, lease, &ending);
        }
    }
    draft.status
}

struct Draft {
    status: ComputeLeaseStatus,
    generation: Option<i64>,
    now: Timestamp,
}

impl Draft {
    fn set(&mut self, type_: &'static str, status: ConditionStatus, reason: &str, message: &str) {
        let conditions = &mut self.status.conditions;
        condition::set_condition(conditions, type_, status, reason, message, self.generation, self.now);
    }
}

/// A lease that runs keeps running when its manifest is lost; only a lease that never ran stays pending.
fn refused(draft: &mut Draft, reason: &'static str, message: String) {
    draft.set(condition::ACCEPTED, ConditionStatus::False, reason, &message);
    if draft.status.namespace.is_none() {
        draft.set(condition::PROVISIONED, ConditionStatus::False, reason, &message);
        draft.set(condition::READY, ConditionStatus::False, reason, &message);
        draft.status.phase = Phase::Pending;
    }
    draft.status.message = Some(message);
}

fn accepted(
    draft: &mut Draft,
    lease: &Validated,
    pods: &[Arc<Pod>],
    refused_pods: &BTreeMap<String, String>,
) {
    match &lease.course {
        // What runs was accepted before; the condition is about what the tenant wants now.
        Course::Refused { reason, why } => {
            draft.set(condition::ACCEPTED, ConditionStatus::False, reason, why)
        }
        Course::Newest | Course::Previous | Course::Stranded { .. } => {
            draft.set(condition::ACCEPTED, ConditionStatus::True, reason::ACCEPTED, "");
        }
    }
    draft.status.images.clone_from(&lease.images);
    draft.status.services = services::statuses(lease, &draft.status.services, pods, refused_pods, draft.now);
    match lease.publicity.as_ref().map(Publicity::withheld) {
        None => draft.status.conditions.retain(|condition| condition.type_ != condition::EXPOSED),
        Some(None) => draft.set(condition::EXPOSED, ConditionStatus::True, reason::HOSTS_ROUTED, ""),
        Some(Some((host, reason, message))) => {
            draft.set(condition::EXPOSED, ConditionStatus::False, reason, &format!("{host}: {message}"));
        }
    }
}

fn progress(draft: &mut Draft, object: &ComputeLease, lease: &Validated, applied: Applied) {
    let (reason, message) = match applied {
        Applied::Complete if lease.activity == Activity::Paused => {
            return paused(draft, lease, object.spec.suspension);
        }
        Applied::Complete => return running(draft, lease),
        Applied::AwaitingQuota => (reason::AWAITING_QUOTA, "waiting until the namespace's quota is in force"),
        Applied::NamespaceConflict => {
            (reason::NAMESPACE_CONFLICT, "a namespace of this name belongs to somebody else")
        }
        Applied::NamespaceTerminating => {
            (reason::NAMESPACE_TERMINATING, "waiting until a namespace of this name is deleted")
        }
    };
    if applied == Applied::AwaitingQuota {
        draft.status.namespace = Some(lease.name.to_string());
    }
    draft.set(condition::PROVISIONED, ConditionStatus::False, reason, message);
    draft.status.message = Some(message.to_owned());
    if applied == Applied::AwaitingQuota && was_up(draft.status.phase) {
        return;
    }
    draft.set(condition::READY, ConditionStatus::False, reason, message);
    draft.status.phase = match applied {
        Applied::NamespaceConflict => Phase::Pending,
        Applied::Complete | Applied::AwaitingQuota | Applied::NamespaceTerminating => Phase::Provisioning,
    };
}

/// One text while pods still stop and after, so that a pause costs one write.
fn paused(draft: &mut Draft, lease: &Validated, suspension: Option<Suspension>) {
    // One that is only announced paused nothing.
    let (reason, message) = match suspension.filter(|suspension| suspension.since.is_some()) {
        None => (reason::PAUSED, "paused: nothing runs, and the volumes are kept"),
        Some(suspension) => (reason::SUSPENDED_UNSIGNED, suspended(suspension.reason)),
    };
    draft.status.namespace = Some(lease.name.to_string());
    draft.set(condition::PROVISIONED, ConditionStatus::True, reason::OBJECTS_APPLIED, "");
    draft.set(condition::READY, ConditionStatus::False, reason, message);
    draft.status.phase = Phase::Paused;
    draft.status.message = Some(message.to_owned());
}

/// What a tenant whose lease is suspended reads.
fn suspended(reason: SuspensionReason) -> &'static str {
    match reason {
        SuspensionReason::NeverSigned => {
            "suspended until its usage is signed, which it never was: nothing runs, and the volumes are kept"
        }
        SuspensionReason::SignedTooLongAgo => {
            "suspended until its newest usage is signed: nothing runs, and the volumes are kept"
        }
        SuspensionReason::TooMuchUnsigned => {
            "suspended until its tenant signs for what its leases used: nothing runs, and the volumes are kept"
        }
    }
}

fn running(draft: &mut Draft, lease: &Validated) {
    draft.status.namespace = Some(lease.name.to_string());
    draft.set(condition::PROVISIONED, ConditionStatus::True, reason::OBJECTS_APPLIED, "");
    let waiting = || draft.status.services.iter().filter(|service| service.ready_replicas < service.replicas);
    // One that says why is more use than one that only waits, perhaps for the other.
    let Some(service) = waiting().find(|service| service.trouble.is_some()).or_else(|| waiting().next())
    else {
        draft.set(condition::READY, ConditionStatus::True, reason::ALL_READY, "");
        draft.status.phase = Phase::Ready;
        draft.status.message = None;
        return;
    };
    let counts = format!("{}: {} of {} pods ready", service.name, service.ready_replicas, service.replicas);
    let (phase, reason) = if was_up(draft.status.phase) {
        (Phase::Degraded, reason::PODS_NOT_READY)
    } else {
        (Phase::Provisioning, reason::AWAITING_PODS)
    };
    let (reason, message) = match &service.trouble {
        Some(trouble) => (trouble.reason.clone(), format!("{counts}; {trouble}")),
        None => (reason.to_owned(), counts),
    };
    draft.set(condition::READY, ConditionStatus::False, &reason, &message);
    draft.status.phase = phase;
    draft.status.message = Some(message);
}

fn was_up(phase: Phase) -> bool {
    match phase {
        Phase::Ready | Phase::Degraded => true,
        Phase::Pending | Phase::Provisioning | Phase::Paused | Phase::Ending | Phase::Ended => false,
    }
}

/// How far the removal is. One text until the end, so that its steps cost no writes.
fn cleaned(draft: &mut Draft, ending: &Ending, final_logs: &[FinalLog]) {
    let was_stuck = condition::find(&draft.status.conditions, condition::STUCK).is_some();
    match ending {
        Ending::Ended => {
            let proof =
                "no namespace, no object in it, no host held, and 0 volumes of the cluster refer to it";
            draft.set(condition::CLEANED, ConditionStatus::True, reason::NOTHING_LEFT, proof);
            if !final_logs.is_empty() {
                draft.status.final_logs = final_logs.to_vec();
            }
        }
        _ => {
            let message = "the namespace and its volumes are being deleted";
            draft.set(condition::CLEANED, ConditionStatus::False, reason::REMOVING, message);
        }
    }
    match ending {
        Ending::Stuck(stuck) => {
            draft.set(condition::STUCK, ConditionStatus::True, stuck.reason, &stuck.message);
        }
        _ if was_stuck => draft.set(condition::STUCK, ConditionStatus::False, reason::REMOVING, ""),
        _ => {}
    }
}

fn ended(draft: &mut Draft, lease: &ComputeLease, ending: &Ending) {
    let namespace = draft.status.namespace.clone().unwrap_or_else(|| lease.name_any());
    let message = match ending {
        // One text for both, so that the step from one to the other costs no write.
        Ending::AwaitingUsage { .. } | Ending::MeterSilent | Ending::DeletingNamespace => {
            Some(format!("namespace {namespace} is being deleted once the last usage is published"))
        }
        Ending::DeletingVolumes => Some(format!("volumes of namespace {namespace} are being deleted")),
        Ending::Stuck(stuck) => Some(stuck.message.clone()),
        Ending::Ended => None,
    };
    collected(draft, ending);
    draft.status.phase = if *ending == Ending::Ended { Phase::Ended } else { Phase::Ending };
    let reason = if *ending == Ending::Ended { reason::ENDED } else { reason::DELETING_NAMESPACE };
    if *ending == Ending::Ended {
        draft.status.namespace = None;
        draft.status.services.clear();
    }
    draft.set(condition::PROVISIONED, ConditionStatus::False, reason, "");
    draft.set(condition::READY, ConditionStatus::False, reason, "");
    draft.status.message = message;
}

/// Since when the last usage is awaited, and whether it came. Nothing is said of a lease that owes none.
fn collected(draft: &mut Draft, ending: &Ending) {
    let known = condition::find(&draft.status.conditions, condition::USAGE_COLLECTED);
    let is_awaited = known.is_some_and(|known| known.reason == reason::COLLECTING_USAGE);
    match ending {
        Ending::AwaitingUsage { .. } => {
            draft.set(condition::USAGE_COLLECTED, ConditionStatus::False, reason::COLLECTING_USAGE, "");
        }
        Ending::MeterSilent => draft.set(
            condition::USAGE_COLLECTED,
            ConditionStatus::False,
            reason::METER_SILENT,
            "the meter did not publish the last usage in time; its last publication stands",
        ),
        Ending::DeletingVolumes | Ending::Ended if is_awaited => {
            draft.set(condition::USAGE_COLLECTED, ConditionStatus::True, reason::FINAL_USAGE_PUBLISHED, "");
        }
        Ending::DeletingNamespace | Ending::DeletingVolumes | Ending::Stuck(_) | Ending::Ended => {}
    }
}

#[cfg(test)]
mod tests;
