//! Removes everything of a lease. Needs nothing but the object's own name and UID: a spec that became
//! invalid, a lost manifest or a missing namespace must never keep a lease from going.

use crd::{ComputeLease, labels};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions},
    runtime::controller::Action,
};
use serde_json::json;

use super::{
    Context, LOOK_AGAIN,
    dereference::{self, NamespaceState},
    end::{self, Ending, LastUsage},
    events, hosts,
    owned::Kind,
    status::Outcome,
    stuck, update_status,
};
use crate::metrics::Verb;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Whose the namespace is could not be read.
    #[error("failed to look at the lease's namespace")]
    Dereference(#[source] dereference::Error),
    /// The namespace could not be deleted.
    #[error("failed to delete namespace {name}")]
    DeleteNamespace {
        /// Name of the namespace.
        name: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
    /// A namespace that does not go could not be read.
    #[error("failed to read namespace {name}")]
    GetNamespace {
        /// Name of the namespace.
        name: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
    /// That the removal is stuck could not be written.
    #[error("failed to say that the removal is stuck")]
    UpdateStatus(#[source] update_status::Error),
    /// The lease's hosts could not be given back.
    #[error("failed to give back the lease's hosts")]
    ReleaseHosts(#[source] hosts::claims::Error),
    /// The volumes could not be listed.
    #[error("failed to list volumes")]
    ListVolumes(#[source] kube::Error),
    /// The finalizer could not be set or removed.
    #[error("failed to change the finalizers of {name}")]
    PatchFinalizers {
        /// Name of the `ComputeLease`.
        name: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
}

/// How far removing got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teardown {
    /// The namespace is on its way out.
    DeletingNamespace,
    /// The namespace is gone, a volume of it is not.
    DeletingVolumes,
    /// Nothing is left.
    Gone,
}

/// Makes sure that the object cannot go before its namespace.
pub async fn ensure_finalizer(lease: &ComputeLease, ctx: &Context) -> Result<(), Error> {
    let mut finalizers = lease.finalizers().to_vec();
    if finalizers.iter().any(|finalizer| finalizer == labels::FINALIZER) {
        return Ok(());
    }
    finalizers.push(labels::FINALIZER.to_owned());
    patch_finalizers(lease, ctx, finalizers).await
}

/// Removes everything, then lets the object go.
pub async fn cleanup(lease: &ComputeLease, ctx: &Context) -> Result<Action, Error> {
    if !lease.finalizers().iter().any(|finalizer| finalizer == labels::FINALIZER) {
        ctx.memory.forget(lease);
        ctx.images.forget(lease.metadata.uid.as_deref().unwrap_or_default());
        return Ok(Action::await_change());
    }
    let deleted = lease.metadata.deletion_timestamp.as_ref().map(|time| time.0);
    match end::last_usage(lease, deleted, ctx.settings.final_usage_wait, (ctx.clock)()) {
        LastUsage::Settled => {}
        LastUsage::Awaited(rest) => return Ok(Action::requeue(rest)),
        LastUsage::Overdue => {
            let known = ctx.memory.meter_was_silent(lease);
            if !known {
                events::meter_silent(&ctx.recorder, lease, ctx.settings.final_usage_wait).await;
            }
        }
    }
    let teardown = tear_down(lease, ctx).await?;
    if teardown != Teardown::Gone {
        if let Some(stuck) = stuck::look(lease, ctx, teardown).await? {
            let outcome = Outcome::Ending(Ending::Stuck(stuck));
            update_status::update(lease, ctx, outcome).await.map_err(Error::UpdateStatus)?;
        }
        return Ok(Action::requeue(LOOK_AGAIN));
    }
    let rest =
        lease.finalizers().iter().filter(|finalizer| *finalizer != labels::FINALIZER).cloned().collect();
    patch_finalizers(lease, ctx, rest).await?;
    ctx.memory.forget(lease);
    ctx.images.forget(lease.metadata.uid.as_deref().unwrap_or_default());
    Ok(Action::await_change())
}

/// Deletes the lease's namespace if it is ours, and tells what is left. A namespace of somebody else is none
/// of our business and counts as gone.
pub async fn tear_down(lease: &ComputeLease, ctx: &Context) -> Result<Teardown, Error> {
    let name = lease.name_any();
    match dereference::namespace(&ctx.client, lease).await.map_err(Error::Dereference)? {
        NamespaceState::Ours(namespace) if namespace.terminating => Ok(Teardown::DeletingNamespace),
        NamespaceState::Ours(namespace) => {
            // The UID keeps this from deleting a namespace that took the name after we looked.
            let params = DeleteParams::background()
                .preconditions(Preconditions { uid: Some(namespace.uid), resource_version: None });
            match Api::<Namespace>::all(ctx.client.clone()).delete(&name, &params).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                deleted => {
                    deleted.map_err(|source| Error::DeleteNamespace { name, source })?;
                    ctx.metrics.api_write(Kind::Namespace, Verb::Delete);
                }
            }
            Ok(Teardown::DeletingNamespace)
        }
        NamespaceState::Missing | NamespaceState::OthersTerminating | NamespaceState::Foreign => {
            if !volumes_of(ctx, &name).await?.is_empty() {
                return Ok(Teardown::DeletingVolumes);
            }
            // Only now: while the routes were there, the hosts led to this lease.
            hosts::release_all(lease, ctx).await.map_err(Error::ReleaseHosts)?;
            ctx.proofs.forget(&name);
            Ok(Teardown::Gone)
        }
    }
}

/// Volumes that still refer to the namespace, whatever is to become of them: each is data of the tenant.
pub async fn volumes_of(ctx: &Context, namespace: &str) -> Result<Vec<PersistentVolume>, Error> {
    let mut volumes = Api::<PersistentVolume>::all(ctx.client.clone())
        .list(&ListParams::default())
        .await
        .map_err(Error::ListVolumes)?
        .items;
    volumes.retain(|volume| {
        let claim = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
        claim.and_then(|claim| claim.namespace.as_deref()) == Some(namespace)
    });
    Ok(volumes)
}

/// The resource version turns two writers at once into a conflict, which is tried again.
async fn patch_finalizers(lease: &ComputeLease, ctx: &Context, finalizers: Vec<String>) -> Result<(), Error> {
    let name = lease.name_any();
    let patch = json!({
        "metadata": { "finalizers": finalizers, "resourceVersion": lease.resource_version() }
    });
    let namespace = lease.namespace().unwrap_or_default();
    match Api::<ComputeLease>::namespaced(ctx.client.clone(), &namespace)
        .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
    {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        patched => {
            patched.map_err(|source| Error::PatchFinalizers { name, source })?;
            ctx.metrics.api_write(Kind::ComputeLease, Verb::Patch);
            Ok(())
        }
    }
}
