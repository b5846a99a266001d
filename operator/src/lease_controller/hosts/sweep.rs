//! Keeps the index true without anybody asking: hosts of leases that are gone are given back, and claims whose cool-down is
//! over are deleted. Cleaning up after a lease does the former at once; this is for what a crash in between left.

use std::sync::Arc;

use crd::{ComputeLease, ComputeLeaseRef, HostClaimSpec, Phase};
use kube::{
    Api, ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use telemetry::CancellationToken;
use tokio::time::Duration;

use super::{
    super::{Context, run::Synced},
    claims::{Error, Index, holder},
    decide::{self, Patience},
};

/// Time between two sweeps.
const INTERVAL: Duration = Duration::from_secs(300);

/// What a sweep does with a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// Its lease seems to be gone: look once more, and give the host back.
    Release,
    /// Nobody waits for it any more.
    Delete,
}

/// Decides about one claim. `holds` tells whether the lease that it names still holds hosts.
pub fn step(
    claim: &HostClaimSpec,
    holds: impl FnOnce(&ComputeLeaseRef) -> bool,
    patience: Patience,
    now: i64,
) -> Step {
    if decide::is_forgotten(claim, patience, now) {
        Step::Delete
    } else if claim.released_at.is_none() && !holds(&claim.compute_lease) {
        Step::Release
    } else {
        Step::Keep
    }
}

/// Whether a lease of this state holds hosts: its namespace, and with it its routes, may be there.
pub fn holds(lease: Option<&ComputeLease>, claimed: &ComputeLeaseRef) -> bool {
    lease.is_some_and(|lease| {
        holder(lease) == *claimed && lease.status.as_ref().is_none_or(|status| status.phase != Phase::Ended)
    })
}

/// Sweeps until the shutdown, once the leases are known. Start it when this replica may write.
pub async fn run(
    ctx: Arc<Context>,
    leases: Store<ComputeLease>,
    synced: Synced,
    shutdown: CancellationToken,
) {
    synced.all().await;
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = shutdown.cancelled() => return,
        }
        if let Err(error) = sweep(&ctx, &leases).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to sweep host claims");
        }
    }
}

/// Goes through all claims once.
pub async fn sweep(ctx: &Context, leases: &Store<ComputeLease>) -> Result<(), Error> {
    let Some(exposure) = &ctx.settings.exposure else { return Ok(()) };
    let patience = exposure.patience();
    let namespace = &ctx.settings.system_namespace;
    let index = Index { client: &ctx.client, metrics: &ctx.metrics, namespace };
    let now = (ctx.clock)().as_second();
    for claim in index.all().await? {
        let known = |claimed: &ComputeLeaseRef| {
            let lease = leases.get(&ObjectRef::new(&claimed.name).within(namespace));
            holds(lease.as_deref(), claimed)
        };
        match step(&claim.spec, known, patience, now) {
            Step::Keep => {}
            Step::Delete => index.delete(&claim).await?,
            Step::Release => {
                // The watch may lag behind; a host is not taken from a lease for that.
                let name = &claim.spec.compute_lease.name;
                let api = Api::<ComputeLease>::namespaced(ctx.client.clone(), namespace);
                let lease = api
                    .get_opt(name)
                    .await
                    .map_err(|source| Error::Read { host: claim.name_any(), source })?;
                if !holds(lease.as_ref(), &claim.spec.compute_lease) {
                    index.release(&claim, now).await?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::lease_controller::test_support::{NOW, lease, lease_id, manifest_yaml};

    fn claim(lease: &ComputeLease, released_at: Option<i64>) -> HostClaimSpec {
        HostClaimSpec {
            host: "shop.example.com".to_owned(),
            lease_id: lease_id().to_string(),
            compute_lease: holder(lease),
            tenant: lease.spec.tenant.clone(),
            service: "web".to_owned(),
            port: 8080,
            unproven_since: None,
            released_at,
        }
    }

    #[test]
    fn hosts_of_leases_that_are_gone_are_released_and_forgotten_claims_deleted() {
        let patience =
            Patience { cooldown: SignedDuration::from_hours(24), grace: SignedDuration::from_hours(1) };
        let living = lease(&manifest_yaml());
        let mut ended = living.clone();
        ended.status =
            Some(crd::ComputeLeaseStatus { phase: Phase::Ended, ..crd::ComputeLeaseStatus::default() });
        let mut successor = living.clone();
        successor.metadata.uid = Some("another".to_owned());
        let held = claim(&living, None);
        for (lease, expected) in [
            (Some(&living), Step::Keep),
            (Some(&ended), Step::Release),
            (Some(&successor), Step::Release),
            (None, Step::Release),
        ] {
            assert_eq!(step(&held, |claimed| holds(lease, claimed), patience, NOW), expected);
        }
        for (released_at, expected) in [(NOW - 86_399, Step::Keep), (NOW - 86_400, Step::Delete)] {
            assert_eq!(step(&claim(&living, Some(released_at)), |_| false, patience, NOW), expected);
        }
    }
}
