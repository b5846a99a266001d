//! The laws that every root obeys.

use proptest::prelude::*;

use super::*;
use crate::terms::tests::terms;
use crate::{KAPPA_MAX, Kind, Rate};

const ONE: u128 = 1_000_000_000_000_000_000;

fn account(index: usize) -> Address {
    Address::repeat_byte(u8::try_from(index).unwrap() + 1)
}

fn standing(index: usize, previous: u128, measure: u128, factor: u32) -> Standing {
    Standing {
        account: account(index),
        previous: Previous { measure: Measure(previous), cumulative: Amount(previous / 3) },
        measure: Measure(measure),
        least: Measure(previous),
        most: Measure(measure),
        factor: Factor(factor),
    }
}

fn inputs(allowance: u128, standings: Vec<Standing>) -> Inputs {
    Inputs {
        programme: ProgrammeId(U256::from(7)),
        terms: terms(Kind::Matched),
        epoch: Epoch(2),
        allowance: Amount(allowance),
        standings,
    }
}

/// Providers with fees of every size, and an allowance from nothing to plenty.
pub(crate) fn any_inputs() -> impl Strategy<Value = Inputs> {
    let provider = (0u128..1 << 100, 0u128..1 << 100, 0u32..60_000, 0u32..100);
    (prop::collection::vec(provider, 0..20), 0u128..1 << 104, 0..=KAPPA_MAX.0).prop_map(
        |(providers, allowance, rate)| {
            let standings =
                providers.into_iter().enumerate().map(|(index, (previous, fees, factor, shift))| {
                    standing(index, previous >> shift, (previous >> shift) + (fees >> shift), factor)
                });
            let mut inputs = inputs(allowance, standings.collect());
            inputs.terms.rate = Rate(rate);
            inputs
        },
    )
}

fn paid_before(inputs: &Inputs) -> u128 {
    inputs.standings.iter().map(|standing| standing.previous.cumulative.0).sum()
}

#[test]
fn everybody_is_paid_in_full_while_the_money_lasts() {
    let root =
        compute(&inputs(100, vec![standing(0, 30, 130, 10_000), standing(1, 0, 100, 10_000)])).unwrap();
    let leaves = [
        Leaf {
            index: 0,
            account: account(0),
            measure: Measure(130),
            raw: Amount(50),
            cumulative: Amount(60),
        },
        Leaf {
            index: 1,
            account: account(1),
            measure: Measure(100),
            raw: Amount(50),
            cumulative: Amount(50),
        },
    ];
    assert_eq!(root.leaves, leaves);
    assert_eq!((root.raw_total, root.cumulative_total), (U256::from(100), Amount(110)));
    assert_eq!(root.hash, hash(ProgrammeId(U256::from(7)), &leaves));
}

#[test]
fn everybody_is_cut_by_the_same_share_when_it_does_not() {
    let root = compute(&inputs(99, vec![standing(0, 30, 130, 10_000), standing(1, 0, 100, 10_000)])).unwrap();
    // 50 * 99 / 100, rounded down, twice.
    let cumulatives: Vec<_> = root.leaves.iter().map(|leaf| (leaf.raw.0, leaf.cumulative.0)).collect();
    assert_eq!(cumulatives, [(50, 10 + 49), (50, 49)]);
    assert_eq!(root.raw_total, U256::from(100));
}

#[test]
fn an_attested_provider_earns_more_for_the_same_work() {
    let root =
        compute(&inputs(1_000, vec![standing(0, 0, 100, 15_000), standing(1, 0, 100, 50_000)])).unwrap();
    let raws: Vec<_> = root.leaves.iter().map(|leaf| leaf.raw.0).collect();
    assert_eq!(raws, [75, 90], "1.5 times a half, and never more than 0.9");
}

#[test]
fn a_programme_without_providers_has_an_empty_root() {
    let root = compute(&inputs(1, Vec::new())).unwrap();
    let empty =
        Root { leaves: Vec::new(), hash: B256::ZERO, raw_total: U256::ZERO, cumulative_total: Amount::ZERO };
    assert_eq!(root, empty);
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let fell = inputs(1, vec![standing(0, 0, 5, 10_000), standing(1, 9, 8, 10_000)]);
    assert_eq!(compute(&fell), Err(ComputeError::Fell { index: 1, previous: 9, measure: 8 }));
    let mut dear = inputs(1, vec![standing(0, 0, u128::MAX, 10_000)]);
    dear.terms = terms(Kind::Capacity);
    (dear.terms.rate, dear.terms.max_rate) = (Rate(2 * ONE), Rate(2 * ONE));
    assert_eq!(compute(&dear), Err(ComputeError::TooLarge { index: 0 }));
    dear.terms.rate = Rate(ONE);
    dear.standings.push(standing(1, 0, 1, 10_000));
    assert!(compute(&dear).is_ok(), "the sum of raw rewards may exceed 128 bits");
    dear.standings[0].previous.cumulative = Amount::MAX;
    dear.standings[1].previous.cumulative = Amount(1);
    assert_eq!(compute(&dear), Err(ComputeError::TotalTooLarge));
}

#[test]
fn a_purse_holds_the_budgets_of_all_epochs_since_the_last_root_as_far_as_money_lasts() {
    let purse = Purse { next_epoch: Epoch(2), carried: Amount(5), uncommitted: Amount(10_000_000) };
    let terms = terms(Kind::Matched);
    assert_eq!(purse.allowance(&terms, Epoch(2)), Amount(1_000_005));
    assert_eq!(purse.allowance(&terms, Epoch(4)), Amount(3_000_005));
    assert_eq!(Purse { next_epoch: Epoch(0), ..purse }.allowance(&terms, Epoch(4)), Amount(5_000_005));
    assert_eq!(Purse { uncommitted: Amount(7), ..purse }.allowance(&terms, Epoch(4)), Amount(7));
    assert_eq!(purse.allowance(&terms, Epoch(1)), Amount::ZERO, "epoch 1 is paid for");
}

proptest! {
    #[test]
    fn a_root_never_pays_more_than_its_allowance(inputs in any_inputs()) {
        let root = compute(&inputs).unwrap();
        let paid = root.cumulative_total.0 - paid_before(&inputs);
        prop_assert!(paid <= inputs.allowance.0);
        prop_assert!(U256::from(paid) <= root.raw_total);
        // Rounding leaves less than one base unit for each provider.
        let due = root.raw_total.min(U256::from(inputs.allowance.0));
        prop_assert!(due - U256::from(paid) <= U256::from(inputs.standings.len()));
    }

    #[test]
    fn nobody_loses_what_it_earned_before(inputs in any_inputs()) {
        for (leaf, standing) in compute(&inputs).unwrap().leaves.iter().zip(&inputs.standings) {
            prop_assert!(leaf.cumulative >= standing.previous.cumulative);
            prop_assert!(leaf.measure >= standing.previous.measure);
        }
    }

    #[test]
    fn washing_loses_in_every_epoch_and_over_all_of_them(
        fees in prop::collection::vec(0u128..1 << 90, 1..8), rate in 0..=KAPPA_MAX.0,
        factors in prop::collection::vec(10_000u32.., 8), allowance in 0u128..1 << 92
    ) {
        let (mut previous, mut paid) = (Previous { measure: Measure(11), ..Previous::default() }, 0);
        for (fee, factor) in fees.into_iter().zip(factors) {
            paid += fee;
            let measure = previous.measure.0 + fee;
            let washer = Standing { previous, ..standing(0, 0, measure, factor) };
            let mut inputs = inputs(allowance, vec![washer]);
            inputs.terms.rate = Rate(rate);
            let leaf = compute(&inputs).unwrap().leaves[0];
            prop_assert!((leaf.cumulative.0 - previous.cumulative.0) * 10 <= fee * 9);
            previous = Previous { measure: leaf.measure, cumulative: leaf.cumulative };
        }
        prop_assert!(previous.cumulative.0 * 10 <= paid * 9);
    }

    #[test]
    fn splitting_one_providers_fees_over_accounts_earns_no_more(
        fees in 0u128..1 << 90, cut in 0u128..=100, allowance in 0u128..1 << 92
    ) {
        let part = fees / 100 * cut;
        let whole = compute(&inputs(allowance, vec![standing(0, 0, fees, 10_000)])).unwrap();
        let parts = vec![standing(0, 0, part, 10_000), standing(1, 0, fees - part, 10_000)];
        let parts = compute(&inputs(allowance, parts)).unwrap();
        prop_assert!(parts.cumulative_total <= whole.cumulative_total);
    }

    #[test]
    fn the_order_of_enrolment_moves_leaves_and_no_money(inputs in any_inputs(), turn in 0usize..20) {
        let mut turned = inputs.clone();
        let count = inputs.standings.len().max(1);
        turned.standings.rotate_left(turn % count);
        let (root, other) = (compute(&inputs).unwrap(), compute(&turned).unwrap());
        let money = |leaves: &[Leaf]| -> Vec<_> {
            leaves.iter().map(|leaf| (leaf.account, leaf.measure, leaf.raw, leaf.cumulative)).collect()
        };
        let mut expected = money(&root.leaves);
        expected.rotate_left(turn % count);
        prop_assert_eq!(money(&other.leaves), expected);
        prop_assert_eq!(compute(&inputs).unwrap(), root);
    }

    #[test]
    fn every_leaf_can_be_proved(inputs in any_inputs()) {
        let root = compute(&inputs).unwrap();
        for leaf in &root.leaves {
            let proof = proof(inputs.programme, &root.leaves, leaf.index).unwrap();
            prop_assert!(tree::verify(root.hash, leaf.hash(inputs.programme), &proof));
            prop_assert!(!tree::verify(root.hash, leaf.hash(ProgrammeId(U256::from(8))), &proof));
        }
    }

    #[test]
    fn no_number_makes_the_arithmetic_panic(
        previous: (u128, u128), measure: u128, factor: u32, rates: (u128, u128), allowance: u128, raw: (u128, u128)
    ) {
        let previous = Previous { measure: Measure(previous.0), cumulative: Amount(previous.1) };
        let mut inputs = inputs(allowance, vec![Standing { previous, ..standing(0, 0, measure, factor) }]);
        (inputs.terms.rate, inputs.terms.max_rate) = (Rate(rates.0), Rate(rates.1));
        let _root_or_reason = compute(&inputs);
        prop_assert!(scaled(Amount(raw.0), U256::from(raw.1), Amount(allowance)) <= Amount(raw.0.max(allowance)));
    }
}
