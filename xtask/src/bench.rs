//! `cargo xtask bench`: figures, each with the target that it must keep.
//!
//! Every figure has one form: a table for people, and with `--json PATH` the same rows for programs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use crate::{suite::Log, tools, tools::repository};

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum BenchCommand {
    /// Gas of every call of the contracts, calldata and the 21,000 of a transaction included.
    Gas(Output),
}

/// Where the figures go.
#[derive(Debug, clap::Args)]
pub(crate) struct Output {
    /// Also write the rows to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The most gas that a call may take; a variant of a call that has a target already has none of its own.
/// The calls whose names end in 20 are batches: the gas of each of twenty.
const GAS_TARGETS: [(&str, Option<u64>); 25] = [
    ("register", Some(110_000)),
    ("deposit", Some(62_000)),
    ("depositFresh", Some(80_000)),
    ("withdraw", Some(52_000)),
    ("postOrder", Some(30_000)),
    ("postOrderTwoServices", None),
    ("postBid", Some(48_000)),
    ("openLease", Some(180_000)),
    ("confirm", Some(45_000)),
    ("confirm20", Some(16_000)),
    ("decline", Some(63_000)),
    ("settle", Some(65_000)),
    ("settleWithFee", None),
    ("settle20", Some(31_000)),
    ("settleLast", None),
    ("claim", Some(88_000)),
    ("claim20", Some(61_000)),
    ("claimMaturing", Some(84_000)),
    ("mature", Some(53_000)),
    ("closeLease", Some(35_000)),
    ("finalize", Some(66_000)),
    ("finalizeSettled", None),
    ("settleLastAndFinalize", Some(142_000)),
    ("dispute", Some(96_000)),
    ("resolve", Some(115_000)),
];

/// The most bytes that a deployed contract may have; the chain's own limit is 24,576.
const SIZE_TARGETS: [(&str, u64); 2] = [("marketRuntimeBytes", 22_500), ("registryRuntimeBytes", 8_000)];

/// One call and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct GasRow {
    call: String,
    gas: u64,
    target: Option<u64>,
}

/// One contract and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct SizeRow {
    contract: String,
    bytes: u64,
    target: u64,
}

/// Everything that is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct GasReport {
    rows: Vec<GasRow>,
    sizes: Vec<SizeRow>,
}

impl BenchCommand {
    /// Measures, prints, writes, and fails where a target is missed.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self::Gas(Output { json }) = self;
        crate::process::output(&mut forge_gas()?)?;
        let report = report(&snapshots()?)?;
        print!("{}", table(&report));
        if let Some(path) = json {
            fs::write(&path, serde_json::to_string_pretty(&report)?)
                .with_context(|| format!("failed to write {}", path.display()))?;
        }
        within_targets(&report)
    }
}

/// Measures as a test does.
pub(crate) fn gas_within_targets(log: &mut Log) -> anyhow::Result<()> {
    log.command(&mut forge_gas()?)?;
    within_targets(&report(&snapshots()?)?)
}

fn forge_gas() -> anyhow::Result<Command> {
    tools::node_modules()?;
    let mut forge = Command::new(tools::foundry("forge")?);
    // Isolated calls are transactions of their own: cold storage, calldata and the 21,000 included.
    forge
        .args(["test", "--isolate", "--match-path", "test/gas/*"])
        .current_dir(repository().join("contracts"));
    // The measured figures replace the committed ones; a difference shows in the work tree.
    Ok(forge)
}

/// Every figure of `contracts/snapshots`.
fn snapshots() -> anyhow::Result<BTreeMap<String, u64>> {
    let folder = repository().join("contracts/snapshots");
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))? {
        all.extend(snapshot(&entry?.path())?);
    }
    Ok(all)
}

/// Foundry writes numbers as text.
fn snapshot(path: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let context = || format!("failed to read {}", path.display());
    let texts: BTreeMap<String, String> =
        serde_json::from_slice(&fs::read(path).with_context(context)?).with_context(context)?;
    texts.into_iter().map(|(call, gas)| Ok((call, gas.parse().with_context(context)?))).collect()
}

fn report(measured: &BTreeMap<String, u64>) -> anyhow::Result<GasReport> {
    let is_known = |name: &str| {
        GAS_TARGETS.iter().any(|(call, _)| *call == name)
            || SIZE_TARGETS.iter().any(|(contract, _)| *contract == name)
    };
    // The totals of batches are there for people who read the snapshot.
    for name in measured.keys().filter(|name| !name.ends_with("Total")) {
        ensure!(is_known(name), "`{name}` is not listed in xtask/src/bench.rs");
    }
    let measured =
        |name: &str| measured.get(name).copied().with_context(|| format!("`{name}` was not measured"));
    let rows = GAS_TARGETS
        .iter()
        .map(|(call, target)| Ok(GasRow { call: (*call).to_owned(), gas: measured(call)?, target: *target }));
    let sizes = SIZE_TARGETS.iter().map(|(contract, target)| {
        Ok(SizeRow { contract: (*contract).to_owned(), bytes: measured(contract)?, target: *target })
    });
    Ok(GasReport { rows: rows.collect::<anyhow::Result<_>>()?, sizes: sizes.collect::<anyhow::Result<_>>()? })
}

fn table(report: &GasReport) -> String {
    let line = |name: &str, figure: u64, target: Option<u64>| {
        let mark = if target.is_some_and(|target| figure > target) { "  above" } else { "" };
        let target = target.map_or_else(|| "-".to_owned(), |target| target.to_string());
        format!("{name:<22} {figure:>9} {target:>9}{mark}\n")
    };
    let mut text = format!("{:<22} {:>9} {:>9}\n", "call", "gas", "target");
    for GasRow { call, gas, target } in &report.rows {
        text += &line(call, *gas, *target);
    }
    text += &format!("\n{:<22} {:>9} {:>9}\n", "contract", "bytes", "target");
    for SizeRow { contract, bytes, target } in &report.sizes {
        text += &line(contract, *bytes, Some(*target));
    }
    text
}

fn within_targets(report: &GasReport) -> anyhow::Result<()> {
    let GasReport { rows, sizes } = report;
    let calls = rows.iter().filter_map(|GasRow { call, gas, target }| {
        let target = target.filter(|target| gas > target)?;
        Some(format!("{call} takes {gas} gas, at most {target}"))
    });
    let contracts = sizes
        .iter()
        .filter(|size| size.bytes > size.target)
        .map(|SizeRow { contract, bytes, target }| format!("{contract}: {bytes}, at most {target}"));
    let above: Vec<_> = calls.chain(contracts).collect();
    if above.is_empty() { Ok(()) } else { bail!("{}", above.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> BTreeMap<String, u64> {
        let calls = GAS_TARGETS.iter().map(|(call, target)| (*call, target.unwrap_or(2)));
        calls.chain(SIZE_TARGETS).map(|(name, target)| (name.to_owned(), target - 1)).collect()
    }

    #[test]
    fn a_call_above_its_target_fails_with_both_figures() {
        let mut measured = measured();
        within_targets(&report(&measured).expect("everything is measured"))
            .expect("every call keeps its target");
        measured.insert("settle20".to_owned(), 31_001);
        measured.insert("marketRuntimeBytes".to_owned(), 22_501);
        let report = report(&measured).expect("everything is measured");
        let error = within_targets(&report).expect_err("one call and one contract are above their targets");
        assert_eq!(
            error.to_string(),
            "settle20 takes 31001 gas, at most 31000\nmarketRuntimeBytes: 22501, at most 22500"
        );
    }

    #[test]
    fn a_call_that_was_not_measured_and_one_that_is_not_listed_are_errors() {
        let mut measured = measured();
        measured.remove("mature");
        measured.insert("claim20Total".to_owned(), 1);
        let error = report(&measured).expect_err("mature is missing");
        assert_eq!(error.to_string(), "`mature` was not measured");
        measured.insert("matured".to_owned(), 1);
        let error = report(&measured).expect_err("matured is unknown");
        assert_eq!(error.to_string(), "`matured` is not listed in xtask/src/bench.rs");
    }

    #[test]
    fn figures_are_written_under_their_documented_names() {
        let report = GasReport {
            rows: vec![GasRow { call: "settle20".to_owned(), gas: 29_279, target: Some(31_000) }],
            sizes: vec![SizeRow { contract: "registryRuntimeBytes".to_owned(), bytes: 6_187, target: 8_000 }],
        };
        assert_eq!(
            serde_json::to_string(&report).expect("figures can be written"),
            r#"{"rows":[{"call":"settle20","gas":29279,"target":31000}],"sizes":[{"contract":"registryRuntimeBytes","bytes":6187,"target":8000}]}"#
        );
    }
}
