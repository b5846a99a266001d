//! Warnings of leases whose money runs out before their end.

use super::leases::{running, signed, statement, tick};
use super::*;

/// How long before it the tests' rules warn.
const AHEAD: u64 = 1000;
/// Seconds that the poor lease's money lasts from its start.
const LASTS: u64 = 3000;

/// As much as the full rate eats in so many seconds, rounded up.
fn money(seconds: u64) -> Amount {
    let rate_e6 = lease(LeaseState::Active).rate_cap_e6;
    Amount((rate_e6 * u128::from(seconds)).div_ceil(1_000_000))
}

fn lasting(seconds: u64) -> Lease {
    Lease { balance: money(seconds), ..lease(LeaseState::Active) }
}

fn warning(state: &State, until: u64) -> Vec<Effect> {
    let object = state.leases[&id()].compute.as_deref().cloned().map(Box::new);
    vec![Effect::WarnOfFunds { lease: id(), until: Timestamp(until), object }]
}

fn poor(spec_change: impl FnOnce(&mut crd::ComputeLeaseSpec)) -> State {
    let mut state = running(spec_change, ready_status(3));
    state.rules.warn_before = AHEAD;
    step(&mut state, read(lasting(LASTS)), NOW);
    state
}

#[test]
fn a_lease_is_warned_of_once_when_its_money_gets_short() {
    let mut state = poor(|_| {});
    let until = NOW.0 + LASTS;
    assert_eq!(tick(&mut state, until - AHEAD - 1), vec![]);
    assert_eq!(state.leases_running_out(), 0);
    assert_eq!(tick(&mut state, until - AHEAD), warning(&state, until));
    assert_eq!(state.leases_running_out(), 1);
    assert_eq!(tick(&mut state, until - AHEAD + 1), vec![]);
    assert_eq!(state.leases_running_out(), 1);
}

#[test]
fn who_tops_up_is_warned_again_only_when_that_gets_short_too() {
    let mut state = poor(|_| {});
    let (first, second) = (NOW.0 + LASTS, NOW.0 + LASTS + 2000);
    assert_eq!(tick(&mut state, first - AHEAD), warning(&state, first));
    step(&mut state, read(lasting(LASTS + 2000)), Timestamp(first - AHEAD));
    assert_eq!(tick(&mut state, first - AHEAD + 1), vec![]);
    assert_eq!(state.leases_running_out(), 0);
    assert_eq!(tick(&mut state, second - AHEAD), warning(&state, second));
}

#[test]
fn money_to_the_end_is_enough_and_a_lease_that_is_over_is_not_warned_of() {
    let mut state = poor(|_| {});
    step(&mut state, read(lasting(7200)), NOW);
    assert_eq!(tick(&mut state, NOW.0 + 7199), vec![]);
    assert_eq!(state.leases_running_out(), 0);

    let mut state = poor(|_| {});
    tick(&mut state, NOW.0 + LASTS - AHEAD);
    let closed = Lease { end_at: Timestamp(NOW.0 + LASTS - AHEAD), ..lasting(LASTS) };
    step(&mut state, read(closed), Timestamp(NOW.0 + LASTS - AHEAD));
    let effects = tick(&mut state, NOW.0 + LASTS - AHEAD + 1);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::WarnOfFunds { .. })), "{effects:?}");
    assert_eq!(state.leases_running_out(), 0);
}

#[test]
fn what_is_signed_is_owed_at_its_price_and_the_rest_at_the_full_rate() {
    // Two thousand seconds were worth what the full rate takes in 1700, so that the rest lasts for 1300 more.
    let as_of = NOW.0 + 2000;
    let signed_for = money(1700).0;
    let mut state = poor(|spec| signed(spec, &statement(signed_for, as_of, false)));
    // It waits for a better moment to be settled.
    state.rules.settling.minimum = Amount(u128::MAX);
    assert_eq!(tick(&mut state, NOW.0 + LASTS - AHEAD), vec![]);
    let left = money(LASTS).0 - signed_for;
    let until = as_of + u64::try_from(left * 1_000_000 / lease(LeaseState::Active).rate_cap_e6).unwrap();
    assert!((NOW.0 + 3299..=NOW.0 + 3300).contains(&until), "{until}");
    assert_eq!(tick(&mut state, until - AHEAD - 1), vec![]);
    assert_eq!(tick(&mut state, until - AHEAD), warning(&state, until));
}

#[test]
fn money_that_is_gone_is_counted_and_not_warned_of_any_more() {
    let mut state = poor(|_| {});
    let effects = tick(&mut state, NOW.0 + LASTS);
    assert_eq!(effects, vec![reclaim()]);
    assert_eq!(state.leases_running_out(), 1);
}

#[test]
fn an_agent_that_does_not_follow_the_chain_warns_of_nothing() {
    let mut state = poor(|_| {});
    let at = NOW.0 + LASTS - AHEAD;
    step(&mut state, head(Timestamp(at)), Timestamp(at));
    let late = Timestamp(at + rules().max_head_age + 1);
    let effects = step(&mut state, Event::Tick, late);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::WarnOfFunds { .. })), "{effects:?}");
    assert_eq!(tick(&mut state, late.0), warning(&state, NOW.0 + LASTS));
}
