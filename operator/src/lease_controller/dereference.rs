//! Reads everything that a decision needs. Nothing is decided and nothing is written here.

use std::{collections::BTreeSet, fmt};

use crd::{ComputeLease, labels};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::{
            LimitRange, Namespace, PersistentVolumeClaim, ResourceQuota, Secret, Service, ServiceAccount,
        },
        networking::v1::NetworkPolicy,
        rbac::v1::RoleBinding,
        storage::v1::StorageClass,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, Resource, ResourceExt, api::ListParams};
use serde::de::DeserializeOwned;

use crate::http_route::HttpRoute;

use super::{
    owned::{Kind, Owned, OwnedMeta},
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
    /// Objects of the lease could not be listed.
    #[error("failed to list {kind} of {namespace}")]
    ListOwned {
        /// Kind that was listed.
        kind: Kind,
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

/// Reads whose the namespace is.
pub async fn namespace(client: &Client, lease: &ComputeLease) -> Result<NamespaceState, Error> {
    let name = lease.name_any();
    let found = Api::<Namespace>::all(client.clone())
        .get_metadata_opt(&name)
        .await
        .map_err(|source| Error::GetNamespace { name, source })?;
    Ok(found
        .map_or(NamespaceState::Missing, |found| namespace_state(&found.metadata, lease.uid().as_deref())))
}

/// Decides whose a namespace is: only label and annotation together make it ours.
fn namespace_state(metadata: &ObjectMeta, uid: Option<&str>) -> NamespaceState {
    let managed = metadata
        .labels
        .as_ref()
        .and_then(|all| all.get(labels::MANAGED_BY))
        .is_some_and(|value| value == labels::MANAGED_BY_VALUE);
    let owner = metadata.annotations.as_ref().and_then(|all| all.get(labels::COMPUTE_LEASE_UID));
    match (managed, owner) {
        (true, Some(owner)) if Some(owner.as_str()) == uid => NamespaceState::Ours(OwnedMeta::from(metadata)),
        (true, Some(_)) if metadata.deletion_timestamp.is_some() => NamespaceState::OthersTerminating,
        _ => NamespaceState::Foreign,
    }
}

/// Lists what is there of a lease. Call it only for a namespace that is ours.
pub async fn owned(client: &Client, namespace: &str) -> Result<Owned, Error> {
    let mut owned = Owned::default();
    list::<ResourceQuota>(client, namespace, Kind::ResourceQuota, &mut owned).await?;
    list::<LimitRange>(client, namespace, Kind::LimitRange, &mut owned).await?;
    list::<NetworkPolicy>(client, namespace, Kind::NetworkPolicy, &mut owned).await?;
    list::<ServiceAccount>(client, namespace, Kind::ServiceAccount, &mut owned).await?;
    list::<RoleBinding>(client, namespace, Kind::RoleBinding, &mut owned).await?;
    list::<Deployment>(client, namespace, Kind::Deployment, &mut owned).await?;
    list::<StatefulSet>(client, namespace, Kind::StatefulSet, &mut owned).await?;
    list::<Service>(client, namespace, Kind::Service, &mut owned).await?;
    Ok(owned)
}

/// Lists the routes of a lease. A cluster without the Gateway API has none.
pub async fn routes(client: &Client, namespace: &str, owned: &mut Owned) -> Result<(), Error> {
    match list::<HttpRoute>(client, namespace, Kind::HttpRoute, owned).await {
        Err(Error::ListOwned { source: kube::Error::Api(status), .. }) if status.is_not_found() => Ok(()),
        listed => listed,
    }
}

async fn list<K>(client: &Client, namespace: &str, kind: Kind, owned: &mut Owned) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + fmt::Debug + DeserializeOwned,
{
    let params =
        ListParams::default().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGED_BY_VALUE));
    let found = Api::<K>::namespaced(client.clone(), namespace)
        .list_metadata(&params)
        .await
        .map_err(|source| Error::ListOwned { kind, namespace: namespace.to_owned(), source })?;
    let found = found.items.iter().map(|item| (item.name_any(), OwnedMeta::from(&item.metadata)));
    owned.0.insert(kind, found.collect());
    Ok(())
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

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

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
        let ours = metadata(labels::MANAGED_BY_VALUE, "uid-1");
        assert_eq!(namespace_state(&ours, Some("uid-1")), NamespaceState::Ours(OwnedMeta::from(&ours)));
        assert_eq!(namespace_state(&ours, Some("uid-2")), NamespaceState::Foreign);
        assert_eq!(namespace_state(&metadata("helm", "uid-1"), Some("uid-1")), NamespaceState::Foreign);
        assert_eq!(namespace_state(&ObjectMeta::default(), Some("uid-1")), NamespaceState::Foreign);
        assert_eq!(namespace_state(&ObjectMeta::default(), None), NamespaceState::Foreign);
        let dying = ObjectMeta { deletion_timestamp: Some(Time(jiff::Timestamp::UNIX_EPOCH)), ..ours };
        assert_eq!(namespace_state(&dying, Some("uid-2")), NamespaceState::OthersTerminating);
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
