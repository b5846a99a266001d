//! `cargo xtask bench`: figures, each with the target that it must keep.
//!
//! Every figure has one form: a table for people, and with `--json PATH` the same rows for programs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::{tools, tools::repository};

mod load;
mod meter;
mod operator;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum BenchCommand {
    /// Gas of every call of the contracts, calldata and the 21,000 of a transaction included.
    Gas(Output),
    /// The operator among many leases: how soon a lease runs, requests, memory.
    Operator(operator::OperatorArgs),
    /// The meter among ten thousand pods: processors, memory, what it writes.
    Meter(meter::MeterArgs),
}

/// Where the figures go.
#[derive(Debug, clap::Args)]
pub(crate) struct Output {
    /// Also write the rows to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

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
    target: Option<u64>,
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
        let json = match self {
            Self::Gas(Output { json }) => json,
            Self::Operator(args) => return args.run(),
            Self::Meter(args) => return args.run(),
        };
        crate::process::output(&mut forge_gas()?)?;
        let report = report(&snapshots()?, &targets()?)?;
        print!("{}", table(&report));
        if let Some(path) = json {
            fs::write(&path, serde_json::to_string_pretty(&report)?)
                .with_context(|| format!("failed to write {}", path.display()))?;
        }
        within_targets(&report)
    }
}

fn forge_gas() -> anyhow::Result<Command> {
    tools::node_modules()?;
    let mut forge = Command::new(tools::foundry("forge")?);
    // The gas profile makes each call a transaction of its own: cold storage, calldata and the 21,000 included.
    forge
        .args(["test", "--match-path", "test/gas/*"])
        .env("FOUNDRY_PROFILE", "gas")
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

/// The most gas that each call may take, and the most bytes that each contract may have: `contracts/gas-targets.json`.
/// Names that end in 20 are batches: the gas of each of twenty. Names that end in Bytes are sizes.
fn targets() -> anyhow::Result<BTreeMap<String, u64>> {
    let path = repository().join("contracts/gas-targets.json");
    let context = || format!("failed to read {}", path.display());
    serde_json::from_slice(&fs::read(&path).with_context(context)?).with_context(context)
}

fn report(measured: &BTreeMap<String, u64>, targets: &BTreeMap<String, u64>) -> anyhow::Result<GasReport> {
    if let Some(missing) = targets.keys().find(|name| !measured.contains_key(*name)) {
        bail!("`{missing}` has a target and was not measured");
    }
    let mut report = GasReport { rows: Vec::new(), sizes: Vec::new() };
    // The totals of batches are there for people who read the snapshot.
    for (name, figure) in measured.iter().filter(|(name, _)| !name.ends_with("Total")) {
        let (name, figure, target) = (name.clone(), *figure, targets.get(name).copied());
        match name.strip_suffix("RuntimeBytes") {
            Some(contract) => {
                report.sizes.push(SizeRow { contract: contract.to_owned(), bytes: figure, target })
            }
            None => report.rows.push(GasRow { call: name, gas: figure, target }),
        }
    }
    Ok(report)
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
        text += &line(contract, *bytes, *target);
    }
    text
}

fn within_targets(report: &GasReport) -> anyhow::Result<()> {
    let GasReport { rows, sizes } = report;
    let calls = rows.iter().filter_map(|GasRow { call, gas, target }| {
        let target = target.filter(|target| gas > target)?;
        Some(format!("{call} takes {gas} gas, at most {target}"))
    });
    let contracts = sizes.iter().filter_map(|SizeRow { contract, bytes, target }| {
        let target = target.filter(|target| bytes > target)?;
        Some(format!("{contract} has {bytes} bytes, at most {target}"))
    });
    let above: Vec<_> = calls.chain(contracts).collect();
    if above.is_empty() { Ok(()) } else { bail!("{}", above.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures<const N: usize>(figures: [(&str, u64); N]) -> BTreeMap<String, u64> {
        figures.map(|(name, figure)| (name.to_owned(), figure)).into()
    }

    #[test]
    fn calls_and_contracts_are_set_beside_their_targets() {
        let measured = figures([
            ("settle20", 29_279),
            ("settle20Total", 585_580),
            ("settleLast", 5),
            ("registryRuntimeBytes", 6_187),
        ]);
        let report = report(&measured, &figures([("settle20", 31_000), ("registryRuntimeBytes", 8_000)]));
        assert_eq!(
            serde_json::to_string(&report.expect("everything is measured")).expect("figures can be written"),
            r#"{"rows":[{"call":"settle20","gas":29279,"target":31000},{"call":"settleLast","gas":5,"target":null}],"sizes":[{"contract":"registry","bytes":6187,"target":8000}]}"#
        );
    }

    #[test]
    fn a_figure_above_its_target_fails_with_both() {
        let targets = figures([("settle20", 31_000), ("marketRuntimeBytes", 22_500)]);
        within_targets(&report(&targets, &targets).expect("everything is measured"))
            .expect("targets may be met exactly");
        let measured = figures([("settle20", 31_001), ("marketRuntimeBytes", 22_501)]);
        let report = report(&measured, &targets).expect("everything is measured");
        let error = within_targets(&report).expect_err("one call and one contract are above their targets");
        assert_eq!(
            error.to_string(),
            "settle20 takes 31001 gas, at most 31000\nmarket has 22501 bytes, at most 22500"
        );
    }

    #[test]
    fn a_target_that_nothing_was_measured_for_is_an_error() {
        let error = report(&BTreeMap::new(), &figures([("mature", 53_000)])).expect_err("mature is missing");
        assert_eq!(error.to_string(), "`mature` has a target and was not measured");
    }
}
