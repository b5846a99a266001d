//! The tenant's deployment: one command from the manifest to ready pods and a confirmed lease.

use std::time::Instant;

use anyhow::{Context, Result};
use market::{LeaseId, LeaseState};

use crate::leasehold::text;
use crate::story::{meter, public};
use crate::world::World;

/// What the tenant locks in the lease, whole test tokens.
const DEPOSIT: &str = "5";

/// A lease that runs.
#[derive(Debug)]
pub(super) struct Opened {
    /// Its id.
    pub(super) lease_id: LeaseId,
    /// The name of its `ComputeLease` and of its namespace.
    pub(super) namespace: String,
    /// When the operator saw all workloads ready, Unix seconds.
    pub(super) ready_at: i64,
}

/// Runs `leasehold deploy` and checks that the chain says Active.
///
/// # Errors
/// When the command fails or the chain disagrees with it.
pub(super) async fn deploy_guestbook(world: &mut World) -> Result<Opened> {
    let manifest = public::manifest(world)?.display().to_string();
    let begun = Instant::now();
    let told = world.tenant.run(&["deploy", &manifest, "--deposit", DEPOSIT, "--yes"]).await?;
    println!("          deployed in {} s", begun.elapsed().as_secs());
    let lease_id: LeaseId = text(&told, "/leaseId")?.parse().context("the lease id is no hash")?;
    let namespace = crd::lease_name(lease_id);
    world.lease_namespace = Some(namespace.clone());
    let lease = world.lease(lease_id).await?;
    anyhow::ensure!(lease.state == LeaseState::Active, "the chain's lease is {:?}, not Active", lease.state);
    anyhow::ensure!(
        lease.provider == world.keys.owner.address,
        "another provider has the lease: {}",
        lease.provider
    );
    let mut opened = Opened { lease_id, namespace, ready_at: 0 };
    let lease = meter::compute_lease(world, &opened).await?;
    let ready =
        lease.conditions().iter().find(|condition| condition.type_ == "Ready" && condition.status == "True");
    opened.ready_at = ready.context("the ComputeLease is not Ready")?.last_transition_time.0.as_second();
    Ok(opened)
}
