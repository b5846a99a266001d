//! Proves again and again that the cluster's network plug-in does what network policies say.
//!
//! A plug-in that does not enforce them says nothing: every object is accepted and every tenant reaches everything. So two
//! pseudo-leases are rendered by the builders of real ones, and a connection is tried that must work, one that only the
//! policy of whom it leads to forbids, and one that only the policy of whom it comes from forbids. New leases wait for
//! the first proof and are refused while there is none. Nothing is kept: a proof begins by removing what an earlier one left.

mod attempt;
pub mod dial;
pub mod enforcement;
mod leases;

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType};
use manifest::ImageRef;
use telemetry::CancellationToken;

use self::{
    attempt::Attempt,
    enforcement::{Enforcement, Finding},
};
use crate::{
    lease_controller::{Context, run::Synced},
    metrics::Proved,
};

/// How soon to try again after anything but a proof.
const SOON: Duration = Duration::from_secs(60);

/// How the canary is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanarySettings {
    /// Image with our binary.
    pub image: ImageRef,
    /// Time between two proofs.
    pub period: Duration,
}

/// Proves until the shutdown. Start it when this replica may write.
pub async fn run(ctx: Arc<Context>, canary: CanarySettings, synced: Synced, shutdown: CancellationToken) {
    let proving = async {
        synced.all().await;
        loop {
            let wait = once(&ctx, &canary).await;
            tokio::time::sleep(wait).await;
        }
    };
    tokio::select! {
        () = proving => {}
        () = shutdown.cancelled() => {}
    }
}

/// Removes what a canary left that was switched off since.
pub async fn clear(ctx: Arc<Context>, synced: Synced, shutdown: CancellationToken) {
    let clearing = async {
        synced.all().await;
        while let Err(error) = attempt::clear(&ctx).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to remove the network canary");
            tokio::time::sleep(SOON).await;
        }
    };
    tokio::select! {
        () = clearing => {}
        () = shutdown.cancelled() => {}
    }
}

/// One proof, told to everybody whom it concerns; returns when the next is due.
async fn once(ctx: &Context, canary: &CanarySettings) -> Duration {
    let finding = Attempt::new(ctx, &canary.image).run().await;
    tell(ctx, &finding, canary.period).await;
    // New leases need not wait for this. What is left is removed by the next proof at the latest.
    if let Err(error) = attempt::clear(ctx).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "failed to remove the network canary");
    }
    if finding == Finding::Enforced { canary.period } else { SOON }
}

async fn tell(ctx: &Context, finding: &Finding, period: Duration) {
    let before = ctx.network.current();
    let now = ctx.network.learn(finding, (ctx.clock)(), period);
    match finding {
        Finding::Enforced => tracing::info!("network policies are enforced"),
        Finding::Open(open) => tracing::error!(%open, "network policies are not enforced"),
        Finding::Inconclusive { why } => {
            tracing::warn!(why, "whether network policies are enforced was not found out")
        }
    }
    ctx.metrics.network_proved(match finding {
        Finding::Enforced => Proved::Enforced,
        Finding::Open(open) => Proved::Open(*open),
        Finding::Inconclusive { .. } => Proved::Nothing,
    });
    if before == now {
        return;
    }
    let (type_, reason, note) = match &now {
        Enforcement::Unchecked | Enforcement::Pending => return,
        Enforcement::Enforced { .. } if matches!(before, Enforcement::Enforced { .. }) => return,
        Enforcement::Enforced { .. } => {
            (EventType::Normal, crd::reason::NETWORK_ENFORCED, "network policies are enforced".to_owned())
        }
        Enforcement::Open(open) => (
            EventType::Warning,
            crd::reason::NETWORK_NOT_ENFORCED,
            format!("new leases are refused: {open}; leases that run are not kept apart by network policies"),
        ),
        Enforcement::Unproved { why } => {
            (EventType::Warning, crd::reason::NETWORK_UNPROVED, format!("new leases wait: {why}"))
        }
    };
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note.chars().take(1000).collect()),
        action: crd::reason::PROVE_NETWORK.to_owned(),
        secondary: None,
    };
    if let Err(error) = ctx.recorder.publish(&event, &ourselves(ctx)).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "failed to write an event");
    }
}

/// What an Event about the whole cluster is about: the object by which we are elected.
fn ourselves(ctx: &Context) -> ObjectReference {
    ObjectReference {
        api_version: Some("coordination.k8s.io/v1".to_owned()),
        kind: Some("Lease".to_owned()),
        name: Some(crd::labels::OPERATOR_ELECTION.to_owned()),
        namespace: Some(ctx.settings.system_namespace.clone()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests;
