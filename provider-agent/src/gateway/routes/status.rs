//! `GET /v1/leases/{id}`: how far the workloads are, from the operator's status.

use axum::{Extension, Json};
use crd::{ComputeLease, Phase, PortProtocol, condition};
use gateway_api::{
    Acknowledgement, Decimal, HostStatus, LeasePhase, LeaseStatus, PodStatus, PortStatus, ServiceStatus,
    StatementRefusal, Term, Trouble,
};
use market::Timestamp;

use crate::agent::{self, LeaseView};
use crate::gateway::middleware::Admitted;

/// The conditions in the order in which they come true; the first that has not says why a lease waits.
const STAGES: [&str; 3] = [condition::ACCEPTED, condition::PROVISIONED, condition::READY];

pub(in crate::gateway) async fn show(Extension(admitted): Extension<Admitted>) -> Json<LeaseStatus> {
    Json(lease_status(&admitted.view))
}

fn lease_status(view: &LeaseView) -> LeaseStatus {
    let object = view.compute.as_deref();
    let status = object.and_then(|object| object.status.as_ref());
    let waits = object.map(ComputeLease::conditions).and_then(|conditions| {
        STAGES.into_iter().find_map(|stage| {
            condition::find(conditions, stage).filter(|_| !condition::is_true(conditions, stage))
        })
    });
    let message = status.and_then(|status| status.message.clone());
    LeaseStatus {
        lease_id: view.id.0,
        phase: status.map_or(LeasePhase::Pending, |status| phase(status.phase)),
        reason: waits.map(|condition| condition.reason.clone()).unwrap_or_default(),
        message: message.or_else(|| waits.map(|condition| condition.message.clone())).unwrap_or_default(),
        manifest_hash: object
            .and_then(|object| object.spec.manifest.as_ref())
            .and_then(|manifest| crd::convert::parse_b256("spec.manifest.hash", &manifest.hash).ok()),
        term: view
            .lease
            .started_at
            .map(|started_at| Term { started_at: started_at.0, ends_at: Some(view.lease.end_at.0) }),
        acknowledgement: view.acknowledgement.as_ref().map(acknowledgement),
        services: status.map(|status| status.services.iter().map(service).collect()).unwrap_or_default(),
    }
}

fn acknowledgement(known: &agent::Acknowledgement) -> Acknowledgement {
    let moment = |at: Option<Timestamp>| at.map(|at| at.0);
    Acknowledgement {
        due_cum: Decimal(known.due.0),
        acknowledged_cum: Decimal(known.acknowledged.0),
        acknowledged_to: known.acknowledged_to.0,
        suspends_at: moment(known.suspends_at),
        suspended_since: moment(known.suspended_since),
        reclaims_at: moment(known.reclaims_at),
        refusal: known.refusal.map(|refused| StatementRefusal {
            reason: refused.reason,
            proposed_cum: Decimal(refused.proposed.0),
            as_of: refused.as_of.0,
            usage_hash: refused.usage_hash,
            largest_accepted_cum: Decimal(refused.largest_accepted.0),
        }),
    }
}

fn phase(phase: Phase) -> LeasePhase {
    match phase {
        Phase::Pending => LeasePhase::Pending,
        Phase::Provisioning => LeasePhase::Provisioning,
        Phase::Ready => LeasePhase::Ready,
        Phase::Degraded => LeasePhase::Degraded,
        Phase::Paused => LeasePhase::Paused,
        Phase::Ending => LeasePhase::Ending,
        Phase::Ended => LeasePhase::Ended,
    }
}

fn service(service: &crd::ServiceStatus) -> ServiceStatus {
    let protocol = |protocol| match protocol {
        PortProtocol::Tcp => "tcp".to_owned(),
        PortProtocol::Udp => "udp".to_owned(),
    };
    let host = |host: &crd::HostStatus| HostStatus {
        host: host.host.clone(),
        reason: host.reason.clone(),
        message: host.message.clone(),
    };
    let ports = service.ports.iter().filter_map(|port| {
        Some(PortStatus {
            port: u16::try_from(port.port).ok()?,
            protocol: protocol(port.protocol),
            hosts: port.hosts.iter().map(host).collect(),
        })
    });
    let pods = service.pods.iter().map(|pod| PodStatus {
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        node: pod.node.clone().unwrap_or_default(),
        runtime_class: pod.runtime_class.clone(),
    });
    ServiceStatus {
        name: service.name.clone(),
        replicas: u32::try_from(service.replicas).unwrap_or_default(),
        ready_replicas: u32::try_from(service.ready_replicas).unwrap_or_default(),
        trouble: service.trouble.as_ref().map(|trouble| Trouble {
            reason: trouble.reason.clone(),
            who: trouble.who.to_string(),
            message: trouble.message.clone(),
        }),
        ports: ports.collect(),
        pods: pods.collect(),
    }
}
