//! Two replicas of the operator on a real API server: one works, the other takes over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crd::{ComputeLease, Phase};
use k8s_openapi::api::coordination::v1::Lease;

use crate::{
    cluster::{Cluster, guestbook, wait},
    operator::phase,
    running::{Killable, Running},
};

/// What a killed leader costs: the Lease's duration, one try of the standby, and what a busy machine adds.
const LONGEST_TAKEOVER: Duration = Duration::from_secs(20);
/// What an orderly end costs: one try of the standby, and what a busy machine adds.
const LONGEST_HANDOVER: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_standby_takes_over_from_a_killed_leader_and_from_one_that_ends() -> Result<()> {
    Cluster::connect("election").await?.clean_up_after(succession).await
}

async fn succession(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let first = Killable::start_as(cluster, "first")?;
    elected(cluster, "first").await?;
    let name = cluster.open_lease(0xb1, &guestbook()).await?;
    phase(cluster, &name, Phase::Provisioning).await?;

    let second = Running::start_as(cluster, "second")?;
    passes(&second).await?;
    assert!(first.metrics.is_leader() && !second.metrics.is_leader());
    assert_eq!(second.metrics.api_writes(), 0, "a standby writes nothing");

    let (metrics, killed) = (first.metrics.clone(), Instant::now());
    first.kill();
    let name = cluster.open_lease(0xb2, &guestbook()).await?;
    elected(cluster, "second").await?;
    let takeover = killed.elapsed();
    println!("took over from a killed leader after {takeover:?}");
    assert!(takeover < LONGEST_TAKEOVER, "{takeover:?}");
    let written = metrics.api_writes();
    phase(cluster, &name, Phase::Provisioning).await?;
    assert_eq!(metrics.api_writes(), written, "the dead write nothing");

    let third = Running::start_as(cluster, "third")?;
    passes(&third).await?;
    let ended = Instant::now();
    second.stop().await?;
    elected(cluster, "third").await?;
    let handover = ended.elapsed();
    println!("took over from a leader that ended after {handover:?}");
    assert!(handover < LONGEST_HANDOVER, "{handover:?}");
    let name = cluster.open_lease(0xb3, &guestbook()).await?;
    phase(cluster, &name, Phase::Provisioning).await?;
    third.stop().await?;
    let leases: Vec<ComputeLease> = cluster.own().list(&Default::default()).await?.items;
    assert_eq!(leases.len(), 3);
    Ok(())
}

async fn elected(cluster: &Cluster, replica: &'static str) -> Result<()> {
    let is_holder = move |lease: Option<&Lease>| {
        let spec = lease.and_then(|lease| lease.spec.as_ref());
        spec.is_some_and(|spec| spec.holder_identity.as_deref() == Some(replica))
    };
    wait(&cluster.own::<Lease>(), &cluster.operator(), is_holder).await.context("election")?;
    Ok(())
}

/// A standby is ready as soon as it could take over.
async fn passes(operator: &Running) -> Result<()> {
    tokio::time::timeout(Duration::from_secs(30), async {
        let mut look = tokio::time::interval(Duration::from_millis(50));
        while !operator.process.ready.report().passes() {
            look.tick().await;
        }
    })
    .await
    .context("the standby did not get ready")
}
