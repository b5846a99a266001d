//! The API server and etcd die and come back, while one lease is made and another ends.

use std::{env, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use crd::{ComputeLease, DesiredState, LeaseName, LeaseUsage, Phase, condition, reason};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use telemetry::CancellationToken;
use tokio::process::Command;

use super::{
    end_state,
    supervisor::{Seen, keep},
};
use crate::{
    cluster::{Cluster, guestbook},
    kubelet::Kubelet,
    meter::{self, begin_term, published, reason_of},
    operator::phase,
    running::Running,
};

/// Longer than an operator goes on without renewing its term, and than a standby waits for the Lease.
const SHORT: Duration = Duration::from_secs(17);
/// What the API server's absence is to be survived at length.
const LONG: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the testbed's control plane: cargo xtask test runs it"]
async fn an_api_server_that_was_away_finds_nothing_lost_and_nothing_doubled() -> Result<()> {
    let is_deep = env::var("LEASEHOLD_DEEP").is_ok_and(|deep| deep == "1");
    let length = if is_deep { LONG } else { SHORT };
    let story = async |cluster: &Cluster| {
        let ends = survives(cluster, "kube-apiserver", length).await?;
        ensure!(ends >= 1, "without the API server an operator's term ends, and its process with it");
        Ok(())
    };
    Cluster::connect("api-server-away").await?.clean_up_after(story).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the testbed's control plane: cargo xtask test runs it"]
async fn an_etcd_that_was_killed_and_started_again_loses_nothing() -> Result<()> {
    let story = async |cluster: &Cluster| survives(cluster, "etcd", Duration::ZERO).await.map(drop);
    Cluster::connect("etcd-restart").await?.clean_up_after(story).await
}

/// Kills a part of the control plane for this long and returns once it answers again.
async fn outage(part: &str, length: Duration) -> Result<()> {
    let seconds = length.as_secs().to_string();
    let output = Command::new(env!("CARGO"))
        .args(["xtask", "testbed", "outage", part, "--seconds", &seconds, "--control-plane-only"])
        .stdin(Stdio::null())
        .kill_on_drop(false)
        .output()
        .await
        .context("failed to run cargo xtask testbed outage")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The story; returns how often the operator's process ended.
async fn survives(cluster: &Cluster, part: &str, length: Duration) -> Result<usize> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let (operator, meter, done) = (Seen::default(), Seen::default(), CancellationToken::new());
    let start_operator =
        |before| Running::start_as(cluster, &format!("operator-{before}")).map(|running| running.process);
    let start_meter = |before| meter::start(cluster, &format!("meter-{before}"));
    let (kept, metered, told) =
        tokio::join!(keep(start_operator, &operator, &done), keep(start_meter, &meter, &done), async {
            let told = story(cluster, part, length, &operator, &meter).await;
            done.cancel();
            told
        });
    told?;
    kept?;
    metered?;
    let (operator, meter) = (operator.record(), meter.record());
    println!("{part} away for {length:?}: operator ended {:?}, meter ended {:?}", operator.ends, meter.ends);
    println!("operator's /readyz meanwhile: {:?}", operator.complaints);
    for (process, record) in [("operator", &operator), ("meter", &meter)] {
        ensure!(record.deaths.is_empty(), "/healthz of the {process} failed: {:?}", record.deaths);
        ensure!(
            record.ends.iter().all(|why| why.contains("the lease of the election")),
            "the {process} ended: {:?}",
            record.ends
        );
        // What was started without an API server says so, and does not call itself ready.
        let is_told = record.ends.is_empty()
            || record.complaints.iter().any(|complaint| {
                complaint.contains("not listed yet") || complaint.contains("failed to look for")
            });
        ensure!(is_told, "/readyz of the {process}: {:?}", record.complaints);
    }
    Ok(operator.ends.len())
}

async fn story(cluster: &Cluster, part: &str, length: Duration, operator: &Seen, meter: &Seen) -> Result<()> {
    // One that runs and is metered, and one that runs and will end.
    let (steady, ending) = (open(cluster, 0xd1).await?, open(cluster, 0xd2).await?);
    for (name, _) in [&steady, &ending] {
        phase(cluster, name, Phase::Ready).await?;
        begin_term(cluster, name).await?;
        published(cluster, name, 2).await?;
    }
    let (steady, ending) = (steady.0, ending);
    operator.ready().await?;
    meter.ready().await?;
    let usage = published(cluster, &steady, 2).await?;
    let pods = pods(cluster, &steady).await?;

    // In the middle of a beginning and of an end.
    let begun = open(cluster, 0xd3).await?;
    let end = json!({"spec": {"desired": DesiredState::Ended}});
    let leases = cluster.own::<ComputeLease>();
    leases.patch(ending.0.as_str(), &PatchParams::default(), &Patch::Merge(&end)).await?;
    operator.forget_complaints();
    meter.forget_complaints();
    outage(part, length).await?;
    let back = tokio::time::Instant::now();

    phase(cluster, &begun.0, Phase::Ready).await?;
    let ended = phase(cluster, &ending.0, Phase::Ended).await?;
    operator.ready().await?;
    meter.ready().await?;
    println!("{part}: all leases were where they should be {:?} after it came back", back.elapsed());

    ensure!(cluster.all::<Namespace>().get_opt(ending.0.as_str()).await?.is_none());
    ensure!(condition::is_true(ended.conditions(), condition::CLEANED));
    let words = [reason::FINAL_USAGE_PUBLISHED, reason::METER_SILENT];
    ensure!(words.contains(&reason_of(&ended, condition::USAGE_FINAL)), "{:?}", ended.conditions());
    ensure!(pods == self::pods(cluster, &steady).await?, "a lease that ran goes on untouched");
    moved_on(&usage, &published(cluster, &steady, usage.sequence + 2).await?)?;

    // The same manifest without any trouble ends up the same.
    let calm = open(cluster, 0xd4).await?;
    phase(cluster, &calm.0, Phase::Ready).await?;
    let (wanted, found) = (end_state::of(cluster, &calm.0).await?, end_state::of(cluster, &begun.0).await?);
    for (kind, wanted) in &wanted {
        ensure!(found.get(kind) == Some(wanted), "{kind}:\n{wanted:#?}\n{:#?}", found.get(kind));
    }
    ensure!(leases.list(&ListParams::default()).await?.items.len() == 4);
    Ok(())
}

/// Opens a lease whose pods get ready as they come.
async fn open(cluster: &Cluster, seed: u8) -> Result<(LeaseName, Kubelet)> {
    let name = cluster.open_lease(seed, &guestbook()).await?;
    let kubelet = Kubelet::start(cluster, &name, "nobody");
    Ok((name, kubelet))
}

/// Usage is newer, and no counter fell: while nobody counted, nothing was counted.
fn moved_on(before: &LeaseUsage, after: &LeaseUsage) -> Result<()> {
    ensure!(after.sequence > before.sequence && after.as_of > before.as_of, "{before:?} {after:?}");
    let number = |text: &str| text.parse::<u128>();
    let (old, new) = (&before.allocated, &after.allocated);
    for (old, new) in [
        (&old.uptime_seconds, &new.uptime_seconds),
        (&old.cpu_milli_seconds, &new.cpu_milli_seconds),
        (&old.memory_byte_seconds, &new.memory_byte_seconds),
        (&old.storage_byte_seconds, &new.storage_byte_seconds),
    ] {
        ensure!(number(new)? >= number(old)?, "{before:?} {after:?}");
    }
    Ok(())
}

/// Identities of a lease's pods.
async fn pods(cluster: &Cluster, name: &LeaseName) -> Result<Vec<Option<String>>> {
    let pods = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(cluster.admin.clone(), name.as_str());
    let mut uids: Vec<_> =
        pods.list(&ListParams::default()).await?.into_iter().map(|pod| pod.metadata.uid).collect();
    uids.sort();
    Ok(uids)
}
