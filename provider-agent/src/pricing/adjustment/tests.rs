use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::{DurationStep, Seconds, TierName, UtilisationPoint};

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn point(used: &str, factor: &str) -> UtilisationPoint {
    UtilisationPoint { used: decimal(used), factor: decimal(factor) }
}

fn step(from: u64, factor: &str) -> DurationStep {
    DurationStep { from: Seconds(from), factor: decimal(factor) }
}

fn adjust() -> Adjust {
    Adjust {
        tier: BTreeMap::from([(TierName::Sandboxed, decimal("1.25"))]),
        utilisation: vec![point("0.5", "1"), point("0.9", "1.5")],
        duration: vec![step(86_400, "0.95"), step(604_800, "0.9")],
    }
}

fn priced(tier: Tier, duration: u32, used: u64) -> u128 {
    let circumstances = Circumstances { tier, duration, utilisation: Share::of(used, 100) };
    Adjustment::new(&adjust()).unwrap().apply(Price(1_000_000), &circumstances).0
}

#[test]
fn nothing_listed_leaves_prices_as_they_are() {
    let adjustment = Adjustment::new(&Adjust::default()).unwrap();
    for used in [0, 50, 100] {
        let circumstances =
            Circumstances { tier: Tier::Sandboxed, duration: u32::MAX, utilisation: Share::of(used, 100) };
        assert_eq!(adjustment.apply(Price(u128::MAX), &circumstances), Price(u128::MAX));
    }
}

#[test]
fn factors_are_multiplied_and_rounded_down() {
    assert_eq!(priced(Tier::Strict, 3600, 0), 1_000_000);
    assert_eq!(priced(Tier::Sandboxed, 3600, 50), 1_250_000);
    assert_eq!(
        [60, 70, 80, 90, 100].map(|used| priced(Tier::Strict, 3600, used)),
        [1_125_000, 1_250_000, 1_375_000, 1_500_000, 1_500_000]
    );
    assert_eq!(
        [86_399, 86_400, 604_800].map(|duration| priced(Tier::Strict, duration, 0)),
        [1_000_000, 950_000, 900_000]
    );
    assert_eq!(priced(Tier::Sandboxed, 604_800, 70), 1_406_250);
    let circumstances = Circumstances { tier: Tier::Strict, duration: 86_400, utilisation: Share::of(0, 1) };
    let adjustment = Adjustment::new(&adjust()).unwrap();
    // 6.65 is 6, and a price does not vanish.
    assert_eq!([7, 1, 0].map(|price| adjustment.apply(Price(price), &circumstances).0), [6, 1, 0]);
}

#[test]
fn a_share_is_at_most_the_whole_and_nothing_there_is_full() {
    assert_eq!(
        [Share::of(1, 3), Share::of(5, 4), Share::of(0, 0)],
        [Share(333_333), Share::WHOLE, Share::WHOLE]
    );
    assert_eq!(Share::of(u64::MAX, 1), Share::WHOLE);
}

#[test]
fn slips_of_the_pen_are_refused_by_name() {
    let check = |expected: Error, spoil: fn(&mut Adjust)| {
        let mut adjust = adjust();
        spoil(&mut adjust);
        assert_eq!(Adjustment::new(&adjust), Err(expected));
    };
    check(Error::Factor("pricing.adjust.tier"), |it| {
        it.tier.insert(TierName::Strict, decimal("0"));
    });
    check(Error::Factor("pricing.adjust.duration.factor"), |it| it.duration.push(step(700_000, "100.1")));
    check(Error::Factor("pricing.adjust.utilisation.factor"), |it| {
        it.utilisation.push(point("1", "1.0000001"));
    });
    check(Error::Share("pricing.adjust.utilisation.used"), |it| it.utilisation.push(point("1.1", "2")));
    check(Error::Order("pricing.adjust.utilisation"), |it| it.utilisation.push(point("0.9", "2")));
    check(Error::Order("pricing.adjust.duration"), |it| it.duration.push(step(3600, "1")));
}

proptest! {
    #[test]
    fn a_rising_curve_never_makes_a_fuller_cluster_cheaper(a in 0u64..=1000, b in 0u64..=1000, price in any::<u64>()) {
        let adjustment = Adjustment::new(&adjust()).unwrap();
        let at = |used| {
            let utilisation = Share::of(used, 1000);
            let circumstances = Circumstances { tier: Tier::Userns, duration: 60, utilisation };
            adjustment.apply(Price(price.into()), &circumstances)
        };
        let (low, high) = (at(a.min(b)), at(a.max(b)));
        prop_assert!(low <= high && low.0 >= u128::from(price) && high.0 <= u128::from(price) * 3 / 2);
    }
}
