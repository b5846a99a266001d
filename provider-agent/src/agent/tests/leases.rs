//! One lease from acceptance to refund, and the ways in which it can go wrong.

use crd::DesiredState;
use crd::convert::SettledStatement;
use market::{B256, PendingClaim, Signature64, Statement};

use super::*;

const END: u64 = NOW.0 + 7200;

pub(super) fn usage() -> Usage {
    Usage([60, 60_000, 60 << 32, 60 * (10 << 30), 0, 5, 0, 0])
}

/// A lease that runs, with its object.
pub(super) fn running(
    spec_change: impl FnOnce(&mut crd::ComputeLeaseSpec),
    status: ComputeLeaseStatus,
) -> State {
    let (mut state, _) = with_open_lease();
    let mut spec = spec(DesiredState::Running, Some((NOW.0, END)));
    spec.manifest = Some(manifest_ref());
    spec_change(&mut spec);
    step(&mut state, written(stored(spec, 3, Some(status))), NOW);
    let effects = step(&mut state, read(lease(LeaseState::Active)), NOW);
    assert_eq!(effects, vec![]);
    assert_eq!(finished(&mut state, LeaseCall::Confirm, CallOutcome::Mined, NOW.0), vec![]);
    state
}

pub(super) fn tick(state: &mut State, at: u64) -> Vec<Effect> {
    step(state, head(Timestamp(at)), Timestamp(at));
    let effects = step(state, Event::Tick, Timestamp(at));
    effects.into_iter().filter(|effect| *effect != Effect::Resync).collect()
}

pub(super) fn statement(amount: u128, as_of: u64, last: bool) -> SettledStatement {
    SettledStatement {
        statement: Statement {
            lease_id: id(),
            amount_cum: Amount(amount),
            as_of: Timestamp(as_of),
            usage_hash: B256::repeat_byte(0xcc),
            last,
        },
        usage: usage(),
        meter_root: B256::repeat_byte(0xbb),
        signature: Signature64 { r: B256::repeat_byte(0xdd), vs: B256::repeat_byte(0x0e) },
    }
}

pub(super) fn signed(spec: &mut crd::ComputeLeaseSpec, statement: &SettledStatement) {
    spec.settlement = Some(crd::Settlement { statement: statement.try_into().unwrap() });
}

pub(super) fn settle(signed: &SettledStatement) -> Vec<Effect> {
    vec![Effect::Settle(vec![(signed.statement, signed.signature)])]
}

fn finished(state: &mut State, call: LeaseCall, outcome: CallOutcome, at: u64) -> Vec<Effect> {
    step(state, Event::CallFinished { call, leases: vec![id()], outcome }, Timestamp(at))
}

#[test]
fn an_opened_lease_gets_its_object_once() {
    let (mut state, effects) = with_open_lease();
    let expected = apply(spec(DesiredState::Running, None), Basis::Absent);
    assert_eq!(effects, vec![expected]);
    // While the write is on its way, nothing is written again.
    assert_eq!(step(&mut state, read(lease(LeaseState::Open)), NOW), vec![]);
    let object = stored(spec(DesiredState::Running, None), 1, None);
    assert_eq!(step(&mut state, written(object.clone()), NOW), vec![]);
    assert_eq!(step(&mut state, observed(object), NOW), vec![]);
}

#[test]
fn a_failed_write_is_repeated_after_a_pause() {
    let (mut state, _) = with_open_lease();
    let failed = Event::WriteFinished { lease: id(), outcome: Err(WriteFailure::Failed) };
    assert_eq!(step(&mut state, failed, NOW), vec![]);
    assert_eq!(tick(&mut state, NOW.0 + 1), vec![]);
    let expected = apply(spec(DesiredState::Running, None), Basis::Absent);
    assert_eq!(tick(&mut state, NOW.0 + 2), vec![expected]);
}

#[test]
fn a_lease_is_confirmed_only_when_its_present_spec_is_ready_with_a_manifest() {
    let with_manifest = || {
        let mut spec = spec(DesiredState::Running, None);
        spec.manifest = Some(manifest_ref());
        spec
    };
    let confirm = |object| {
        let (mut state, _) = with_open_lease();
        step(&mut state, written(object), NOW)
    };
    assert_eq!(confirm(stored(spec(DesiredState::Running, None), 2, Some(ready_status(2)))), vec![]);
    assert_eq!(confirm(stored(with_manifest(), 2, Some(ready_status(1)))), vec![]);
    let degraded = ComputeLeaseStatus { phase: Phase::Degraded, ..ready_status(2) };
    assert_eq!(confirm(stored(with_manifest(), 2, Some(degraded))), vec![]);
    assert_eq!(confirm(stored(with_manifest(), 2, Some(ready_status(2)))), vec![Effect::Confirm(vec![id()])]);
}

#[test]
fn after_the_confirmation_the_term_is_written() {
    let (mut state, _) = with_open_lease();
    let mut spec = spec(DesiredState::Running, None);
    spec.manifest = Some(manifest_ref());
    step(&mut state, written(stored(spec.clone(), 2, Some(ready_status(2)))), NOW);
    let effects = step(&mut state, read(lease(LeaseState::Active)), NOW);
    spec.term = Some(crd::Term { started_at: NOW.0 as i64, ends_at: END as i64 });
    assert_eq!(effects, vec![apply(spec, Basis::Generation(2))]);
    assert_eq!(finished(&mut state, LeaseCall::Confirm, CallOutcome::Mined, NOW.0), vec![]);
}

#[test]
fn a_lease_that_is_not_ready_shortly_before_its_window_ends_is_declined() {
    let (mut state, _) = with_open_lease();
    step(&mut state, written(stored(spec(DesiredState::Running, None), 1, None)), NOW);
    assert_eq!(tick(&mut state, NOW.0 + 1699), vec![]);
    let declined =
        Record::LeaseDeclined { lease: id(), reason: crate::agent::effect::LeaseDecline::NotReadyInTime };
    let expected = vec![Effect::Record(declined), Effect::Decline(Box::new(bid()))];
    assert_eq!(tick(&mut state, NOW.0 + 1700), expected);
    assert_eq!(tick(&mut state, NOW.0 + 1701), vec![]);
}

#[test]
fn a_lease_whose_manifest_the_operator_refuses_for_good_is_declined_at_once() {
    let rejected = |reason| {
        let (mut state, _) = with_open_lease();
        let mut spec = spec(DesiredState::Running, None);
        spec.manifest = Some(manifest_ref());
        let status = ComputeLeaseStatus {
            observed_generation: Some(2),
            conditions: vec![condition(condition::ACCEPTED, "False", reason)],
            ..ComputeLeaseStatus::default()
        };
        step(&mut state, written(stored(spec, 2, Some(status))), NOW)
    };
    let declined =
        Record::LeaseDeclined { lease: id(), reason: crate::agent::effect::LeaseDecline::Rejected };
    let expected = vec![Effect::Record(declined), Effect::Decline(Box::new(bid()))];
    assert_eq!(rejected(crd::reason::LIMITS_EXCEEDED), expected);
    assert_eq!(rejected(crd::reason::MANIFEST_MISSING), vec![]);
}

#[test]
fn a_lease_whose_order_was_never_posted_is_declined_when_that_is_certain() {
    let mut state = ready();
    step(&mut state, opened(), NOW);
    assert_eq!(
        step(&mut state, read(lease(LeaseState::Open)), NOW),
        vec![Effect::FetchOrders(vec![order_hash()])]
    );
    step(&mut state, Event::OrderUnfetched { order: order_hash() }, NOW);
    assert_eq!(tick(&mut state, NOW.0 + 1), vec![Effect::FetchOrders(vec![order_hash()])]);
    let declined =
        Record::LeaseDeclined { lease: id(), reason: crate::agent::effect::LeaseDecline::OrderUnknown };
    let effects = step(&mut state, Event::OrderMissing { order: order_hash() }, NOW);
    assert_eq!(effects, vec![Effect::Record(declined), Effect::Decline(Box::new(bid()))]);
}

#[test]
fn a_running_lease_settles_when_enough_is_signed_and_enough_time_has_passed() {
    let due = statement(50, NOW.0 + 590, false);
    let mut state = running(|spec| signed(spec, &due), ready_status(3));
    assert_eq!(tick(&mut state, NOW.0 + 599), vec![]);
    assert_eq!(tick(&mut state, NOW.0 + 600), settle(&due));
    assert_eq!(tick(&mut state, NOW.0 + 601), vec![]);

    let too_little = statement(4, NOW.0 + 590, false);
    let mut state = running(|spec| signed(spec, &too_little), ready_status(3));
    assert_eq!(tick(&mut state, NOW.0 + 600), vec![]);
}

#[test]
fn a_statement_from_the_future_or_above_the_cap_is_not_sent() {
    for bad in [statement(50, NOW.0 + 700, false), statement(999_999, NOW.0 + 590, false)] {
        let mut state = running(|spec| signed(spec, &bad), ready_status(3));
        assert_eq!(tick(&mut state, NOW.0 + 600), vec![]);
    }
}

#[test]
fn a_last_statement_settles_at_once() {
    let last = statement(0, NOW.0 + 10, true);
    let mut state = running(|spec| signed(spec, &last), ready_status(3));
    assert_eq!(tick(&mut state, NOW.0 + 10), settle(&last));
}

#[test]
fn a_lease_that_its_money_no_longer_covers_settles_what_is_signed_and_is_reclaimed() {
    let poor = Lease { balance: Amount(24_000), ..lease(LeaseState::Active) };
    let until = market::funded_until(&poor).unwrap().0;
    let mut state = running(|_| {}, ready_status(3));
    step(&mut state, read(poor), NOW);
    assert_eq!(tick(&mut state, until - 1), vec![]);
    assert_eq!(tick(&mut state, until), vec![reclaim()]);

    let signed_late = statement(3, until - 300, false);
    let mut state = running(|spec| signed(spec, &signed_late), ready_status(3));
    step(&mut state, read(poor), NOW);
    assert_eq!(tick(&mut state, until - 200), settle(&signed_late));
}

#[test]
fn at_its_end_the_lease_is_told_to_end_and_the_term_follows_the_chain() {
    let mut state = running(|_| {}, ready_status(3));
    let closed_early = Lease { end_at: Timestamp(NOW.0 + 100), ..lease(LeaseState::Active) };
    step(&mut state, head(Timestamp(NOW.0 + 100)), Timestamp(NOW.0 + 100));
    let effects = step(&mut state, read(closed_early), Timestamp(NOW.0 + 100));
    let mut expected = spec(DesiredState::Ended, Some((NOW.0, NOW.0 + 100)));
    expected.manifest = Some(manifest_ref());
    assert_eq!(effects, vec![apply(expected, Basis::Generation(3))]);
}

fn at_gas_price(state: &mut State, gas_price: u128, at: u64) -> Vec<Effect> {
    step(state, Event::Head(Head { number: at, timestamp: Timestamp(at), gas_price }), Timestamp(at));
    let effects = step(state, Event::Tick, Timestamp(at));
    effects.into_iter().filter(|effect| *effect != Effect::Resync).collect()
}

#[test]
fn a_statement_of_a_running_lease_waits_until_it_pays_for_its_gas() {
    let news = statement(90, NOW.0 + 600, false);
    let mut state = running(|spec| signed(spec, &news), ready_status(3));
    state.rules.settling.coin_price = Some(Amount(1_000_000));
    // A settlement costs one base unit from here on, so 90 are not 200 times its gas.
    assert_eq!(at_gas_price(&mut state, 10_000_000, NOW.0 + 600), vec![]);
    assert_eq!(at_gas_price(&mut state, 0, NOW.0 + 601), settle(&news));
    // It is on its way, so it is not sent again.
    assert_eq!(at_gas_price(&mut state, 0, NOW.0 + 602), vec![]);
}

#[test]
fn what_a_batch_passed_over_goes_alone_after_a_pause_until_it_succeeds() {
    let news = statement(90, NOW.0 + 600, false);
    let mut state = running(|spec| signed(spec, &news), ready_status(3));
    assert_eq!(tick(&mut state, NOW.0 + 600), settle(&news));
    assert_eq!(finished(&mut state, LeaseCall::Settle, CallOutcome::Skipped, NOW.0 + 600), vec![]);
    assert!(state.leases[&id()].goes_alone);
    assert_eq!(tick(&mut state, NOW.0 + 601), vec![]);
    assert_eq!(tick(&mut state, NOW.0 + 602), settle(&news));
    let as_of = Timestamp(NOW.0 + 600);
    let settled = Lease { last_as_of: as_of, paid: Amount(90), ..lease(LeaseState::Active) };
    step(&mut state, read(settled), Timestamp(NOW.0 + 602));
    assert_eq!(finished(&mut state, LeaseCall::Settle, CallOutcome::Mined, NOW.0 + 602), vec![]);
    assert!(!state.leases[&id()].goes_alone);
}

/// A lease that is over, its last usage published.
fn ended(spec_change: impl FnOnce(&mut crd::ComputeLeaseSpec)) -> State {
    let status = ComputeLeaseStatus {
        phase: Phase::Ended,
        observed_generation: Some(4),
        conditions: vec![condition(condition::USAGE_FINAL, "True", "FinalUsagePublished")],
        usage: Some(metered(Timestamp(END), usage())),
        ..ComputeLeaseStatus::default()
    };
    let mut state = running(|_| {}, ready_status(3));
    let mut spec = spec(DesiredState::Ended, Some((NOW.0, END)));
    spec.manifest = Some(manifest_ref());
    spec_change(&mut spec);
    step(&mut state, observed(stored(spec, 4, Some(status))), NOW);
    state
}

#[test]
fn the_final_statement_settles_and_then_the_lease_is_finalized_and_its_object_deleted() {
    let last = statement(90, END, true);
    let mut state = ended(|spec| signed(spec, &last));
    assert_eq!(tick(&mut state, END), settle(&last));
    let settled = Lease { last_as_of: Timestamp(END), paid: Amount(90), ..lease(LeaseState::Active) };
    assert_eq!(step(&mut state, read(settled), Timestamp(END)), vec![]);
    let effects = finished(&mut state, LeaseCall::Settle, CallOutcome::Mined, END);
    assert_eq!(effects, vec![Effect::Finalize(vec![bid()])]);
    let closed = Lease { state: LeaseState::Closed, ..settled };
    let delete = Effect::DeleteComputeLease { lease: id(), name: crd::lease_name(id()) };
    assert_eq!(step(&mut state, read(closed), Timestamp(END)), vec![delete]);
    let gone = Event::WriteFinished { lease: id(), outcome: Ok(None) };
    assert_eq!(step(&mut state, gone, Timestamp(END)), vec![]);
    assert_eq!(state.unfinished_leases(), 0);
    // A replayed log does not bring it back.
    assert_eq!(step(&mut state, opened(), Timestamp(END)), vec![]);
    assert_eq!(state.unfinished_leases(), 0);
}

#[test]
fn a_silent_tenant_meets_a_claim_and_after_the_dispute_window_the_lease_is_finalized() {
    let mut state = ended(|_| {});
    assert_eq!(tick(&mut state, END + 299), vec![]);
    assert_eq!(tick(&mut state, END + 300), vec![Effect::Claim(vec![(Box::new(bid()), usage())])]);
    let filed_at = Timestamp(END + 301);
    let pending = Some(PendingClaim { cum: Amount(90), at: Timestamp(END), filed_at });
    step(&mut state, read(Lease { pending, ..lease(LeaseState::Active) }), filed_at);
    finished(&mut state, LeaseCall::Claim, CallOutcome::Mined, filed_at.0);
    assert_eq!(tick(&mut state, filed_at.0 + 20_000), vec![]);
    assert_eq!(tick(&mut state, filed_at.0 + 20_001), vec![Effect::Finalize(vec![bid()])]);
}

#[test]
fn a_late_final_signature_supersedes_a_claim() {
    let last = statement(90, END, true);
    let mut state = ended(|spec| signed(spec, &last));
    let pending = Some(PendingClaim { cum: Amount(90), at: Timestamp(END), filed_at: Timestamp(END + 301) });
    step(&mut state, head(Timestamp(END + 400)), Timestamp(END + 400));
    let effects =
        step(&mut state, read(Lease { pending, ..lease(LeaseState::Active) }), Timestamp(END + 400));
    assert_eq!(effects, settle(&last));
}

#[test]
fn what_is_signed_is_settled_before_the_rest_is_claimed() {
    let early = statement(50, NOW.0 + 4000, false);
    let mut state = ended(|spec| signed(spec, &early));
    assert_eq!(tick(&mut state, END + 300), settle(&early));
}

#[test]
fn a_lease_with_nothing_to_bill_waits_for_the_claim_window_and_is_finalized() {
    let mut state = ended(|_| {});
    let free = Lease { balance: Amount(0), ..lease(LeaseState::Active) };
    tick(&mut state, END);
    step(&mut state, read(free), Timestamp(END));
    assert_eq!(tick(&mut state, END + 10_000), vec![]);
    assert_eq!(tick(&mut state, END + 10_001), vec![Effect::Finalize(vec![bid()])]);
}

#[test]
fn no_transaction_is_sent_while_the_head_is_old() {
    let mut state = ended(|_| {});
    step(&mut state, head(Timestamp(END + 300)), Timestamp(END + 300));
    let effects = step(&mut state, Event::Tick, Timestamp(END + 361));
    assert_eq!(effects, vec![Effect::Resync]);
}

#[test]
fn a_transaction_that_failed_is_repeated_with_growing_pauses() {
    let mut state = ended(|_| {});
    let claim = vec![Effect::Claim(vec![(Box::new(bid()), usage())])];
    assert_eq!(tick(&mut state, END + 300), claim);
    assert_eq!(finished(&mut state, LeaseCall::Claim, CallOutcome::Failed, END + 301), vec![]);
    assert_eq!(tick(&mut state, END + 302), vec![]);
    assert_eq!(tick(&mut state, END + 303), claim);
    assert_eq!(finished(&mut state, LeaseCall::Claim, CallOutcome::Failed, END + 303), vec![]);
    assert_eq!(tick(&mut state, END + 306), vec![]);
    assert_eq!(tick(&mut state, END + 307), claim);
}

#[test]
fn a_disputed_lease_ends_in_the_cluster_and_is_left_alone_on_chain() {
    let mut state = running(|_| {}, ready_status(3));
    let disputed = Lease { end_at: Timestamp(NOW.0 + 50), ..lease(LeaseState::Disputed) };
    let effects = step(&mut state, read(disputed), NOW);
    let mut expected = spec(DesiredState::Ended, Some((NOW.0, NOW.0 + 50)));
    expected.manifest = Some(manifest_ref());
    assert_eq!(
        effects,
        vec![Effect::Record(Record::LeaseDisputed { lease: id() }), apply(expected, Basis::Generation(3)),]
    );
}

#[test]
fn a_deleted_object_of_a_running_lease_comes_back() {
    let mut state = running(|_| {}, ready_status(3));
    let effects = step(&mut state, Event::ComputeLeaseDeleted { name: crd::lease_name(id()) }, NOW);
    assert_eq!(effects, vec![apply(spec(DesiredState::Running, Some((NOW.0, END))), Basis::Absent)]);
}

#[test]
fn an_observation_older_than_our_own_write_changes_nothing() {
    let mut state = running(|_| {}, ready_status(3));
    let stale = stored(spec(DesiredState::Running, None), 2, None);
    assert_eq!(step(&mut state, observed(stale), NOW), vec![]);
}

#[test]
fn a_lease_that_the_chain_does_not_know_keeps_its_object_for_a_while() {
    let (mut state, _) = with_open_lease();
    step(&mut state, written(stored(spec(DesiredState::Running, None), 1, None)), NOW);
    step(&mut state, read(lease(LeaseState::None)), NOW);
    assert_eq!(tick(&mut state, NOW.0 + 599), vec![]);
    let delete = Effect::DeleteComputeLease { lease: id(), name: crd::lease_name(id()) };
    assert_eq!(tick(&mut state, NOW.0 + 600), vec![delete]);
}

#[test]
fn a_transaction_that_was_mined_and_changed_nothing_is_not_repeated_at_once() {
    let (mut state, _) = with_open_lease();
    let mut spec = spec(DesiredState::Running, None);
    spec.manifest = Some(manifest_ref());
    let confirm = vec![Effect::Confirm(vec![id()])];
    assert_eq!(step(&mut state, written(stored(spec, 2, Some(ready_status(2)))), NOW), confirm);
    assert_eq!(step(&mut state, read(lease(LeaseState::Open)), NOW), vec![]);
    assert_eq!(finished(&mut state, LeaseCall::Confirm, CallOutcome::Mined, NOW.0), vec![]);
    assert_eq!(tick(&mut state, NOW.0 + 1), vec![]);
    assert_eq!(tick(&mut state, NOW.0 + 2), confirm);
    assert_eq!(finished(&mut state, LeaseCall::Confirm, CallOutcome::Mined, NOW.0 + 2), vec![]);
    assert_eq!(tick(&mut state, NOW.0 + 5), vec![]);
    assert_eq!(tick(&mut state, NOW.0 + 6), confirm);
}

#[test]
fn a_lease_that_a_reorganisation_took_and_gave_back_is_served_again() {
    let (mut state, _) = with_open_lease();
    step(&mut state, Event::WriteFinished { lease: id(), outcome: Err(WriteFailure::Unneeded) }, NOW);
    step(&mut state, read(lease(LeaseState::None)), NOW);
    assert_eq!(tick(&mut state, NOW.0 + 600), vec![]);
    assert_eq!(state.unfinished_leases(), 0);
    let later = Timestamp(NOW.0 + 610);
    assert_eq!(step(&mut state, opened(), later), vec![Effect::ReadLeases(vec![id()])]);
    let expected = apply(spec(DesiredState::Running, None), Basis::Absent);
    assert!(step(&mut state, read(lease(LeaseState::Open)), later).contains(&expected));
}

#[test]
fn a_resync_after_a_restart_rebuilds_a_running_lease_and_changes_nothing() {
    let mut state = ready();
    step(&mut state, order_posted(order()), NOW);
    step(&mut state, Event::Chain(ChainNews::BidPosted { lease: id(), bid: Box::new(bid()) }), NOW);
    let mut spec = spec(DesiredState::Running, Some((NOW.0, END)));
    spec.manifest = Some(manifest_ref());
    let resync = Event::Resync {
        opened: vec![OpenedLease { id: id(), bid: Box::new(bid()) }],
        leases: vec![(id(), lease(LeaseState::Active))],
        compute_leases: vec![stored(spec, 3, Some(ready_status(3)))],
    };
    assert_eq!(step(&mut state, resync.clone(), NOW), vec![]);
    assert_eq!(step(&mut state, resync, NOW), vec![]);
    assert_eq!(state.unfinished_leases(), 1);
}

#[test]
fn objects_of_others_are_left_alone_and_orphans_are_asked_about() {
    let mut state = ready();
    let mut foreign = stored(spec(DesiredState::Running, None), 1, None);
    foreign.spec.chain.chain_id = 1;
    let name = crd::lease_name(id());
    assert_eq!(
        step(&mut state, observed(foreign), NOW),
        vec![Effect::Record(Record::ForeignComputeLease { name: name.clone() })]
    );
    let orphan = stored(spec(DesiredState::Running, None), 1, None);
    assert_eq!(
        step(&mut state, observed(orphan), NOW),
        vec![
            Effect::Record(Record::OrphanComputeLease { name: name.clone() }),
            Effect::DeleteComputeLease { lease: id(), name },
        ]
    );
}
