//! What follows from usage that is not signed.

mod life;

use crd::{DesiredState, Suspension, SuspensionReason};
use gateway_api::RefusalReason;
use market::B256;

use super::leases::{running, signed, statement, tick};
use super::*;

const FIRST: u64 = 600;
const RECLAIM: u64 = 1000;
const END: u64 = NOW.0 + 7200;

fn gate() -> GateRules {
    GateRules {
        suspending: Suspending::Enabled,
        first: FIRST,
        later: 3600,
        most_per_tenant: None,
        reclaim_after: Some(RECLAIM),
    }
}

/// What the lease has used after so many seconds: all that it may.
fn used(seconds: u64) -> Usage {
    let seconds = u128::from(seconds);
    Usage([seconds, 500 * seconds, seconds << 30, 0, 0, 0, 0, 0])
}

fn cost(seconds: u64) -> Amount {
    market::amount(&bid().prices, &bid().limits, &used(seconds), seconds)
}

fn metered_to(seconds: u64) -> ComputeLeaseStatus {
    let usage = Some(metered(NOW.saturating_add(seconds), used(seconds)));
    ComputeLeaseStatus { usage, ..ready_status(3) }
}

/// A lease that was metered for a minute, of which nothing is signed.
fn owing() -> State {
    let mut state = running(|_| {}, metered_to(60));
    state.rules.gate = gate();
    // What is signed waits for a better moment to be settled.
    state.rules.settling.minimum = Amount(u128::MAX);
    state
}

fn with(desired: DesiredState, suspension: Option<Suspension>) -> crd::ComputeLeaseSpec {
    let mut spec = spec(desired, Some((NOW.0, END)));
    spec.manifest = Some(manifest_ref());
    spec.suspension = suspension;
    spec
}

fn announced(at: u64) -> Option<Suspension> {
    let announced_at = i64::try_from(at).unwrap();
    Some(Suspension { reason: SuspensionReason::NeverSigned, announced_at, since: None })
}

fn suspended(announced_at: u64, since: u64) -> Option<Suspension> {
    let since = i64::try_from(since).unwrap();
    announced(announced_at).map(|suspension| Suspension { since: Some(since), ..suspension })
}

fn object(state: &State) -> Box<ComputeLease> {
    Box::new((**state.leases[&id()].compute.as_ref().unwrap()).clone())
}

fn tell(state: &State, news: UnsignedNews) -> Effect {
    Effect::TellOfUnsigned { lease: id(), news, object: object(state) }
}

/// The state after the cluster took a spec, as its generation says.
fn took(state: &mut State, spec: crd::ComputeLeaseSpec, generation: i64, at: u64) {
    step(state, written(stored(spec, generation, Some(metered_to(60)))), Timestamp(at));
}

/// A lease that is suspended since it had used all of its first time.
fn stopped() -> State {
    let mut state = owing();
    tick(&mut state, NOW.0 + FIRST / 2);
    took(&mut state, with(DesiredState::Running, announced(NOW.0 + FIRST / 2)), 4, NOW.0 + FIRST / 2);
    tick(&mut state, NOW.0 + FIRST);
    let spec = with(DesiredState::Paused, suspended(NOW.0 + FIRST / 2, NOW.0 + FIRST));
    took(&mut state, spec, 5, NOW.0 + FIRST);
    state
}

#[test]
fn a_tenant_that_never_signs_is_warned_suspended_and_given_up() {
    let mut state = owing();
    let (half, all) = (NOW.0 + FIRST / 2, NOW.0 + FIRST);
    let unsigned = cost(60);
    assert_eq!(tick(&mut state, half - 1), vec![]);
    assert_eq!(state.unsigned().in_time, unsigned);
    let news = tell(&state, UnsignedNews::Announced { unsigned, at: Timestamp(all) });
    let announcing = with(DesiredState::Running, announced(half));
    let expected = vec![apply(announcing.clone(), Basis::Generation(3)), news];
    assert_eq!(tick(&mut state, half), expected);
    // While the write is on its way, and when it is done, nothing more is said.
    assert_eq!(tick(&mut state, half + 1), vec![]);
    took(&mut state, announcing, 4, half + 2);
    assert_eq!(tick(&mut state, all - 1), vec![]);
    assert_eq!(state.unsigned().announced, unsigned);

    let suspending = with(DesiredState::Paused, suspended(half, all));
    let news = tell(&state, UnsignedNews::Suspended { unsigned });
    assert_eq!(tick(&mut state, all), vec![apply(suspending.clone(), Basis::Generation(4)), news]);
    took(&mut state, suspending, 5, all);
    assert_eq!(tick(&mut state, all + RECLAIM - 1), vec![]);
    assert_eq!((state.unsigned().suspended, state.unsigned().leases_suspended), (unsigned, 1));

    let cause = ReclaimCause::Unsigned { paid: Amount(0) };
    let give_up = Effect::Reclaim { bid: Box::new(bid()), cause };
    assert_eq!(tick(&mut state, all + RECLAIM), vec![give_up]);
    // Then the end is as near as the notice allows, and is not asked for again.
    let ends_at = Timestamp(all + RECLAIM + 3600);
    let at = Timestamp(all + RECLAIM + 5);
    step(&mut state, read(Lease { end_at: ends_at, ..lease(LeaseState::Active) }), at);
    let outcome = CallOutcome::Mined;
    step(&mut state, Event::CallFinished { call: LeaseCall::Reclaim, leases: vec![id()], outcome }, at);
    let effects = tick(&mut state, all + RECLAIM + 200);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Reclaim { .. })), "{effects:?}");
}

#[test]
fn a_suspended_lease_goes_on_as_soon_as_enough_is_signed() {
    let mut state = stopped();
    let mut spec = with(DesiredState::Paused, suspended(NOW.0 + FIRST / 2, NOW.0 + FIRST));
    signed(&mut spec, &statement(cost(60).0, NOW.0 + 60, false));
    took(&mut state, spec.clone(), 6, NOW.0 + 5000);
    (spec.desired, spec.suspension) = (DesiredState::Running, None);
    let news = tell(&state, UnsignedNews::Resumed);
    assert_eq!(tick(&mut state, NOW.0 + 5001), vec![apply(spec, Basis::Generation(6)), news]);
    assert_eq!(state.unsigned().of(bid().tenant), Amount(0));
}

#[test]
fn a_restart_forgets_nothing_of_it() {
    let resync = |spec, generation| Event::Resync {
        opened: vec![OpenedLease { id: id(), bid: Box::new(bid()) }],
        leases: vec![(id(), lease(LeaseState::Active))],
        compute_leases: vec![stored(spec, generation, Some(metered_to(60)))],
    };
    let restarted = |spec, at: u64| {
        let mut state = State::new(Rules { gate: gate(), ..rules() });
        step(&mut state, head(Timestamp(at)), Timestamp(at));
        step(&mut state, Event::CaughtUp, Timestamp(at));
        step(&mut state, order_posted(order()), Timestamp(at));
        assert_eq!(besides_usage(step(&mut state, resync(spec, 7), Timestamp(at))), vec![]);
        tick(&mut state, at)
    };
    let (half, all) = (NOW.0 + FIRST / 2, NOW.0 + FIRST);
    let paused = with(DesiredState::Paused, suspended(half, all));
    assert_eq!(restarted(paused.clone(), all + RECLAIM - 1), vec![]);
    let effects = restarted(paused, all + RECLAIM);
    assert!(matches!(effects.as_slice(), [Effect::Reclaim { .. }]), "{effects:?}");
    let effects = restarted(with(DesiredState::Running, announced(half)), all);
    let expected = with(DesiredState::Paused, suspended(half, all));
    assert_eq!(effects[0], apply(expected, Basis::Generation(7)));
    // One that was away all the time announces first, and leaves time to sign.
    let effects = restarted(with(DesiredState::Running, None), all + 999);
    let at = Timestamp(all + 999 + FIRST / 3);
    assert!(
        matches!(&effects[1], Effect::TellOfUnsigned { news: UnsignedNews::Announced { at: told, .. }, .. } if *told == at)
    );
}

#[test]
fn who_else_pauses_or_resumes_a_lease_is_not_fought() {
    let (half, all) = (NOW.0 + FIRST / 2, NOW.0 + FIRST);
    for suspension in [None, announced(half)] {
        let mut state = owing();
        took(&mut state, with(DesiredState::Paused, suspension), 4, half);
        assert_eq!(tick(&mut state, all + RECLAIM), vec![]);
        assert_eq!(tick(&mut state, all + 5 * RECLAIM), vec![]);
    }
    // It is not resumed when all is signed, either; only what was announced is taken back.
    let mut state = owing();
    let mut spec = with(DesiredState::Paused, announced(half));
    signed(&mut spec, &statement(cost(60).0, NOW.0 + 60, false));
    took(&mut state, spec.clone(), 4, half);
    spec.suspension = None;
    assert_eq!(tick(&mut state, all), vec![apply(spec, Basis::Generation(4))]);
    // Who takes the suspension away makes the pause its own.
    let mut state = stopped();
    took(&mut state, with(DesiredState::Paused, None), 6, all);
    assert_eq!(tick(&mut state, all + RECLAIM), vec![]);
    // Who sets a suspended lease going forgives the debt until it is paid.
    let mut state = stopped();
    let mut lifted = with(DesiredState::Running, suspended(half, all));
    took(&mut state, lifted.clone(), 6, all);
    assert_eq!(tick(&mut state, all + 5 * RECLAIM), vec![]);
    signed(&mut lifted, &statement(cost(60).0, NOW.0 + 60, false));
    took(&mut state, lifted.clone(), 7, all + 5 * RECLAIM);
    lifted.suspension = None;
    assert_eq!(tick(&mut state, all + 5 * RECLAIM + 1), vec![apply(lifted, Basis::Generation(7))]);
}

#[test]
fn nothing_is_decided_on_an_old_view_of_the_chain_or_where_it_is_switched_off() {
    let mut state = owing();
    let late = Timestamp(NOW.0 + 5 * FIRST);
    step(&mut state, head(Timestamp(NOW.0 + FIRST)), late);
    let effects = step(&mut state, Event::Tick, late);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::ApplyComputeLease { .. })), "{effects:?}");

    let mut state = owing();
    state.rules.gate.suspending = Suspending::Disabled;
    assert_eq!(tick(&mut state, NOW.0 + 5 * FIRST), vec![]);
    assert_eq!(state.unsigned().in_time, cost(60));
    // Who switches it off sets going what it stopped.
    let mut state = stopped();
    state.rules.gate.suspending = Suspending::Disabled;
    let running = with(DesiredState::Running, None);
    assert_eq!(tick(&mut state, NOW.0 + 5 * FIRST)[0], apply(running, Basis::Generation(5)));
}

#[test]
fn the_leases_of_a_tenant_are_held_together_and_get_no_company() {
    let mut state = owing();
    state.rules.gate.most_per_tenant = Some(Amount(cost(60).0 * 2 - 1));
    let other = LeaseId(B256::repeat_byte(0x42));
    let mut second = state.leases[&id()].clone();
    (second.id, second.name) = (other, crd::lease_name(other));
    let mut object = (**second.compute.as_ref().unwrap()).clone();
    object.spec.lease_id = crd::convert::hex(other.0.as_slice());
    second.compute = Some(object.into());
    state.leases.insert(other, second);

    let at = NOW.0 + 100;
    assert_eq!(tick(&mut state, at).len(), 4, "both are announced");
    assert_eq!(state.unsigned().of(bid().tenant), Amount(cost(60).0 * 2));
    let view = state.lease_view(id()).unwrap().acknowledgement.unwrap();
    assert_eq!((view.due, view.acknowledged, view.acknowledged_to), (cost(60), Amount(0), NOW));
    assert_eq!(view.suspends_at, Some(Timestamp(at + 120)));

    let another = Order { nonce: 77, ..order() };
    let hash = eip712().order_digest(&another).unwrap();
    step(&mut state, order_posted(another), Timestamp(at));
    let effects = step(&mut state, assessed(hash), Timestamp(at));
    let [Effect::Record(Record::OrderDeclined { reasons, .. })] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let unsigned = Amount(cost(60).0 * 2);
    assert!(reasons.contains(&crate::bidding::DeclineReason::TenantDoesNotSign { unsigned }), "{reasons:?}");
}

#[test]
fn the_tenant_is_told_what_is_signed_what_follows_and_what_it_refused() {
    let mut state = stopped();
    let refused = RefusedProposal {
        reason: RefusalReason::OverBudget,
        proposed: Amount(9),
        as_of: NOW,
        usage_hash: B256::repeat_byte(1),
        largest_accepted: Amount(8),
    };
    step(&mut state, Event::StatementRefused { lease: id(), refused, reply: ReplyId(1) }, NOW);
    let since = Timestamp(NOW.0 + FIRST);
    let expected = Acknowledgement {
        due: cost(60),
        acknowledged: Amount(0),
        acknowledged_to: NOW,
        suspends_at: None,
        suspended_since: Some(since),
        reclaims_at: Some(since.saturating_add(RECLAIM)),
        refusal: Some(refused),
    };
    assert_eq!(state.lease_view(id()).unwrap().acknowledgement, Some(expected));
}
