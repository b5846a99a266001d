//! The story, chapter by chapter. Each chapter acts only through doors that its actor has in real life.

mod close;
mod guestbook;
mod install;
mod meter;
mod observe;
mod order;

use anyhow::Result;

use crate::report::{Evidence, Lease, Report};
use crate::timeline::Timeline;
use crate::world::World;

/// Tells it from the contracts to the refund.
///
/// # Errors
/// Whatever the failing chapter says; [`Timeline::current`] names it.
pub async fn tell(world: &mut World, timeline: &mut Timeline) -> Result<Report> {
    timeline.start("install the chart (operator and agent as pods)");
    install::install_chart(world).await?;
    let before = world.balances(None).await?;

    timeline.start("register the provider: bond, cold owner key, hot operator key");
    install::register_provider(world).await?;
    install::await_agent_ready(world).await?;

    timeline.start("order, bid, lease, manifest, pods ready, confirmed on chain");
    let opened = order::deploy_guestbook(world).await?;
    let lease = Lease {
        id: opened.lease_id.to_string(),
        namespace: opened.namespace.clone(),
        provider: world.keys.owner.address.to_string(),
        tenant: world.keys.tenant.address.to_string(),
    };
    let mut pods = observe::pods(world, &opened).await?;
    let api_writes = observe::api_writes(world).await?;

    timeline.start("write a guestbook entry and read it back through the lease");
    let guestbook = guestbook::write_and_read(world, &opened).await?;

    timeline.start("meter the lease from the real kubelet");
    meter::meter_for(world, &opened, world.args.meter_seconds, &mut pods).await?;
    let resident_memory = observe::resident_memory(world).await?;

    timeline.start("exchange a statement and settle it on chain");
    let metered = meter::settle(world, &opened).await?;

    timeline.start("close: final statement, settlement, refund");
    let closed = close::close(world, &opened).await?;

    timeline.start("namespace gone, withdraw");
    let namespace_gone = close::await_namespace_gone(world, &opened, closed.requested).await?;
    close::withdraw_everything(world).await?;
    let after = world.balances(Some(opened.lease_id)).await?;
    timeline.finish();

    Ok(Report {
        version: 1,
        timeline: timeline.steps().to_vec(),
        latencies: observe::latencies(world, &opened, namespace_gone).await?,
        lease,
        usage: meter::rows(&metered, &closed.settled)?,
        balances: before.compare(&after)?,
        transactions: observe::transactions(world).await?,
        evidence: Evidence {
            chain_id: world.chain.deployment().chain_id,
            kubernetes: observe::kubernetes_version(world).await?,
            nodes: crate::cluster::nodes(&world.cluster).await?,
            pods,
            guestbook,
        },
        api_writes,
        resident_memory,
    })
}
