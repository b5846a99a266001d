//! The provider's side of a dispute: what was signed, what was worked meanwhile, and the agreed split at last.

use crd::DesiredState;
use market::PendingClaim;

use super::leases::{running, settle, signed, statement, tick, usage};
use super::*;

/// The claim billed to here, the dispute came there.
const CLAIMED: u64 = NOW.0 + 50;
const DISPUTED: u64 = NOW.0 + 60;

fn contested() -> Lease {
    let pending = PendingClaim { cum: Amount(80), at: Timestamp(CLAIMED), filed_at: Timestamp(CLAIMED) };
    Lease {
        state: LeaseState::Disputed,
        end_at: Timestamp(DISPUTED),
        last_as_of: Timestamp(CLAIMED),
        paid: Amount(20),
        pending: Some(pending),
        disputed_at: Some(Timestamp(DISPUTED)),
        ..lease(LeaseState::Active)
    }
}

/// A disputed lease whose object has ended, its last usage published or not, and what is done about it at once.
fn disputed(is_final: &str, spec_change: impl FnOnce(&mut crd::ComputeLeaseSpec)) -> (State, Vec<Effect>) {
    let mut state = running(|_| {}, ready_status(3));
    let mut spec = spec(DesiredState::Ended, Some((NOW.0, DISPUTED)));
    spec.manifest = Some(manifest_ref());
    spec_change(&mut spec);
    let status = ComputeLeaseStatus {
        phase: Phase::Ended,
        observed_generation: Some(4),
        conditions: vec![condition(condition::USAGE_FINAL, is_final, "Test")],
        usage: Some(metered(Timestamp(DISPUTED), usage())),
        ..ComputeLeaseStatus::default()
    };
    step(&mut state, head(Timestamp(DISPUTED)), Timestamp(DISPUTED));
    step(&mut state, read(contested()), Timestamp(DISPUTED));
    let effects = step(&mut state, observed(stored(spec, 4, Some(status))), Timestamp(DISPUTED));
    (state, besides_usage(effects))
}

#[test]
fn what_the_tenant_signed_before_it_disputed_is_settled() {
    let before = statement(70, CLAIMED - 10, false);
    assert_eq!(disputed("False", |spec| signed(spec, &before)).1, settle(&before));
    for unpayable in [statement(81, CLAIMED, false), statement(20, CLAIMED, false)] {
        assert_eq!(disputed("False", |spec| signed(spec, &unpayable)).1, vec![]);
    }
}

#[test]
fn work_between_the_claim_and_the_dispute_is_billed_once_while_there_is_time() {
    let claim = vec![Effect::Claim(vec![(Box::new(bid()), usage())])];
    assert_eq!(disputed("True", |_| {}).1, claim);
    // Without the last usage it waits for half of the window, and then bills what it knows.
    let window = rules().windows.claim;
    let (mut state, effects) = disputed("False", |_| {});
    assert_eq!(effects, vec![]);
    assert_eq!(tick(&mut state, DISPUTED + window / 2 - 1), vec![]);
    assert_eq!(tick(&mut state, DISPUTED + window / 2), claim);
    let (mut state, _) = disputed("False", |_| {});
    assert_eq!(tick(&mut state, DISPUTED + window + 1), vec![]);
    let (mut state, _) = disputed("False", |_| {});
    raise(&mut state);
    assert_eq!(tick(&mut state, DISPUTED + window / 2), vec![]);
}

/// The claim bills everything up to the dispute.
fn raise(state: &mut State) {
    let raised = PendingClaim { cum: Amount(90), at: Timestamp(DISPUTED), filed_at: Timestamp(CLAIMED) };
    step(state, read(Lease { pending: Some(raised), ..contested() }), Timestamp(DISPUTED));
}

#[test]
fn when_the_arbiters_time_is_over_the_agreed_split_is_asked_for() {
    let (mut state, _) = disputed("False", |_| {});
    let over = DISPUTED + rules().windows.arbiter;
    raise(&mut state);
    assert_eq!(tick(&mut state, over - 1), vec![]);
    assert_eq!(tick(&mut state, over), vec![Effect::Resolve(Box::new(bid()))]);
}
