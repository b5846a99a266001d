//! What a programme promises, fixed when it is created.

use alloy_primitives::{Address, B256, U256};
use market::{Amount, Price, Timestamp};

use crate::{Epoch, Factor, Measure};

/// What one unit of measure earns carries this factor over base units.
pub(crate) const RATE_SCALE: u128 = 1_000_000_000_000_000_000;

/// The highest rate of a programme that matches fees: 0.9 of each unit, so that paying a fee to oneself always loses.
pub const KAPPA_MAX: Rate = Rate(900_000_000_000_000_000);

/// What one unit of measure earns, in base units times 10^18.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub u128);

/// What a programme pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Protocol fees that the provider's leases paid.
    Matched,
    /// Capacity that the programme's auditors measured.
    Capacity,
}

/// What becomes of money that an epoch did not earn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unspent {
    /// The next epochs may pay it.
    RollsOver,
    /// It is the sponsor's again.
    Returns,
}

/// By how much an attested attribute multiplies rewards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiplier {
    /// keccak256 of the attribute's ABI-encoded key and value.
    pub attribute: B256,
    /// How much more a provider that has it earns.
    pub factor: Factor,
}

/// How much of one region a programme pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionCap {
    /// The region.
    pub region: B256,
    /// The most units of all providers there together, in one epoch.
    pub units_per_epoch: Measure,
}

/// A programme, as its sponsor created it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgrammeTerms {
    /// What it pays for.
    pub kind: Kind,
    /// What it pays in; a matched programme counts the fees in this token.
    pub token: Address,
    /// When its first epoch begins.
    pub start_at: Timestamp,
    /// Seconds of an epoch.
    pub epoch_length: u32,
    /// How many epochs it has.
    pub epochs: u32,
    /// Seconds for which a posted root can be refuted.
    pub challenge_window: u32,
    /// The most that an epoch pays.
    pub budget_per_epoch: Amount,
    /// What becomes of the rest.
    pub unspent: Unspent,
    /// What whoever posts a root puts at stake.
    pub poster_bond: Amount,
    /// What a unit earns a provider of whom nothing is attested.
    pub rate: Rate,
    /// What a unit earns at most.
    pub max_rate: Rate,
    /// What attested attributes are worth.
    pub multipliers: Vec<Multiplier>,
    /// Whose attestations and reports count.
    pub auditors: Vec<Address>,
    /// How many auditors must sign a report of capacity.
    pub quorum: u8,
    /// The most units of one provider in one epoch.
    pub provider_cap: Measure,
    /// The regions that are paid for; no other is.
    pub region_caps: Vec<RegionCap>,
    /// What a provider must have bonded for each unit of an epoch.
    pub bond_per_unit: Price,
}

impl Kind {
    /// The word for people and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Capacity => "capacity",
        }
    }
}

impl ProgrammeTerms {
    /// When an epoch begins.
    pub fn start_of(&self, epoch: Epoch) -> Timestamp {
        // Below 2^64 for any 32-bit factors.
        let passed = u64::from(epoch.0) * u64::from(self.epoch_length);
        Timestamp(self.start_at.0.saturating_add(passed))
    }

    /// The first moment after an epoch.
    pub fn end_of(&self, epoch: Epoch) -> Timestamp {
        Timestamp(self.start_of(epoch).0.saturating_add(u64::from(self.epoch_length)))
    }

    /// From when the root of an epoch can be posted. Reports of capacity have a challenge window's time to arrive.
    pub fn postable_at(&self, epoch: Epoch) -> Timestamp {
        Timestamp(self.end_of(epoch).0.saturating_add(self.grace()))
    }

    /// The newest epoch whose root can be posted at `now`; none before that of the first.
    pub fn last_postable(&self, now: Timestamp) -> Option<Epoch> {
        self.last_ended(Timestamp(now.0.checked_sub(self.grace())?))
    }

    /// The newest epoch that is over at `now`; none before the end of the first.
    pub fn last_ended(&self, now: Timestamp) -> Option<Epoch> {
        let ended = now.seconds_since(self.start_at).checked_div(u64::from(self.epoch_length))?;
        let newest = ended.min(u64::from(self.epochs)).checked_sub(1)?;
        u32::try_from(newest).ok().map(Epoch)
    }

    /// Seconds between an epoch's end and its root.
    fn grace(&self) -> u64 {
        match self.kind {
            Kind::Matched => 0,
            Kind::Capacity => u64::from(self.challenge_window),
        }
    }

    /// What a unit earns a provider with these attributes, as far as the programme knows them.
    pub fn effective_rate(&self, factor: Factor) -> Rate {
        let multiplied = U256::from(self.rate.0) * U256::from(factor.0) / U256::from(Factor::ONE.0);
        Rate(u128::try_from(multiplied).map_or(self.max_rate.0, |rate| rate.min(self.max_rate.0)))
    }
}

impl Rate {
    /// What `measure` earns at this rate, rounded down; none if it is more than the chain can hold.
    pub fn of(self, measure: Measure) -> Option<Amount> {
        let earned = U256::from(measure.0) * U256::from(self.0) / U256::from(RATE_SCALE);
        u128::try_from(earned).ok().map(Amount)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn terms(kind: Kind) -> ProgrammeTerms {
        ProgrammeTerms {
            kind,
            token: Address::repeat_byte(1),
            start_at: Timestamp(1_000),
            epoch_length: 100,
            epochs: 5,
            challenge_window: 60,
            budget_per_epoch: Amount(1_000_000),
            unspent: Unspent::Returns,
            poster_bond: Amount(50),
            rate: Rate(RATE_SCALE / 2),
            max_rate: KAPPA_MAX,
            multipliers: Vec::new(),
            auditors: Vec::new(),
            quorum: 0,
            provider_cap: Measure(0),
            region_caps: Vec::new(),
            bond_per_unit: Price(0),
        }
    }

    #[test]
    fn epochs_follow_each_other_without_a_gap() {
        let matched = terms(Kind::Matched);
        assert_eq!(
            (matched.start_of(Epoch(0)), matched.end_of(Epoch(0))),
            (Timestamp(1_000), Timestamp(1_100))
        );
        assert_eq!(matched.start_of(Epoch(1)), Timestamp(1_100));
        assert_eq!(matched.postable_at(Epoch(1)), Timestamp(1_200));
        assert_eq!(terms(Kind::Capacity).postable_at(Epoch(1)), Timestamp(1_260));
    }

    #[test]
    fn an_epoch_has_ended_at_its_end_and_none_follows_the_last() {
        let terms = terms(Kind::Matched);
        for (now, ended) in [
            (0, None),
            (1_099, None),
            (1_100, Some(0)),
            (1_199, Some(0)),
            (1_200, Some(1)),
            (1_500, Some(4)),
            (90_000, Some(4)),
        ] {
            assert_eq!(terms.last_ended(Timestamp(now)), ended.map(Epoch), "{now}");
        }
    }

    #[test]
    fn reports_have_a_window_before_the_root_of_their_epoch_can_be_posted() {
        let capacity = terms(Kind::Capacity);
        for (now, postable) in
            [(0, None), (1_159, None), (1_160, Some(0)), (1_260, Some(1)), (90_000, Some(4))]
        {
            assert_eq!(capacity.last_postable(Timestamp(now)), postable.map(Epoch), "{now}");
        }
        assert_eq!(terms(Kind::Matched).last_postable(Timestamp(1_100)), Some(Epoch(0)));
    }

    #[test]
    fn no_attribute_lifts_the_rate_above_the_highest() {
        let terms = terms(Kind::Matched);
        assert_eq!(terms.effective_rate(Factor::ONE), terms.rate);
        assert_eq!(terms.effective_rate(Factor(17_999)), Rate(899_950_000_000_000_000));
        assert_eq!(terms.effective_rate(Factor(18_001)), KAPPA_MAX);
        assert_eq!(terms.effective_rate(Factor(u32::MAX)), KAPPA_MAX);
    }

    #[test]
    fn what_a_unit_earns_rounds_down_and_must_fit() {
        assert_eq!(KAPPA_MAX.of(Measure(9)), Some(Amount(8)));
        assert_eq!(Rate(RATE_SCALE).of(Measure(u128::MAX)), Some(Amount::MAX));
        assert_eq!(Rate(RATE_SCALE + 1).of(Measure(u128::MAX)), None);
    }

    proptest! {
        #[test]
        fn a_fee_never_earns_itself(fee: u128, rate in 0..=KAPPA_MAX.0, factor: u32) {
            let terms = ProgrammeTerms { rate: Rate(rate), ..terms(Kind::Matched) };
            let earned = terms.effective_rate(Factor(factor)).of(Measure(fee)).unwrap().0;
            prop_assert!(U256::from(earned) * U256::from(10) <= U256::from(fee) * U256::from(9));
            prop_assert!(earned < fee || fee == 0);
        }

        #[test]
        fn no_moment_makes_the_clock_panic(start: u64, length: u32, epochs: u32, epoch: u32, now: u64) {
            let terms = ProgrammeTerms {
                start_at: Timestamp(start), epoch_length: length, epochs, ..terms(Kind::Capacity)
            };
            prop_assert!(terms.start_of(Epoch(epoch)) <= terms.postable_at(Epoch(epoch)));
            if let Some(ended) = terms.last_ended(Timestamp(now)) {
                prop_assert!(ended.0 < epochs && terms.end_of(ended).0 <= now);
            }
            if let Some(postable) = terms.last_postable(Timestamp(now)) {
                prop_assert!(postable.0 < epochs && terms.postable_at(postable).0 <= now);
            }
        }
    }
}
