//! Brings the cluster to what was built, in an order that never leaves a pod unbounded.
//!
//! Namespace, then quota (and waiting until it is in force), bounds, policies and identities, then the end of what is no longer
//! wanted, then secrets, and only then pods and their names. Objects that are as we left them cost no call. One that is not is replaced as a whole: what somebody
//! added to it, such as a container, would survive an apply.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crd::labels;
use jiff::Timestamp;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::{Namespace, ResourceQuota, Secret, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::ApiResource,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    build::{LeaseObjects, ServiceObjects, Workload, pull_secret, secret, service_account},
    calls::to_the_end,
    contest::{Contest, Repairs},
    digest::Digest,
    live::{self, Live},
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

impl Error {
    /// Whether the quota has no room for the object now.
    fn is_over_quota(&self) -> bool {
        let Self::Apply { source: kube::Error::Api(status), .. } = self else { return false };
        status.is_forbidden() && status.message.contains("exceeded quota")
    }
}

/// How far applying got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything is applied.
    Complete,
    /// The quota is not in force yet, so nothing that it bounds was created, or it still counts what was removed.
    AwaitingQuota,
    /// A namespace of this name appeared that is not ours.
    NamespaceConflict,
}

/// What the objects of a lease are expected to be: what the API server answered when we wrote them.
pub type Expected = HashMap<(Kind, String), Known>;

/// One object as we left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Hash of what was wanted.
    pub wanted: Digest,
    /// Fingerprint of what came of it.
    pub fingerprint: Digest,
    /// How often it was put back.
    pub repairs: Repairs,
}

/// What is expected when this process sees a lease for the first time: all as it is, if it is as it was left.
pub fn at_first_sight(owned: &Owned, left: Option<&str>) -> Expected {
    let untouched = left == Some(live::digest(owned.fingerprints()).as_str());
    let mut expected = Expected::new();
    for (kind, name, found) in owned.iter() {
        if let (Some(wanted), true) = (found.applied_hash, untouched || kind == Kind::HttpRoute) {
            let known = Known { wanted, fingerprint: found.fingerprint, repairs: Repairs::default() };
            expected.insert((kind, name.to_owned()), known);
        }
    }
    expected
}

/// How the lease's pods come by their images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulls {
    /// Nothing is known against it.
    Unhindered,
    /// Some do not; perhaps the credentials are gone.
    Failing,
}

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
    /// Whether a pod waits for an image that its registry does not give it.
    pub pulls: Pulls,
    /// Where what was written is noted.
    pub live: &'a Live,
    /// Memory of earlier runs.
    pub expected: Mutex<Expected>,
    /// Objects that were left as others made them, for now.
    pub contests: Mutex<Vec<Contest>>,
    /// The time.
    pub now: Timestamp,
}

impl Applier<'_> {
    /// Applies everything and removes what the manifest no longer has.
    pub async fn apply(&self, objects: LeaseObjects) -> Result<Progress, Error> {
        let LeaseObjects {
            namespace,
            resource_quota,
            limit_range,
            network_policies,
            pull_secret,
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
        self.pull_secret(&name, pull_secret, &service_accounts).await?;
        let keep = Keep::of(&network_policies, &services);
        let policies =
            network_policies.into_iter().map(|policy| self.object(&name, Kind::NetworkPolicy, policy));
        let accounts =
            service_accounts.into_iter().map(|account| self.object(&name, Kind::ServiceAccount, account));
        // What bounds and names the pods does not depend on each other; the pods depend on all of it.
        let (limits, policies, accounts, role) = futures::join!(
            self.object(&name, Kind::LimitRange, limit_range),
            to_the_end(policies),
            to_the_end(accounts),
            self.object(&name, Kind::RoleBinding, role_binding),
        );
        limits?;
        policies?;
        accounts?;
        role?;
        let mut routes = Vec::new();
        let mut rest = Vec::new();
        for mut service in services {
            routes.append(&mut service.routes);
            rest.push(service);
        }
        // The quota has room for what the manifest has and for nothing more, so what it no longer has goes first.
        self.prune(&name, &keep).await?;
        match to_the_end(rest.into_iter().map(|service| self.service(&name, service))).await {
            // The quota controller counts what went only after a while. The watch tells when it has.
            Err(error) if error.is_over_quota() => return Ok(Progress::AwaitingQuota),
            applied => applied?,
        };
        // Last: where the Gateway API is missing, everything but the way from the internet still runs.
        to_the_end(routes.into_iter().map(|route| self.object(&name, Kind::HttpRoute, route))).await?;
        Ok(Progress::Complete)
    }

    /// Creates the namespace, or repairs it; `false` when another one took the name meanwhile.
    async fn namespace(&self, namespace: Namespace) -> Result<bool, Error> {
        if let Some(existing) = self.namespace {
            let wanted = Wanted::of(Kind::Namespace, namespace)?;
            if self.is_due(&wanted, Some(existing)) {
                self.replace(&self.cluster::<Namespace>(), &wanted, Some(existing)).await?;
            }
            return Ok(true);
        }
        let wanted = Wanted::of(Kind::Namespace, namespace)?;
        // Create, never apply: applying would adopt a namespace that somebody made just now.
        match self.cluster::<Namespace>().create(&post_params(), &wanted.object).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => return Ok(false),
            Err(source) => return Err(wanted.failed(source)),
            Ok(created) => self.wrote(&wanted, &created, Verb::Create),
        }
        Ok(true)
    }

    /// Applies the quota; `true` once the quota controller enforces it. Before that the API server ignores it.
    async fn quota(&self, namespace: &str, quota: ResourceQuota) -> Result<bool, Error> {
        let name = quota.name_any();
        let found = self.owned.find(Kind::ResourceQuota, &name).is_some_and(|found| found.enforced);
        let written = self.object(namespace, Kind::ResourceQuota, quota).await?;
        Ok(written.map_or(found, |written| live::record(&written).enforced))
    }

    async fn service(&self, namespace: &str, objects: ServiceObjects) -> Result<(), Error> {
        let ServiceObjects { name, secret, workload, service, routes: _ } = objects;
        let workload = match workload {
            Workload::Deployment(deployment) => Wanted::of(Kind::Deployment, *deployment)?,
            Workload::StatefulSet(set) => Wanted::of(Kind::StatefulSet, *set)?,
        };
        if let Some(secret) = secret {
            // The template carries a digest of the Secret, so an applied workload proves an applied Secret.
            // Only a pod that misses it can tell that it was deleted since: the operator may not look.
            let applied = self
                .owned
                .find(workload.kind, &name)
                .is_some_and(|found| found.applied_hash == Some(workload.hash) && !found.terminating);
            if !applied || self.missing_secrets.contains(&name) {
                self.secret(namespace, secret).await?;
            }
        }
        let put_workload = async {
            match workload.kind {
                Kind::StatefulSet => self.wanted(&self.inside::<StatefulSet>(namespace), workload).await,
                _ => self.wanted(&self.inside::<Deployment>(namespace), workload).await,
            }
        };
        let put_service = async {
            match service {
                Some(service) => self.object(namespace, Kind::Service, service).await,
                None => Ok(None),
            }
        };
        let (workload, service) = futures::join!(put_workload, put_service);
        workload.and(service).map(drop)
    }

    /// Applies a secret environment, of which the operator may read nothing, not even whether it is there.
    async fn secret(&self, namespace: &str, secret: Secret) -> Result<(), Error> {
        let wanted = Wanted::of(Kind::Secret, secret)?;
        self.inside::<Secret>(namespace)
            .patch(&wanted.name, &apply_params(), &Patch::Apply(&wanted.object))
            .await
            .map_err(|source| wanted.failed(source))?;
        self.metrics.api_write(Kind::Secret, Verb::Apply);
        Ok(())
    }

    /// Applies the registries' credentials, or takes them away. The identity of the pods carries a digest of them and is written
    /// after them, so an identity as it is wanted proves them. Only a pod without its image can tell that they were deleted since.
    async fn pull_secret(
        &self,
        namespace: &str,
        secret: Option<Secret>,
        accounts: &[ServiceAccount],
    ) -> Result<(), Error> {
        let name = service_account::NAME;
        let Some(account) = accounts.iter().find(|account| account.name_any() == name) else { return Ok(()) };
        let wanted = Wanted::of(Kind::ServiceAccount, account.clone())?;
        let found = self.owned.find(Kind::ServiceAccount, name).filter(|found| !found.terminating);
        let is_settled = found.is_some_and(|found| found.applied_hash.as_ref() == Some(&wanted.hash));
        match secret {
            Some(secret) if !is_settled || self.pulls == Pulls::Failing => {
                self.secret(namespace, secret).await
            }
            None if found.is_some() && !is_settled => {
                self.delete::<Secret>(namespace, Kind::Secret, pull_secret::NAME).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Writes an object unless it is as we left it; returns what was written.
    async fn object<K>(&self, namespace: &str, kind: Kind, object: K) -> Result<Option<DynamicObject>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize,
    {
        self.wanted(&self.inside::<K>(namespace), Wanted::of(kind, object)?).await
    }

    async fn wanted(&self, api: &Api<DynamicObject>, wanted: Wanted) -> Result<Option<DynamicObject>, Error> {
        let found = self.owned.find(wanted.kind, &wanted.name);
        if !self.is_due(&wanted, found) {
            return Ok(None);
        }
        match found {
            Some(_) => self.replace(api, &wanted, found).await.map(Some),
            None => self.create(api, &wanted).await.map(Some),
        }
    }

    /// Writes an object that is not there as far as we know. One that is there nevertheless, without our label or by another's
    /// hand, is made ours as a whole.
    async fn create(&self, api: &Api<DynamicObject>, wanted: &Wanted) -> Result<DynamicObject, Error> {
        let written = api
            .patch(&wanted.name, &apply_params(), &Patch::Apply(&wanted.object))
            .await
            .map_err(|source| wanted.failed(source))?;
        self.wrote(wanted, &written, Verb::Apply);
        if has_other_writers(&written) {
            let found = live::record(&written);
            return self.replace(api, wanted, Some(&found)).await;
        }
        Ok(written)
    }

    /// Makes an object what we want and nothing else.
    async fn replace(
        &self,
        api: &Api<DynamicObject>,
        wanted: &Wanted,
        found: Option<&OwnedMeta>,
    ) -> Result<DynamicObject, Error> {
        let mut object = wanted.object.clone();
        if wanted.kind == Kind::HttpRoute {
            // A custom resource is not replaced without it. Others are: their status moves it all the time.
            object.metadata.resource_version = found.map(|found| found.version.to_string());
        }
        match api.replace(&wanted.name, &post_params(), &object).await {
            Ok(written) => {
                self.wrote(wanted, &written, Verb::Replace);
                Ok(written)
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                let written = api
                    .patch(&wanted.name, &apply_params(), &Patch::Apply(&wanted.object))
                    .await
                    .map_err(|source| wanted.failed(source))?;
                self.wrote(wanted, &written, Verb::Apply);
                Ok(written)
            }
            Err(source) => Err(wanted.failed(source)),
        }
    }

    /// Whether an object is to be written now: it is not as we left it, or not left as it is wanted now. What somebody changes
    /// again and again has to wait.
    fn is_due(&self, wanted: &Wanted, found: Option<&OwnedMeta>) -> bool {
        // It can only be made again once it is gone, which the watch tells.
        if found.is_some_and(|found| found.terminating) {
            return false;
        }
        let mut expected = self.expected();
        let known = expected.get_mut(&(wanted.kind, wanted.name.clone()));
        let Some(known) = known.filter(|known| known.wanted == wanted.hash) else { return true };
        if found.is_some_and(|found| found.fingerprint == known.fingerprint) {
            return false;
        }
        if let Some(wait) = known.repairs.wait(self.now) {
            let contest = Contest {
                kind: wanted.kind,
                name: wanted.name.clone(),
                repairs: known.repairs.lately(self.now),
                by: found.and_then(|found| found.changed_by.clone()),
                wait,
            };
            self.contests.lock().unwrap_or_else(PoisonError::into_inner).push(contest);
            return false;
        }
        known.repairs = known.repairs.and_one(self.now);
        true
    }

    fn wrote(&self, wanted: &Wanted, written: &DynamicObject, verb: Verb) {
        self.metrics.api_write(wanted.kind, verb);
        self.live.wrote(wanted.kind, written);
        let mut expected = self.expected();
        let key = (wanted.kind, wanted.name.clone());
        let before = expected.get(&key).filter(|known| known.wanted == wanted.hash);
        let known = Known {
            wanted: wanted.hash,
            fingerprint: live::record(written).fingerprint,
            repairs: before.map(|known| known.repairs).unwrap_or_default(),
        };
        expected.insert(key, known);
    }

    fn expected(&self) -> MutexGuard<'_, Expected> {
        // Each change is complete before the next can panic, so a poisoned lock is still good.
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cluster<K: Resource<DynamicType = ()>>(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::erase::<K>(&()))
    }

    fn inside<K: Resource<DynamicType = ()>>(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &ApiResource::erase::<K>(&()))
    }

    async fn prune(&self, namespace: &str, keep: &Keep) -> Result<(), Error> {
        for (kind, wanted) in
            [(Kind::Deployment, &keep.deployments), (Kind::StatefulSet, &keep.stateful_sets)]
        {
            for name in self.orphans(kind, wanted) {
                // The Secret first: it is known by its workload alone, which a crash in between must leave there.
                if !keep.secrets.contains(&name) {
                    self.delete::<Secret>(namespace, Kind::Secret, &secret::name(&name)).await?;
                }
                match kind {
                    Kind::Deployment => self.delete::<Deployment>(namespace, kind, &name).await?,
                    _ => self.delete::<StatefulSet>(namespace, kind, &name).await?,
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
        self.live.forget(kind, namespace, name, None);
        self.expected().remove(&(kind, name.to_owned()));
        Ok(())
    }
}

/// An object that is to be there, with the hash of its state.
struct Wanted {
    kind: Kind,
    name: String,
    hash: Digest,
    object: DynamicObject,
}

impl Wanted {
    fn of<K: Resource<DynamicType = ()> + Serialize>(kind: Kind, mut object: K) -> Result<Self, Error> {
        let name = object.name_any();
        let error = |source| Error::Serialize { kind, name: name.clone(), source };
        let json = serde_json::to_vec(&object).map_err(error)?;
        let hash = Digest::of(&json);
        // Marked with the hash of its state without the mark.
        object.annotations_mut().insert(labels::APPLIED_HASH.to_owned(), hash.to_string());
        let object = serde_json::to_value(&object).and_then(serde_json::from_value).map_err(error)?;
        Ok(Self { kind, name, hash, object })
    }

    fn failed(&self, source: kube::Error) -> Error {
        Error::Apply { kind: self.kind, name: self.name.clone(), source }
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

fn post_params() -> PostParams {
    PostParams { field_manager: Some(labels::OPERATOR_FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// Whether anybody but us decided a field of an object, other than its status.
fn has_other_writers(object: &DynamicObject) -> bool {
    object.metadata.managed_fields.iter().flatten().any(|entry| {
        entry.manager.as_deref() != Some(labels::OPERATOR_FIELD_MANAGER) && entry.subresource.is_none()
    })
}
