//! By how much what is attested about a provider multiplies its rewards.

use core::fmt;

/// A multiplier in ten-thousandths: 10 000 is once, 50 000 five times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Factor(pub u32);

impl Factor {
    /// What a provider has of whom nothing is attested.
    pub const ONE: Self = Self(10_000);

    /// This factor times another, rounded down, or the largest one.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        // Two factors of 32 bits multiply to 64.
        let product = u64::from(self.0) * u64::from(other.0) / u64::from(Self::ONE.0);
        Self(u32::try_from(product).unwrap_or(u32::MAX))
    }
}

impl Default for Factor {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn factors_multiply_and_round_down_at_each_step() {
        assert_eq!(Factor(15_000).times(Factor(20_000)), Factor(30_000));
        assert_eq!(Factor(12_345).times(Factor(12_345)), Factor(15_239));
        assert_eq!(Factor(u32::MAX).times(Factor(10_001)), Factor(u32::MAX));
    }

    proptest! {
        #[test]
        fn factors_that_raise_never_lower_and_no_order_of_two_matters(a in 10_000u32.., b in 10_000u32..) {
            prop_assert!(Factor(a).times(Factor(b)) >= Factor(a));
            prop_assert_eq!(Factor(a).times(Factor(b)), Factor(b).times(Factor(a)));
        }

        #[test]
        fn one_changes_nothing(a: u32) {
            prop_assert_eq!(Factor(a).times(Factor::ONE), Factor(a));
            prop_assert_eq!(Factor::ONE.times(Factor(a)), Factor(a));
        }
    }
}
