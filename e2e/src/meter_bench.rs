//! Figures of the meter: what it costs to count the pods of a whole data centre.
//!
//! The real meter works on a real API server and scrapes real TLS servers; the nodes behind them are fake, and their
//! pods burn so steadily that what must be published of each lease is known in closed form, and is compared.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fake_kubelet::Fleet;
use k8s_openapi::jiff::Timestamp;

pub mod cluster;
pub mod figures;
mod ledger_day;
mod signatures;
pub mod truth;

use cluster::{Cluster, Size};
use figures::Figures;

use crate::bench::{
    note,
    process::{Process, Program},
};

/// Measures a meter on the cluster that is given.
#[derive(Debug, Parser)]
#[command(version)]
pub struct BenchArgs {
    /// Administrator's kubeconfig.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// The operator's binary.
    #[arg(long)]
    operator: PathBuf,
    /// Namespace of the leases.
    #[arg(long)]
    namespace: String,
    /// Pods in all.
    #[arg(long)]
    pods: u32,
    /// Nodes that run them.
    #[arg(long)]
    nodes: u32,
    /// Pods of each lease.
    #[arg(long)]
    pods_per_lease: u32,
    /// Seconds that are measured.
    #[arg(long)]
    seconds: u64,
    /// A folder for the meter's ledger and the log.
    #[arg(long)]
    folder: PathBuf,
    /// Where the figures go, as JSON.
    #[arg(long)]
    out: PathBuf,
}

/// Scrapes of nodes that were answered or not.
const SCRAPES: &str = "meter_scrapes_total";
/// Samples of all results.
const SAMPLES: &str = "meter_samples_total";
const QUARANTINED: &str = "meter_quarantined_samples_total";
const WRITES: &str = "meter_api_writes_total";
const PUBLICATIONS: &str = "meter_publications_total";
const COMMITS: &str = "meter_ledger_commits_total";
/// How long the meter may take to see everything, and to publish it once.
const PATIENCE: Duration = Duration::from_secs(1800);
/// How long signatures are made, and then verified.
const SIGNING: Duration = Duration::from_secs(2);

impl BenchArgs {
    /// Measures and writes the figures.
    ///
    /// # Errors
    /// When the cluster refuses, or the meter counts anything else than the truth.
    pub async fn run(self) -> Result<()> {
        let Self { kubeconfig, operator, namespace, pods, nodes, pods_per_lease, seconds, folder, out } =
            self;
        ensure!(pods > 0 && nodes > 0 && pods_per_lease > 0, "there must be pods to measure");
        let size = Size { pods, nodes, pods_per_lease };
        note(&format!("making {pods} pods of {} leases on {nodes} nodes", size.leases()));
        let alone = Alone::measure(&folder).await?;
        let cluster = Cluster::make(&kubeconfig, &namespace, size).await?;
        let fleet = Fleet::start(cluster.pods_by_node()).await?;
        let beating = tokio::spawn(cluster.heartbeats());
        let meter = Program {
            binary: operator,
            kubeconfig,
            arguments: arguments(&namespace, &fleet, &folder),
            log: folder.join("meter.log"),
        };
        let figures = measure(&cluster, &fleet, &meter, Duration::from_secs(seconds), alone).await?;
        if beating.is_finished() {
            beating.await?.context("the nodes' heartbeats have ended")?;
        } else {
            beating.abort();
        }
        std::fs::write(&out, serde_json::to_vec_pretty(&figures)?)
            .with_context(|| format!("failed to write {}", out.display()))
    }
}

fn arguments(namespace: &str, fleet: &Fleet, folder: &std::path::Path) -> Vec<String> {
    let path = |path: PathBuf| path.display().to_string();
    [
        "meter".to_owned(),
        format!("--namespace={namespace}"),
        format!("--kubelet-port={}", fleet.port()),
        format!("--kubelet-ca={}", path(fleet.authority())),
        format!("--kubelet-token={}", path(fleet.token())),
        format!("--ledger={}", path(folder.join("ledger.redb"))),
    ]
    .into()
}

/// What needs no cluster to be measured.
struct Alone {
    ledger_bytes_per_lease_day: f64,
    statements_signed_per_s: f64,
    statements_verified_per_s: f64,
}

impl Alone {
    async fn measure(folder: &std::path::Path) -> Result<Self> {
        note("filling a day of a ledger, and signing");
        let ledger_bytes_per_lease_day = ledger_day::bytes(folder).await?;
        let (statements_signed_per_s, statements_verified_per_s) = signatures::per_second(SIGNING)?;
        Ok(Self { ledger_bytes_per_lease_day, statements_signed_per_s, statements_verified_per_s })
    }
}

async fn measure(
    cluster: &Cluster,
    fleet: &Fleet,
    meter: &Program,
    window: Duration,
    alone: Alone,
) -> Result<Figures> {
    let size = cluster.size();
    let begun = Instant::now();
    let process = meter.start().await?;
    process.ready().await?;
    let nodes = u64::from(size.nodes);
    process.counted_at_least(SCRAPES, nodes, PATIENCE).await?;
    let cold_start_s = begun.elapsed().as_secs_f64();
    let seen_since = Timestamp::now().as_second();
    // From then on it does the same all the time.
    process.counted_at_least(PUBLICATIONS, u64::from(size.leases()), PATIENCE).await?;
    note(&format!("measuring for {window:?}"));
    let (before, began) = (Counts::of(&process, fleet).await?, Instant::now());
    // The length of what is measured, not a wait for something.
    tokio::time::sleep(window).await;
    let (after, took) = (Counts::of(&process, fleet).await?, began.elapsed().as_secs_f64());
    let (rss_mib, rss_peak_mib) = (process.resident_mib()?, process.resident_peak_mib()?);
    ensure!(after.asked > before.asked, "nobody was scraped");
    ensure!(after.quarantined == 0, "{} honest samples were not believed", after.quarantined);
    let compared = truth::compare(cluster, seen_since).await?;
    process.stop().await?;
    let rate = |count: fn(&Counts) -> u64| (count(&after) - count(&before)) as f64 / took;
    Ok(Figures {
        pods: size.pods,
        nodes: size.nodes,
        leases: size.leases(),
        window_s: took,
        cores: (after.processor - before.processor).as_secs_f64() / took,
        rss_mib,
        rss_peak_mib,
        cold_start_s,
        scrapes_per_s: rate(|counts| counts.asked),
        samples_per_s: rate(|counts| counts.samples),
        status_writes_per_s: rate(|counts| counts.writes),
        ledger_commits_per_s: rate(|counts| counts.commits),
        oldest_publication_s: compared.oldest,
        leases_compared: compared.leases,
        ledger_bytes_per_lease_day: alone.ledger_bytes_per_lease_day,
        statements_signed_per_s: alone.statements_signed_per_s,
        statements_verified_per_s: alone.statements_verified_per_s,
    })
}

struct Counts {
    processor: Duration,
    asked: u64,
    samples: u64,
    quarantined: u64,
    writes: u64,
    commits: u64,
}

impl Counts {
    async fn of(process: &Process, fleet: &Fleet) -> Result<Self> {
        Ok(Self {
            processor: process.processor_time()?,
            asked: fleet.asked(),
            samples: process.counter(SAMPLES).await?,
            quarantined: process.counter(QUARANTINED).await?,
            writes: process.counter(WRITES).await?,
            commits: process.counter(COMMITS).await?,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_explains_itself() {
        BenchArgs::command().debug_assert();
        let help = BenchArgs::command().render_help().to_string();
        assert!(help.contains("--pods-per-lease <PODS_PER_LEASE>"), "{help}");
    }
}
