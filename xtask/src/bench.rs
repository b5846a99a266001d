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

/// The most gas that a call may take. The calls whose names end in 20 are batches: the gas of each of twenty.
const GAS_TARGETS: [(&str, u64); 20] = [
    ("register", 110_000),
    ("deposit", 62_000),
    ("depositFresh", 80_000),
    ("withdraw", 52_000),
    ("postOrder", 30_000),
    ("postBid", 48_000),
    ("openLease", 180_000),
    ("confirm", 45_000),
    ("confirm20", 16_000),
    ("decline", 63_000),
    ("settle", 65_000),
    ("settle20", 31_000),
    ("settleLast", 76_000),
    ("claim", 88_000),
    ("claim20", 61_000),
    ("claimMaturing", 84_000),
    ("mature", 53_000),
    ("closeLease", 35_000),
    ("finalize", 66_000),
    ("settleLastAndFinalize", 142_000),
];

/// One call and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct GasRow {
    call: String,
    gas: u64,
    target: u64,
}

#[derive(Debug, Serialize)]
struct Rows<'a> {
    rows: &'a [GasRow],
}

impl BenchCommand {
    /// Measures, prints, writes, and fails where a target is missed.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self::Gas(Output { json }) = self;
        let mut forge = forge_gas()?;
        crate::process::output(&mut forge)?;
        let rows = gas_rows(&snapshots()?)?;
        print!("{}", table(&rows));
        if let Some(path) = json {
            fs::write(&path, serde_json::to_string_pretty(&Rows { rows: &rows })?)
                .with_context(|| format!("failed to write {}", path.display()))?;
        }
        within_targets(&rows)
    }
}

/// Measures as a test does.
pub(crate) fn gas_within_targets(log: &mut Log) -> anyhow::Result<()> {
    log.command(&mut forge_gas()?)?;
    within_targets(&gas_rows(&snapshots()?)?)
}

fn forge_gas() -> anyhow::Result<Command> {
    tools::node_modules()?;
    let mut forge = Command::new(tools::foundry("forge")?);
    forge.args(["test", "--match-path", "test/gas/*"]).current_dir(repository().join("contracts"));
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

fn gas_rows(measured: &BTreeMap<String, u64>) -> anyhow::Result<Vec<GasRow>> {
    for call in measured.keys() {
        ensure!(
            GAS_TARGETS.iter().any(|(name, _)| name == call),
            "`{call}` has no target in xtask/src/bench.rs"
        );
    }
    GAS_TARGETS
        .iter()
        .map(|(call, target)| {
            let gas = *measured.get(*call).with_context(|| format!("`{call}` was not measured"))?;
            Ok(GasRow { call: (*call).to_owned(), gas, target: *target })
        })
        .collect()
}

fn table(rows: &[GasRow]) -> String {
    let mut text = format!("{:<22} {:>9} {:>9}\n", "call", "gas", "target");
    for GasRow { call, gas, target } in rows {
        let mark = if gas > target { "  above" } else { "" };
        text += &format!("{call:<22} {gas:>9} {target:>9}{mark}\n");
    }
    text
}

fn within_targets(rows: &[GasRow]) -> anyhow::Result<()> {
    let above: Vec<_> = rows
        .iter()
        .filter(|row| row.gas > row.target)
        .map(|GasRow { call, gas, target }| format!("{call} takes {gas} gas, at most {target}"))
        .collect();
    if above.is_empty() { Ok(()) } else { bail!("{}", above.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> BTreeMap<String, u64> {
        GAS_TARGETS.iter().map(|(call, target)| ((*call).to_owned(), target - 1)).collect()
    }

    #[test]
    fn a_call_above_its_target_fails_with_both_figures() {
        let mut measured = measured();
        within_targets(&gas_rows(&measured).expect("every call is measured"))
            .expect("every call keeps its target");
        measured.insert("settle20".to_owned(), 31_001);
        let rows = gas_rows(&measured).expect("every call is measured");
        let error = within_targets(&rows).expect_err("one call is above its target");
        assert_eq!(error.to_string(), "settle20 takes 31001 gas, at most 31000");
    }

    #[test]
    fn a_call_that_was_not_measured_and_one_without_a_target_are_errors() {
        let mut measured = measured();
        measured.remove("mature");
        let error = gas_rows(&measured).expect_err("mature is missing");
        assert_eq!(error.to_string(), "`mature` was not measured");
        measured.insert("matured".to_owned(), 1);
        let error = gas_rows(&measured).expect_err("matured is unknown");
        assert_eq!(error.to_string(), "`matured` has no target in xtask/src/bench.rs");
    }

    #[test]
    fn rows_are_written_under_their_documented_names() {
        let rows = [GasRow { call: "settle20".to_owned(), gas: 29_279, target: 31_000 }];
        let json = serde_json::to_string(&Rows { rows: &rows }).expect("rows can be written");
        assert_eq!(json, r#"{"rows":[{"call":"settle20","gas":29279,"target":31000}]}"#);
    }
}
