//! `cargo xtask bench operator`: the release build of the operator on a cluster whose nodes are fake.
//!
//! The load and the counting are in `e2e::bench`; here is the cluster, and the table with the targets.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::load::{Nature, Target, above, build, figures_table, read_figures, run_load};
use crate::{
    step::{long_step, seconds},
    testbed::bench::{BenchCluster, NAMESPACE},
};

/// How many leases, and where the figures go.
#[derive(Debug, clap::Args)]
pub(crate) struct OperatorArgs {
    /// Leases that are there while single ones are measured.
    #[arg(long, default_value_t = 1000)]
    leases: u32,
    /// Leases that are created, updated and closed one after the other.
    #[arg(long, default_value_t = 100)]
    paced: u32,
    /// Milliseconds from one of these to the next.
    #[arg(long, default_value_t = 500)]
    pace_ms: u64,
    /// An operator that is built already, in place of this checkout's release build.
    #[arg(long)]
    operator: Option<PathBuf>,
    /// Also write the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The most that a figure may be.
const TARGETS: [Target; 9] = [
    ("scheduled_p50_s", 0.5, Nature::OfMachine),
    ("scheduled_p99_s", 2.0, Nature::OfMachine),
    ("cold_start_s", 2.0, Nature::OfMachine),
    ("rss_mib", 64.0, Nature::OfMachine),
    ("crash_loop_cores", 1.0, Nature::OfMachine),
    ("writes_per_create", 14.0, Nature::Count),
    ("writes_per_update", 3.0, Nature::Count),
    ("writes_per_close", 3.0, Nature::Count),
    ("writes_noop_resync", 0.0, Nature::Count),
];

/// Figures without a target, in the order of the table.
const BESIDE: [&str; 14] = [
    "creates_per_s",
    "burst_p50_s",
    "burst_p99_s",
    "rss_peak_mib",
    "reads_per_create",
    "bytes_per_lease",
    "rss_after_restart_mib",
    "crash_loop_pods",
    "crash_loop_crashes_per_s",
    "writes_per_crash",
    "own_writes_per_create",
    "own_writes_per_update",
    "own_writes_per_close",
    "own_writes_noop_resync",
];

impl OperatorArgs {
    /// Measures, prints, writes, and fails where a count is above its target.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self { leases, paced, pace_ms, operator, json } = self;
        let (operator, load) = long_step("build operator and load", || build(operator, "operator-bench"))?;
        let cluster = BenchCluster::start()?;
        cluster.install_chart()?;
        let out = cluster.file("figures.json");
        let begun = std::time::Instant::now();
        let mut measure = Command::new(load);
        measure
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig())
            .arg("--operator-kubeconfig")
            .arg(cluster.operator_kubeconfig()?)
            .arg("--operator")
            .arg(&operator)
            .args(OPERATOR_ARGUMENTS.map(|argument| format!("--operator-arg={argument}")))
            .arg("--audit-log")
            .arg(cluster.audit_log())
            .args(["--namespace", NAMESPACE])
            .args([format!("--leases={leases}"), format!("--paced={paced}"), format!("--pace-ms={pace_ms}")])
            .arg("--out")
            .arg(&out)
            .arg("--log")
            .arg(cluster.file("operator.log"));
        run_load(&mut measure, &cluster.file("operator.log"))?;
        let figures = read_figures(&out, json.as_deref())?;
        println!(
            "{leases} leases, then {paced} more, one every {pace_ms} ms; {} in all\n",
            seconds(begun.elapsed())
        );
        print!("{}", table(&figures)?);
        let above = above(&figures, &TARGETS, Nature::Count)?;
        ensure!(above.is_empty(), "above the target: {}", above.join(", "));
        Ok(())
    }
}

/// What the operator is told beside its namespace: there is no registry that could be asked about images.
const OPERATOR_ARGUMENTS: [&str; 1] = ["--image-lookup=off"];

fn table(figures: &Value) -> anyhow::Result<String> {
    let mut text = figures_table(figures, &TARGETS, &BESIDE)?;
    for (title, part) in
        [("create", "create"), ("update", "update"), ("close", "close"), ("no-op resync", "resync")]
    {
        text += &format!("\nrequests, {title}\n");
        let requests = figures[part].as_object().with_context(|| format!("there is no `{part}`"))?;
        for (request, count) in requests {
            text += &format!("  {request:<56} {count:>7}\n");
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_fail_and_times_are_only_shown() {
        let mut figures =
            json!({"create": {"create namespaces": 3}, "update": {}, "close": {}, "resync": {}});
        for name in TARGETS.map(|(name, ..)| name).into_iter().chain(BESIDE) {
            figures[name] = json!(0);
        }
        figures["scheduled_p50_s"] = json!(0.75);
        figures["writes_per_create"] = json!(14.5);
        let above = [Nature::Count, Nature::OfMachine]
            .map(|nature| above(&figures, &TARGETS, nature).expect("everything is measured"));
        let expected = ["writes_per_create is 14.50, at most 14", "scheduled_p50_s is 0.75, at most 0.5"];
        assert_eq!(above, expected.map(|line| vec![line.to_owned()]));
        let table = table(&figures).expect("everything is measured");
        assert_eq!(table.lines().filter(|line| line.ends_with("above")).count(), 2, "{table}");
    }

    #[test]
    fn a_figure_that_is_missing_is_an_error() {
        let error = table(&json!({"scheduled_p50_s": 0.1})).expect_err("most figures are missing");
        assert_eq!(error.to_string(), "`scheduled_p99_s` was not measured");
    }
}
