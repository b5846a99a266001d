//! The services of a lease in its status: how many pods are ready, and what holds the others up.

use std::{collections::BTreeMap, sync::Arc};

use crd::{PortProtocol, PortStatus, ServiceStatus};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use manifest::{Expose, Protocol, Service, ServiceName};

use crate::lease_controller::{
    diagnosis::{self, Evidence, text::Hidden},
    pods,
    validate::{Activity, Validated},
};

/// Pods of one service in the status: twice its replicas at most. A tenant may make more by being evicted again and again,
/// and a status that grew with them would be refused by the API server, with the usage in it.
const MOST_PODS: usize = 128;

/// The services of an accepted lease. `known` is what the last status said of them.
pub(super) fn statuses(
    lease: &Validated,
    known: &[ServiceStatus],
    pods: &[Arc<Pod>],
    refused_pods: &BTreeMap<String, String>,
    now: Timestamp,
) -> Vec<ServiceStatus> {
    let hidden = Hidden::of(&lease.manifest);
    let services = lease.manifest.services().iter();
    services
        .map(|(name, service)| {
            let own: Vec<&Arc<Pod>> =
                pods.iter().filter(|pod| pods::service(pod) == Some(name.as_str())).collect();
            let mut status = counts(lease, name, service, &own);
            if lease.activity == Activity::Running && status.ready_replicas < status.replicas {
                let before = known.iter().find(|before| before.name == status.name);
                let known = before.and_then(|before| before.trouble.as_ref());
                status.trouble = diagnosis::diagnose(&Evidence {
                    service,
                    pods: &own,
                    refused_pod: refused_pods.get(&status.name).map(String::as_str),
                    known,
                    hidden: &hidden,
                    now,
                });
            }
            status
        })
        .collect()
}

fn counts(lease: &Validated, name: &ServiceName, service: &Service, pods: &[&Arc<Pod>]) -> ServiceStatus {
    let ready = pods.iter().filter(|pod| pods::is_ready(pod)).count();
    ServiceStatus {
        name: name.to_string(),
        replicas: i32::try_from(service.replicas.0).unwrap_or(i32::MAX),
        ready_replicas: i32::try_from(ready).unwrap_or(i32::MAX),
        trouble: None,
        ports: service
            .ports
            .iter()
            .filter(|port| port.expose != Expose::Internal)
            .map(|port| PortStatus {
                port: i32::from(port.port.0),
                protocol: match port.protocol {
                    Protocol::Tcp => PortProtocol::Tcp,
                    Protocol::Udp => PortProtocol::Udp,
                },
                hosts: match &lease.publicity {
                    Some(publicity) if port.expose == Expose::Public => {
                        publicity.statuses(lease, name, service, port)
                    }
                    _ => Vec::new(),
                },
            })
            .collect(),
        pods: pods
            .iter()
            .filter(|pod| !pods::is_over(pod))
            .take(MOST_PODS)
            .map(|pod| pods::pod_status(pod))
            .collect(),
    }
}
