//! What keeps the pods of a service running: a Deployment, or a StatefulSet when each replica has volumes.

use k8s_openapi::{
    api::{
        apps::v1::{
            Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment, StatefulSet,
            StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
        },
        core::v1::{
            PersistentVolumeClaim, PersistentVolumeClaimSpec, PodTemplateSpec, VolumeResourceRequirements,
        },
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use manifest::{Service, ServiceName};
use sha2::{Digest, Sha256};

use super::{Workload, number, pod, quantities, service_labels, service_metadata, service_selector};
use crate::{
    lease_controller::validate::{Activity, Validated},
    settings::Settings,
};

/// The workload of a service.
pub fn build(lease: &Validated, settings: &Settings, name: &ServiceName, service: &Service) -> Workload {
    if service.volumes.is_empty() {
        Workload::Deployment(Box::new(deployment(lease, settings, name, service)))
    } else {
        Workload::StatefulSet(Box::new(stateful_set(lease, settings, name, service)))
    }
}

fn deployment(lease: &Validated, settings: &Settings, name: &ServiceName, service: &Service) -> Deployment {
    Deployment {
        metadata: service_metadata(lease, name.as_str(), name),
        spec: Some(DeploymentSpec {
            replicas: Some(replicas(lease, service)),
            revision_history_limit: Some(1),
            selector: selector(lease, name),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                // The quota has no room for one more pod.
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(0)),
                    max_unavailable: Some(IntOrString::Int(1)),
                }),
            }),
            template: template(lease, settings, name, service),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn stateful_set(
    lease: &Validated,
    settings: &Settings,
    name: &ServiceName,
    service: &Service,
) -> StatefulSet {
    StatefulSet {
        metadata: service_metadata(lease, name.as_str(), name),
        spec: Some(StatefulSetSpec {
            replicas: Some(replicas(lease, service)),
            revision_history_limit: Some(1),
            service_name: Some(name.to_string()),
            // Replicas of strangers' software owe each other no order.
            pod_management_policy: Some("Parallel".to_owned()),
            selector: selector(lease, name),
            template: template(lease, settings, name, service),
            volume_claim_templates: Some(
                service.volumes.iter().map(|volume| claim(lease, name, volume)).collect(),
            ),
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: Some("Delete".to_owned()),
                // A pause scales to nothing and keeps the data, and so does a hand that scales by mistake.
                when_scaled: Some("Retain".to_owned()),
            }),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn claim(lease: &Validated, name: &ServiceName, volume: &manifest::Volume) -> PersistentVolumeClaim {
    let mut labels = service_labels(lease, name);
    labels.insert(crd::labels::VOLUME.to_owned(), volume.name.to_string());
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(volume.name.to_string()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: lease.storage_class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(quantities([("storage", number(volume.size.0))])),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}

fn selector(lease: &Validated, name: &ServiceName) -> LabelSelector {
    LabelSelector { match_labels: Some(service_selector(lease, name)), ..LabelSelector::default() }
}

/// The manifest allows at most 64.
fn replicas(lease: &Validated, service: &Service) -> i32 {
    match lease.activity {
        Activity::Running => i32::try_from(service.replicas.0).unwrap_or(i32::MAX),
        Activity::Paused => 0,
    }
}

/// The template, marked with a digest of itself, so that its pods tell which one they were made from.
fn template(
    lease: &Validated,
    settings: &Settings,
    name: &ServiceName,
    service: &Service,
) -> PodTemplateSpec {
    let mut template = pod::template(lease, settings, name, service);
    let form = form(&template);
    template
        .metadata
        .get_or_insert_default()
        .annotations
        .get_or_insert_default()
        .insert(crd::labels::FORM.to_owned(), form);
    template
}

/// What pods of a service carry as [`crd::labels::FORM`] when they were made from the present template.
pub fn present_form(lease: &Validated, settings: &Settings, name: &ServiceName, service: &Service) -> String {
    form(&pod::template(lease, settings, name, service))
}

fn form(template: &PodTemplateSpec) -> String {
    // A value without maps of non-text keys always has a JSON form; were it ever not so, no pod would count as present.
    let json = serde_json::to_vec(template).unwrap_or_default();
    data_encoding::HEXLOWER.encode(&Sha256::digest(&json)[..16])
}
