//! A right root has no fault, and each wrong leaf is named with its ground.

use alloy_primitives::U256;
use proptest::prelude::*;

use super::*;
use crate::compute::tests::any_inputs;
use crate::terms::tests::terms;
use crate::{Epoch, Factor, Kind, Previous, ProgrammeId, compute};

fn inputs() -> Inputs {
    let standing = |byte: u8, previous: u128, measure: u128| Standing {
        account: Address::repeat_byte(byte),
        previous: Previous { measure: Measure(previous), cumulative: Amount(previous / 2) },
        measure: Measure(measure),
        least: Measure(measure - 1),
        most: Measure(measure + 20),
        factor: Factor::ONE,
    };
    Inputs {
        programme: ProgrammeId(U256::from(3)),
        terms: terms(Kind::Matched),
        epoch: Epoch(1),
        allowance: Amount(100),
        standings: vec![standing(1, 0, 200), standing(2, 40, 240), standing(3, 0, 100)],
    }
}

fn one(index: u32, account: Address, fault: Fault) -> Result<Vec<Difference>, Impossible> {
    Ok(vec![Difference { index, account, fault }])
}

/// The right leaves with one of them changed.
fn posted(change: impl FnOnce(&mut Leaf)) -> Vec<Leaf> {
    let mut leaves = compute(&inputs()).unwrap().leaves;
    change(&mut leaves[1]);
    leaves
}

const SECOND: Address = Address::repeat_byte(2);

#[test]
fn a_right_root_has_no_fault() {
    assert_eq!(verify(&inputs(), &posted(|_| ())), Ok(Vec::new()));
}

#[test]
fn a_measure_below_the_least_is_named_and_any_other_may_stand() {
    let low = |posted| Fault::Measure { posted: Measure(posted), least: Measure(239) };
    assert_eq!(verify(&inputs(), &posted(|leaf| leaf.measure.0 = 238)), one(1, SECOND, low(238)));
    assert_eq!(verify(&inputs(), &posted(|leaf| leaf.measure.0 = 0)), one(1, SECOND, low(0)));
    // 241 - 40 earns 100, as 240 - 40 does: half of a unit is rounded away.
    assert_eq!(verify(&inputs(), &posted(|leaf| leaf.measure.0 = 241)), Ok(Vec::new()));
}

#[test]
fn a_root_that_the_contract_does_not_take_is_no_root() {
    let other = Address::repeat_byte(9);
    let account = |posted| Err(Impossible::Account { index: 1, posted, enrolled: SECOND });
    assert_eq!(verify(&inputs(), &posted(|leaf| leaf.account = other)), account(other));
    assert_eq!(verify(&inputs(), &posted(|leaf| leaf.index = 2)), account(SECOND));
    let above = Err(Impossible::AboveCounter { index: 1, posted: 261, counter: 260 });
    assert_eq!(verify(&inputs(), &posted(|leaf| leaf.measure.0 = 261)), above);
    let short = &posted(|_| ())[..2];
    assert_eq!(verify(&inputs(), short), Err(Impossible::Count { posted: 2, enrolled: 3 }));
}

#[test]
fn a_raw_reward_that_does_not_follow_from_its_measure_is_named() {
    let raw = Fault::Raw { posted: Amount(101), right: Some(Amount(100)) };
    // The shares of the others no longer follow from the sum of what was posted.
    let cut = |posted, right| Fault::Cumulative { posted: Amount(posted), right: Some(Amount(right)) };
    let difference = |index, byte, fault| Difference { index, account: Address::repeat_byte(byte), fault };
    let expected = vec![difference(0, 1, cut(40, 39)), difference(1, 2, raw), difference(2, 3, cut(20, 19))];
    assert_eq!(verify(&inputs(), &posted(|leaf| leaf.raw.0 += 1)), Ok(expected));
}

#[test]
fn a_cumulative_reward_that_does_not_follow_is_named() {
    // 20 before, and 100 * 100 / 250 now.
    let fault = |posted| Fault::Cumulative { posted: Amount(posted), right: Some(Amount(60)) };
    assert_eq!(verify(&inputs(), &posted(|leaf| leaf.cumulative.0 += 1)), one(1, SECOND, fault(61)));
    assert_eq!(verify(&inputs(), &posted(|leaf| leaf.cumulative.0 = 0)), one(1, SECOND, fault(0)));
}

proptest! {
    #[test]
    fn what_is_computed_is_right(inputs in any_inputs()) {
        prop_assert_eq!(verify(&inputs, &compute(&inputs).unwrap().leaves), Ok(Vec::new()));
    }

    #[test]
    fn any_change_of_a_leaf_is_found_at_its_place(
        inputs in any_inputs(), place: prop::sample::Index, ground in prop::sample::select(&Ground::ALL[..]), by in 1u128..1 << 90
    ) {
        let mut inputs = inputs;
        inputs.standings.iter_mut().for_each(|standing| standing.least = standing.measure);
        let mut leaves = compute(&inputs).unwrap().leaves;
        prop_assume!(!leaves.is_empty());
        let changed = place.index(leaves.len());
        let leaf = &mut leaves[changed];
        match ground {
            Ground::Measure => {
                prop_assume!(leaf.measure.0 > 0);
                leaf.measure.0 -= by.min(leaf.measure.0);
            }
            Ground::Raw => leaf.raw.0 += by,
            Ground::Cumulative => leaf.cumulative.0 += by,
        }
        let found = verify(&inputs, &leaves).unwrap();
        let found = found.iter().find(|it| it.index as usize == changed).map(|it| it.fault.ground());
        prop_assert_eq!(found, Some(ground));
    }

    #[test]
    fn no_leaf_makes_verifying_panic(
        inputs in any_inputs(), measure: u128, raw: u128, cumulative: u128, place: prop::sample::Index
    ) {
        let mut leaves = compute(&inputs).unwrap().leaves;
        prop_assume!(!leaves.is_empty());
        let place = place.index(leaves.len());
        let leaf = leaves[place];
        let measure = Measure(measure);
        leaves[place] = Leaf { measure, raw: Amount(raw), cumulative: Amount(cumulative), ..leaf };
        let found = verify(&inputs, &leaves);
        prop_assert_eq!(found.is_err(), measure > inputs.standings[place].most);
        prop_assert!(found.is_err() || leaves[place] == leaf || found.is_ok_and(|found| !found.is_empty()));
    }
}
