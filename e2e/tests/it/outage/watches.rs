//! Watches that are cut again and again, and watches that are open and say nothing.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use crd::{ComputeLease, DesiredState, LeaseName, Phase};
use e2e::fault_proxy::{FaultProxy, Link, Watches};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Client, Config,
    api::{Patch, PatchParams},
};
use operator::{
    metrics::Metrics,
    watches::{RestartCause, WatchTimes},
};
use serde_json::json;
use telemetry::Checks;

use super::end_state;
use crate::{
    cluster::{Cluster, guestbook},
    kubelet::Kubelet,
    operator::phase,
    running::Running,
};

/// Every kind that the operator follows here.
const KINDS: [&str; 15] = [
    "ComputeLease",
    "Pod",
    "PersistentVolumeClaim",
    "Node",
    "StorageClass",
    "RuntimeClass",
    "Namespace",
    "ResourceQuota",
    "LimitRange",
    "NetworkPolicy",
    "ServiceAccount",
    "RoleBinding",
    "Deployment",
    "StatefulSet",
    "Service",
];
const CUTS: u32 = 50;
const BETWEEN_CUTS: Duration = Duration::from_millis(700);
/// So short that a test sees all of it.
const QUICK: WatchTimes = WatchTimes {
    lifetime: Duration::from_secs(3),
    margin: Duration::from_secs(1),
    answer: Duration::from_secs(4),
    longest_pause: Duration::from_secs(2),
};

fn through(proxy: &FaultProxy) -> Result<Client> {
    Ok(Client::try_from(Config::new(proxy.url().parse()?))?)
}

async fn wanted(cluster: &Cluster, name: &LeaseName, desired: DesiredState) -> Result<()> {
    let change = json!({"spec": {"desired": desired}});
    let leases = cluster.own::<ComputeLease>();
    leases.patch(name.as_str(), &PatchParams::default(), &Patch::Merge(&change)).await?;
    Ok(())
}

async fn until(checks: &Checks, passes: bool, patience: Duration) -> Result<()> {
    let reached = async {
        // Before it has begun there is nothing to complain about.
        while checks.report().passes() != passes || checks.report().to_string().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(patience, reached).await.with_context(|| checks.report().to_string())
}

fn sum(metrics: &Metrics, of: impl Fn(&Metrics, &str) -> u64) -> u64 {
    KINDS.iter().map(|kind| of(metrics, kind)).sum()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn watches_that_are_cut_fifty_times_miss_nothing_and_do_not_hammer() -> Result<()> {
    Cluster::connect("cuts").await?.clean_up_after(cut).await
}

async fn cut(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let proxy = FaultProxy::start(cluster.operator_config()).await?;
    let operator = Running::start_with(cluster, through(&proxy)?, "operator")?;
    until(&operator.process.ready, true, Duration::from_secs(60)).await?;
    let lists = sum(&operator.metrics, |metrics, kind| metrics.watches.lists(kind));

    let mut leases = Vec::new();
    let mut next_cut = tokio::time::interval(BETWEEN_CUTS);
    let began = tokio::time::Instant::now();
    for round in 0..CUTS {
        next_cut.tick().await;
        // All that are open; none that is opened later.
        proxy.cut_watches(0);
        match round {
            0 | 10 | 20 => {
                let name = cluster.open_lease(0xe0 + u8::try_from(round)?, &guestbook()).await?;
                let kubelet = Kubelet::start(cluster, &name, "nobody");
                leases.push((name, kubelet));
            }
            30 => wanted(cluster, &leases[1].0, DesiredState::Paused).await?,
            40 => wanted(cluster, &leases[2].0, DesiredState::Ended).await?,
            _ => {}
        }
    }
    let cutting = began.elapsed();
    phase(cluster, &leases[0].0, Phase::Ready).await?;
    phase(cluster, &leases[1].0, Phase::Paused).await?;
    phase(cluster, &leases[2].0, Phase::Ended).await?;
    let settled = began.elapsed() - cutting;
    ensure!(cluster.all::<Namespace>().get_opt(leases[2].0.as_str()).await?.is_none());

    let restarts = sum(&operator.metrics, |metrics, kind| {
        let of = |cause| metrics.watches.restarts(kind, cause);
        of(RestartCause::Failed) + of(RestartCause::Ended) + of(RestartCause::Silent)
    });
    let again = sum(&operator.metrics, |metrics, kind| metrics.watches.lists(kind)) - lists;
    let watches = u64::try_from(KINDS.len())?;
    println!(
        "{CUTS} cuts in {cutting:?} of {watches} watches: {restarts} watches begun again, {again} lists; all leases in \
         place {settled:?} after the last cut"
    );
    ensure!(again == 0, "a watch goes on where it was cut");
    // Without a pace of its own each would come back at once, every time.
    ensure!(restarts >= 2 * watches && restarts <= 12 * watches, "{restarts}");
    ensure!(operator.process.alive.report().passes(), "{}", operator.process.alive.report());

    let calm = cluster.open_lease(0xee, &guestbook()).await?;
    let _kubelet = Kubelet::start(cluster, &calm, "nobody");
    phase(cluster, &calm, Phase::Ready).await?;
    let (wanted, found) = (end_state::of(cluster, &calm).await?, end_state::of(cluster, &leases[0].0).await?);
    for (kind, wanted) in &wanted {
        ensure!(found.get(kind) == Some(wanted), "{kind}:\n{wanted:#?}\n{:#?}", found.get(kind));
    }
    operator.stop().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_watch_that_says_nothing_is_cut_then_fails_liveness_and_an_api_server_that_hangs_does_not()
-> Result<()> {
    Cluster::connect("silent-watches").await?.clean_up_after(silent).await
}

async fn silent(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let proxy = FaultProxy::start(cluster.operator_config()).await?;
    let operator = Running::start_watching(cluster, through(&proxy)?, "operator", QUICK)?;
    until(&operator.process.ready, true, Duration::from_secs(60)).await?;

    // The peer is gone without a word: every watch, also those that are opened now. Plain reads are answered.
    proxy.set_watches(Watches::Stalled);
    until(&operator.process.ready, false, QUICK.silence() * 3).await?;
    ensure!(operator.process.alive.report().passes(), "one silence is not enough to die");
    let began = tokio::time::Instant::now();
    until(&operator.process.alive, false, QUICK.second_chance() * 3).await?;
    println!("dead {:?} after it was silent: {}", began.elapsed(), operator.process.alive.report());
    ensure!(began.elapsed() + Duration::from_secs(1) >= QUICK.second_chance());
    let cut = sum(&operator.metrics, |metrics, kind| metrics.watches.restarts(kind, RestartCause::Silent));
    ensure!(cut >= u64::try_from(KINDS.len())?, "{cut} watches were begun again by ourselves");

    // A lease that nobody was told of is found as soon as watches speak again.
    let name = cluster.open_lease(0xf1, &guestbook()).await?;
    let _kubelet = Kubelet::start(cluster, &name, "nobody");
    proxy.set_watches(Watches::Flowing);
    phase(cluster, &name, Phase::Ready).await?;
    until(&operator.process.alive, true, Duration::from_secs(30)).await?;
    until(&operator.process.ready, true, Duration::from_secs(30)).await?;
    operator.stop().await?;

    // An API server that answers nobody: a standby says that it is not ready, and lives.
    let holder = Running::start_as(cluster, "holder")?;
    until(&holder.process.ready, true, Duration::from_secs(60)).await?;
    let standby = Running::start_watching(cluster, through(&proxy)?, "standby", QUICK)?;
    until(&standby.process.ready, true, Duration::from_secs(60)).await?;
    proxy.set_link(Link::Silent);
    until(&standby.process.ready, false, QUICK.silence() * 3).await?;
    tokio::time::sleep(QUICK.second_chance() * 2).await;
    ensure!(standby.process.alive.report().passes(), "{}", standby.process.alive.report());
    ensure!(!standby.process.ready.report().passes());
    proxy.set_link(Link::Open);
    until(&standby.process.ready, true, Duration::from_secs(60)).await?;
    standby.stop().await?;
    holder.stop().await
}
