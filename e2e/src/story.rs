//! The story, chapter by chapter. Each chapter acts only through doors that its actor has in real life.

mod close;
mod crash;
mod guestbook;
mod install;
mod meter;
mod observe;
mod order;
pub mod public;

use anyhow::Result;
use guestbook::Door;
use public::Front;

use crate::cluster;
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
    let message = format!("leased as {}", opened.lease_id);
    let door = Door::open(world, &opened).await?;
    let guestbook = door.write_and_read(&message).await?;
    door.close().await?;
    let log = world.tenant.output(&["logs", &opened.lease_id.to_string(), "web"]).await?;
    anyhow::ensure!(log.contains("POST /entries"), "the visit is not in the front end's log");

    let mut front = None;
    if let Some(street) = &world.street {
        timeline.start("visit the guestbook by its public host, through the provider's Gateway");
        front = Some(Front::open(world, street, &opened, &guestbook).await?);
    }

    timeline.start("kill -9 operator and agent: the lease goes on");
    crash::kill_operator_and_agent(world, &opened, &pods).await?;
    let door = Door::open(world, &opened).await?;
    door.await_entry(&guestbook).await?;
    door.close().await?;

    timeline.start("meter the lease from the real kubelet");
    let cpu = meter::meter_for(world, &opened, world.args.meter_seconds, &mut pods).await?;
    let resident_memory = observe::resident_memory(world).await?;

    if let (Some(front), Some(street)) = (&mut front, &world.street) {
        timeline.start("visit by the tenant's own host, proven by a DNS record; strangers get neither host");
        front.await_own_host(world, street, &opened).await?;
        front.withstand_strangers(world, street, &opened).await?;
    }

    timeline.start("exchange a statement and settle it on chain");
    let metered = meter::settle(world, &opened).await?;

    timeline.start("close: final statement, settlement, refund");
    let closed = close::close(world, &opened).await?;

    timeline.start("namespace gone, withdraw");
    let namespace_gone = close::await_namespace_gone(world, &opened, closed.requested).await?;
    let visits = match (front, &world.street) {
        (Some(front), Some(street)) => front.await_nobody(world, street).await?,
        _ => Vec::new(),
    };
    close::withdraw_everything(world).await?;
    let after = world.balances(Some(opened.lease_id)).await?;

    timeline.start("collect the evidence");
    observe::no_secret_was_logged(world).await?;
    let latencies = observe::latencies(world, &opened, namespace_gone).await?;
    let transactions = observe::transactions(world).await?;
    let evidence = Evidence {
        chain_id: world.chain.deployment().chain_id,
        kubernetes: observe::kubernetes_version(world).await?,
        nodes: cluster::nodes(&world.cluster).await?,
        pods,
        cpu,
        guestbook: guestbook.to_string(),
        visits,
    };
    timeline.finish();
    Ok(Report {
        version: 1,
        timeline: timeline.steps().to_vec(),
        latencies,
        lease,
        usage: meter::rows(&metered, &closed.settled)?,
        balances: before.compare(&after)?,
        transactions,
        evidence,
        api_writes,
        resident_memory,
    })
}
