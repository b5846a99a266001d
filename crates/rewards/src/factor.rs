//! By how much what is attested about a provider multiplies its rewards.

use core::fmt;

/// A multiplier in ten-thousandths: 10 000 is once, 50 000 five times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Factor(pub u128);

impl Factor {
    /// What a provider has of whom nothing is attested.
    pub const ONE: Self = Self(10_000);

    /// This factor times another, rounded down, or the largest one.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        // Split before multiplying: the remainder is below 10^4, so only the true result can be too large.
        let (whole, rest) = (self.0 / Self::ONE.0, self.0 % Self::ONE.0);
        let scaled = other.0 / Self::ONE.0 * rest + other.0 % Self::ONE.0 * rest / Self::ONE.0;
        Self(whole.saturating_mul(other.0).saturating_add(scaled))
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
    use alloy_primitives::U256;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn factors_multiply_and_round_down_at_each_step() {
        assert_eq!(Factor(15_000).times(Factor(20_000)), Factor(30_000));
        assert_eq!(Factor(12_345).times(Factor(12_345)), Factor(15_239));
        assert_eq!(Factor(u128::MAX).times(Factor(20_000)), Factor(u128::MAX));
    }

    proptest! {
        #[test]
        fn the_product_is_exact_or_the_largest(a: u128, b: u128) {
            let exact = U256::from(a).saturating_mul(U256::from(b)) / U256::from(10_000);
            let exact = u128::try_from(exact).unwrap_or(u128::MAX);
            prop_assert_eq!(Factor(a).times(Factor(b)).0, exact);
        }

        #[test]
        fn one_changes_nothing(a: u128) {
            prop_assert_eq!(Factor(a).times(Factor::ONE), Factor(a));
            prop_assert_eq!(Factor::ONE.times(Factor(a)), Factor(a));
        }
    }
}
