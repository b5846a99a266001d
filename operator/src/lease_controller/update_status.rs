//! Writes the status, last and only when it changed.

use std::time::Duration;

use crd::{ComputeLease, labels};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    Applied, Context, events, handover,
    owned::Kind,
    pods, settling,
    status::{self, Observation, Outcome},
};
use crate::metrics::Verb;

/// The status could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is the meter's could not be handed to it first.
    #[error("failed to leave the usage to the meter")]
    HandOver(#[source] handover::Error),
    /// The write failed.
    #[error("failed to patch the status of {name}")]
    Patch {
        /// Name of the lease.
        name: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
}

/// What became of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// The API shows it.
    Settled,
    /// It waits this long for the next, which may replace it.
    Held(Duration),
}

/// Computes the status from what happened and writes it if it differs from the last one.
pub async fn update(lease: &ComputeLease, ctx: &Context, outcome: Outcome<'_>) -> Result<Update, Error> {
    let current = ctx.memory.status(lease);
    let now = (ctx.clock)();
    let is_applied = matches!(outcome, Outcome::Accepted { applied: Applied::Complete, .. });
    let mut wanted = status::compute(Observation {
        lease,
        current: &current,
        outcome,
        pods: &pods::of_lease(&ctx.stores.pods, lease),
        settings: &ctx.settings,
        final_logs: &ctx.memory.final_logs(lease),
        refused_pods: &ctx.memory.refused_pods(lease),
        now,
    });
    wanted.objects_digest = ctx.memory.objects_digest(lease).or(wanted.objects_digest);
    if wanted == current {
        ctx.memory.holds_no_status(lease);
        return Ok(Update::Settled);
    }
    if is_applied
        && settling::is_passing(&current, &wanted)
        && let Some(rest) = settling::rest(ctx.memory.holds_status(lease, now), now)
    {
        return Ok(Update::Held(rest));
    }
    if handover::is_due(lease) {
        handover::hand_over(&ctx.client, lease).await.map_err(Error::HandOver)?;
        ctx.metrics.api_write(Kind::ComputeLease, Verb::Apply);
    }
    let name = lease.name_any();
    let patch = json!({
        "apiVersion": ComputeLease::api_version(&()),
        "kind": ComputeLease::kind(&()),
        "metadata": { "name": name },
        "status": wanted,
    });
    Api::<ComputeLease>::namespaced(ctx.client.clone(), &lease.namespace().unwrap_or_default())
        .patch_status(
            &name,
            &PatchParams::apply(labels::OPERATOR_FIELD_MANAGER).force(),
            &Patch::Apply(&patch),
        )
        .await
        .map_err(|source| Error::Patch { name, source })?;
    ctx.metrics.api_write(Kind::ComputeLease, Verb::Apply);
    let notices = events::notices(&current, &wanted);
    ctx.memory.wrote_status(lease, wanted);
    events::changed(&ctx.recorder, &ctx.memory, lease, notices, now).await;
    Ok(Update::Settled)
}
