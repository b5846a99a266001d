//! How far the meter may be from the kernel, and how far it is.
//!
//! The bounds are those of a meter that reads a kubelet: what was allocated within 0.1 % or two seconds; processor time
//! within 1 % and what it takes to end a pod, or what the pod takes between the kubelet's last look at it and its end;
//! bytes within a thousandth, for what an interface sends by itself.

use std::fmt;

use anyhow::Result;
use comfy_table::{Table as Grid, presets};
use serde::Serialize;

use crate::burners::Work;

/// The kubelet looks at its containers at least this often, in seconds.
const KUBELET_LOOKS: u64 = 15;
/// Nobody looks again after a pod was taken down, which costs its own control group most where a sandbox goes with it.
const ENDING_NANOSECONDS: u64 = 250_000_000;

/// One lease, by the kernel and by the meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) tier: String,
    #[serde(serialize_with = "work")]
    pub(crate) work: Work,
    /// Seconds from the term's beginning until the lease was told to end.
    pub(crate) told_seconds: u64,
    /// Milliseconds from the term's beginning until the last pod's control group was gone.
    pub(crate) gone_millis: u64,
    /// Thousandths of a core that the lease held.
    pub(crate) cpu_milli: u64,
    pub(crate) metered_cpu_milli_seconds: u64,
    pub(crate) kernel_cpu_nanoseconds: u64,
    pub(crate) metered_cpu_nanoseconds: u64,
    pub(crate) kernel_tx_bytes: u64,
    pub(crate) metered_tx_bytes: u64,
    /// What a pod takes by itself in a second.
    pub(crate) endless_cpu_nanoseconds: u64,
}

fn work<S: serde::Serializer>(work: &Work, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(told(*work))
}

fn told(work: Work) -> &'static str {
    match work {
        Work::Done => "done before the end",
        Work::Endless => "until it is killed",
    }
}

/// All leases of a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Table {
    pub(crate) seed: u64,
    pub(crate) disturbances: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

impl Row {
    /// What is wrong with it, in words.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut ensure = |holds: bool, what: String| {
            if !holds {
                faults.push(format!("{}, {}: {what}", self.tier, told(self.work)));
            }
        };
        let least = self.told_seconds - (self.told_seconds / 1000).max(2);
        let (least, most) = (least * self.cpu_milli, self.gone_millis * self.cpu_milli / 1000);
        let held = self.metered_cpu_milli_seconds;
        ensure(
            (least..=most).contains(&held),
            format!("held {held} milli CPU seconds, and it was {least} to {most}"),
        );
        let (kernel, metered) = (self.kernel_cpu_nanoseconds, self.metered_cpu_nanoseconds);
        let lost = ENDING_NANOSECONDS
            + match self.work {
                Work::Done => kernel / 100,
                Work::Endless => (kernel / 100).max(KUBELET_LOOKS * self.endless_cpu_nanoseconds),
            };
        ensure(
            metered <= kernel && kernel - metered <= lost,
            format!("{metered} CPU nanoseconds, and the kernel counted {kernel}; {lost} may be lost"),
        );
        let (kernel, metered) = (self.kernel_tx_bytes, self.metered_tx_bytes);
        ensure(
            metered <= kernel && kernel - metered <= kernel / 1000 + 4096,
            format!("{metered} bytes sent, and the kernel counted {kernel}"),
        );
        faults
    }
}

impl Table {
    /// Fails where a row is out of bounds.
    pub(crate) fn check(&self) -> Result<()> {
        let faults: Vec<_> = self.rows.iter().flat_map(Row::faults).collect();
        anyhow::ensure!(faults.is_empty(), "the meter is off:\n{}", faults.join("\n"));
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING);
        grid.set_header([
            "TIER",
            "WORKS",
            "SECONDS",
            "HELD, milli CPU s",
            "OF",
            "CPU, ms",
            "KERNEL",
            "LOST",
            "SENT",
            "KERNEL",
        ]);
        for row in &self.rows {
            let lost = row.kernel_cpu_nanoseconds.saturating_sub(row.metered_cpu_nanoseconds);
            let permyriad = lost * 10_000 / row.kernel_cpu_nanoseconds.max(1);
            grid.add_row([
                row.tier.clone(),
                told(row.work).to_owned(),
                row.told_seconds.to_string(),
                row.metered_cpu_milli_seconds.to_string(),
                (row.told_seconds * row.cpu_milli).to_string(),
                (row.metered_cpu_nanoseconds / 1_000_000).to_string(),
                (row.kernel_cpu_nanoseconds / 1_000_000).to_string(),
                format!("{}.{:02} %", permyriad / 100, permyriad % 100),
                row.metered_tx_bytes.to_string(),
                row.kernel_tx_bytes.to_string(),
            ]);
        }
        writeln!(f, "seed {}", self.seed)?;
        for disturbance in &self.disturbances {
            writeln!(f, "after {disturbance}")?;
        }
        write!(f, "{grid}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            tier: "strict".into(),
            work: Work::Done,
            told_seconds: 300,
            gone_millis: 301_000,
            cpu_milli: 700,
            metered_cpu_milli_seconds: 210_000,
            kernel_cpu_nanoseconds: 30_000_000_000,
            metered_cpu_nanoseconds: 29_900_000_000,
            kernel_tx_bytes: 105_000_000,
            metered_tx_bytes: 105_000_000,
            endless_cpu_nanoseconds: 100_000_000,
        }
    }

    #[test]
    fn only_what_is_within_the_bounds_passes() {
        assert_eq!(row().faults(), Vec::<String>::new());
        let wrong: [fn(&mut Row); 7] = [
            |row| row.metered_cpu_milli_seconds = 298 * 700 - 1,
            |row| row.metered_cpu_milli_seconds = 301 * 700 + 1,
            |row| row.metered_cpu_nanoseconds = 29_449_999_999,
            |row| row.metered_cpu_nanoseconds = 30_000_000_001,
            |row| row.metered_tx_bytes = 104_800_000,
            |row| row.metered_tx_bytes = 105_000_001,
            |row| row.work = Work::Endless,
        ];
        for (number, change) in wrong.into_iter().enumerate() {
            let mut row = row();
            change(&mut row);
            // What is killed at work may lose what the kubelet had not seen yet.
            assert_eq!(row.faults().len(), usize::from(number < 6), "{number}");
        }
    }
}
