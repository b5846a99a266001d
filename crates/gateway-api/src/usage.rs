//! `GET /v1/leases/{id}/usage`.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::Decimal;

/// What a lease has used since it started, as the provider meters it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// Moment up to which usage is counted, unix seconds.
    pub as_of: u64,
    /// Grows with every report.
    pub sequence: u64,
    /// What was allocated, which is what settles.
    pub allocated: ResourceUsage,
    /// What was measured inside the allocation.
    pub used: UsedResources,
    /// Root over the samples behind the report.
    pub meter_root: B256,
}

impl UsageReport {
    /// Whether it is later than another of its lease and no counter is below the other's.
    pub fn follows(&self, before: &Self) -> bool {
        let Self { as_of, sequence: _, allocated, used, meter_root: _ } = self;
        let UsedResources { cpu_nanoseconds, memory_byte_seconds, network_rx_bytes, network_tx_bytes } = used;
        *as_of > before.as_of
            && market::Usage::from(allocated).is_at_least(&market::Usage::from(&before.allocated))
            && *cpu_nanoseconds >= before.used.cpu_nanoseconds
            && *memory_byte_seconds >= before.used.memory_byte_seconds
            && *network_rx_bytes >= before.used.network_rx_bytes
            && *network_tx_bytes >= before.used.network_tx_bytes
    }
}

/// Cumulative counters of the eight priced resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceUsage {
    /// Seconds in which the lease was available.
    pub uptime_seconds: Decimal,
    /// Thousandths of a CPU times seconds.
    pub cpu_milli_seconds: Decimal,
    /// Bytes of memory times seconds.
    pub memory_byte_seconds: Decimal,
    /// Bytes of storage times seconds.
    pub storage_byte_seconds: Decimal,
    /// Thousandths of a GPU times seconds.
    pub gpu_milli_seconds: Decimal,
    /// Bytes sent to the public network.
    pub egress_bytes: Decimal,
    /// Leased public addresses times seconds.
    pub leased_ip_seconds: Decimal,
    /// Thousandths of an extended device times seconds.
    pub device_milli_seconds: Decimal,
}

/// Cumulative counters of what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsedResources {
    /// CPU time in nanoseconds.
    pub cpu_nanoseconds: Decimal,
    /// Bytes of working set times seconds.
    pub memory_byte_seconds: Decimal,
    /// Bytes received.
    pub network_rx_bytes: Decimal,
    /// Bytes sent.
    pub network_tx_bytes: Decimal,
}

impl From<&market::Usage> for ResourceUsage {
    fn from(usage: &market::Usage) -> Self {
        let [uptime, cpu, memory, storage, gpu, egress, ips, devices] = usage.0.map(Decimal);
        ResourceUsage {
            uptime_seconds: uptime,
            cpu_milli_seconds: cpu,
            memory_byte_seconds: memory,
            storage_byte_seconds: storage,
            gpu_milli_seconds: gpu,
            egress_bytes: egress,
            leased_ip_seconds: ips,
            device_milli_seconds: devices,
        }
    }
}

impl From<&ResourceUsage> for market::Usage {
    fn from(usage: &ResourceUsage) -> Self {
        let ResourceUsage {
            uptime_seconds,
            cpu_milli_seconds,
            memory_byte_seconds,
            storage_byte_seconds,
            gpu_milli_seconds,
            egress_bytes,
            leased_ip_seconds,
            device_milli_seconds,
        } = usage;
        market::Usage([
            uptime_seconds.0,
            cpu_milli_seconds.0,
            memory_byte_seconds.0,
            storage_byte_seconds.0,
            gpu_milli_seconds.0,
            egress_bytes.0,
            leased_ip_seconds.0,
            device_milli_seconds.0,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_survives_the_wire() {
        let usage = market::Usage([1, 2, 3, 4, 5, 6, 7, u128::MAX]);
        let wire = ResourceUsage::from(&usage);
        let json = serde_json::to_string(&wire).unwrap();
        let read: ResourceUsage = serde_json::from_str(&json).unwrap();
        assert_eq!(market::Usage::from(&read), usage);
    }
}
