//! Figures of the operator: how soon a lease runs, and what it costs the API server.
//!
//! The real operator process works on a real API server with its controllers and scheduler; only the nodes are fake
//! (kwok plays their kubelets). Requests are counted from the API server's audit log, and the operator's own count of
//! its writes is set beside it.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;

pub mod audit;
pub mod figures;
pub mod leases;
pub mod load;
pub mod process;
pub mod seen;
pub mod storm;

use audit::{AuditLog, Requests};
use figures::Figures;
use load::Load;
use process::{Process, Program};

/// Measures an operator on the cluster that is given.
#[derive(Debug, Parser)]
#[command(version)]
pub struct BenchArgs {
    /// Administrator's kubeconfig.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// The operator's own kubeconfig, with the rights of its ServiceAccount.
    #[arg(long)]
    operator_kubeconfig: PathBuf,
    /// The operator's binary.
    #[arg(long)]
    operator: PathBuf,
    /// A further argument for the operator.
    #[arg(long, allow_hyphen_values = true)]
    operator_arg: Vec<String>,
    /// The API server's audit log of the operator's requests.
    #[arg(long)]
    audit_log: PathBuf,
    /// Namespace of the leases.
    #[arg(long)]
    namespace: String,
    /// Leases that are there while single ones are measured.
    #[arg(long)]
    leases: u32,
    /// Leases that are created, updated and closed one after the other.
    #[arg(long)]
    paced: u32,
    /// Milliseconds from one of these to the next.
    #[arg(long)]
    pace_ms: u64,
    /// Where the figures go, as JSON.
    #[arg(long)]
    out: PathBuf,
    /// Where the operator logs.
    #[arg(long)]
    log: PathBuf,
}

/// The operator's own count of its writes.
const WRITES: &str = "operator_api_writes_total";
/// How often it has reconciled.
const RECONCILES: &str = "operator_reconcile_duration_seconds_count";
/// How long a started operator may take to have looked at everything.
const PATIENCE: Duration = Duration::from_secs(600);
/// The operator has come to rest when it has written nothing for so long.
const QUIET: Duration = Duration::from_secs(5);

impl BenchArgs {
    /// Measures and writes the figures.
    ///
    /// # Errors
    /// When the cluster refuses, or something that is waited for does not come.
    pub async fn run(self) -> Result<()> {
        let Self {
            kubeconfig,
            operator_kubeconfig,
            operator,
            operator_arg,
            audit_log,
            namespace,
            leases,
            paced,
            pace_ms,
            out,
            log,
        } = self;
        ensure!(leases > 0 && paced > 0, "there must be leases to measure");
        let program = Program {
            binary: operator,
            kubeconfig: operator_kubeconfig,
            arguments: ["run".into(), "--namespace".into(), namespace.clone()]
                .into_iter()
                .chain(operator_arg)
                .collect(),
            log,
        };
        let load = Load::start(&kubeconfig, &namespace).await?;
        let bench =
            Bench { program, load, audit: AuditLog::at(audit_log), pace: Duration::from_millis(pace_ms) };
        let figures = bench.measure(leases, paced).await?;
        std::fs::write(&out, serde_json::to_vec_pretty(&figures)?)
            .with_context(|| format!("failed to write {}", out.display()))
    }
}

struct Bench {
    program: Program,
    load: Load,
    audit: AuditLog,
    pace: Duration,
}

impl Bench {
    async fn measure(&self, leases: u32, paced: u32) -> Result<Figures> {
        let Self { program, load, pace, .. } = self;
        let operator = program.start().await?;
        operator.ready().await?;
        let storage_before = load.storage_bytes().await?;

        note(&format!("creating {leases} leases as fast as they are taken"));
        let started = Instant::now();
        let begun = load.create_all(0..leases).await?;
        let burst = load.waits(&begun).await?;
        let ends = begun.iter().zip(&burst).map(|((_, at), wait)| (*at - started).as_secs_f64() + wait);
        let creates_per_s = f64::from(leases) / ends.fold(0.0, f64::max);
        let (burst_p50_s, burst_p99_s) = figures::median_and_slowest(burst);
        load.all_ready(0..leases, 1).await?;
        self.at_rest(&operator).await?;
        let bytes_per_lease = (load.storage_bytes().await? - storage_before) / f64::from(leases);
        let rss_mib = operator.resident_mib()?;
        let rss_peak_mib = operator.resident_peak_mib()?;

        let fresh = leases..leases + paced;
        note(&format!("creating {paced} more, one every {pace:?}"));
        let before = self.counts(&operator).await?;
        let begun = load.create_paced(fresh.clone(), *pace).await?;
        let (scheduled_p50_s, scheduled_p99_s) = figures::median_and_slowest(load.waits(&begun).await?);
        load.all_ready(fresh.clone(), 1).await?;
        self.at_rest(&operator).await?;
        let create = self.counts(&operator).await?.since(&before);

        note(&format!("updating {paced}"));
        let before = self.counts(&operator).await?;
        load.update_paced(fresh.clone(), *pace).await?;
        load.all_ready(fresh.clone(), 2).await?;
        self.at_rest(&operator).await?;
        let update = self.counts(&operator).await?.since(&before);

        note("starting the operator again among all leases");
        operator.stop().await?;
        let before = self.audit.read()?;
        let begun = Instant::now();
        let operator = program.start().await?;
        operator.counted_at_least(RECONCILES, 1, PATIENCE).await?;
        let cold_start_s = begun.elapsed().as_secs_f64();
        operator.counted_at_least(RECONCILES, u64::from(leases + paced), PATIENCE).await?;
        self.at_rest(&operator).await?;
        let resync =
            Counts { audit: self.audit.read()?.since(&before), own: operator.counter(WRITES).await? };
        let rss_after_restart_mib = operator.resident_mib()?;

        note("letting the pods of a thousand leases crash");
        let (before, busy) = (self.counts(&operator).await?, operator.processor_time()?);
        let storm = load.crash().await?;
        let crash_loop_cores = (operator.processor_time()? - busy).as_secs_f64() / storm.took.as_secs_f64();
        load.all_ready(0..leases, 1).await?;
        self.at_rest(&operator).await?;
        let crash_loop = self.counts(&operator).await?.since(&before);

        note(&format!("closing {paced}"));
        let before = self.counts(&operator).await?;
        load.close_paced(fresh.clone(), *pace).await?;
        load.all_ended(fresh.clone()).await?;
        self.at_rest(&operator).await?;
        let close = self.counts(&operator).await?.since(&before);
        operator.stop().await?;

        Ok(Figures {
            leases,
            paced,
            pace_s: pace.as_secs_f64(),
            scheduled_p50_s,
            scheduled_p99_s,
            creates_per_s,
            burst_p50_s,
            burst_p99_s,
            writes_per_create: per_lease(create.audit.writes(), paced),
            reads_per_create: per_lease(create.audit.reads(), paced),
            writes_per_update: per_lease(update.audit.writes(), paced),
            writes_per_close: per_lease(close.audit.writes(), paced),
            writes_noop_resync: resync.audit.writes(),
            own_writes_per_create: per_lease(create.own, paced),
            own_writes_per_update: per_lease(update.own, paced),
            own_writes_per_close: per_lease(close.own, paced),
            own_writes_noop_resync: resync.own,
            bytes_per_lease,
            rss_mib,
            rss_peak_mib,
            rss_after_restart_mib,
            cold_start_s,
            crash_loop_pods: storm.pods,
            crash_loop_crashes_per_s: storm.crashes as f64 / storm.took.as_secs_f64(),
            crash_loop_cores,
            writes_per_crash: crash_loop.audit.writes() as f64 / storm.crashes as f64,
            create: create.audit.by_request(),
            update: update.audit.by_request(),
            close: close.audit.by_request(),
            resync: resync.audit.by_request(),
        })
    }

    async fn counts(&self, operator: &Process) -> Result<Counts> {
        Ok(Counts { audit: self.audit.read()?, own: operator.counter(WRITES).await? })
    }

    /// Waits until the operator has come to rest.
    async fn at_rest(&self, operator: &Process) -> Result<()> {
        let limit = Instant::now() + Duration::from_secs(300);
        let mut last = (operator.counter(WRITES).await?, Instant::now());
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        while last.1.elapsed() < QUIET {
            ticks.tick().await;
            let writes = operator.counter(WRITES).await?;
            if writes != last.0 {
                last = (writes, Instant::now());
            }
            ensure!(Instant::now() < limit, "the operator does not stop writing");
        }
        Ok(())
    }
}

/// The same requests, counted by the API server and by the operator.
struct Counts {
    audit: Requests,
    own: u64,
}

impl Counts {
    fn since(&self, before: &Self) -> Self {
        Self { audit: self.audit.since(&before.audit), own: self.own - before.own }
    }
}

fn per_lease(requests: u64, leases: u32) -> f64 {
    // Counts stay far below the 2^53 from which a float would round them.
    requests as f64 / f64::from(leases)
}

/// Says on stderr what is being done.
pub(crate) fn note(text: &str) {
    eprintln!("  · {text}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_explains_itself() {
        BenchArgs::command().debug_assert();
        let help = BenchArgs::command().render_help().to_string();
        assert!(help.contains("--leases <LEASES>"), "{help}");
    }
}
