//! The only container of a pod: the image, its words, its environment, its bounds.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvFromSource, EnvVar, ResourceRequirements, SecretEnvSource, VolumeMount,
};
use manifest::{Service, ServiceName};

use super::{CONTAINER, probe, security};
use crate::lease_controller::{
    build::{EPHEMERAL_STORAGE_BYTES, milli, network_policy::protocol, number, quantities, secret},
    validate::Validated,
};

/// The container of a service.
pub fn build(lease: &Validated, name: &ServiceName, service: &Service) -> Container {
    let resources = || {
        quantities([
            ("cpu", milli(service.cpu.0)),
            ("memory", number(service.memory.0)),
            ("ephemeral-storage", number(EPHEMERAL_STORAGE_BYTES)),
        ])
    };
    Container {
        name: CONTAINER.to_owned(),
        image: Some(lease.image(&service.image)),
        // A digest names the same bytes for ever, but asking the registry each time keeps one tenant from
        // running another's private image from the node's cache.
        image_pull_policy: Some("Always".to_owned()),
        command: some_unless_empty(&literal(&service.command)),
        args: some_unless_empty(&literal(&service.args)),
        env: some_unless_empty(
            &service
                .env
                .iter()
                .map(|(key, value)| EnvVar {
                    name: key.to_string(),
                    value: Some(escape(value)),
                    value_from: None,
                })
                .collect::<Vec<_>>(),
        ),
        env_from: (!service.secrets.is_empty()).then(|| {
            vec![EnvFromSource {
                secret_ref: Some(SecretEnvSource {
                    name: secret::name(name.as_str()),
                    optional: Some(false),
                }),
                ..EnvFromSource::default()
            }]
        }),
        ports: some_unless_empty(
            &service
                .ports
                .iter()
                .map(|port| ContainerPort {
                    container_port: i32::from(port.port.0),
                    protocol: Some(protocol(port.protocol).to_owned()),
                    ..ContainerPort::default()
                })
                .collect::<Vec<_>>(),
        ),
        readiness_probe: service.readiness.as_ref().map(probe::build),
        resources: Some(ResourceRequirements {
            requests: Some(resources()),
            limits: Some(resources()),
            ..ResourceRequirements::default()
        }),
        security_context: Some(security::container(&lease.confinement)),
        // So that the last lines of a container that failed are in the pod's status, which we may read; its log we may not.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: some_unless_empty(
            &service
                .volumes
                .iter()
                .map(|volume| VolumeMount {
                    name: volume.name.to_string(),
                    mount_path: volume.mount_path.to_string(),
                    ..VolumeMount::default()
                })
                .collect::<Vec<_>>(),
        ),
        ..Container::default()
    }
}

fn literal(words: &[String]) -> Vec<String> {
    words.iter().map(|word| escape(word)).collect()
}

/// Kubernetes would replace `$(NAME)`; a manifest means what it says.
fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

fn some_unless_empty<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}
