//! Orders and bids.

use market::Amount;

use super::*;
use crate::bidding::DeclineReason;

fn assess(order: Order) -> Effect {
    Effect::AssessOrder { order: eip712().order_digest(&order).unwrap(), tenant: order.tenant }
}

fn seen(order: Order) -> Effect {
    Effect::Record(Record::OrderSeen { order: eip712().order_digest(&order).unwrap() })
}

#[test]
fn an_order_is_assessed_and_bid_on_once() {
    let mut state = ready();
    assert_eq!(step(&mut state, order_posted(order()), NOW), vec![seen(order()), assess(order())]);
    let expected =
        Effect::PostBid { order: order_hash(), lease: id(), bid: Box::new(bid()), order_posted_at: NOW };
    assert_eq!(step(&mut state, assessed(order_hash()), NOW), vec![expected]);
    assert_eq!(step(&mut state, order_posted(order()), NOW), vec![]);
    assert_eq!(step(&mut state, assessed(order_hash()), NOW), vec![]);
}

#[test]
fn nothing_is_assessed_before_all_logs_were_read() {
    let mut state = State::new(rules());
    assert_eq!(step(&mut state, head(NOW), NOW), vec![]);
    assert_eq!(step(&mut state, order_posted(order()), NOW), vec![seen(order())]);
    assert_eq!(step(&mut state, Event::Tick, NOW), vec![]);
    assert_eq!(step(&mut state, Event::CaughtUp, NOW), vec![Effect::Resync, assess(order())]);
}

#[test]
fn a_restart_does_not_bid_again_on_what_its_former_self_bid_on() {
    let mut state = State::new(rules());
    step(&mut state, head(NOW), NOW);
    step(&mut state, order_posted(order()), NOW);
    let replayed = Event::Chain(ChainNews::BidPosted { lease: id(), bid: Box::new(bid()) });
    assert_eq!(step(&mut state, replayed, NOW), vec![]);
    assert_eq!(step(&mut state, Event::CaughtUp, NOW), vec![Effect::Resync]);
}

#[test]
fn nothing_is_assessed_while_the_head_is_old() {
    let mut state = ready();
    let later = NOW.saturating_add(61);
    let order = Order { deadline: later.saturating_add(1000), ..order() };
    assert_eq!(step(&mut state, order_posted(order), later), vec![seen(order)]);
    step(&mut state, head(later), later);
    assert_eq!(step(&mut state, Event::Tick, later), vec![Effect::Resync, assess(order)]);
}

#[test]
fn a_passing_reason_leads_to_another_look_and_a_final_one_does_not() {
    let mut state = ready();
    step(&mut state, order_posted(order()), NOW);
    let poor = crate::bidding::Facts { tenant_available: Amount(0), ..facts() };
    let event =
        Event::OrderAssessed { order: order_hash(), facts: poor, cluster: cluster(), inherited_by: 0 };
    let reasons = vec![DeclineReason::TenantUnderfunded { available: Amount(0), minimum: bid().min_deposit }];
    let declined = |reasons| vec![Effect::Record(Record::OrderDeclined { order: order_hash(), reasons })];
    assert_eq!(step(&mut state, event, NOW), declined(reasons));
    assert_eq!(step(&mut state, Event::Tick, NOW.saturating_add(29)), vec![]);
    assert_eq!(step(&mut state, Event::Tick, NOW.saturating_add(30)), vec![assess(order())]);

    let mut state = ready();
    let foreign = Order { token: Address::ZERO, ..order() };
    step(&mut state, order_posted(foreign), NOW);
    let hash = eip712().order_digest(&foreign).unwrap();
    let reasons = vec![DeclineReason::TokenNotAccepted];
    let effects = step(&mut state, assessed(hash), NOW);
    assert_eq!(effects, vec![Effect::Record(Record::OrderDeclined { order: hash, reasons })]);
    assert_eq!(step(&mut state, Event::Tick, NOW.saturating_add(40)), vec![]);
}

#[test]
fn a_cancelled_order_gets_no_bid_even_if_its_facts_arrive_late() {
    let mut state = ready();
    step(&mut state, order_posted(order()), NOW);
    let cancelled = ChainNews::OrderCancelled { tenant: order().tenant, nonce: order().nonce };
    assert_eq!(step(&mut state, Event::Chain(cancelled), NOW), vec![]);
    assert_eq!(step(&mut state, assessed(order_hash()), NOW), vec![]);
}

#[test]
fn requirements_that_do_not_decode_are_declined_without_asking_anybody() {
    let mut state = ready();
    let posted = Event::Chain(ChainNews::OrderPosted {
        hash: order_hash(),
        order: Box::new(order()),
        requirements: None,
        posted_at: NOW,
    });
    let reasons = vec![DeclineReason::RequirementsInvalid];
    let declined = Effect::Record(Record::OrderDeclined { order: order_hash(), reasons });
    assert_eq!(step(&mut state, posted, NOW), vec![seen(order()), declined]);
}

#[test]
fn an_outstanding_bid_holds_its_capacity_until_it_can_no_longer_be_accepted() {
    let mut state = ready();
    let place = |state: &mut State, nonce: u64, now: Timestamp| {
        let order = Order { nonce, deadline: now.saturating_add(3600), ..order() };
        step(state, order_posted(order), now);
        step(state, assessed(eip712().order_digest(&order).unwrap()), now)
    };
    assert!(matches!(place(&mut state, 1, NOW).as_slice(), [Effect::PostBid { .. }]));
    assert!(matches!(place(&mut state, 2, NOW).as_slice(), [Effect::PostBid { .. }]));
    // The cluster has room for two, and both are promised.
    let Effect::Record(Record::OrderDeclined { reasons, .. }) = &place(&mut state, 3, NOW)[0] else {
        panic!()
    };
    assert_eq!(*reasons, vec![DeclineReason::NoCapacity]);
    // Validity and grace are over.
    let later = NOW.saturating_add(361);
    step(&mut state, head(later), later);
    step(&mut state, Event::Tick, later);
    assert!(matches!(place(&mut state, 4, later).as_slice(), [Effect::PostBid { .. }]));
}

#[test]
fn a_bid_that_could_not_be_posted_frees_its_capacity_and_is_tried_again() {
    let mut state = with_bid();
    let failed = Event::BidFinished { lease: id(), outcome: BidOutcome::Failed };
    assert_eq!(step(&mut state, failed, NOW), vec![]);
    assert!(state.bids.is_empty());
    assert_eq!(step(&mut state, Event::Tick, NOW.saturating_add(30)), vec![assess(order())]);
}

#[test]
fn an_order_that_cannot_be_assessed_now_is_looked_at_again() {
    let mut state = ready();
    step(&mut state, order_posted(order()), NOW);
    assert_eq!(step(&mut state, Event::OrderUnassessable { order: order_hash() }, NOW), vec![]);
    assert_eq!(step(&mut state, Event::Tick, NOW.saturating_add(30)), vec![assess(order())]);
}
