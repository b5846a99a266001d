//! Reads everything that a decision needs. Nothing is decided and nothing is written here.

use std::{collections::BTreeSet, fmt};

use crd::{ComputeLease, labels};
use k8s_openapi::api::{
    core::v1::{Namespace, PersistentVolumeClaim, Secret},
    storage::v1::StorageClass,
};
use kube::{
    Api, Client, ResourceExt,
    core::{ApiResource, DynamicObject},
};

use super::{
    live::{self, Live},
    owned::{Kind, OwnedMeta},
    volumes::ExistingVolumes,
};

/// The manifest as it lies in its Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ManifestDocument {
    /// Canonical bytes. They hold the tenant's secrets.
    pub canonical: Vec<u8>,
    /// Salt, `0x` and 64 hex digits.
    pub salt: String,
}

impl fmt::Debug for ManifestDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManifestDocument({} bytes)", self.canonical.len())
    }
}

/// Where the manifest stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestState {
    /// The spec names none.
    NotUploaded,
    /// The Secret is not there.
    Missing {
        /// Name of the Secret.
        secret: String,
    },
    /// The Secret lacks a key.
    Incomplete {
        /// Name of the Secret.
        secret: String,
        /// The missing key.
        key: &'static str,
    },
    /// Both keys are there.
    Found(ManifestDocument),
}

/// What volumes are made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageState {
    /// The cluster's default class, if one is marked.
    pub default: Option<ClassFacts>,
    /// Names of all classes.
    pub names: BTreeSet<String>,
    /// What the lease has already.
    pub volumes: ExistingVolumes,
}

/// What matters about a storage class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassFacts {
    /// Its name.
    pub name: String,
    /// What happens to a volume whose claim is deleted.
    pub reclaim_policy: String,
    /// Whether it makes volumes by itself.
    pub dynamic: bool,
}

/// Whose the namespace of the lease's name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceState {
    /// There is none.
    Missing,
    /// It belongs to this `ComputeLease`.
    Ours(OwnedMeta),
    /// It belonged to an earlier `ComputeLease` and is being deleted.
    OthersTerminating,
    /// It belongs to somebody else.
    Foreign,
}

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The namespace could not be read.
    #[error("failed to read namespace {name}")]
    GetNamespace {
        /// Name of the namespace.
        name: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
    /// The manifest's Secret could not be read.
    #[error("failed to read Secret {name}")]
    GetManifest {
        /// Name of the Secret.
        name: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
    /// Deployments that lack pods could not be read.
    #[error("failed to read why pods of {namespace} are missing")]
    GetDeployments {
        /// Namespace of the lease.
        namespace: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
}

/// Reads the manifest that the spec names.
pub async fn manifest(client: &Client, lease: &ComputeLease) -> Result<ManifestState, Error> {
    let Some(source) = &lease.spec.manifest else { return Ok(ManifestState::NotUploaded) };
    let name = source.secret_name.clone();
    let namespace = lease.namespace().unwrap_or_default();
    let secret = Api::<Secret>::namespaced(client.clone(), &namespace)
        .get_opt(&name)
        .await
        .map_err(|source| Error::GetManifest { name: name.clone(), source })?;
    Ok(manifest_state(name, secret))
}

fn manifest_state(name: String, secret: Option<Secret>) -> ManifestState {
    let Some(secret) = secret else { return ManifestState::Missing { secret: name } };
    let mut data = secret.data.unwrap_or_default();
    let Some(canonical) = data.remove(labels::MANIFEST_KEY) else {
        return ManifestState::Incomplete { secret: name, key: labels::MANIFEST_KEY };
    };
    let salt = data.remove(labels::SALT_KEY).and_then(|salt| String::from_utf8(salt.0).ok());
    match salt {
        None => ManifestState::Incomplete { secret: name, key: labels::SALT_KEY },
        Some(salt) => ManifestState::Found(ManifestDocument { canonical: canonical.0, salt }),
    }
}

/// Tells whose the namespace is. Only one that no watch has shown as ours is asked for: it may be new, or of somebody else.
pub async fn known_namespace(
    client: &Client,
    live: &Live,
    lease: &ComputeLease,
) -> Result<NamespaceState, Error> {
    let name = lease.name_any();
    let known = live.of(&name).find(Kind::Namespace, &name).cloned();
    match known {
        Some(known) if known.owner.is_some() && known.owner == lease.uid() => Ok(NamespaceState::Ours(known)),
        _ => namespace(client, lease).await,
    }
}

/// Asks whose the namespace is.
pub async fn namespace(client: &Client, lease: &ComputeLease) -> Result<NamespaceState, Error> {
    let name = lease.name_any();
    let found = Api::<DynamicObject>::all_with(client.clone(), &ApiResource::erase::<Namespace>(&()))
        .get_opt(&name)
        .await
        .map_err(|source| Error::GetNamespace { name, source })?;
    Ok(found.map_or(NamespaceState::Missing, |found| namespace_state(live::record(&found), lease.uid())))
}

/// Decides whose a namespace is: only label and annotation together make it ours.
fn namespace_state(found: OwnedMeta, uid: Option<String>) -> NamespaceState {
    match &found.owner {
        Some(_) if found.owner == uid => NamespaceState::Ours(found),
        Some(_) if found.terminating => NamespaceState::OthersTerminating,
        _ => NamespaceState::Foreign,
    }
}

/// The classes of the cluster, and the volumes of a lease.
pub fn storage(
    classes: &[impl AsRef<StorageClass>],
    claims: &[impl AsRef<PersistentVolumeClaim>],
    namespace: &str,
) -> StorageState {
    let default = crd::storage_class::default_class(classes.iter().map(AsRef::as_ref));
    StorageState {
        default: default.map(|class| ClassFacts {
            name: class.name_any(),
            reclaim_policy: crd::storage_class::reclaim_policy(class).to_owned(),
            dynamic: crd::storage_class::is_dynamic(class),
        }),
        names: classes.iter().map(|class| class.as_ref().name_any()).collect(),
        volumes: ExistingVolumes::of(claims, namespace),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

    use super::*;

    fn metadata(managed_by: &str, owner: &str) -> ObjectMeta {
        ObjectMeta {
            labels: Some([(labels::MANAGED_BY.to_owned(), managed_by.to_owned())].into()),
            annotations: Some([(labels::COMPUTE_LEASE_UID.to_owned(), owner.to_owned())].into()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_namespace_is_ours_only_with_our_label_and_our_uid() {
        let state = |metadata: &ObjectMeta, uid: Option<&str>| {
            namespace_state(OwnedMeta::from(metadata), uid.map(str::to_owned))
        };
        let ours = metadata(labels::MANAGED_BY_VALUE, "uid-1");
        assert_eq!(state(&ours, Some("uid-1")), NamespaceState::Ours(OwnedMeta::from(&ours)));
        assert_eq!(state(&ours, Some("uid-2")), NamespaceState::Foreign);
        assert_eq!(state(&metadata("helm", "uid-1"), Some("uid-1")), NamespaceState::Foreign);
        assert_eq!(state(&ObjectMeta::default(), Some("uid-1")), NamespaceState::Foreign);
        assert_eq!(state(&ObjectMeta::default(), None), NamespaceState::Foreign);
        let dying = ObjectMeta { deletion_timestamp: Some(Time(jiff::Timestamp::UNIX_EPOCH)), ..ours };
        assert_eq!(state(&dying, Some("uid-2")), NamespaceState::OthersTerminating);
    }

    #[test]
    fn the_newest_default_class_counts() {
        let class = |name: &str, default: &str, second: i64| {
            Arc::new(StorageClass {
                metadata: ObjectMeta {
                    name: Some(name.to_owned()),
                    creation_timestamp: Some(Time(jiff::Timestamp::from_second(second).unwrap())),
                    annotations: Some(
                        [("storageclass.kubernetes.io/is-default-class".to_owned(), default.to_owned())]
                            .into(),
                    ),
                    ..ObjectMeta::default()
                },
                reclaim_policy: Some("Retain".to_owned()),
                ..StorageClass::default()
            })
        };
        let none: [Arc<PersistentVolumeClaim>; 0] = [];
        assert_eq!(storage(&[class("a", "false", 9)], &none, "lease").default, None);
        let classes = [class("b", "true", 1), class("c", "true", 2), class("d", "false", 3)];
        assert_eq!(
            storage(&classes, &none, "lease"),
            StorageState {
                default: Some(ClassFacts {
                    name: "c".into(),
                    reclaim_policy: "Retain".into(),
                    dynamic: true
                }),
                names: ["b".to_owned(), "c".to_owned(), "d".to_owned()].into(),
                volumes: ExistingVolumes::default(),
            }
        );
    }
}
