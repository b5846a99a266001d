//! Writes to the cluster: the `ComputeLease` and the Secret with its manifest, nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use chain::ClientError;
use crd::{ComputeLease, DesiredState};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use market::{LeaseId, LeaseState, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Shared;
use crate::agent::{Answer, Basis, Event, ManifestSecret, Refusal, ReplyId, WriteFailure};

/// An object whose lease the chain does not know is kept this long: the node may lag, or a reorganisation may be under way.
const UNKNOWN_GRACE: u64 = 600;
/// The longest one write may take, with its reads. An API server that never answers must not hold a lease for ever.
const LONGEST_WRITE: Duration = Duration::from_secs(60);
/// Somebody else writes the status of the object all the time, and each of its writes may come between a look and a write of ours.
const ATTEMPTS: u32 = 5;

/// What became of a write.
enum Written {
    /// It is in the cluster.
    Applied(Box<ComputeLease>),
    /// The cluster holds another object than it was decided on, or none any more: nothing was written.
    Found(Option<Box<ComputeLease>>),
}

impl Written {
    fn is_applied(&self) -> bool {
        matches!(self, Self::Applied(_))
    }

    fn object(self) -> Option<Box<ComputeLease>> {
        match self {
            Self::Applied(object) => Some(object),
            Self::Found(object) => object,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("failed to read the lease from the chain")]
    Chain(#[from] ClientError),
    #[error("failed to write {kind}")]
    Kubernetes {
        kind: &'static str,
        #[source]
        source: kube::Error,
    },
    #[error("the chain does not ask for it")]
    Unneeded,
    #[error("the ComputeLease has no uid")]
    NoUid,
    #[error("no answer within {} seconds", LONGEST_WRITE.as_secs())]
    TimedOut,
}

async fn bounded<T>(write: impl Future<Output = Result<T, WriteError>>) -> Result<T, WriteError> {
    tokio::time::timeout(LONGEST_WRITE, write).await.unwrap_or(Err(WriteError::TimedOut))
}

impl Shared {
    pub(super) async fn apply_compute_lease(&self, lease: LeaseId, object: &ComputeLease, basis: Basis) {
        let written = bounded(self.apply_allowed(lease, object, basis)).await;
        self.write_finished(lease, written.map(Written::object)).await;
    }

    /// Whether the object, read now, still says that it is suspended for what is unsigned.
    pub(super) async fn is_suspended(&self, lease: LeaseId) -> Result<bool, kube::Error> {
        let api: Api<ComputeLease> = Api::namespaced(self.kubernetes.clone(), &self.namespace);
        let present = api.get_opt(&crd::lease_name(lease)).await?;
        Ok(present.is_some_and(|present| {
            let suspension = present.spec.suspension;
            present.spec.desired == DesiredState::Paused
                && suspension.is_some_and(|suspension| suspension.since.is_some())
        }))
    }

    pub(super) async fn store_manifest(
        &self,
        lease: LeaseId,
        secret: &ManifestSecret,
        object: &ComputeLease,
        basis: Basis,
        reply: ReplyId,
    ) {
        let written = bounded(self.try_store_manifest(lease, secret, object, basis)).await;
        self.stored(lease, written, Answer::ManifestStored, reply).await;
    }

    pub(super) async fn store_statement(
        &self,
        lease: LeaseId,
        object: &ComputeLease,
        basis: Basis,
        reply: ReplyId,
    ) {
        let written = bounded(self.apply_allowed(lease, object, basis)).await;
        self.stored(lease, written, Answer::StatementStored, reply).await;
    }

    /// Answers who waits for a write, and tells the core what the cluster holds.
    async fn stored(
        &self,
        lease: LeaseId,
        written: Result<Written, WriteError>,
        answer: Answer,
        reply: ReplyId,
    ) {
        let is_stored = written.as_ref().is_ok_and(Written::is_applied);
        if is_stored {
            tracing::info!(%lease, ?answer, "stored for the tenant");
        }
        let answer = if is_stored { Ok(answer) } else { Err(Refusal::NotStored) };
        self.deliver(Event::RequestDone { reply, answer }).await;
        self.write_finished(lease, written.map(Written::object)).await;
    }

    pub(super) async fn delete_compute_lease(&self, lease: LeaseId, name: &str) {
        let deleted = bounded(self.try_delete(lease, name)).await;
        self.write_finished(lease, deleted.map(|object| object.map(Box::new))).await;
    }

    async fn write_finished(&self, lease: LeaseId, written: Result<Option<Box<ComputeLease>>, WriteError>) {
        let outcome = written.map_err(|error| match error {
            WriteError::Unneeded => WriteFailure::Unneeded,
            error => {
                tracing::warn!(%lease, error = &error as &dyn std::error::Error, "failed to write to the cluster");
                WriteFailure::Failed
            }
        });
        self.deliver(Event::WriteFinished { lease, outcome }).await;
    }

    /// Applies the object if the chain, read now, has the lease, and has ended it where the object ends it.
    async fn apply_allowed(
        &self,
        lease: LeaseId,
        object: &ComputeLease,
        basis: Basis,
    ) -> Result<Written, WriteError> {
        let (leases, now) = self.leases_now(&[lease]).await?;
        let present = leases.first().ok_or(WriteError::Unneeded)?;
        let allowed = match (present.state, object.spec.desired) {
            (LeaseState::Open | LeaseState::Active, DesiredState::Running | DesiredState::Paused) => true,
            (LeaseState::Active, DesiredState::Ended) => present.end_at <= now,
            // An object that was ended stays ended, even if a reorganisation took the confirmation back.
            (LeaseState::Open, DesiredState::Ended) | (LeaseState::Disputed, _) => true,
            (LeaseState::None | LeaseState::Closed, _) => false,
        };
        if !allowed {
            return Err(WriteError::Unneeded);
        }
        self.apply_onto(lease, object, basis).await
    }

    /// Applies the object over the very spec that it was decided on. The core may not have seen the present one yet, after a restart or beside a
    /// late watch: it may hold a signed statement, or a pause of somebody's. It is shown to the core instead of being written over.
    async fn apply_onto(
        &self,
        lease: LeaseId,
        object: &ComputeLease,
        basis: Basis,
    ) -> Result<Written, WriteError> {
        let api: Api<ComputeLease> = Api::namespaced(self.kubernetes.clone(), &self.namespace);
        let name = object.metadata.name.clone().unwrap_or_default();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let present = api
                .get_opt(&name)
                .await
                .map_err(|source| WriteError::Kubernetes { kind: "ComputeLease", source })?;
            let Some(version) = version_of(present.as_ref(), basis) else {
                tracing::info!(%lease, "found another ComputeLease than was seen");
                return Ok(Written::Found(present.map(Box::new)));
            };
            let mut object = object.clone();
            // What changes between the look and the write makes the server refuse it.
            object.metadata.resource_version = version;
            match self.apply("ComputeLease", &object).await {
                Err(WriteError::Kubernetes { source: kube::Error::Api(status), .. })
                    if status.code == 409 && attempt < ATTEMPTS => {}
                applied => return applied.map(|object| Written::Applied(Box::new(object))),
            }
        }
    }

    async fn try_store_manifest(
        &self,
        lease: LeaseId,
        secret: &ManifestSecret,
        object: &ComputeLease,
        basis: Basis,
    ) -> Result<Written, WriteError> {
        let api: Api<ComputeLease> = Api::namespaced(self.kubernetes.clone(), &self.namespace);
        let name = object.metadata.name.clone().unwrap_or_default();
        let owner =
            api.get(&name).await.map_err(|source| WriteError::Kubernetes { kind: "ComputeLease", source })?;
        let secret = manifest_secret(&self.namespace, &owner, secret).ok_or(WriteError::NoUid)?;
        // The Secret first: the operator must find it as soon as the object names it.
        self.apply("Secret", &secret).await?;
        self.apply_allowed(lease, object, basis).await
    }

    /// Deletes the object, then its Secret. What is gone already is done.
    async fn try_delete(&self, lease: LeaseId, name: &str) -> Result<Option<ComputeLease>, WriteError> {
        let api: Api<ComputeLease> = Api::namespaced(self.kubernetes.clone(), &self.namespace);
        let failed = |source| WriteError::Kubernetes { kind: "ComputeLease", source };
        let Some(object) = api.get_opt(name).await.map_err(failed)? else {
            self.delete_secret(lease).await?;
            return Ok(None);
        };
        let (leases, now) = self.leases_now(&[lease]).await?;
        let present = leases.first().ok_or(WriteError::Unneeded)?;
        let allowed = match present.state {
            LeaseState::Closed => true,
            LeaseState::None => age(&object, now) >= UNKNOWN_GRACE,
            LeaseState::Open | LeaseState::Active | LeaseState::Disputed => false,
        };
        if !allowed {
            return Err(WriteError::Unneeded);
        }
        let params = DeleteParams {
            // A new object of the same name is not the one that was decided about.
            preconditions: Some(Preconditions { uid: object.metadata.uid.clone(), resource_version: None }),
            ..DeleteParams::default()
        };
        let left = match api.delete(name, &params).await {
            Ok(either) => either.left(),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(source) => return Err(failed(source)),
        };
        self.count("ComputeLease", "deleted");
        self.delete_secret(lease).await?;
        Ok(left)
    }

    async fn delete_secret(&self, lease: LeaseId) -> Result<(), WriteError> {
        let api: Api<Secret> = Api::namespaced(self.kubernetes.clone(), &self.namespace);
        let name = crd::LeaseName::of(lease).manifest_secret();
        match api.delete(&name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(source) => Err(WriteError::Kubernetes { kind: "Secret", source }),
        }
    }

    async fn apply<K>(&self, kind: &'static str, object: &K) -> Result<K, WriteError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.kubernetes.clone(), &self.namespace);
        let name = object.meta().name.clone().unwrap_or_default();
        let params = PatchParams::apply(crd::labels::AGENT_FIELD_MANAGER).force();
        let applied = api.patch(&name, &params, &Patch::Apply(object)).await;
        self.count(kind, if applied.is_ok() { "applied" } else { "failed" });
        applied.map_err(|source| WriteError::Kubernetes { kind, source })
    }

    fn count(&self, kind: &'static str, outcome: &'static str) {
        self.metrics.cluster_writes.with_label_values(&[kind, outcome]).inc();
    }
}

/// The version that a write may replace: none if it makes the object. `None` if the cluster holds something else than the write's basis.
fn version_of(present: Option<&ComputeLease>, basis: Basis) -> Option<Option<String>> {
    match (present, basis) {
        (None, Basis::Absent) => Some(None),
        (Some(present), Basis::Generation(seen)) if present.metadata.generation == Some(seen) => {
            Some(present.metadata.resource_version.clone())
        }
        (Some(_), Basis::Absent | Basis::Generation(_)) | (None, Basis::Generation(_)) => None,
    }
}

/// The Secret goes when its owner goes, whoever deletes that.
fn manifest_secret(namespace: &str, owner: &ComputeLease, secret: &ManifestSecret) -> Option<Secret> {
    let owner = OwnerReference {
        api_version: ComputeLease::api_version(&()).into_owned(),
        kind: ComputeLease::kind(&()).into_owned(),
        name: owner.metadata.name.clone()?,
        uid: owner.metadata.uid.clone()?,
        controller: Some(true),
        block_owner_deletion: None,
    };
    let salt = crd::convert::hex(secret.salt.as_slice());
    Some(Secret {
        metadata: ObjectMeta {
            name: Some(secret.name.clone()),
            namespace: Some(namespace.to_owned()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([
            (crd::labels::MANIFEST_KEY.to_owned(), ByteString(secret.manifest.clone())),
            (crd::labels::SALT_KEY.to_owned(), ByteString(salt.into_bytes())),
        ])),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    })
}

fn age(object: &ComputeLease, now: Timestamp) -> u64 {
    let created = object.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
    let created = created.and_then(|seconds| u64::try_from(seconds).ok());
    created.map_or(0, |created| now.seconds_since(Timestamp(created)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(generation: i64) -> ComputeLease {
        let spec = crd::ComputeLeaseSpec {
            lease_id: String::new(),
            tenant: String::new(),
            provider: String::new(),
            chain: crd::ChainRef { chain_id: 1, market: String::new() },
            tier: crd::TierName::Strict,
            limits: crd::ResourceLimits::default(),
            manifest: None,
            desired: DesiredState::Running,
            term: None,
            settlement: None,
            suspension: None,
        };
        let mut object = ComputeLease::new("lease", spec);
        object.metadata.generation = Some(generation);
        object.metadata.resource_version = Some("77".to_owned());
        object
    }

    #[test]
    fn only_the_spec_that_a_write_was_decided_on_is_replaced() {
        let present = object(3);
        assert_eq!(version_of(Some(&present), Basis::Generation(3)), Some(Some("77".to_owned())));
        assert_eq!(version_of(None, Basis::Absent), Some(None));
        assert_eq!(version_of(Some(&present), Basis::Generation(2)), None);
        assert_eq!(version_of(Some(&present), Basis::Generation(4)), None);
        assert_eq!(version_of(Some(&present), Basis::Absent), None);
        assert_eq!(version_of(None, Basis::Generation(3)), None);
    }
}
