//! One route for each public port: the host that the provider made, and the tenant's own hosts that the lease holds.

use manifest::{Expose, Service, ServiceName};

use super::service_metadata;
use crate::{
    http_route::{
        BackendReference, GROUP, HttpRoute, HttpRouteMatch, HttpRouteRule, HttpRouteSpec, ParentReference,
        PathMatch,
    },
    lease_controller::validate::Validated,
    settings::exposure::GatewayRef,
};

/// The routes of a service; none for a service without public ports.
pub fn build(lease: &Validated, name: &ServiceName, service: &Service) -> Vec<HttpRoute> {
    let Some(publicity) = &lease.publicity else { return Vec::new() };
    let public = service.ports.iter().filter(|port| port.expose == Expose::Public);
    public
        .map(|port| HttpRoute {
            metadata: service_metadata(lease, &format!("{name}-{}", port.port.0), name),
            spec: HttpRouteSpec {
                parent_refs: vec![parent(&publicity.exposure.gateway)],
                hostnames: publicity.routed(lease, name, service, port),
                rules: vec![HttpRouteRule {
                    matches: vec![HttpRouteMatch {
                        path: PathMatch { type_: "PathPrefix".to_owned(), value: "/".to_owned() },
                    }],
                    backend_refs: vec![BackendReference {
                        group: String::new(),
                        kind: "Service".to_owned(),
                        name: name.to_string(),
                        port: i32::from(port.port.0),
                        weight: 1,
                    }],
                }],
            },
        })
        .collect()
}

fn parent(gateway: &GatewayRef) -> ParentReference {
    let GatewayRef { namespace, name, section_name } = gateway.clone();
    ParentReference { group: GROUP.to_owned(), kind: "Gateway".to_owned(), namespace, name, section_name }
}
