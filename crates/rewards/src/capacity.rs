//! How much of a capacity report counts.

use alloy_primitives::U256;
use market::{Amount, Price};

use crate::Measure;
use crate::terms::RATE_SCALE;

/// What bounds the units that one report adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most units of one provider in one epoch.
    pub provider_cap: Measure,
    /// What the region has left in that epoch.
    pub region_left: Measure,
    /// The provider's bond.
    pub bond: Amount,
    /// What must be bonded for each unit.
    pub bond_per_unit: Price,
}

impl Bounds {
    /// How many of `units` count.
    pub fn accepted(&self, units: Measure) -> Measure {
        units.min(self.provider_cap).min(self.region_left).min(self.bonded())
    }

    /// The units that the bond stands for, rounded down; without a price on units, all of them.
    fn bonded(&self) -> Measure {
        let scaled = U256::from(self.bond.0) * U256::from(RATE_SCALE);
        Measure(
            scaled
                .checked_div(U256::from(self.bond_per_unit.0))
                .map_or(u128::MAX, |units| units.saturating_to()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        provider_cap: Measure(100),
        region_left: Measure(90),
        bond: Amount(40),
        bond_per_unit: Price(RATE_SCALE / 2),
    };

    #[test]
    fn the_tightest_bound_decides() {
        assert_eq!(BOUNDS.accepted(Measure(70)), Measure(70));
        assert_eq!(BOUNDS.accepted(Measure(81)), Measure(80));
        assert_eq!(Bounds { bond: Amount(50), ..BOUNDS }.accepted(Measure(200)), Measure(90));
        assert_eq!(
            Bounds { bond: Amount(50), region_left: Measure(999), ..BOUNDS }.accepted(Measure(200)),
            Measure(100)
        );
        assert_eq!(Bounds { bond: Amount(0), ..BOUNDS }.accepted(Measure(1)), Measure(0));
    }

    #[test]
    fn units_without_a_bond_of_their_own_need_none() {
        let free = Bounds { bond: Amount(0), bond_per_unit: Price(0), ..BOUNDS };
        assert_eq!(free.accepted(Measure(85)), Measure(85));
        let cheap = Bounds { bond: Amount::MAX, bond_per_unit: Price(1), ..BOUNDS };
        assert_eq!(cheap.accepted(Measure(85)), Measure(85));
    }
}
