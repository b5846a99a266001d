//! What to offer for gas, and how to outbid oneself.

/// The two numbers of an EIP-1559 transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fees {
    /// The most that is paid for one unit of gas.
    pub(super) max: u128,
    /// The part of it beyond the base fee.
    pub(super) tip: u128,
}

impl Fees {
    /// An offer that stays good while the base fee doubles.
    pub(super) fn fresh(base_fee: u128, tip: u128) -> Self {
        Self { max: base_fee.saturating_mul(2).saturating_add(tip), tip }
    }

    /// The offer bounded by a limit; none if the limit does not even cover the present base fee.
    pub(super) fn within(self, limit: u128, base_fee: u128) -> Option<Self> {
        (limit > base_fee).then(|| {
            let max = self.max.min(limit);
            Self { max, tip: self.tip.min(max) }
        })
    }

    /// The least replacement that nodes accept, at least as good as a fresh offer; none if the limit forbids it.
    pub(super) fn bumped(self, fresh: Self, limit: u128) -> Option<Self> {
        let raised = Self { max: raise(self.max).max(fresh.max), tip: raise(self.tip).max(fresh.tip) };
        if raised.max <= limit {
            return Some(raised);
        }
        // Above the limit nothing but the least step is tried.
        let least = Self { max: raise(self.max), tip: raise(self.tip) };
        (least.max <= limit).then_some(least)
    }
}

/// One eighth more, rounded up, and at least one.
fn raise(fee: u128) -> u128 {
    fee.saturating_add(fee.div_ceil(8).max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_replacement_is_an_eighth_dearer_or_follows_the_market() {
        let old = Fees { max: 800, tip: 0 };
        assert_eq!(old.bumped(Fees { max: 10, tip: 5 }, 10_000), Some(Fees { max: 900, tip: 5 }));
        assert_eq!(old.bumped(Fees { max: 2000, tip: 0 }, 10_000), Some(Fees { max: 2000, tip: 1 }));
        assert_eq!(old.bumped(Fees { max: 2000, tip: 0 }, 950), Some(Fees { max: 900, tip: 1 }));
        assert_eq!(old.bumped(Fees { max: 2000, tip: 0 }, 899), None);
    }

    #[test]
    fn an_offer_below_the_base_fee_is_not_made() {
        assert_eq!(Fees::fresh(100, 7), Fees { max: 207, tip: 7 });
        assert_eq!(Fees::fresh(100, 7).within(150, 100), Some(Fees { max: 150, tip: 7 }));
        assert_eq!(Fees::fresh(100, 7).within(100, 100), None);
    }

    proptest! {
        #[test]
        fn a_replacement_always_satisfies_the_nodes_rule(max: u64, tip: u64, fresh: u64) {
            let old = Fees { max: max.into(), tip: tip.min(max).into() };
            let new = old.bumped(Fees::fresh(fresh.into(), 0), u128::MAX).unwrap();
            prop_assert!(new.max * 8 >= old.max * 9 && new.tip * 8 >= old.tip * 9);
            prop_assert!(new.max > old.max && new.tip > old.tip && new.tip <= new.max);
        }
    }
}
