//! What bids stake, and who disputed: counted over restarts, failures and time.

mod life;

use super::*;
use crate::bidding::{AtStake, DeclineReason};

const DAY: u64 = 86_400;

fn at_stake(state: &State, now: u64) -> (u128, u128) {
    let AtStake { offered, signed } = state.signed.at_stake(now, Timestamp(now));
    (offered.0, signed.0)
}

fn finished(outcome: BidOutcome) -> Event {
    Event::BidFinished { lease: id(), outcome }
}

#[test]
fn a_bid_is_offered_while_it_can_be_accepted_and_counts_for_a_day_after() {
    let state = with_bid();
    let until = bid().valid_until.0;
    assert_eq!(at_stake(&state, NOW.0), (50, 50));
    assert_eq!(at_stake(&state, until + 59), (50, 50));
    assert_eq!(at_stake(&state, until + 60), (0, 50));
    assert_eq!(at_stake(&state, until + DAY - 1), (0, 50));
    assert_eq!(at_stake(&state, until + DAY), (0, 0));
}

#[test]
fn a_new_process_counts_from_the_logs_what_the_old_one_counted() {
    let mut state = State::new(rules());
    step(&mut state, head(NOW), NOW);
    let posted = Event::Chain(ChainNews::BidPosted { lease: id(), bid: Box::new(bid()) });
    step(&mut state, posted.clone(), NOW);
    step(&mut state, posted, NOW);
    assert_eq!(at_stake(&state, NOW.0), (50, 50));
    // Signed by somebody else with our key and never posted: seen when it is accepted.
    let mut state = State::new(rules());
    step(&mut state, head(NOW), NOW);
    step(&mut state, opened(), NOW);
    assert_eq!(at_stake(&state, NOW.0), (0, 50));
}

#[test]
fn a_bid_that_was_not_sent_counts_for_nothing_and_one_that_was_lost_for_everything() {
    let mut state = with_bid();
    step(&mut state, finished(BidOutcome::Failed), NOW);
    assert_eq!(at_stake(&state, NOW.0), (0, 0));
    let mut state = with_bid();
    step(&mut state, finished(BidOutcome::Lost), NOW);
    assert!(state.bids.is_empty());
    assert_eq!(at_stake(&state, NOW.0), (50, 50));
}

#[test]
fn an_accepted_bid_is_offered_to_those_who_do_not_see_the_lease_yet() {
    let mut state = with_bid();
    step(&mut state, opened(), NOW);
    assert_eq!(at_stake(&state, NOW.0), (0, 50));
    assert_eq!(at_stake(&state, NOW.0 - 1), (50, 50));
    step(&mut state, Event::Chain(ChainNews::Reorganised), NOW);
    assert_eq!(at_stake(&state, NOW.0), (50, 50));
}

#[test]
fn a_spent_budget_stops_bids_until_the_day_is_over() {
    let mut state = State::new(Rules {
        policy: policy_with(|filter| filter.daily_bid_budget = Some(Amount(99))),
        ..rules()
    });
    step(&mut state, head(NOW), NOW);
    step(&mut state, Event::CaughtUp, NOW);
    let place = |state: &mut State, nonce, now: Timestamp| {
        step(state, head(now), now);
        let order = Order { nonce, deadline: now.saturating_add(3600), ..order() };
        step(state, order_posted(order), now);
        step(state, assessed(eip712().order_digest(&order).unwrap()), now)
    };
    assert!(matches!(place(&mut state, 1, NOW).as_slice(), [Effect::PostBid { .. }]));
    let Effect::Record(Record::OrderDeclined { reasons, .. }) = &place(&mut state, 2, NOW)[0] else {
        panic!("bid beyond the budget")
    };
    assert_eq!(*reasons, vec![DeclineReason::BidBudgetSpent { needed: Amount(100), budget: Amount(99) }]);
    let next_day = bid().valid_until.saturating_add(DAY);
    assert!(matches!(place(&mut state, 3, next_day).as_slice(), [Effect::PostBid { .. }]));
}

fn policy_with(change: impl FnOnce(&mut crate::bidding::Filter)) -> crate::bidding::Policy {
    let mut policy = policy();
    change(&mut policy.filter);
    policy
}

#[test]
fn a_dispute_counts_from_its_log_until_the_window_is_over() {
    const WINDOW: u64 = 1000;
    let (mut state, _) = with_open_lease();
    let of = |state: &State, tenant, now| state.disputes.of(tenant, WINDOW, Timestamp(now));
    let (tenant, at) = (bid().tenant, NOW.0 + 500);
    let disputed = Event::Chain(ChainNews::LeaseDisputed { lease: id(), at: Timestamp(at) });
    assert_eq!(step(&mut state, disputed.clone(), NOW), vec![Effect::ReadLeases(vec![id()])]);
    step(&mut state, disputed, NOW);
    assert_eq!((of(&state, tenant, at), of(&state, Address::ZERO, at)), (1, 0));
    assert_eq!((of(&state, tenant, at + WINDOW - 1), of(&state, tenant, at + WINDOW)), (1, 0));
    // An old log has the time of a later block; the lease itself knows better, also when it is over.
    let exact = Lease { disputed_at: Some(NOW), ..lease(LeaseState::Closed) };
    step(&mut state, read(exact), NOW);
    assert_eq!((of(&state, tenant, NOW.0 + WINDOW - 1), of(&state, tenant, NOW.0 + WINDOW)), (1, 0));
}

#[test]
fn no_bid_is_decided_before_the_logs_of_what_an_earlier_process_sent_were_heard() {
    const INHERITED: u64 = 77;
    let mut state = ready();
    step(&mut state, order_posted(order()), NOW);
    let (facts, cluster) = (facts(), cluster());
    let assessed = Event::OrderAssessed { order: order_hash(), facts, cluster, inherited_by: INHERITED };
    step(&mut state, Event::LogsRead { upto: INHERITED - 1 }, NOW);
    assert_eq!(step(&mut state, assessed.clone(), NOW), vec![]);
    step(&mut state, Event::LogsRead { upto: INHERITED }, NOW);
    let again = Effect::AssessOrder { order: order_hash(), tenant: order().tenant };
    assert_eq!(step(&mut state, Event::Tick, NOW), vec![again]);
    assert!(matches!(step(&mut state, assessed, NOW).as_slice(), [Effect::PostBid { .. }]));
}
