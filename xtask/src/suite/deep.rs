//! `cargo xtask test --deep`: the proofs that take hours, one after the other, each shown as it runs.

use std::{process::Command, time::Instant};

use anyhow::bail;

use super::{contracts::tool, count::Count};
use crate::{
    codegen,
    step::seconds,
    tools::{self, repository},
};

/// Ten times those of every run.
const DIFFERENTIAL_CASES: &str = "1000000";

/// Long enough that what a pod takes between two looks is little.
const ACCURACY_SECONDS: &str = "1800";

/// Runs them all, and says what it ran.
pub(super) fn run() -> anyhow::Result<()> {
    codegen::build_contracts()?;
    let mut total = Count::default();
    for (name, mut command) in proofs()? {
        println!("\n== {name}");
        let started = Instant::now();
        let passed = command.status()?.success();
        println!("== {name}: {} in {}", if passed { "passed" } else { "FAILED" }, seconds(started.elapsed()));
        total = total + Count { passed: u64::from(passed), failed: u64::from(!passed) };
    }
    println!("\n{} passed, {} failed", total.passed, total.failed);
    if total.failed > 0 {
        bail!("{} proofs failed", total.failed);
    }
    Ok(())
}

fn proofs() -> anyhow::Result<Vec<(&'static str, Command)>> {
    let mut differential = Command::new("cargo");
    differential
        .args(["test", "--package", "chain", "--test", "it", "differential", "--", "--nocapture"])
        .env("LEASEHOLD_DIFFERENTIAL_CASES", DIFFERENTIAL_CASES)
        .env("LEASEHOLD_ANVIL", tools::foundry("anvil")?)
        .env("LEASEHOLD_FORGE", tools::foundry("forge")?)
        .current_dir(repository());
    let mut crash = Command::new(std::env::current_exe()?);
    crash.args(["test", "--layer", "crash"]).env("LEASEHOLD_DEEP", "1").current_dir(repository());
    let mut accuracy = Command::new(std::env::current_exe()?);
    accuracy.args(["accuracy", "--seconds", ACCURACY_SECONDS]).current_dir(repository());
    Ok(vec![
        ("the meter beside the kernel, on a real node where everything is killed", accuracy),
        ("every fault at every API call of a lease's life", crash),
        ("a million cases in Rust, Solidity and JavaScript", differential),
        ("what is proved for all values", tool("symbolic", &["--check"])),
        ("every invariant after every step of 10 000 walks of 256 steps", tool("reach", &["--deep"])),
    ])
}
