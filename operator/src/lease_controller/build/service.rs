//! The name by which the services of a lease reach each other, such as `db:5432`.

use k8s_openapi::{
    api::core::v1::{Service as KubeService, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use manifest::{Service, ServiceName};

use super::{network_policy::protocol, service_metadata, service_selector};
use crate::lease_controller::validate::Validated;

/// The Service, unless the manifest's service listens on nothing.
pub fn build(lease: &Validated, name: &ServiceName, service: &Service) -> Option<KubeService> {
    if service.ports.is_empty() {
        return None;
    }
    Some(KubeService {
        metadata: service_metadata(lease, name.as_str(), name),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(service_selector(lease, name)),
            ports: Some(
                service
                    .ports
                    .iter()
                    .map(|port| ServicePort {
                        name: Some(format!("{}-{}", protocol(port.protocol).to_lowercase(), port.port.0)),
                        protocol: Some(protocol(port.protocol).to_owned()),
                        port: i32::from(port.port.0),
                        target_port: Some(IntOrString::Int(i32::from(port.port.0))),
                        ..ServicePort::default()
                    })
                    .collect(),
            ),
            ..ServiceSpec::default()
        }),
        ..KubeService::default()
    })
}
