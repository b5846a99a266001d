//! What the kernel counted of the pods, up to their last moment.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use e2e::cgroup::CpuCounter;

/// So often the counters are read while pods end.
const STEP: Duration = Duration::from_millis(20);

/// A pod's counters.
#[derive(Debug, Clone)]
pub(crate) struct PodTruth {
    cpu: CpuCounter,
    processes: Vec<u32>,
    /// As they were read last.
    pub(crate) counted: Counted,
}

/// Two counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) cpu_nanoseconds: u64,
    pub(crate) tx_bytes: u64,
}

impl PodTruth {
    /// The counters of a pod that runs here.
    pub(crate) fn of(uid: &str) -> Option<Self> {
        let cpu = CpuCounter::of(uid)?;
        let processes = cpu.processes();
        let mut truth = Self { cpu, processes, counted: Counted::default() };
        truth.look().then_some(truth)
    }

    /// Reads both counters; false once the pod's control group is gone. What was read before stands then.
    fn look(&mut self) -> bool {
        let Some(cpu) = self.cpu.nanoseconds() else { return false };
        self.counted.cpu_nanoseconds = cpu;
        // Any process of the pod tells of its network; the first that still lives does.
        if let Some(bytes) = self.processes.iter().find_map(|process| tx_bytes(*process)) {
            self.counted.tx_bytes = bytes;
        }
        true
    }
}

fn tx_bytes(process: u32) -> Option<u64> {
    parse_tx_bytes(&std::fs::read_to_string(format!("/proc/{process}/net/dev")).ok()?)
}

/// The ninth number behind the interface's name.
fn parse_tx_bytes(table: &str) -> Option<u64> {
    let numbers = table.lines().find_map(|line| line.trim_start().strip_prefix("eth0:"))?;
    numbers.split_whitespace().nth(8)?.parse().ok()
}

/// Milliseconds since 1970.
pub(crate) fn now() -> Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(i64::try_from(since.as_millis())?)
}

/// Follows the pods until all are gone; returns them with their last counters, each with the moment at which it went.
pub(crate) async fn follow(mut pods: Vec<PodTruth>) -> Result<Vec<(PodTruth, i64)>> {
    tokio::task::spawn_blocking(move || {
        let mut gone = vec![None; pods.len()];
        while gone.contains(&None) {
            for (pod, gone) in pods.iter_mut().zip(&mut gone) {
                if gone.is_none() && !pod.look() {
                    *gone = Some(now()?);
                }
            }
            thread::sleep(STEP);
        }
        Ok(pods.into_iter().zip(gone.into_iter().flatten()).collect())
    })
    .await?
}

/// The pods as the kernel sees them now.
pub(crate) fn read(pods: &mut [PodTruth]) -> Result<Counted> {
    let mut sum = Counted::default();
    for pod in pods {
        anyhow::ensure!(pod.look(), "a pod has ended by itself");
        sum = sum.plus(pod.counted);
    }
    Ok(sum)
}

impl Counted {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            cpu_nanoseconds: self.cpu_nanoseconds + other.cpu_nanoseconds,
            tx_bytes: self.tx_bytes + other.tx_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_sent_are_read_from_the_line_of_the_pods_interface() {
        let table = "Inter-|   Receive    |  Transmit\n face |bytes    packets\n    lo:  1 2 3 4 5 6 7 8 9 10\n  \
                     eth0: 100 2 0 0 0 0 0 0 12345 7 0 0 0 0 0 0\n";
        assert_eq!((parse_tx_bytes(table), parse_tx_bytes("lo: 1 2")), (Some(12_345), None));
    }
}
