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
use crate::agent::{Answer, Event, ManifestSecret, Refusal, ReplyId, WriteFailure};

/// An object whose lease the chain does not know is kept this long: the node may lag, or a reorganisation may be under way.
const UNKNOWN_GRACE: u64 = 600;
/// The longest one write may take, with its reads. An API server that never answers must not hold a lease for ever.
const LONGEST_WRITE: Duration = Duration::from_secs(60);

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
    pub(super) async fn apply_compute_lease(&self, lease: LeaseId, object: &ComputeLease) {
        let written = bounded(self.apply_unless_richer(lease, object)).await;
        self.write_finished(lease, written.map(|object| Some(Box::new(object)))).await;
    }

    pub(super) async fn store_manifest(
        &self,
        lease: LeaseId,
        secret: &ManifestSecret,
        object: &ComputeLease,
        reply: ReplyId,
    ) {
        let written = bounded(self.try_store_manifest(lease, secret, object)).await;
        if written.is_ok() {
            tracing::info!(%lease, "manifest stored");
        }
        let answer = written.as_ref().map(|_| Answer::ManifestStored).map_err(|_| Refusal::NotStored);
        self.deliver(Event::RequestDone { reply, answer }).await;
        self.write_finished(lease, written.map(|object| Some(Box::new(object)))).await;
    }

    pub(super) async fn store_statement(&self, lease: LeaseId, object: &ComputeLease, reply: ReplyId) {
        let written = bounded(self.apply_allowed(lease, object)).await;
        if written.is_ok() {
            tracing::info!(%lease, "signed statement stored");
        }
        let answer = written.as_ref().map(|_| Answer::StatementStored).map_err(|_| Refusal::NotStored);
        self.deliver(Event::RequestDone { reply, answer }).await;
        self.write_finished(lease, written.map(|object| Some(Box::new(object)))).await;
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

    /// Applies the object, unless the one in the cluster remembers what this one does not: the manifest's place, or a signed statement.
    /// The core makes such an object when it has not seen the present one yet, after a restart or beside a late watch; it is shown to it instead.
    async fn apply_unless_richer(
        &self,
        lease: LeaseId,
        object: &ComputeLease,
    ) -> Result<ComputeLease, WriteError> {
        let api: Api<ComputeLease> = Api::namespaced(self.kubernetes.clone(), &self.namespace);
        let name = object.metadata.name.clone().unwrap_or_default();
        let present = api
            .get_opt(&name)
            .await
            .map_err(|source| WriteError::Kubernetes { kind: "ComputeLease", source })?;
        match present {
            Some(present) if is_richer(&present, object) => {
                tracing::info!(%lease, "found a ComputeLease that was not seen yet");
                Ok(present)
            }
            Some(_) | None => self.apply_allowed(lease, object).await,
        }
    }

    /// Applies the object if the chain, read now, has the lease, and has ended it where the object ends it.
    async fn apply_allowed(&self, lease: LeaseId, object: &ComputeLease) -> Result<ComputeLease, WriteError> {
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
        self.apply("ComputeLease", object).await
    }

    async fn try_store_manifest(
        &self,
        lease: LeaseId,
        secret: &ManifestSecret,
        object: &ComputeLease,
    ) -> Result<ComputeLease, WriteError> {
        let api: Api<ComputeLease> = Api::namespaced(self.kubernetes.clone(), &self.namespace);
        let name = object.metadata.name.clone().unwrap_or_default();
        let owner =
            api.get(&name).await.map_err(|source| WriteError::Kubernetes { kind: "ComputeLease", source })?;
        let secret = manifest_secret(&self.namespace, &owner, secret).ok_or(WriteError::NoUid)?;
        // The Secret first: the operator must find it as soon as the object names it.
        self.apply("Secret", &secret).await?;
        self.apply_allowed(lease, object).await
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

fn is_richer(present: &ComputeLease, object: &ComputeLease) -> bool {
    let (present, object) = (&present.spec, &object.spec);
    (present.manifest.is_some() && present.manifest != object.manifest)
        || (present.settlement.is_some() && present.settlement != object.settlement)
        // The core only carries Running and Paused over, so another value there is a newer one.
        || (present.desired != object.desired && object.desired != DesiredState::Ended)
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

    fn object(manifest: Option<i64>, desired: DesiredState) -> ComputeLease {
        let spec = crd::ComputeLeaseSpec {
            lease_id: String::new(),
            tenant: String::new(),
            provider: String::new(),
            chain: crd::ChainRef { chain_id: 1, market: String::new() },
            tier: crd::TierName::Strict,
            limits: crd::ResourceLimits::default(),
            manifest: manifest.map(|revision| crd::ManifestRef {
                secret_name: "s".into(),
                hash: "0x".into(),
                revision,
                previous: None,
            }),
            desired,
            term: None,
            settlement: None,
        };
        ComputeLease::new("lease", spec)
    }

    #[test]
    fn an_object_that_was_not_seen_yet_keeps_what_only_it_remembers() {
        let fresh = object(None, DesiredState::Running);
        assert!(is_richer(&object(Some(1), DesiredState::Running), &fresh));
        assert!(is_richer(&object(None, DesiredState::Ended), &fresh));
        assert!(!is_richer(&fresh, &fresh));
        assert!(is_richer(&object(None, DesiredState::Paused), &fresh));
        assert!(is_richer(&fresh, &object(None, DesiredState::Paused)));
        assert!(!is_richer(&object(None, DesiredState::Paused), &object(None, DesiredState::Ended)));
        assert!(!is_richer(&object(Some(1), DesiredState::Running), &object(Some(1), DesiredState::Ended)));
        assert!(!is_richer(&fresh, &object(Some(1), DesiredState::Ended)));
    }
}
