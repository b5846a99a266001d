//! What keeps the pods of a service running: a Deployment, or a StatefulSet when each replica has volumes.

use k8s_openapi::{
    api::{
        apps::v1::{
            Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment, StatefulSet,
            StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
        },
        core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements},
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use manifest::{Service, ServiceName};

use super::{Workload, number, pod, quantities, service_labels, service_metadata, service_selector};
use crate::{lease_controller::validate::Validated, settings::Settings};

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
            replicas: Some(replicas(service)),
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
            template: pod::template(lease, settings, name, service),
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
            replicas: Some(replicas(service)),
            revision_history_limit: Some(1),
            service_name: Some(name.to_string()),
            // Replicas of strangers' software owe each other no order.
            pod_management_policy: Some("Parallel".to_owned()),
            selector: selector(lease, name),
            template: pod::template(lease, settings, name, service),
            volume_claim_templates: Some(
                service.volumes.iter().map(|volume| claim(lease, name, volume)).collect(),
            ),
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: Some("Delete".to_owned()),
                // A paused lease has no replicas, and its data.
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
fn replicas(service: &Service) -> i32 {
    i32::try_from(service.replicas.0).unwrap_or(i32::MAX)
}
