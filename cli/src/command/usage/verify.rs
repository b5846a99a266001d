//! `leasehold usage verify`: whether evidence proves a statement. Needs no network, and believes nobody.

use std::path::PathBuf;

use alloy_primitives::B256;
use anyhow::Context as _;
use gateway_api::{ResourceUsage, StatementProposal};
use market::{Dimension, LeaseId, Timestamp, Usage};
use serde::Serialize;
use usage::{
    bundle,
    rollup::{Rollup, Span},
    verify::{Claimed, Evidence, verify},
};

use crate::command::provider::when;
use crate::context::Context;
use crate::exit::{Kind, Stop};
use crate::output::{csv_lines, fields};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bundle that the provider's meter printed
    bundle: PathBuf,
    /// The statement as JSON, as the provider's gateway proposed it [default: the newest that was signed here]
    #[arg(long, value_name = "FILE")]
    statement: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    lease_id: B256,
    /// The root that all hashes lead to.
    meter_root: B256,
    /// The sums of all rollups.
    allocated: ResourceUsage,
    hours: usize,
    five_minutes: usize,
    /// Whether the first rollup of the lease is here. What was counted before the first that is here is in its hash.
    from_the_beginning: bool,
    /// From which hour on what was allocated was counted again from the lives of pods and volumes, in Unix seconds. None
    /// where an older version counted all of it: of that, sums and hashes alone are proved.
    recomputed_since: Option<u64>,
    /// Whether a statement was proved; false if there was none to compare with.
    statement_proved: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(&args.bundle)
        .with_context(|| format!("failed to read {}", args.bundle.display()))?;
    let evidence = bundle::read(&text).map_err(|error| refused("this is no bundle", error))?;
    let verified = verify(&evidence).map_err(|error| refused("the evidence does not hold", error))?;
    let statement = match &args.statement {
        Some(file) => {
            let text = std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
            Some(
                serde_json::from_slice(&text)
                    .with_context(|| format!("failed to read {}", file.display()))?,
            )
        }
        None => context.home.signed(LeaseId(evidence.lease))?.map(|signed| signed.proposal),
    };
    if let Some(StatementProposal { as_of, usage, meter_root, usage_hash, .. }) = &statement {
        let (usage, as_of) = (Usage::from(usage), Timestamp(*as_of));
        verified
            .proves(&Claimed { usage, as_of, meter_root: *meter_root, usage_hash: *usage_hash })
            .map_err(|error| refused("the statement does not follow from the evidence", error))?;
    }
    let report = Report {
        lease_id: evidence.lease,
        meter_root: verified.root,
        allocated: ResourceUsage::from(&verified.totals.allocated),
        hours: evidence.hours.len(),
        five_minutes: evidence.fives.len(),
        from_the_beginning: verified.from_the_beginning,
        recomputed_since: verified.recomputed_since,
        statement_proved: statement.is_some(),
    };
    let csv = |_: &Report| series(&evidence);
    let text = |report: &Report| {
        fields([
            ("lease", report.lease_id.to_string()),
            ("meter root", report.meter_root.to_string()),
            ("rollups", format!("{} hours, {} of five minutes", report.hours, report.five_minutes)),
            (
                "complete",
                if report.from_the_beginning { "from the beginning" } else { "older rollups are gone" }
                    .to_owned(),
            ),
            (
                "allocation",
                report.recomputed_since.map_or_else(
                    || "not recomputed: an older version of the meter counted it".to_owned(),
                    |since| format!("recomputed from the lives of pods and volumes since {}", when(since)),
                ),
            ),
            ("statement", if report.statement_proved { "proved" } else { "none to compare with" }.to_owned()),
        ])
    };
    context.form.print(&report, text, csv)
}

/// The names of a lease's counters: the eight that are allocated, then what was measured.
pub(super) const USAGE_COLUMNS: [&str; 12] = [
    Dimension::Uptime.name(),
    Dimension::Cpu.name(),
    Dimension::Memory.name(),
    Dimension::Storage.name(),
    Dimension::Gpu.name(),
    Dimension::Egress.name(),
    Dimension::LeasedIps.name(),
    Dimension::Devices.name(),
    "used_cpu_ns",
    "used_memory_byte_s",
    "network_rx_byte",
    "network_tx_byte",
];

/// Every rollup that was recomputed, with the totals at its end: what was used when, proved.
fn series(evidence: &Evidence) -> String {
    let Evidence { hours, fives, cut, .. } = evidence;
    let hours = hours.iter().map(|hour| &hour.rollup).chain([&cut.hour]);
    let rollups = hours.chain(fives).chain([&cut.five]);
    let header = ["span", "start", "until"].into_iter().chain(USAGE_COLUMNS);
    csv_lines(header, rollups.filter_map(row))
}

/// None of a rollup whose sums are no numbers, which evidence that holds has not.
fn row(rollup: &Rollup) -> Option<Vec<String>> {
    let usage::Totals { allocated, used } = rollup.after()?.totals();
    let span = match rollup.span {
        Span::Hour => "hour",
        Span::FiveMinutes => "five_minutes",
    };
    let used = [used.cpu_ns, used.memory_byte_seconds, used.network_rx_bytes, used.network_tx_bytes];
    let times = [rollup.start, rollup.until.timestamp().0].map(|second| second.to_string());
    let numbers = allocated.0.into_iter().chain(used).map(|number| number.to_string());
    Some([span.to_owned()].into_iter().chain(times).chain(numbers).collect())
}

fn refused(what: &str, why: impl std::error::Error) -> Stop {
    let mut text = format!("{what}: {why}");
    let mut cause = why.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    Stop::new(Kind::Refused, text)
}
