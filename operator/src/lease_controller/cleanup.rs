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
    owned::Kind,
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
        ctx.meter.forget(lease);
        return Ok(Action::await_change());
    }
    if tear_down(lease, ctx).await? != Teardown::Gone {
        return Ok(Action::requeue(LOOK_AGAIN));
    }
    let rest =
        lease.finalizers().iter().filter(|finalizer| *finalizer != labels::FINALIZER).cloned().collect();
    patch_finalizers(lease, ctx, rest).await?;
    ctx.memory.forget(lease);
    ctx.meter.forget(lease);
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
            Ok(if has_volumes(ctx, &name).await? { Teardown::DeletingVolumes } else { Teardown::Gone })
        }
    }
}

/// Whether a volume that is to be deleted with its claim still refers to the namespace.
async fn has_volumes(ctx: &Context, namespace: &str) -> Result<bool, Error> {
    let volumes = Api::<PersistentVolume>::all(ctx.client.clone())
        .list(&ListParams::default())
        .await
        .map_err(Error::ListVolumes)?;
    Ok(volumes.iter().filter_map(|volume| volume.spec.as_ref()).any(|spec| {
        let claim = spec.claim_ref.as_ref().and_then(|claim| claim.namespace.as_deref());
        let deletes = spec.persistent_volume_reclaim_policy.as_deref().unwrap_or("Delete") == "Delete";
        claim == Some(namespace) && deletes
    }))
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
