//! The status of a lease, computed from values alone.

use std::sync::Arc;

use crd::{
    ComputeLease, ComputeLeaseStatus, Phase, PortProtocol, PortStatus, ServiceStatus,
    condition::{self, ConditionStatus},
    reason,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use manifest::{Expose, Protocol, Service, ServiceName};

use super::{Applied, end::Ending, pods, validate::Validated};
use crate::meter::{Freshness, MeterView};

/// Pods of one service in the status: twice its replicas at most. A tenant may make more by being evicted again and again,
/// and a status that grew with them would be refused by the API server, with the usage in it.
const MOST_PODS: usize = 128;

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
    /// What the meter counted.
    pub meter: MeterView,
    /// The time.
    pub now: Timestamp,
}

/// Computes the status.
pub fn compute(observation: Observation<'_>) -> ComputeLeaseStatus {
    let Observation { lease, current, outcome, pods, meter, now } = observation;
    let mut draft = Draft {
        status: ComputeLeaseStatus { observed_generation: lease.metadata.generation, ..current.clone() },
        generation: lease.metadata.generation,
        now,
    };
    match outcome {
        Outcome::Refused { reason, message } => refused(&mut draft, reason, message),
        Outcome::Accepted { lease: validated, applied } => {
            accepted(&mut draft, validated, pods);
            progress(&mut draft, validated, applied, pods);
        }
        Outcome::Failed { lease: validated, message } => {
            accepted(&mut draft, validated, pods);
            draft.set(condition::PROVISIONED, ConditionStatus::False, reason::API_ERROR, &message);
            draft.status.message = Some(message);
            if !was_up(current.phase) {
                draft.status.phase = Phase::Provisioning;
            }
        }
        Outcome::Ending(ending) => {
            ended(&mut draft, lease, ending);
            return draft.status;
        }
    }
    metered(&mut draft, meter);
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

fn accepted(draft: &mut Draft, lease: &Validated, pods: &[Arc<Pod>]) {
    draft.set(condition::ACCEPTED, ConditionStatus::True, reason::ACCEPTED, "");
    draft.status.services =
        lease.manifest.services().iter().map(|(name, service)| service_status(name, service, pods)).collect();
}

fn progress(draft: &mut Draft, lease: &Validated, applied: Applied, pods: &[Arc<Pod>]) {
    let (reason, message) = match applied {
        Applied::Complete => return running(draft, lease, pods),
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

fn running(draft: &mut Draft, lease: &Validated, pods: &[Arc<Pod>]) {
    draft.status.namespace = Some(lease.name.to_string());
    draft.set(condition::PROVISIONED, ConditionStatus::True, reason::OBJECTS_APPLIED, "");
    let waiting = draft.status.services.iter().find(|service| service.ready_replicas < service.replicas);
    let Some(waiting) = waiting else {
        draft.set(condition::READY, ConditionStatus::True, reason::ALL_READY, "");
        draft.status.phase = Phase::Ready;
        draft.status.message = None;
        return;
    };
    let trouble = pods
        .iter()
        .filter(|pod| pods::service(pod) == Some(waiting.name.as_str()))
        .find_map(|pod| pods::trouble(pod));
    let counts = format!("{}: {} of {} pods ready", waiting.name, waiting.ready_replicas, waiting.replicas);
    let message = trouble.map_or(counts.clone(), |trouble| format!("{counts} ({trouble})"));
    let (phase, reason) = if was_up(draft.status.phase) {
        (Phase::Degraded, reason::PODS_NOT_READY)
    } else {
        (Phase::Provisioning, reason::AWAITING_PODS)
    };
    draft.set(condition::READY, ConditionStatus::False, reason, &message);
    draft.status.phase = phase;
    draft.status.message = Some(message);
}

fn was_up(phase: Phase) -> bool {
    match phase {
        Phase::Ready | Phase::Degraded => true,
        Phase::Pending | Phase::Provisioning | Phase::Paused | Phase::Ending | Phase::Ended => false,
    }
}

fn metered(draft: &mut Draft, meter: MeterView) {
    if let Some(usage) = meter.usage {
        draft.status.usage = Some(usage);
    }
    let (status, reason) = match meter.freshness {
        Freshness::NotStarted => (ConditionStatus::False, reason::TERM_NOT_STARTED),
        Freshness::Fresh => (ConditionStatus::True, reason::METERING),
        Freshness::Stale => (ConditionStatus::False, reason::SAMPLES_STALE),
        Freshness::Ended => (ConditionStatus::False, reason::TERM_ENDED),
    };
    draft.set(condition::METERED, status, reason, "");
    draft.set(condition::USAGE_FINAL, ConditionStatus::False, reason::LEASE_RUNNING, "");
}

fn ended(draft: &mut Draft, lease: &ComputeLease, ending: Ending) {
    let namespace = draft.status.namespace.clone().unwrap_or_else(|| lease.name_any());
    let message = match &ending {
        Ending::UsageFinal(_) | Ending::DeletingNamespace => {
            Some(format!("namespace {namespace} is being deleted"))
        }
        Ending::DeletingVolumes => Some(format!("volumes of namespace {namespace} are being deleted")),
        Ending::Ended => None,
    };
    draft.status.phase = if ending == Ending::Ended { Phase::Ended } else { Phase::Ending };
    let reason = if ending == Ending::Ended { reason::ENDED } else { reason::DELETING_NAMESPACE };
    if ending == Ending::Ended {
        draft.status.namespace = None;
        draft.status.services.clear();
    }
    if let Ending::UsageFinal(usage) = ending {
        draft.status.usage = usage.map(|usage| *usage).or_else(|| draft.status.usage.take());
    }
    draft.set(condition::PROVISIONED, ConditionStatus::False, reason, "");
    draft.set(condition::READY, ConditionStatus::False, reason, "");
    draft.set(condition::METERED, ConditionStatus::False, reason::TERM_ENDED, "");
    draft.set(condition::USAGE_FINAL, ConditionStatus::True, reason::FINAL_USAGE_PUBLISHED, "");
    draft.status.message = message;
}

fn service_status(name: &ServiceName, service: &Service, pods: &[Arc<Pod>]) -> ServiceStatus {
    let own: Vec<&Arc<Pod>> = pods.iter().filter(|pod| pods::service(pod) == Some(name.as_str())).collect();
    let ready = own.iter().filter(|pod| pods::is_ready(pod)).count();
    ServiceStatus {
        name: name.to_string(),
        replicas: i32::try_from(service.replicas.0).unwrap_or(i32::MAX),
        ready_replicas: i32::try_from(ready).unwrap_or(i32::MAX),
        trouble: None,
        ports: service
            .ports
            .iter()
            .filter(|port| port.expose == Expose::Tenant)
            .map(|port| PortStatus {
                port: i32::from(port.port.0),
                protocol: match port.protocol {
                    Protocol::Tcp => PortProtocol::Tcp,
                    Protocol::Udp => PortProtocol::Udp,
                },
            })
            .collect(),
        pods: own
            .iter()
            .filter(|pod| !pods::is_over(pod))
            .take(MOST_PODS)
            .map(|pod| pods::pod_status(pod))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
