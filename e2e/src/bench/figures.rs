//! What was measured, in the form in which it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// All figures of one run. Times are seconds; `own_` counts are the operator's, all others the API server's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Leases that were there while single ones were measured.
    pub leases: u32,
    /// Leases that were created, updated and closed one after the other.
    pub paced: u32,
    /// Time from one of these to the next.
    pub pace_s: f64,
    /// From the creation of a lease to all its pods having a node.
    pub scheduled_p50_s: f64,
    /// The same of the slowest hundredth.
    pub scheduled_p99_s: f64,
    /// While all were created at once, until the last one's pods had a node.
    pub creates_per_s: f64,
    /// From the creation of a lease to all its pods having a node, while all were created at once.
    pub burst_p50_s: f64,
    /// The same of the slowest hundredth.
    pub burst_p99_s: f64,
    /// Writes until a new lease is ready.
    pub writes_per_create: f64,
    /// Reads until a new lease is ready.
    pub reads_per_create: f64,
    /// Writes until a new manifest is ready.
    pub writes_per_update: f64,
    /// Writes until an ended lease has nothing left.
    pub writes_per_close: f64,
    /// Writes of an operator that starts among leases that are as they should be.
    pub writes_noop_resync: u64,
    /// As the operator counts itself.
    pub own_writes_per_create: f64,
    /// As the operator counts itself.
    pub own_writes_per_update: f64,
    /// As the operator counts itself.
    pub own_writes_per_close: f64,
    /// As the operator counts itself.
    pub own_writes_noop_resync: u64,
    /// Growth of etcd for each lease, everything that controllers make for it included.
    pub bytes_per_lease: f64,
    /// Memory of the operator after it has created all leases.
    pub rss_mib: f64,
    /// The most that it ever was.
    pub rss_peak_mib: f64,
    /// Memory of an operator that found all leases there.
    pub rss_after_restart_mib: f64,
    /// From the start of the process to its first reconciliation.
    pub cold_start_s: f64,
    /// Pods that crashed again and again at the same time.
    pub crash_loop_pods: usize,
    /// Crashes of all of them a second.
    pub crash_loop_crashes_per_s: f64,
    /// Processors that the operator took meanwhile.
    pub crash_loop_cores: f64,
    /// Writes for each crash and return.
    pub writes_per_crash: f64,
    /// Requests of each kind.
    pub create: BTreeMap<String, u64>,
    /// Requests of each kind.
    pub update: BTreeMap<String, u64>,
    /// Requests of each kind.
    pub close: BTreeMap<String, u64>,
    /// Requests of each kind.
    pub resync: BTreeMap<String, u64>,
}

/// The median and the slowest hundredth of times in any order.
pub fn median_and_slowest(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (percentile(&times, 50), percentile(&times, 99))
}

/// The value that `percent` of a hundred are at or below (nearest rank); zero of nothing. `sorted` ascends.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values_and_the_whole_is_the_largest() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        let found = [50, 99, 100].map(|percent| percentile(&hundred, percent));
        assert_eq!(
            (found, percentile(&[7.0], 50), percentile(&[1.0, 2.0, 3.0], 50)),
            ([50.0, 99.0, 100.0], 7.0, 2.0)
        );
        assert_eq!(median_and_slowest(hundred.into_iter().rev().collect()), (50.0, 99.0));
    }
}
