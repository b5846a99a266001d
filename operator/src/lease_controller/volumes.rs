//! The volumes that a lease already has, and which changes of them a new manifest may not ask for.
//!
//! A StatefulSet cannot change its claim templates, and replacing it would throw the data away. So what is there
//! stays as it is until its service, or the lease, is gone.

use std::collections::{BTreeMap, BTreeSet};

use crd::labels;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use manifest::{Service, ValidManifest};

use crate::meter::quantity;

/// Claims of one lease, without those that are being deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExistingVolumes {
    /// Classes that they were made from.
    classes: BTreeSet<String>,
    /// Bytes by service and volume.
    sizes: BTreeMap<String, BTreeMap<String, u64>>,
}

/// A change that would lose data. The text is shown to the tenant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "service {service} has the volumes {existing}, but the manifest asks for {wanted}: volumes cannot be changed while \
     their service lives; keep them, or give the service another name and start with empty ones"
)]
pub struct VolumesChanged {
    /// The service.
    service: String,
    /// Its volumes with their bytes.
    existing: String,
    /// Those of the manifest.
    wanted: String,
}

impl ExistingVolumes {
    /// Finds the claims of a lease's namespace.
    pub fn of(claims: &[impl AsRef<PersistentVolumeClaim>], namespace: &str) -> Self {
        let mut found = Self::default();
        for claim in claims.iter().map(AsRef::as_ref) {
            if claim.metadata.namespace.as_deref() != Some(namespace)
                || claim.metadata.deletion_timestamp.is_some()
            {
                continue;
            }
            let label = |key| claim.labels().get(key).cloned();
            let spec = claim.spec.as_ref();
            let requests = spec.and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
            let bytes = requests.and_then(|requests| requests.get("storage")).and_then(quantity::whole);
            let (Some(service), Some(volume), Some(bytes)) =
                (label(labels::SERVICE), label(labels::VOLUME), bytes)
            else {
                continue;
            };
            found.sizes.entry(service).or_default().insert(volume, bytes);
            found.classes.extend(spec.and_then(|spec| spec.storage_class_name.clone()));
        }
        found
    }

    /// The class of the volumes that are there. A lease keeps it when the cluster's default changes.
    pub fn class(&self) -> Option<&str> {
        self.classes.first().map(String::as_str)
    }

    /// Refuses a manifest that changes the volumes of a service which has some.
    pub fn check(&self, manifest: &ValidManifest) -> Result<(), VolumesChanged> {
        for (name, service) in manifest.services() {
            let wanted = sizes(service);
            match self.sizes.get(name.as_str()) {
                Some(existing) if *existing != wanted => {
                    return Err(VolumesChanged {
                        service: name.to_string(),
                        existing: list(existing),
                        wanted: list(&wanted),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn sizes(service: &Service) -> BTreeMap<String, u64> {
    service.volumes.iter().map(|volume| (volume.name.to_string(), volume.size.0)).collect()
}

fn list(sizes: &BTreeMap<String, u64>) -> String {
    if sizes.is_empty() {
        return "none".to_owned();
    }
    sizes.iter().map(|(name, bytes)| format!("{name} ({bytes} bytes)")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::lease_controller::test_support::{manifest_of, manifest_yaml, name};

    fn claim(service: &str, volume: &str, size: &str) -> Arc<PersistentVolumeClaim> {
        Arc::new(
            serde_json::from_value(json!({
                "metadata": {
                    "name": format!("{volume}-{service}-0"),
                    "namespace": name().as_str(),
                    "labels": {"leasehold.dev/service": service, "leasehold.dev/volume": volume}
                },
                "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": size}}}
            }))
            .unwrap(),
        )
    }

    /// As the API server writes the sizes of the guestbook's database.
    fn guestbook() -> Vec<Arc<PersistentVolumeClaim>> {
        vec![claim("database", "data", "1Gi"), claim("database", "log", "256Mi")]
    }

    fn check(claims: &[Arc<PersistentVolumeClaim>], yaml: &str) -> Result<(), String> {
        let existing = ExistingVolumes::of(claims, name().as_str());
        existing.check(&manifest_of(yaml)).map_err(|why| why.to_string())
    }

    #[test]
    fn what_is_there_may_stay_and_other_fields_may_change() {
        let changed = manifest_yaml().replace(&"2".repeat(64), &"9".repeat(64)).replace("128Mi", "64Mi");
        assert_ne!(changed, manifest_yaml());
        assert_eq!(check(&guestbook(), &changed), Ok(()));
        assert_eq!(ExistingVolumes::of(&guestbook(), name().as_str()).class(), Some("fast"));
    }

    #[test]
    fn another_size_or_another_set_is_refused_in_words() {
        let had = "service database has the volumes data (1073741824 bytes), log (268435456 bytes), but the manifest \
                   asks for";
        let why = "volumes cannot be changed while their service lives; keep them, or give the service another name \
                   and start with empty ones";
        let larger = manifest_yaml().replace("size: 1Gi", "size: 2Gi");
        assert_eq!(
            check(&guestbook(), &larger),
            Err(format!("{had} data (2147483648 bytes), log (268435456 bytes): {why}"))
        );
        let fewer =
            manifest_yaml().replace("      - {name: log, mountPath: /var/log/data, size: 256Mi}\n", "");
        assert_eq!(check(&guestbook(), &fewer), Err(format!("{had} data (1073741824 bytes): {why}")));
        let start = manifest_yaml().find("    volumes:").unwrap();
        let end = manifest_yaml().find("    readiness: {tcpSocket").unwrap();
        let none = format!("{}{}", &manifest_yaml()[..start], &manifest_yaml()[end..]);
        assert_eq!(check(&guestbook(), &none), Err(format!("{had} none: {why}")));
    }

    #[test]
    fn claims_of_others_and_dying_ones_do_not_count() {
        let larger = manifest_yaml().replace("size: 1Gi", "size: 2Gi");
        let mut elsewhere = guestbook();
        for claim in &mut elsewhere {
            Arc::make_mut(claim).metadata.namespace = Some("lease-of-somebody".to_owned());
        }
        assert_eq!(check(&elsewhere, &larger), Ok(()));
        let mut dying = guestbook();
        for claim in &mut dying {
            Arc::make_mut(claim).metadata.deletion_timestamp =
                Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
        }
        assert_eq!(check(&dying, &larger), Ok(()));
        assert_eq!(ExistingVolumes::of(&dying, name().as_str()), ExistingVolumes::default());
    }
}
