//! What each event changes, and from when.

use proptest::prelude::*;

use super::*;
use crate::terms::tests::terms;
use crate::{compute, verify};

const ANN: Address = Address::repeat_byte(1);
const BEN: Address = Address::repeat_byte(2);
const NONE: Address = Address::repeat_byte(9);

fn enrolled(account: Address, index: u32, epoch: u32, baseline: u128) -> Fact {
    Fact::Enrolled { account, index, epoch: Epoch(epoch), baseline: Measure(baseline) }
}

fn paid(account: Address, fee: u128, block: u64) -> Fact {
    Fact::FeePaid { account, fee: Amount(fee), block }
}

fn history(kind: Kind, facts: &[Fact]) -> History {
    let mut history = History::new(kind);
    facts.iter().try_for_each(|fact| history.apply(fact)).unwrap();
    history
}

fn inputs(history: &History, epoch: u32, last_block: u64, base: &[Leaf]) -> Inputs {
    let programme = ProgrammeId(alloy_primitives::U256::from(4));
    history.inputs(programme, &terms(history.kind), Epoch(epoch), last_block, base, Amount(1_000)).unwrap()
}

#[test]
fn fees_count_from_enrolment_to_the_end_of_the_epochs_last_block() {
    let facts =
        [enrolled(ANN, 0, 0, 100), paid(ANN, 10, 5), paid(NONE, 7, 5), paid(ANN, 20, 6), paid(ANN, 40, 7)];
    let history = history(Kind::Matched, &facts);
    let standing = Standing {
        account: ANN,
        previous: Previous { measure: Measure(100), cumulative: Amount::ZERO },
        measure: Measure(130),
        least: Measure(100),
        most: Measure(170),
        factor: Factor::ONE,
    };
    assert_eq!(inputs(&history, 0, 6, &[]).standings, [standing]);
    assert_eq!(inputs(&history, 0, 4, &[]).standings[0].measure, Measure(100));
}

#[test]
fn a_provider_that_left_earns_for_nothing_later() {
    let left = Fact::Left { account: ANN, epoch: Epoch(1), counter: Measure(30) };
    let facts = [enrolled(ANN, 0, 0, 0), paid(ANN, 30, 5), left, paid(ANN, 50, 6)];
    let standing = inputs(&history(Kind::Matched, &facts), 1, 9, &[]).standings[0];
    assert_eq!((standing.least, standing.measure, standing.most), (Measure(30), Measure(30), Measure(30)));
    let earlier = inputs(&history(Kind::Matched, &facts), 0, 4, &[]).standings[0];
    assert_eq!((earlier.least, earlier.measure), (Measure(0), Measure(0)));
}

#[test]
fn a_checkpoint_binds_the_roots_of_its_epoch_and_of_later_ones() {
    let noted =
        |epoch, counter| Fact::Checkpointed { account: ANN, epoch: Epoch(epoch), counter: Measure(counter) };
    let facts = [enrolled(ANN, 0, 0, 0), paid(ANN, 90, 5), noted(1, 20), noted(1, 30), noted(3, 60)];
    let history = history(Kind::Matched, &facts);
    let least = |epoch| inputs(&history, epoch, 9, &[]).standings[0].least.0;
    assert_eq!([0, 1, 2, 3, 4].map(least), [0, 30, 30, 60, 60]);
}

#[test]
fn a_leaf_of_the_root_before_is_where_counting_goes_on() {
    let facts = [enrolled(ANN, 0, 0, 5), enrolled(BEN, 1, 1, 6), paid(ANN, 30, 5)];
    let history = history(Kind::Matched, &facts);
    let leaf = Leaf { index: 0, account: ANN, measure: Measure(33), raw: Amount(1), cumulative: Amount(8) };
    let standings = inputs(&history, 1, 3, &[leaf]).standings;
    let previous = Previous { measure: Measure(33), cumulative: Amount(8) };
    assert_eq!(
        (standings[0].previous, standings[0].measure, standings[0].least),
        (previous, Measure(33), Measure(33))
    );
    assert_eq!(standings[1].previous, Previous { measure: Measure(6), cumulative: Amount::ZERO });
    let foreign = Leaf { account: BEN, ..leaf };
    let programme = ProgrammeId(alloy_primitives::U256::from(4));
    let refused = history.inputs(programme, &terms(Kind::Matched), Epoch(1), 3, &[foreign], Amount(1));
    assert_eq!(refused, Err(HistoryError::Base { index: 0, account: BEN }));
}

#[test]
fn whoever_enrols_after_an_epoch_has_no_leaf_in_its_root() {
    let history = history(Kind::Matched, &[enrolled(ANN, 0, 0, 0), enrolled(BEN, 1, 2, 0)]);
    assert_eq!([0, 1, 2].map(|epoch| history.enrolled_by(Epoch(epoch)).len()), [1, 1, 2]);
}

#[test]
fn reports_count_up_to_their_epoch_and_nothing_else_does() {
    let reported =
        |epoch, counter| Fact::Reported { account: ANN, epoch: Epoch(epoch), counter: Measure(counter) };
    let facts = [enrolled(ANN, 0, 0, 0), reported(0, 10), reported(2, 25), paid(ANN, 99, 1)];
    let history = history(Kind::Capacity, &facts);
    for (epoch, measure) in [(0, 10), (1, 10), (2, 25), (3, 25)] {
        let standing = inputs(&history, epoch, 9, &[]).standings[0];
        let bounds = (standing.least, standing.measure, standing.most);
        assert_eq!(bounds, (Measure(measure), Measure(measure), Measure(measure)), "{epoch}");
    }
    assert_eq!(history.members()[0].counter(Kind::Capacity), Measure(25));
}

#[test]
fn a_factor_holds_from_its_first_epoch_to_before_its_last_and_a_newer_one_replaces_it() {
    let set = |factor, from, until| Fact::FactorSet {
        account: ANN,
        factor: Factor(factor),
        from: Epoch(from),
        until: Epoch(until),
    };
    let facts =
        [enrolled(ANN, 0, 0, 0), set(20_000, 1, 9), set(30_000, 3, 5), set(10_000, 7, 7), set(15_000, 7, 8)];
    let history = history(Kind::Matched, &facts);
    let factors: Vec<_> = (0..10).map(|epoch| history.members()[0].factor_at(Epoch(epoch)).0).collect();
    let once = 10_000;
    assert_eq!(factors, [once, 20_000, 20_000, 30_000, 30_000, once, once, 15_000, once, once]);
}

#[test]
fn money_counts_from_the_epoch_in_which_it_came() {
    let funded = |amount, epoch| Fact::Funded { amount: Amount(amount), epoch: Epoch(epoch) };
    let history = history(Kind::Matched, &[funded(5, 0), funded(7, 2), funded(9, 2)]);
    assert_eq!([0, 1, 2, 3].map(|epoch| history.funded_by(Epoch(epoch)).0), [5, 5, 21, 21]);
}

#[test]
fn events_that_cannot_follow_each_other_are_refused() {
    let mut history = history(Kind::Matched, &[enrolled(ANN, 0, 0, 0)]);
    assert_eq!(history.apply(&enrolled(BEN, 2, 0, 0)), Err(HistoryError::Place { index: 2, count: 1 }));
    assert_eq!(history.apply(&enrolled(ANN, 1, 0, 0)), Err(HistoryError::Twice(ANN)));
    let left = Fact::Left { account: NONE, epoch: Epoch(0), counter: Measure(0) };
    assert_eq!(history.apply(&left), Err(HistoryError::Stranger(NONE)));
}

/// A few providers who enrol, pay, note their counters and leave, in any order.
fn any_facts() -> impl Strategy<Value = Vec<Fact>> {
    let step = (0usize..4, 0u8..6, 0u128..1 << 80);
    prop::collection::vec(step, 0..60).prop_map(|steps| {
        let (mut facts, mut history) = (Vec::new(), History::new(Kind::Matched));
        for (block, (who, what, number)) in (0u64..).zip(steps) {
            let account = Address::repeat_byte(u8::try_from(who).unwrap());
            let epoch = Epoch(u32::try_from(block / 12).unwrap());
            let index = u32::try_from(history.members.len()).unwrap();
            let counter =
                history.members.iter().find(|it| it.account == account).map(|it| it.counter(Kind::Matched));
            let fact = match (counter, what) {
                (None, _) => Fact::Enrolled { account, index, epoch, baseline: Measure(number) },
                (Some(counter), 0) => Fact::Left { account, epoch, counter },
                (Some(counter), 1) => Fact::Checkpointed { account, epoch, counter },
                (Some(_), 2) => {
                    let factor = Factor(10_000 + u32::try_from(number % 40_000).unwrap());
                    Fact::FactorSet { account, factor, from: Epoch(epoch.0 + 1), until: Epoch(epoch.0 + 3) }
                }
                (Some(_), _) => Fact::FeePaid { account, fee: Amount(number), block },
            };
            history.apply(&fact).unwrap();
            facts.push(fact);
        }
        facts
    })
}

proptest! {
    #[test]
    fn roots_built_on_each_other_are_right_and_never_match_a_fee_twice(facts in any_facts(), allowance: u64) {
        let history = history(Kind::Matched, &facts);
        let mut base: Vec<Leaf> = Vec::new();
        for epoch in 0..5u32 {
            let mut inputs = inputs(&history, epoch, u64::from(epoch) * 12 + 11, &base);
            inputs.allowance = Amount(u128::from(allowance) << 20);
            let root = compute(&inputs).unwrap();
            prop_assert_eq!(verify(&inputs, &root.leaves), Ok(Vec::new()));
            for (leaf, member) in root.leaves.iter().zip(history.members()) {
                let fees = leaf.measure.0 - member.baseline.0;
                prop_assert!(leaf.cumulative.0 * 10 <= fees * 9);
                prop_assert!(leaf.measure <= member.counter(Kind::Matched));
            }
            base = root.leaves;
        }
    }

    #[test]
    fn skipping_epochs_counts_the_same_fees(facts in any_facts()) {
        let history = history(Kind::Matched, &facts);
        let once = compute(&inputs(&history, 4, 59, &[])).unwrap().leaves;
        let first = compute(&inputs(&history, 2, 35, &[])).unwrap().leaves;
        let twice = compute(&inputs(&history, 4, 59, &first)).unwrap().leaves;
        let measures = |leaves: &[Leaf]| leaves.iter().map(|leaf| leaf.measure).collect::<Vec<_>>();
        prop_assert_eq!(measures(&once), measures(&twice));
    }
}
