//! What was measured, in the form in which it is written.

use serde::{Deserialize, Serialize};

/// All figures of one run. Times are seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Pods that were metered.
    pub pods: u32,
    /// Nodes that they were on.
    pub nodes: u32,
    /// Leases that they belong to.
    pub leases: u32,
    /// How long it was measured.
    pub window_s: f64,
    /// Processors that the meter took.
    pub cores: f64,
    /// Its memory at the end.
    pub rss_mib: f64,
    /// The most that it ever was.
    pub rss_peak_mib: f64,
    /// From its start until every node had been scraped once.
    pub cold_start_s: f64,
    /// Scrapes of nodes.
    pub scrapes_per_s: f64,
    /// Samples, four of each pod in a scrape.
    pub samples_per_s: f64,
    /// Writes of usage to the API server.
    pub status_writes_per_s: f64,
    /// Transactions of the ledger.
    pub ledger_commits_per_s: f64,
    /// How old the oldest of all leases' publications was at the end.
    pub oldest_publication_s: f64,
    /// Leases whose publication was what their pods had burnt and held.
    pub leases_compared: u32,
    /// Growth of the ledger's file in a day, for each lease of one pod.
    pub ledger_bytes_per_lease_day: f64,
    /// Statements that one processor signs.
    pub statements_signed_per_s: f64,
    /// Signed statements that one processor verifies.
    pub statements_verified_per_s: f64,
}
