//! The numbers that are published.

use market::Usage;

/// What was measured. Shown to the tenant and kept as evidence; only egress is ever billed from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Used {
    /// CPU time, in nanoseconds.
    pub cpu_ns: u128,
    /// Working set over time, in byte seconds.
    pub memory_byte_seconds: u128,
    /// Bytes received.
    pub network_rx_bytes: u128,
    /// Bytes sent.
    pub network_tx_bytes: u128,
}

/// Cumulative totals of a lease since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Totals {
    /// What was delivered: what settles.
    pub allocated: Usage,
    /// What was measured.
    pub used: Used,
}

impl Totals {
    /// Whether no counter is below the one in `earlier`.
    pub fn is_at_least(&self, earlier: &Self) -> bool {
        self.allocated.is_at_least(&earlier.allocated)
            && self.used.cpu_ns >= earlier.used.cpu_ns
            && self.used.memory_byte_seconds >= earlier.used.memory_byte_seconds
            && self.used.network_rx_bytes >= earlier.used.network_rx_bytes
            && self.used.network_tx_bytes >= earlier.used.network_tx_bytes
    }
}
