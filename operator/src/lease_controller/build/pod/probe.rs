//! How the kubelet asks whether a container is ready.

use k8s_openapi::{
    api::core::v1::{HTTPGetAction, Probe, TCPSocketAction},
    apimachinery::pkg::util::intstr::IntOrString,
};
use manifest::ProbeKind;

/// The host of a probe is never set: the kubelet asks the pod itself and nobody else.
pub fn build(probe: &manifest::Probe) -> Probe {
    let (http_get, tcp_socket) = match &probe.kind {
        ProbeKind::HttpGet { port, path } => (
            Some(HTTPGetAction {
                path: Some(path.clone()),
                port: IntOrString::Int(i32::from(port.0)),
                ..HTTPGetAction::default()
            }),
            None,
        ),
        ProbeKind::TcpSocket { port } => {
            (None, Some(TCPSocketAction { port: IntOrString::Int(i32::from(port.0)), host: None }))
        }
    };
    Probe {
        http_get,
        tcp_socket,
        initial_delay_seconds: Some(probe.initial_delay_seconds),
        period_seconds: Some(probe.period_seconds),
        timeout_seconds: Some(probe.timeout_seconds),
        failure_threshold: Some(probe.failure_threshold),
        ..Probe::default()
    }
}
