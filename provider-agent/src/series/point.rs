//! One publication of the meter, typed.

use crd::LeaseUsage;
use crd::convert::{Error, parse_decimal};
use gateway_api::{Decimal, ResourceUsage, UsageReport, UsedResources};
use market::{Address, B256, Lease, LeaseId, Timestamp};
use usage::{Totals, Used};

/// What a lease had used by a moment, since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub as_of: Timestamp,
    /// The meter's number of the publication.
    pub sequence: u64,
    pub totals: Totals,
    /// Root of the meter's evidence.
    pub meter_root: B256,
}

/// Who may see a lease's usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owners {
    pub tenant: Address,
    /// The session key's address.
    pub signer: Address,
}

/// A publication that was seen, of a lease that the chain says is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub lease: LeaseId,
    pub owners: Owners,
    pub point: Point,
}

impl Owners {
    /// Those of a lease on chain.
    pub fn of(lease: &Lease) -> Self {
        Self { tenant: lease.tenant, signer: lease.signer }
    }

    /// Whether this is one of them.
    pub fn include(&self, address: Address) -> bool {
        [self.tenant, self.signer].contains(&address)
    }
}

impl TryFrom<&LeaseUsage> for Point {
    type Error = Error;

    fn try_from(usage: &LeaseUsage) -> Result<Self, Error> {
        let used = &usage.used;
        Ok(Self {
            as_of: usage.as_of()?,
            sequence: u64::try_from(usage.sequence)
                .map_err(|_| Error::Negative { field: "status.usage.sequence" })?,
            totals: Totals {
                allocated: usage.allocated()?,
                used: Used {
                    cpu_ns: parse_decimal("status.usage.used.cpuNanoseconds", &used.cpu_nanoseconds)?,
                    memory_byte_seconds: parse_decimal(
                        "status.usage.used.memoryByteSeconds",
                        &used.memory_byte_seconds,
                    )?,
                    network_rx_bytes: parse_decimal(
                        "status.usage.used.networkRxBytes",
                        &used.network_rx_bytes,
                    )?,
                    network_tx_bytes: parse_decimal(
                        "status.usage.used.networkTxBytes",
                        &used.network_tx_bytes,
                    )?,
                },
            },
            meter_root: usage.meter_root()?,
        })
    }
}

impl From<&Point> for UsageReport {
    fn from(point: &Point) -> Self {
        let Point { as_of, sequence, totals: Totals { allocated, used }, meter_root } = point;
        Self {
            as_of: as_of.0,
            sequence: *sequence,
            allocated: ResourceUsage::from(allocated),
            used: UsedResources {
                cpu_nanoseconds: Decimal(used.cpu_ns),
                memory_byte_seconds: Decimal(used.memory_byte_seconds),
                network_rx_bytes: Decimal(used.network_rx_bytes),
                network_tx_bytes: Decimal(used.network_tx_bytes),
            },
            meter_root: *meter_root,
        }
    }
}
