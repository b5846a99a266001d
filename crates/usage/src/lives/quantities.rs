//! So much of every resource.

use std::collections::BTreeMap;

use market::Dimension;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::ResourceLimits;

/// So much of every dimension, in the order of [`Dimension::ALL`].
///
/// Either what is held at one moment, or what that adds to the first eight of [`crate::Counters`]. Nothing is held of
/// egress, which is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Quantities(pub [u128; 8]);

impl Quantities {
    /// What holding this for so many milliseconds adds to the counters. The meter and whoever recomputes it multiply here
    /// and nowhere else. More than can be counted is the most that can.
    pub fn over(&self, millis: u64) -> Self {
        Self(self.0.map(|held| held.saturating_mul(u128::from(millis))))
    }

    /// These and those, or the most that can be counted.
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        for (place, more) in sum.0.iter_mut().zip(other.0) {
            *place = place.saturating_add(more);
        }
        sum
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl<const N: usize> From<[(Dimension, u64); N]> for Quantities {
    fn from(held: [(Dimension, u64); N]) -> Self {
        let mut quantities = Self::default();
        for (dimension, amount) in held {
            quantities.0[dimension.index()] = amount.into();
        }
        quantities
    }
}

impl From<&ResourceLimits> for Quantities {
    fn from(limits: &ResourceLimits) -> Self {
        let ResourceLimits { cpu_milli, memory_bytes, gpu_milli, device_milli } = *limits;
        Self::from([
            (Dimension::Cpu, cpu_milli),
            (Dimension::Memory, memory_bytes),
            (Dimension::Gpu, gpu_milli),
            (Dimension::Devices, device_milli),
        ])
    }
}

/// By name and as decimal text, without what is nought.
impl Serialize for Quantities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = Dimension::ALL.into_iter().zip(self.0).filter(|(_, amount)| *amount > 0);
        serializer.collect_map(named.map(|(dimension, amount)| (dimension.name(), amount.to_string())))
    }
}

impl<'de> Deserialize<'de> for Quantities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut quantities = Self::default();
        for (name, text) in BTreeMap::<String, String>::deserialize(deserializer)? {
            let dimension = Dimension::ALL.into_iter().find(|dimension| dimension.name() == name);
            let dimension =
                dimension.ok_or_else(|| D::Error::custom(format_args!("unknown resource {name}")))?;
            quantities.0[dimension.index()] = text.parse().map_err(D::Error::custom)?;
        }
        Ok(quantities)
    }
}
