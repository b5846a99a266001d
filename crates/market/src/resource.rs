//! The eight resource dimensions that are leased, limited, priced and metered.

use core::fmt;

use crate::Price;

/// One metered resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// Seconds in which the whole lease was ready.
    Uptime = 0,
    /// Thousandths of a CPU, in milli-CPU seconds.
    Cpu = 1,
    /// Memory, in byte seconds.
    Memory = 2,
    /// Volumes, in byte seconds.
    Storage = 3,
    /// Thousandths of a GPU, in milli-GPU seconds.
    Gpu = 4,
    /// Traffic that left the lease, in bytes.
    Egress = 5,
    /// Leased public addresses, in address seconds.
    LeasedIps = 6,
    /// Extended devices, in milli-device seconds.
    Devices = 7,
}

impl Dimension {
    /// Every dimension, in the order of the chain's arrays.
    pub const ALL: [Self; 8] = [
        Self::Uptime,
        Self::Cpu,
        Self::Memory,
        Self::Storage,
        Self::Gpu,
        Self::Egress,
        Self::LeasedIps,
        Self::Devices,
    ];

    /// Position in the chain's arrays.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word used in metrics, tables and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uptime => "uptime",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Storage => "storage",
            Self::Gpu => "gpu",
            Self::Egress => "egress",
            Self::LeasedIps => "leased_ips",
            Self::Devices => "devices",
        }
    }

    /// What one unit of usage is.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Uptime => "s",
            Self::Cpu => "milli-CPU s",
            Self::Memory | Self::Storage => "byte s",
            Self::Gpu => "milli-GPU s",
            Self::Egress => "byte",
            Self::LeasedIps => "address s",
            Self::Devices => "milli-device s",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The price of one unit of each resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Prices(pub [Price; 8]);

/// The most units of each resource that a lease may consume in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits(pub [u64; 8]);

/// Cumulative units of each resource since a lease started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Usage(pub [u128; 8]);

macro_rules! by_dimension {
    ($table:ident, $cell:ty) => {
        impl $table {
            /// The value for one resource.
            pub const fn of(&self, dimension: Dimension) -> $cell {
                self.0[dimension.index()]
            }

            /// The same table with one value replaced.
            #[must_use]
            pub const fn with(mut self, dimension: Dimension, value: $cell) -> Self {
                self.0[dimension.index()] = value;
                self
            }

            /// Every resource with its value, in the order of the chain's arrays.
            pub fn iter(&self) -> impl Iterator<Item = (Dimension, $cell)> + '_ {
                Dimension::ALL.into_iter().map(|dimension| (dimension, self.of(dimension)))
            }
        }
    };
}

by_dimension!(Prices, Price);
by_dimension!(Limits, u64);
by_dimension!(Usage, u128);

impl Limits {
    /// Whether the lease counts available seconds (1) or not (0).
    pub const fn uptime(&self) -> u64 {
        self.of(Dimension::Uptime)
    }

    /// Thousandths of a CPU.
    pub const fn cpu_milli(&self) -> u64 {
        self.of(Dimension::Cpu)
    }

    /// Bytes of memory.
    pub const fn memory_bytes(&self) -> u64 {
        self.of(Dimension::Memory)
    }

    /// Bytes of volumes.
    pub const fn storage_bytes(&self) -> u64 {
        self.of(Dimension::Storage)
    }

    /// Thousandths of a GPU.
    pub const fn gpu_milli(&self) -> u64 {
        self.of(Dimension::Gpu)
    }

    /// Bytes per second that may leave the lease.
    pub const fn egress_bytes_per_second(&self) -> u64 {
        self.of(Dimension::Egress)
    }

    /// Public addresses.
    pub const fn leased_ips(&self) -> u64 {
        self.of(Dimension::LeasedIps)
    }

    /// Thousandths of extended devices.
    pub const fn device_milli(&self) -> u64 {
        self.of(Dimension::Devices)
    }

    /// Whether no resource asks for more than `bound` allows.
    pub fn is_within(&self, bound: &Self) -> bool {
        Dimension::ALL.into_iter().all(|dimension| self.of(dimension) <= bound.of(dimension))
    }
}

impl Usage {
    /// Nothing was used.
    pub const ZERO: Self = Self([0; 8]);

    /// Seconds in which the whole lease was ready.
    pub const fn uptime_seconds(&self) -> u128 {
        self.of(Dimension::Uptime)
    }

    /// Milli-CPU seconds.
    pub const fn cpu_milli_seconds(&self) -> u128 {
        self.of(Dimension::Cpu)
    }

    /// Byte seconds of memory.
    pub const fn memory_byte_seconds(&self) -> u128 {
        self.of(Dimension::Memory)
    }

    /// Byte seconds of volumes.
    pub const fn storage_byte_seconds(&self) -> u128 {
        self.of(Dimension::Storage)
    }

    /// Milli-GPU seconds.
    pub const fn gpu_milli_seconds(&self) -> u128 {
        self.of(Dimension::Gpu)
    }

    /// Bytes that left the lease.
    pub const fn egress_bytes(&self) -> u128 {
        self.of(Dimension::Egress)
    }

    /// Address seconds.
    pub const fn leased_ip_seconds(&self) -> u128 {
        self.of(Dimension::LeasedIps)
    }

    /// Milli-device seconds.
    pub const fn device_milli_seconds(&self) -> u128 {
        self.of(Dimension::Devices)
    }

    /// Whether every counter is at least the one in `earlier`, as cumulative counters must be.
    pub fn is_at_least(&self, earlier: &Self) -> bool {
        Dimension::ALL.into_iter().all(|dimension| self.of(dimension) >= earlier.of(dimension))
    }

    /// The sum of each counter, unless one does not fit.
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        let mut sum = *self;
        for (total, addend) in sum.0.iter_mut().zip(other.0) {
            *total = total.checked_add(addend)?;
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_stand_in_the_order_of_the_chain() {
        assert_eq!(Dimension::ALL.map(Dimension::index), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn named_counters_read_their_own_dimension() {
        let usage = Usage([10, 11, 12, 13, 14, 15, 16, 17]);
        let named = [
            usage.uptime_seconds(),
            usage.cpu_milli_seconds(),
            usage.memory_byte_seconds(),
            usage.storage_byte_seconds(),
            usage.gpu_milli_seconds(),
            usage.egress_bytes(),
            usage.leased_ip_seconds(),
            usage.device_milli_seconds(),
        ];
        assert_eq!(named, usage.0);
        let limits = Limits([20, 21, 22, 23, 24, 25, 26, 27]);
        let named = [
            limits.uptime(),
            limits.cpu_milli(),
            limits.memory_bytes(),
            limits.storage_bytes(),
            limits.gpu_milli(),
            limits.egress_bytes_per_second(),
            limits.leased_ips(),
            limits.device_milli(),
        ];
        assert_eq!(named, limits.0);
    }

    #[test]
    fn a_sum_that_does_not_fit_is_none() {
        let full = Usage::ZERO.with(Dimension::Gpu, u128::MAX);
        assert_eq!(full.checked_add(&Usage::ZERO), Some(full));
        assert_eq!(full.checked_add(&Usage::ZERO.with(Dimension::Gpu, 1)), None);
    }
}
