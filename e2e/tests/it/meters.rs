//! Two meters on one ledger in PostgreSQL: one counts, and the other takes over when that one dies or falls asleep.
//!
//! The shipped `operator meter`, twice, each behind a [`e2e::fault_proxy`] that remembers what it wrote, and each with a role of
//! its own in the database, which writes down who wrote when. Kubelets are played; their pods burn so steadily that what
//! must be published is known. Reading order: [`database`], [`replica`], [`published`].

mod database;
mod published;
mod replica;

use std::{env, path::PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::meter_bench::{
    cluster::{Cluster as Load, Size},
    truth,
};
use fake_kubelet::Fleet;
use k8s_openapi::jiff::Timestamp;

use crate::cluster::Cluster;
use database::Database;
use published::{Published, all_published, every_lease_is_proved};
use replica::Replica;

/// Two leases' pods on a node are enough to see one of them missed.
const SIZE: Size = Size { pods: 12, nodes: 2, pods_per_lease: 2 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn of_two_meters_on_one_database_one_writes_and_the_other_takes_over() -> Result<()> {
    Cluster::connect("meters").await?.clean_up_after(take_turns).await
}

async fn take_turns(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    let kubeconfig: PathBuf = env::var_os("LEASEHOLD_TEST_KUBECONFIG").context("there is no cluster")?.into();
    let load = Load::make(&kubeconfig, &cluster.system, SIZE).await?;
    let tested = count(cluster, &load).await;
    let removed = load.remove().await;
    tested.and(removed)
}

async fn count(cluster: &Cluster, load: &Load) -> Result<()> {
    let fleet = Fleet::start(load.pods_by_node()).await?;
    let beating = tokio::spawn(load.heartbeats());
    let database = Database::start(&["first", "second", "third"]).await?;
    let published = Published::follow(load.leases());

    let mut first = Replica::start(cluster, &fleet, &database, "first").await?;
    let seen_since = Timestamp::now().as_second();
    all_published(load, 3).await?;
    let second = Replica::start(cluster, &fleet, &database, "second").await?;
    second.ready().await?;
    ensure!(second.writes().is_empty(), "one that stands by wrote {:?}", second.writes());

    // It dies in the middle of a transaction.
    let held = database.hold_writers().await?;
    database.one_waits("first").await?;
    first.kill().await?;
    let died = database.now().await?;
    drop(held);
    let stood = all_published(load, 0).await?;
    database.wrote("second").await?;
    all_published(load, stood + 3).await?;
    let writes = database.writes().await?;
    ensure!(writes.of("first").iter().all(|at| *at <= died), "the dead wrote: {writes:?}");
    ensure!(writes.take_turns(&["first", "second"]), "two wrote at once: {writes:?}");
    truth::compare(load, seen_since).await?;

    // It falls asleep in the middle of a transaction, and wakes when another one has taken over.
    let third = Replica::start(cluster, &fleet, &database, "third").await?;
    third.ready().await?;
    let held = database.hold_writers().await?;
    database.one_waits("second").await?;
    second.pause().await?;
    drop(held);
    let stood = all_published(load, 0).await?;
    database.wrote("third").await?;
    all_published(load, stood + 3).await?;
    second.forget_writes();
    second.wake().await?;
    let asked = second.ended_by_itself().await?;
    ensure!(asked.is_empty(), "a deposed meter wrote {asked:?}");
    all_published(load, stood + 6).await?;
    let writes = database.writes().await?;
    ensure!(writes.take_turns(&["first", "second", "third"]), "a deposed meter wrote: {writes:?}");
    truth::compare(load, seen_since).await?;

    third.stop().await?;
    every_lease_is_proved(load, &database).await?;
    published.never_went_back().await?;
    ensure!(!beating.is_finished(), "the nodes' heartbeats have ended");
    beating.abort();
    Ok(())
}
