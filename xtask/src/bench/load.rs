//! What benches of processes share: the builds, the load that measures, the table with the targets.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::{images::target_directory, tools::repository};

/// Whether a figure depends on the machine. Only what does not can fail the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    Count,
    OfMachine,
}

/// The name of a figure, and the most that it may be.
pub(super) type Target = (&'static str, f64, Nature);

/// The release build of the operator, unless there is one, and a load generator.
pub(super) fn build(operator: Option<PathBuf>, load: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
    let built = target_directory();
    let operator = match operator {
        Some(operator) => operator,
        None => {
            cargo_build(&["--release", "--package", "operator"])?;
            built.join("release/operator")
        }
    };
    cargo_build(&["--package", "e2e", "--bin", load])?;
    Ok((operator, built.join("debug").join(load)))
}

fn cargo_build(arguments: &[&str]) -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(repository()).args(["build", "--quiet"]).args(arguments);
    let built = cargo.status().context("failed to start cargo")?;
    ensure!(built.success(), "failed to build {}", arguments.join(" "));
    Ok(())
}

/// Lets the load measure; where it fails, what the measured process said last is told.
pub(super) fn run_load(load: &mut Command, log: &Path) -> anyhow::Result<()> {
    let measured = load.status().context("failed to start the load")?;
    if !measured.success() {
        let log = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        bail!(
            "the load failed; the last words were:\n{}",
            lines[lines.len().saturating_sub(20)..].join("\n")
        );
    }
    Ok(())
}

/// What the load wrote; a copy goes where it was asked for.
pub(super) fn read_figures(out: &Path, copy: Option<&Path>) -> anyhow::Result<Value> {
    let figures = fs::read(out).context("the load left no figures")?;
    if let Some(path) = copy {
        fs::write(path, &figures).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(serde_json::from_slice(&figures)?)
}

/// The figures with a target, then those beside them.
pub(super) fn figures_table(figures: &Value, targets: &[Target], beside: &[&str]) -> anyhow::Result<String> {
    let mut text = format!("{:<28} {:>12} {:>9}\n", "figure", "measured", "target");
    for (name, target, _) in targets {
        let measured = figure(figures, name)?;
        let mark = if measured > *target { "  above" } else { "" };
        text += &format!("{name:<28} {measured:>12.2} {target:>9.2}{mark}\n");
    }
    for name in beside {
        text += &format!("{name:<28} {:>12.2} {:>9}\n", figure(figures, name)?, "-");
    }
    Ok(text)
}

/// The figures of that nature that are above their targets, in words.
pub(super) fn above(figures: &Value, targets: &[Target], nature: Nature) -> anyhow::Result<Vec<String>> {
    let mut above = Vec::new();
    for (name, target, _) in targets.iter().filter(|(_, _, of)| *of == nature) {
        let measured = figure(figures, name)?;
        if measured > *target {
            above.push(format!("{name} is {measured:.2}, at most {target}"));
        }
    }
    Ok(above)
}

fn figure(figures: &Value, name: &str) -> anyhow::Result<f64> {
    figures[name].as_f64().with_context(|| format!("`{name}` was not measured"))
}
