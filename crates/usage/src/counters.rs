//! The exact sums of a lease in one row of numbers, for evidence that must add up to the last unit.

use market::{Dimension, Usage};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{Totals, Used};

/// How many counters a lease has.
pub const COUNTERS: usize = 12;

/// Exact cumulative counters, or what was added to them.
///
/// The first eight are the dimensions of [`Usage`] in their order, in thousandths of the settled unit; the place of
/// egress is unused, because it is billed from the bytes sent. Then: CPU time in nanoseconds, working set in half byte
/// milliseconds, bytes received, bytes sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters(pub [u128; COUNTERS]);

impl Counters {
    /// These and those, if that can be counted.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        self.each(other, u128::checked_add)
    }

    /// What these are more than those; none if one of them is less.
    pub fn minus(&self, other: &Self) -> Option<Self> {
        self.each(other, u128::checked_sub)
    }

    /// Whether nothing was counted.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// The published totals: the only place where sums are rounded, and always down.
    pub fn totals(&self) -> Totals {
        let [a, b, c, d, e, f, g, h, cpu_ns, memory_byte_half_millis, network_rx_bytes, network_tx_bytes] =
            self.0;
        let mut allocated = [a, b, c, d, e, f, g, h].map(|thousandths| thousandths / 1000);
        allocated[Dimension::Egress.index()] = network_tx_bytes;
        Totals {
            allocated: Usage(allocated),
            used: Used {
                cpu_ns,
                memory_byte_seconds: memory_byte_half_millis / 2000,
                network_rx_bytes,
                network_tx_bytes,
            },
        }
    }

    fn each(&self, other: &Self, combine: fn(u128, u128) -> Option<u128>) -> Option<Self> {
        let mut result = Self::default();
        for (place, (left, right)) in result.0.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            *place = combine(left, right)?;
        }
        Some(result)
    }
}

/// As decimal text: JSON readers elsewhere lose digits above 2^53.
impl Serialize for Counters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.map(|value| value.to_string()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = <[String; COUNTERS]>::deserialize(deserializer)?;
        let mut counters = Self::default();
        for (place, text) in counters.0.iter_mut().zip(texts) {
            *place = text.parse().map_err(D::Error::custom)?;
        }
        Ok(counters)
    }
}
