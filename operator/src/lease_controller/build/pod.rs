//! The pod template of the strict tier: not root, no capabilities, no token, no host.
//!
//! Every field that Pod Security *restricted* asks for is set here as well, so that a namespace whose
//! label was lost opens nothing.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, EnvFromSource, EnvVar, HTTPGetAction, PodSecurityContext,
        PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecretEnvSource,
        SecurityContext, TCPSocketAction, Toleration, VolumeMount,
    },
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use manifest::{ProbeKind, Service, ServiceName};

use super::{
    EPHEMERAL_STORAGE_BYTES, milli, network_policy::protocol, number, quantities, secret, service_account,
    service_labels,
};
use crate::{lease_controller::validate::Validated, settings::Settings};

/// Name of the only container of a pod.
pub const CONTAINER: &str = "workload";
/// Annotation of the template that replaces the pods when a secret changes.
const SECRET_DIGEST: &str = "leasehold.dev/secret-digest";
/// Group that owns the volumes when the manifest names no user.
const DEFAULT_FS_GROUP: i64 = 10001;
const TERMINATION_GRACE_SECONDS: i64 = 30;

/// The template of a service's pods.
pub fn template(
    lease: &Validated,
    settings: &Settings,
    name: &ServiceName,
    service: &Service,
) -> PodTemplateSpec {
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(service_labels(lease, name)),
            annotations: secret::digest(lease, service)
                .map(|digest| BTreeMap::from([(SECRET_DIGEST.to_owned(), digest)])),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            automount_service_account_token: Some(false),
            containers: vec![container(name, service)],
            enable_service_links: Some(false),
            node_selector: Some(settings.node_selector.0.clone()).filter(|labels| !labels.is_empty()),
            restart_policy: Some("Always".to_owned()),
            security_context: Some(pod_security_context(service)),
            service_account_name: Some(service_account::NAME.to_owned()),
            termination_grace_period_seconds: Some(TERMINATION_GRACE_SECONDS),
            tolerations: settings.node_taint.as_ref().map(|key| {
                vec![Toleration {
                    key: Some(key.clone()),
                    operator: Some("Exists".to_owned()),
                    ..Toleration::default()
                }]
            }),
            ..PodSpec::default()
        }),
    }
}

/// Without a user in the manifest the image's own numeric user runs; the kubelet refuses root.
fn pod_security_context(service: &Service) -> PodSecurityContext {
    let user = service.run_as_user.map(|user| user.0);
    PodSecurityContext {
        fs_group: Some(user.unwrap_or(DEFAULT_FS_GROUP)),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        run_as_group: user,
        run_as_non_root: Some(true),
        run_as_user: user,
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

fn container(name: &ServiceName, service: &Service) -> Container {
    let resources = || {
        quantities([
            ("cpu", milli(service.cpu.0)),
            ("memory", number(service.memory.0)),
            ("ephemeral-storage", number(EPHEMERAL_STORAGE_BYTES)),
        ])
    };
    Container {
        name: CONTAINER.to_owned(),
        image: Some(service.image.to_string()),
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
        readiness_probe: service.readiness.as_ref().map(probe),
        resources: Some(ResourceRequirements {
            requests: Some(resources()),
            limits: Some(resources()),
            ..ResourceRequirements::default()
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            privileged: Some(false),
            read_only_root_filesystem: Some(false),
            run_as_non_root: Some(true),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..SecurityContext::default()
        }),
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

/// The host of a probe is never set: the kubelet asks the pod itself and nobody else.
fn probe(probe: &manifest::Probe) -> Probe {
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
