//! `cargo xtask bench operator`: the release build of the operator on a cluster whose nodes are fake.
//!
//! The load and the counting are in `e2e::bench`; here is the cluster, and the table with the targets.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::{
    images::target_directory,
    step::{long_step, seconds},
    testbed::bench::{BenchCluster, NAMESPACE},
    tools::repository,
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

/// Whether a figure depends on the machine. Only what does not can fail the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Count,
    OfMachine,
}

/// The most that a figure may be.
const TARGETS: [(&str, f64, Nature); 9] = [
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
        let (operator, load) = long_step("build operator and load", || build(operator))?;
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
        let measured = measure.status().context("failed to start the load")?;
        if !measured.success() {
            let log = fs::read_to_string(cluster.file("operator.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            bail!(
                "the load failed; the operator's last words:\n{}",
                lines[lines.len().saturating_sub(20)..].join("\n")
            );
        }
        let figures = fs::read(&out).context("the load left no figures")?;
        if let Some(path) = json {
            fs::write(&path, &figures).with_context(|| format!("failed to write {}", path.display()))?;
        }
        let figures: Value = serde_json::from_slice(&figures)?;
        println!(
            "{leases} leases, then {paced} more, one every {pace_ms} ms; {} in all\n",
            seconds(begun.elapsed())
        );
        print!("{}", table(&figures)?);
        let above = above(&figures, Nature::Count)?;
        ensure!(above.is_empty(), "above the target: {}", above.join(", "));
        Ok(())
    }
}

/// What the operator is told beside its namespace: there is no registry that could be asked about images.
const OPERATOR_ARGUMENTS: [&str; 1] = ["--image-lookup=off"];

/// The release build of the operator, unless there is one, and the load generator.
fn build(operator: Option<PathBuf>) -> anyhow::Result<(PathBuf, PathBuf)> {
    let built = target_directory();
    let operator = match operator {
        Some(operator) => operator,
        None => {
            cargo_build(&["--release", "--package", "operator"])?;
            built.join("release/operator")
        }
    };
    cargo_build(&["--package", "e2e", "--bin", "operator-bench"])?;
    Ok((operator, built.join("debug/operator-bench")))
}

fn cargo_build(arguments: &[&str]) -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(repository()).args(["build", "--quiet"]).args(arguments);
    let built = cargo.status().context("failed to start cargo")?;
    ensure!(built.success(), "failed to build {}", arguments.join(" "));
    Ok(())
}

fn table(figures: &Value) -> anyhow::Result<String> {
    let mut text = format!("{:<24} {:>10} {:>9}\n", "figure", "measured", "target");
    for (name, target, _) in TARGETS {
        let measured = figure(figures, name)?;
        let mark = if measured > target { "  above" } else { "" };
        text += &format!("{name:<24} {measured:>10.2} {target:>9.1}{mark}\n");
    }
    for name in BESIDE {
        text += &format!("{name:<24} {:>10.2} {:>9}\n", figure(figures, name)?, "-");
    }
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

/// The figures of that nature that are above their targets, in words.
fn above(figures: &Value, nature: Nature) -> anyhow::Result<Vec<String>> {
    let mut above = Vec::new();
    for (name, target, _) in TARGETS.into_iter().filter(|(_, _, of)| *of == nature) {
        let measured = figure(figures, name)?;
        if measured > target {
            above.push(format!("{name} is {measured:.2}, at most {target}"));
        }
    }
    Ok(above)
}

fn figure(figures: &Value, name: &str) -> anyhow::Result<f64> {
    figures[name].as_f64().with_context(|| format!("`{name}` was not measured"))
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
            .map(|nature| above(&figures, nature).expect("everything is measured"));
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
