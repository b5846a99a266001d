//! `cargo xtask bench meter`: the release build of the meter among the pods of a whole data centre.
//!
//! The load and the counting are in `e2e::meter_bench`; here is the API server, and the table with the targets.

use std::{path::PathBuf, process::Command};

use serde_json::Value;

use super::load::{Nature, Target, build, figures_table, read_figures, run_load};
use crate::{
    step::{long_step, seconds},
    testbed::bench::{BenchCluster, NAMESPACE},
};

/// How many pods, and where the figures go.
#[derive(Debug, clap::Args)]
pub(crate) struct MeterArgs {
    /// Pods that are metered.
    #[arg(long, default_value_t = 10_000)]
    pods: u32,
    /// Nodes that run them.
    #[arg(long, default_value_t = 91)]
    nodes: u32,
    /// Pods of each lease.
    #[arg(long, default_value_t = 4)]
    pods_per_lease: u32,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// An operator that is built already, in place of this checkout's release build.
    #[arg(long)]
    operator: Option<PathBuf>,
    /// Also write the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The most that a figure may be.
const TARGETS: [Target; 2] = [("cores", 0.15, Nature::OfMachine), ("rss_mib", 80.0, Nature::OfMachine)];

/// Figures without a target, in the order of the table.
const BESIDE: [&str; 11] = [
    "rss_peak_mib",
    "cold_start_s",
    "scrapes_per_s",
    "samples_per_s",
    "status_writes_per_s",
    "ledger_commits_per_s",
    "oldest_publication_s",
    "leases_compared",
    "ledger_bytes_per_lease_day",
    "statements_signed_per_s",
    "statements_verified_per_s",
];

impl MeterArgs {
    /// Measures, prints and writes. What was counted wrongly fails; what depends on the machine is marked.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self { pods, nodes, pods_per_lease, seconds: window, operator, json } = self;
        let (operator, load) = long_step("build operator and load", || build(operator, "meter-bench"))?;
        let cluster = BenchCluster::start_without_controllers()?;
        let out = cluster.file("figures.json");
        let begun = std::time::Instant::now();
        let mut measure = Command::new(load);
        measure.arg("--kubeconfig").arg(cluster.kubeconfig()).arg("--operator").arg(&operator);
        measure.args(["--namespace", NAMESPACE]).args([
            format!("--pods={pods}"),
            format!("--nodes={nodes}"),
            format!("--pods-per-lease={pods_per_lease}"),
            format!("--seconds={window}"),
        ]);
        measure.arg("--folder").arg(cluster.folder()).arg("--out").arg(&out);
        run_load(&mut measure, &cluster.file("meter.log"))?;
        let figures = read_figures(&out, json.as_deref())?;
        println!(
            "{pods} pods on {nodes} nodes, measured for {window} s; {} in all\n",
            seconds(begun.elapsed())
        );
        print!("{}", table(&figures)?);
        Ok(())
    }
}

fn table(figures: &Value) -> anyhow::Result<String> {
    figures_table(figures, &TARGETS, &BESIDE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_figure_is_shown_and_what_is_above_is_marked() {
        let mut figures = json!({});
        for name in TARGETS.map(|(name, ..)| name).into_iter().chain(BESIDE) {
            figures[name] = json!(0);
        }
        figures["cores"] = json!(0.16);
        let table = table(&figures).expect("everything is measured");
        assert_eq!(table.lines().filter(|line| line.ends_with("above")).count(), 1, "{table}");
        assert_eq!(table.lines().count(), 1 + TARGETS.len() + BESIDE.len(), "{table}");
    }
}
