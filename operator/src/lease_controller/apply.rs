//! Brings the cluster to what was built, in an order that never leaves a pod unbounded.
//!
//! Namespace, then quota (and waiting until it is in force), bounds and policies, then identities and
//! secrets, and only then pods and their names. Objects that are as they were last applied cost no call.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use crd::labels;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::{Namespace, ResourceQuota, Secret, Service},
        networking::v1::NetworkPolicy,
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    build::{LeaseObjects, ServiceObjects, Workload, secret},
    owned::{Kind, Owned, OwnedMeta},
};
use crate::{
    http_route::HttpRoute,
    metrics::{Metrics, Verb},
};

/// A write that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object could not be applied.
    #[error("failed to apply {kind} {name}")]
    Apply {
        /// Kind of the object.
        kind: Kind,
        /// Name of the object.
        name: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
    /// An object that the manifest no longer has could not be deleted.
    #[error("failed to delete {kind} {name}")]
    Delete {
        /// Kind of the object.
        kind: Kind,
        /// Name of the object.
        name: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
    /// The quota could not be read.
    #[error("failed to read the quota")]
    GetQuota(#[source] kube::Error),
    /// An object could not be written as JSON.
    #[error("failed to serialize {kind} {name}")]
    Serialize {
        /// Kind of the object.
        kind: Kind,
        /// Name of the object.
        name: String,
        /// Cause.
        #[source]
        source: serde_json::Error,
    },
}

/// How far applying got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything is applied.
    Complete,
    /// The quota is not in force yet, so nothing that it bounds was created.
    AwaitingQuota,
    /// A namespace of this name appeared that is not ours.
    NamespaceConflict,
}

/// Generations of a lease's objects as they were when they were last known to be right, by UID.
pub type Generations = HashMap<String, i64>;

/// One run of applying.
pub struct Applier<'a> {
    /// Connection.
    pub client: &'a Client,
    /// Counts writes.
    pub metrics: &'a Metrics,
    /// What is there.
    pub owned: &'a Owned,
    /// The namespace, when it is there.
    pub namespace: Option<&'a OwnedMeta>,
    /// Services whose pods miss their Secret.
    pub missing_secrets: &'a BTreeSet<String>,
    /// Memory of earlier runs.
    pub generations: &'a mut Generations,
}

impl Applier<'_> {
    /// Applies everything and removes what the manifest no longer has.
    pub async fn apply(mut self, objects: LeaseObjects) -> Result<Progress, Error> {
        let LeaseObjects {
            namespace,
            resource_quota,
            limit_range,
            network_policies,
            service_accounts,
            role_binding,
            services,
        } = objects;
        let name = namespace.name_any();
        if !self.namespace(namespace).await? {
            return Ok(Progress::NamespaceConflict);
        }
        if !self.quota(&name, resource_quota).await? {
            return Ok(Progress::AwaitingQuota);
        }
        let keep = Keep::of(&network_policies, &services);
        self.object(&name, Kind::LimitRange, limit_range).await?;
        for policy in network_policies {
            self.object(&name, Kind::NetworkPolicy, policy).await?;
        }
        for account in service_accounts {
            self.object(&name, Kind::ServiceAccount, account).await?;
        }
        self.object(&name, Kind::RoleBinding, role_binding).await?;
        let mut routes = Vec::new();
        for mut service in services {
            routes.append(&mut service.routes);
            self.service(&name, service).await?;
        }
        // Last: where the Gateway API is missing, everything but the way from the internet still runs.
        for route in routes {
            self.object(&name, Kind::HttpRoute, route).await?;
        }
        self.prune(&name, &keep).await?;
        Ok(Progress::Complete)
    }

    /// Creates the namespace, or repairs its labels; `false` when another one took the name meanwhile.
    async fn namespace(&mut self, namespace: Namespace) -> Result<bool, Error> {
        let name = namespace.name_any();
        let namespace = with_hash(Kind::Namespace, namespace)?;
        let api = Api::<Namespace>::all(self.client.clone());
        let error = |source| Error::Apply { kind: Kind::Namespace, name: name.clone(), source };
        match self.namespace {
            None => {
                // Create, never apply: applying would adopt a namespace that somebody made just now.
                let params = PostParams {
                    field_manager: Some(labels::OPERATOR_FIELD_MANAGER.to_owned()),
                    ..PostParams::default()
                };
                match api.create(&params, &namespace).await {
                    Err(kube::Error::Api(status)) if status.is_already_exists() => return Ok(false),
                    created => created.map_err(error)?,
                };
                self.metrics.api_write(Kind::Namespace, Verb::Create);
            }
            Some(existing) if is_current(existing, &namespace) => {}
            Some(_) => {
                api.patch(&name, &apply_params(), &Patch::Apply(&namespace)).await.map_err(error)?;
                self.metrics.api_write(Kind::Namespace, Verb::Apply);
            }
        }
        Ok(true)
    }

    /// Applies the quota; `true` once the quota controller enforces it. Before that the API server ignores it.
    async fn quota(&mut self, namespace: &str, quota: ResourceQuota) -> Result<bool, Error> {
        let name = quota.name_any();
        let applied = match self.object(namespace, Kind::ResourceQuota, quota).await? {
            Some(applied) => applied,
            None => {
                Api::namespaced(self.client.clone(), namespace).get(&name).await.map_err(Error::GetQuota)?
            }
        };
        Ok(is_enforced(&applied))
    }

    async fn service(&mut self, namespace: &str, objects: ServiceObjects) -> Result<(), Error> {
        let ServiceObjects { name, secret, workload, service, routes: _ } = objects;
        let (kind, wanted_hash) = match &workload {
            Workload::Deployment(deployment) => {
                (Kind::Deployment, hash(Kind::Deployment, deployment.as_ref())?)
            }
            Workload::StatefulSet(set) => (Kind::StatefulSet, hash(Kind::StatefulSet, set.as_ref())?),
        };
        if let Some(secret) = secret {
            // The template carries a digest of the Secret, so an applied workload proves an applied Secret.
            // Only a pod that misses it can tell that it was deleted since: the operator may not look.
            let applied = self
                .owned
                .find(kind, &name)
                .is_some_and(|found| found.applied_hash.as_ref() == Some(&wanted_hash) && !found.terminating);
            if !applied || self.missing_secrets.contains(&name) {
                self.write::<Secret>(namespace, Kind::Secret, secret).await?;
            }
        }
        match workload {
            Workload::Deployment(deployment) => {
                self.object::<Deployment>(namespace, kind, *deployment).await?;
            }
            Workload::StatefulSet(set) => {
                self.object::<StatefulSet>(namespace, kind, *set).await?;
            }
        }
        if let Some(service) = service {
            self.object::<Service>(namespace, Kind::Service, service).await?;
        }
        Ok(())
    }

    /// Applies an object unless it is as it was last applied; returns what was written.
    async fn object<K>(&mut self, namespace: &str, kind: Kind, object: K) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let object = with_hash(kind, object)?;
        if let Some(found) = self.owned.find(kind, &object.name_any()) {
            let known = match found.generation {
                None => true,
                Some(generation) => {
                    *self.generations.entry(found.uid.clone()).or_insert(generation) == generation
                }
            };
            if known && is_current(found, &object) {
                return Ok(None);
            }
        }
        let applied = self.write(namespace, kind, object).await?;
        if let (Some(uid), Some(generation)) = (applied.uid(), applied.meta().generation) {
            self.generations.insert(uid, generation);
        }
        Ok(Some(applied))
    }

    async fn write<K>(&self, namespace: &str, kind: Kind, object: K) -> Result<K, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let name = object.name_any();
        let applied = Api::<K>::namespaced(self.client.clone(), namespace)
            .patch(&name, &apply_params(), &Patch::Apply(&object))
            .await
            .map_err(|source| Error::Apply { kind, name, source })?;
        self.metrics.api_write(kind, Verb::Apply);
        Ok(applied)
    }

    async fn prune(&self, namespace: &str, keep: &Keep) -> Result<(), Error> {
        for (kind, wanted) in
            [(Kind::Deployment, &keep.deployments), (Kind::StatefulSet, &keep.stateful_sets)]
        {
            for name in self.orphans(kind, wanted) {
                match kind {
                    Kind::Deployment => self.delete::<Deployment>(namespace, kind, &name).await?,
                    _ => self.delete::<StatefulSet>(namespace, kind, &name).await?,
                }
                if !keep.secrets.contains(&name) {
                    self.delete::<Secret>(namespace, Kind::Secret, &secret::name(&name)).await?;
                }
            }
        }
        for name in self.orphans(Kind::Service, &keep.services) {
            self.delete::<Service>(namespace, Kind::Service, &name).await?;
        }
        for name in self.orphans(Kind::HttpRoute, &keep.routes) {
            self.delete::<HttpRoute>(namespace, Kind::HttpRoute, &name).await?;
        }
        for name in self.orphans(Kind::NetworkPolicy, &keep.network_policies) {
            self.delete::<NetworkPolicy>(namespace, Kind::NetworkPolicy, &name).await?;
        }
        Ok(())
    }

    fn orphans(&self, kind: Kind, wanted: &BTreeSet<String>) -> Vec<String> {
        self.owned
            .names(kind)
            .filter(|name| !wanted.contains(*name))
            .filter(|name| self.owned.find(kind, name).is_some_and(|found| !found.terminating))
            .map(str::to_owned)
            .collect()
    }

    async fn delete<K>(&self, namespace: &str, kind: Kind, name: &str) -> Result<(), Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + fmt::Debug + DeserializeOwned,
    {
        match Api::<K>::namespaced(self.client.clone(), namespace)
            .delete(name, &DeleteParams::background())
            .await
        {
            // Gone is what was wanted.
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            deleted => deleted.map_err(|source| Error::Delete { kind, name: name.to_owned(), source })?,
        };
        self.metrics.api_write(kind, Verb::Delete);
        Ok(())
    }
}

/// Names that the manifest has, by kind that may have others.
struct Keep {
    network_policies: BTreeSet<String>,
    deployments: BTreeSet<String>,
    stateful_sets: BTreeSet<String>,
    secrets: BTreeSet<String>,
    services: BTreeSet<String>,
    routes: BTreeSet<String>,
}

impl Keep {
    fn of(policies: &[NetworkPolicy], services: &[ServiceObjects]) -> Self {
        let names = |of: fn(&ServiceObjects) -> bool| {
            services.iter().filter(|service| of(service)).map(|service| service.name.clone()).collect()
        };
        Self {
            network_policies: policies.iter().map(ResourceExt::name_any).collect(),
            deployments: names(|service| matches!(service.workload, Workload::Deployment(_))),
            stateful_sets: names(|service| matches!(service.workload, Workload::StatefulSet(_))),
            secrets: names(|service| service.secret.is_some()),
            services: names(|service| service.service.is_some()),
            routes: services.iter().flat_map(|service| &service.routes).map(ResourceExt::name_any).collect(),
        }
    }
}

fn apply_params() -> PatchParams {
    PatchParams::apply(labels::OPERATOR_FIELD_MANAGER).force()
}

/// Whether the quota controller has taken over every bound.
fn is_enforced(quota: &ResourceQuota) -> bool {
    let wanted = quota.spec.as_ref().and_then(|spec| spec.hard.as_ref());
    let enforced = quota.status.as_ref().and_then(|status| status.hard.as_ref());
    wanted.is_some() && wanted == enforced
}

/// Whether an object was applied in this very state and still has its labels.
fn is_current<K: Resource>(found: &OwnedMeta, wanted: &K) -> bool {
    let annotation = wanted.meta().annotations.as_ref().and_then(|all| all.get(labels::APPLIED_HASH));
    let labels = wanted.meta().labels.as_ref();
    !found.terminating
        && found.applied_hash.as_ref() == annotation
        && labels.into_iter().flatten().all(|(key, value)| found.labels.get(key) == Some(value))
}

fn hash<K: Resource<DynamicType = ()> + Serialize>(kind: Kind, object: &K) -> Result<String, Error> {
    let json = serde_json::to_vec(object).map_err(|source| Error::Serialize {
        kind,
        name: object.name_any(),
        source,
    })?;
    Ok(data_encoding::HEXLOWER.encode(&Sha256::digest(&json)))
}

/// Marks an object with the hash of its state without the mark.
fn with_hash<K: Resource<DynamicType = ()> + Serialize>(kind: Kind, mut object: K) -> Result<K, Error> {
    let hash = hash(kind, &object)?;
    object.annotations_mut().insert(labels::APPLIED_HASH.to_owned(), hash);
    Ok(object)
}
