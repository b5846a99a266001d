//! The pod template: one container, no token, no host, and the walls of the lease's tier.

pub mod container;
pub mod probe;
pub mod security;

use std::collections::BTreeMap;

use crd::labels;
use k8s_openapi::{
    api::core::v1::{PodDNSConfig, PodDNSConfigOption, PodSpec, PodTemplateSpec, Toleration},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use manifest::{Service, ServiceName};

use super::{pull_secret, secret, service_account, service_labels};
use crate::{lease_controller::validate::Validated, settings::Settings};

/// Name of the only container of a pod.
pub const CONTAINER: &str = "workload";
/// Annotation of the template that replaces the pods when a secret changes.
const SECRET_DIGEST: &str = "leasehold.dev/secret-digest";
/// What network plug-ins with the bandwidth capability read, one for each direction.
const BANDWIDTH: [&str; 2] = ["kubernetes.io/ingress-bandwidth", "kubernetes.io/egress-bandwidth"];
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
            annotations: Some(annotations(lease, settings, service)).filter(|found| !found.is_empty()),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            automount_service_account_token: Some(false),
            containers: vec![container::build(lease, name, service)],
            dns_policy: Some("None".to_owned()),
            dns_config: Some(dns_config(lease, settings)),
            enable_service_links: Some(false),
            image_pull_secrets: pull_secret::references(lease, service),
            host_users: security::host_users(&lease.confinement),
            node_selector: Some(settings.node_selector.0.clone()).filter(|labels| !labels.is_empty()),
            priority_class_name: Some(labels::TENANT_PRIORITY_CLASS.to_owned()),
            restart_policy: Some("Always".to_owned()),
            runtime_class_name: security::runtime_class(&lease.confinement),
            security_context: Some(security::pod(&lease.confinement, service)),
            service_account_name: Some(service_account::NAME.to_owned()),
            share_process_namespace: Some(false),
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

fn annotations(lease: &Validated, settings: &Settings, service: &Service) -> BTreeMap<String, String> {
    let bandwidth = settings.pod_bandwidth.into_iter();
    let limits = bandwidth.flat_map(|bits| BANDWIDTH.map(|key| (key.to_owned(), bits.to_string())));
    let digest = secret::digest(lease, service).map(|digest| (SECRET_DIGEST.to_owned(), digest));
    limits.chain(digest).collect()
}

/// The lease's own name server, and names of its own namespace. A name with a dot is asked for as it is: with more, every public
/// name would be asked for twice.
fn dns_config(lease: &Validated, settings: &Settings) -> PodDNSConfig {
    PodDNSConfig {
        nameservers: Some(lease.name_servers.iter().map(ToString::to_string).collect()),
        searches: Some(vec![format!("{}.svc.{}", lease.name, settings.name_server.cluster_domain)]),
        options: Some(vec![PodDNSConfigOption {
            name: Some("ndots".to_owned()),
            value: Some("1".to_owned()),
        }]),
    }
}
