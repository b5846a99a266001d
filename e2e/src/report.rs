//! What the run leaves behind: `report.json` and the tables on the terminal. `docs/report.md` explains every field.

use std::collections::BTreeMap;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::balances::Comparison;
use crate::timeline::{Step, seconds};

/// A scrape interval of the run's meter and the age that a kubelet's counter may have, seconds: what each end of a window
/// may be off.
const END_SECONDS: u128 = 10 + 15;
/// What else may differ, in thousandths: the cgroups are read a moment after the publication is seen.
const NOISE_PERMILLE: u128 = 50;

/// The whole report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of this document's form.
    pub version: u32,
    /// Steps in order with their wall time.
    pub timeline: Vec<Step>,
    /// The latencies a user feels.
    pub latencies: Latencies,
    /// The lease that was made.
    pub lease: Lease,
    /// Usage, one row a resource.
    pub usage: Vec<UsageRow>,
    /// Token balances before and after.
    pub balances: Comparison,
    /// Chain transactions in order.
    pub transactions: Vec<Transaction>,
    /// What only real parts can show.
    pub evidence: Evidence,
    /// Kubernetes API writes of the operator for this lease, by kind and verb.
    pub api_writes: BTreeMap<String, u64>,
    /// Resident memory of our own pods, bytes.
    pub resident_memory: BTreeMap<String, u64>,
}

/// Latencies, milliseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latencies {
    /// Order's block to bid's block (chain time, whole seconds).
    pub order_to_bid: u64,
    /// Lease opened to all pods ready.
    pub lease_to_ready: u64,
    /// Close requested to lease namespace gone.
    pub close_to_namespace_gone: u64,
}

/// Names of the lease.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// EIP-712 digest of the bid.
    pub id: String,
    /// Its namespace in the provider's cluster.
    pub namespace: String,
    /// The provider's (cold) address.
    pub provider: String,
    /// The tenant's address.
    pub tenant: String,
}

/// One resource's usage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageRow {
    /// Resource and unit.
    pub resource: String,
    /// Allocated while delivered, decimal.
    pub allocated: String,
    /// Really used, decimal; absent where nothing measures it.
    pub used: Option<String>,
    /// In the last settled statement, decimal.
    pub settled: String,
}

/// One chain transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// What it did: the contract's event that it emitted.
    pub event: String,
    /// Its hash.
    pub hash: String,
    /// Its block.
    pub block: u64,
    /// Gas it used.
    pub gas_used: u64,
}

/// Evidence from the cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Chain id the client saw.
    pub chain_id: u64,
    /// Kubernetes version of the API server.
    pub kubernetes: String,
    /// Node name, runtime, kubelet and kernel.
    pub nodes: Vec<Node>,
    /// The lease's pods.
    pub pods: Vec<Pod>,
    /// The meter against the kernel.
    pub cpu: CpuComparison,
    /// What the guestbook answered after the entry was written.
    pub guestbook: String,
    /// What visitors of public hosts were answered; none where the provider has no Gateway.
    pub visits: Vec<Visit>,
}

/// A visit by a public host, through the provider's Gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Visit {
    /// The host.
    pub host: String,
    /// When, in the story.
    pub when: String,
    /// Status of the answer.
    pub status: u16,
}

/// A node as its kubelet describes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Node name.
    pub name: String,
    /// For example `containerd://2.4.2`.
    pub container_runtime: String,
    /// Kubelet version.
    pub kubelet: String,
    /// Kernel version.
    pub kernel: String,
}

/// A pod of the lease.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Pod name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Where it ran.
    pub node: String,
    /// Images by digest, as the runtime pulled them.
    pub images: Vec<String>,
    /// CPU by the kernel's control group over the metered window, nanoseconds; absent where the node is another machine.
    pub cgroup_cpu_nanoseconds: Option<u64>,
}

/// CPU of all pods of the lease over one window, by the meter and by the kernel's control groups.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CpuComparison {
    /// Length of the window, by the meter's publications.
    pub window_seconds: u64,
    /// What the meter counted, decimal.
    pub meter_nanoseconds: String,
    /// What the kernel counted, decimal; absent where the node is another machine.
    pub cgroup_nanoseconds: Option<String>,
    /// The difference in thousandths of the kernel's count.
    pub difference_permille: Option<u128>,
}

impl CpuComparison {
    /// Whether the difference is within what two ends of a window explain; without a judge there is nothing to hold against.
    pub fn is_plausible(&self) -> bool {
        let tolerance = NOISE_PERMILLE + END_SECONDS * 1000 / u128::from(self.window_seconds.max(1));
        self.difference_permille.is_none_or(|difference| difference <= tolerance)
    }
}

impl Report {
    /// Prints the tables.
    pub fn print(&self) {
        let mut timeline = table(&["step", "time"]);
        for step in &self.timeline {
            timeline.add_row([step.step.clone(), seconds(step.milliseconds)]);
        }
        println!("\nTimeline\n{timeline}");

        let mut usage = table(&["resource", "allocated", "used", "settled"]);
        for row in &self.usage {
            usage.add_row([
                row.resource.clone(),
                row.allocated.clone(),
                row.used.clone().unwrap_or_else(|| "-".into()),
                row.settled.clone(),
            ]);
        }
        println!("\nUsage\n{usage}");
        let cpu = &self.evidence.cpu;
        println!(
            "\nCPU over {} s: {} ns by the meter, {} ns by the kernel",
            cpu.window_seconds,
            cpu.meter_nanoseconds,
            cpu.cgroup_nanoseconds.as_deref().unwrap_or("unknown")
        );

        let mut balances = table(&["holder", "before", "after", "difference"]);
        for row in &self.balances.rows {
            balances.add_row([
                row.holder.clone(),
                row.before.clone(),
                row.after.clone(),
                row.difference.clone(),
            ]);
        }
        balances.add_row(["sum", "", "", &self.balances.sum]);
        println!("\nBalances (token base units)\n{balances}");

        let mut transactions = table(&["event", "block", "gas", "hash"]);
        for row in &self.transactions {
            transactions.add_row([
                row.event.clone(),
                row.block.to_string(),
                row.gas_used.to_string(),
                row.hash.clone(),
            ]);
        }
        println!("\nTransactions\n{transactions}");
    }

    /// What must hold for the run to count as passed.
    ///
    /// # Errors
    /// Names the first thing that does not hold.
    pub fn check(&self) -> Result<()> {
        anyhow::ensure!(
            self.balances.is_zero(),
            "balances differ by {} base units in sum",
            self.balances.sum
        );
        anyhow::ensure!(!self.evidence.pods.is_empty(), "no pod of the lease was seen");
        let settled = self.usage.iter().any(|row| row.settled != "0");
        anyhow::ensure!(settled, "nothing was settled");
        let cpu = &self.evidence.cpu;
        anyhow::ensure!(
            cpu.is_plausible(),
            "the meter is {} permille off the kernel's count in {} s",
            cpu.difference_permille.unwrap_or(0),
            cpu.window_seconds
        );
        Ok(())
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(window_seconds: u64, difference_permille: Option<u128>) -> CpuComparison {
        let (meter_nanoseconds, cgroup_nanoseconds) = ("1".to_owned(), None);
        CpuComparison { window_seconds, meter_nanoseconds, cgroup_nanoseconds, difference_permille }
    }

    #[test]
    fn a_longer_window_leaves_less_to_its_ends() {
        assert!(compared(60, Some(466)).is_plausible());
        assert!(!compared(60, Some(467)).is_plausible());
        assert!(compared(500, Some(100)).is_plausible());
        assert!(!compared(500, Some(101)).is_plausible());
    }

    #[test]
    fn without_the_kernels_count_nothing_is_judged() {
        assert!(compared(0, None).is_plausible());
    }
}
