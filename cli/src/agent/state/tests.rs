//! What the agent decides, event by event.

use market::BasisPoints;
use testkit::lease;

use super::*;
use crate::countersign::Tolerance;

const LEASE: LeaseId = LeaseId(B256::repeat_byte(1));
const WINDOWS: Windows = Windows { claim: 300, dispute: 400, arbiter: 900 };

fn policy(disputes: DisputeRule, hands: Hands) -> Policy {
    Policy {
        lease: LEASE,
        terms: Terms::default(),
        disputes,
        hands,
        windows: WINDOWS,
        warn_before: 100,
        unreachable_after: 60,
        money: Money { decimals: 2, symbol: "TEST".into() },
    }
}

fn view(lease: Lease, now: u64) -> ChainView {
    ChainView { lease, now: Timestamp(now), owed: Amount(700), account: Amount(1_000) }
}

/// A claim over more than the seven hundred that are owed, filed at 2000 and contestable until 2400.
fn claimed() -> Lease {
    let claim = PendingClaim { cum: Amount(900), at: Timestamp(1_900), filed_at: Timestamp(2_000) };
    Lease { pending: Some(claim), ..lease() }
}

fn on_chain(state: &mut State, policy: &Policy, view: ChainView) -> Vec<Effect> {
    state.step(policy, Event::Chain(view), view.now)
}

fn tell(notice: Notice) -> Effect {
    Effect::Tell(notice)
}

fn too_high() -> Effect {
    tell(Notice::ClaimTooHigh {
        claimed_cum: Amount(900),
        owed_cum: Amount(700),
        contestable_until: Timestamp(2_400),
        command: format!("leasehold dispute {LEASE} --concede 7"),
    })
}

#[test]
fn a_running_lease_is_probed_and_its_statements_are_exchanged() {
    let (mut state, policy) = (State::default(), policy(DisputeRule::Tell, Hands::Tied));
    let running = [Effect::Probe, Effect::Exchange];
    assert_eq!(on_chain(&mut state, &policy, view(lease(), 1_100)), running);
    // After its end nothing runs any more, but the last statement may still come.
    assert_eq!(on_chain(&mut state, &policy, view(lease(), 5_000)), [Effect::Exchange]);
    for lease_state in [LeaseState::None, LeaseState::Open] {
        let waiting = Lease { state: lease_state, ..lease() };
        assert_eq!(on_chain(&mut state, &policy, view(waiting, 1_100)), []);
    }
    let closed = Lease { state: LeaseState::Closed, paid: Amount(7), ..lease() };
    let over = [tell(Notice::Closed { paid: Amount(7) }), Effect::Finish];
    assert_eq!(on_chain(&mut state, &policy, view(closed, 1_100)), over);
}

#[test]
fn a_claim_that_is_too_high_is_told_at_once_and_louder_as_its_window_ends() {
    for rule in [DisputeRule::Tell, DisputeRule::Automatic] {
        let (mut state, policy) = (State::default(), policy(rule, Hands::Tied));
        let mut told = Vec::new();
        for now in 2_000..2_500 {
            let effects = on_chain(&mut state, &policy, view(claimed(), now));
            assert!(!effects.iter().any(|effect| matches!(effect, Effect::Write(_))), "{effects:?}");
            if effects.contains(&too_high()) {
                told.push(now);
            }
        }
        assert_eq!(told, [2_000, 2_200, 2_300, 2_350]);
    }
}

#[test]
fn a_claim_that_is_owed_is_told_once_and_left_alone() {
    let (mut state, policy) = (State::default(), policy(DisputeRule::Automatic, Hands::Free));
    let right = |now| ChainView { owed: Amount(900), ..view(claimed(), now) };
    let filed = tell(Notice::ClaimFiled { claimed_cum: Amount(900), contestable_until: Timestamp(2_400) });
    let expected = [filed, Effect::Probe, Effect::Exchange];
    assert_eq!(on_chain(&mut state, &policy, right(2_000)), expected);
    assert_eq!(on_chain(&mut state, &policy, right(2_390)), expected[1..]);
    // So is one within the tolerance, and not one unit more.
    let tolerance = Tolerance { fixed: Amount(200), share: BasisPoints::ZERO };
    let tolerant = Policy { terms: Terms { tolerance, budget: None }, ..policy.clone() };
    assert_eq!(tolerant.due_write(&view(claimed(), 2_390)), None);
    let view = ChainView { owed: Amount(699), ..view(claimed(), 2_390) };
    assert_eq!(tolerant.due_write(&view), Some(Write::Dispute { conceded: Amount(699) }));
}

#[test]
fn a_claim_that_is_too_high_is_disputed_from_the_middle_of_its_window_with_what_is_owed_conceded() {
    let policy = policy(DisputeRule::Automatic, Hands::Free);
    let dispute = Some(Write::Dispute { conceded: Amount(700) });
    let at = |now| policy.due_write(&view(claimed(), now));
    assert_eq!((at(2_199), at(2_200), at(2_399), at(2_400)), (None, dispute, dispute, None));
    let mut state = State::default();
    let effects = on_chain(&mut state, &policy, view(claimed(), 2_200));
    let write = Effect::Write(Write::Dispute { conceded: Amount(700) });
    assert_eq!(effects, [too_high(), write, Effect::Probe, Effect::Exchange]);
}

#[test]
fn who_cannot_pay_the_stake_gets_a_quarter_of_the_window_to_find_it() {
    let policy = policy(DisputeRule::Automatic, Hands::Free);
    // All the lease's money is claimed, so the stake of ten comes from the account, which pays that of one hundred.
    let poor = |now, account| ChainView {
        account: Amount(account),
        ..view(Lease { balance: Amount(900), ..claimed() }, now)
    };
    let at = |now, account| policy.due_write(&poor(now, account));
    let conceding = |conceded| Some(Write::Dispute { conceded: Amount(conceded) });
    assert_eq!((at(2_200, 5), at(2_299, 5), at(2_300, 5)), (None, None, conceding(800)));
    assert_eq!((at(2_200, 10), at(2_300, 0)), (conceding(700), None));
}

#[test]
fn a_lease_is_closed_as_soon_as_the_windows_allow_it() {
    let free = policy(DisputeRule::Automatic, Hands::Free);
    let disputed = Lease { state: LeaseState::Disputed, disputed_at: Some(Timestamp(2_200)), ..claimed() };
    let at = |lease, now| free.due_write(&view(lease, now));
    assert_eq!((at(disputed, 3_099), at(disputed, 3_100)), (None, Some(Write::Resolve)));
    // Nothing was claimed: the claim window and a second.
    assert_eq!((at(lease(), 5_300), at(lease(), 5_301)), (None, Some(Write::Finalize)));

    // Without the key it is told once.
    let (mut state, tied) = (State::default(), policy(DisputeRule::Automatic, Hands::Tied));
    let told = tell(Notice::CanClose { command: format!("leasehold close {LEASE}") });
    assert_eq!(on_chain(&mut state, &tied, view(disputed, 3_100)), [told]);
    assert_eq!(on_chain(&mut state, &tied, view(disputed, 3_200)), []);
}

#[test]
fn money_that_runs_out_is_told_once_until_there_is_more() {
    let (mut state, policy) = (State::default(), policy(DisputeRule::Tell, Hands::Tied));
    let poor = Lease { balance: Amount(500), ..lease() };
    let mut told = |lease, now| on_chain(&mut state, &policy, view(lease, now)).len() == 3;
    assert!(!told(poor, 1_399));
    assert!(told(poor, 1_400));
    assert!(!told(poor, 1_410));
    assert!(!told(lease(), 1_420));
    assert!(told(poor, 1_430));
    // Money that lasts to the end does not run out.
    assert!(!told(lease(), 4_950));
}

#[test]
fn a_refusal_is_said_again_only_if_its_reason_changes_or_something_was_signed() {
    let (mut state, policy) = (State::default(), policy(DisputeRule::Tell, Hands::Tied));
    let refusal = |reason, proposed| Refusal {
        reason,
        proposed: Amount(proposed),
        largest_accepted: Amount(5),
        as_of: Timestamp(1_100),
        usage_hash: B256::ZERO,
    };
    let mut said = |event| !state.step(&policy, event, Timestamp(1_100)).is_empty();
    let usage = RefusalReason::AmountAboveUsage;
    assert!(said(Event::Refused(refusal(usage, 6))));
    assert!(!said(Event::Refused(refusal(usage, 7))));
    assert!(said(Event::Refused(refusal(RefusalReason::OverBudget, 7))));
    assert!(said(Event::Refused(refusal(usage, 8))));
    let statement = Statement {
        lease_id: LEASE,
        amount_cum: Amount(5),
        as_of: Timestamp(1_100),
        usage_hash: B256::ZERO,
        last: false,
    };
    assert!(said(Event::Signed(statement)));
    assert!(said(Event::Refused(refusal(usage, 9))));
    assert_eq!(state.refused(), Some(usage));
}

#[test]
fn a_silent_provider_is_told_after_a_while_and_once() {
    let (mut state, policy) = (State::default(), policy(DisputeRule::Tell, Hands::Tied));
    let mut at = |now, event| state.step(&policy, event, Timestamp(now));
    let silent = || Event::Unreachable("no route".into());
    let there = || Event::Reached { suspended: None, silent: BTreeSet::new() };
    assert_eq!(at(100, silent()), []);
    assert_eq!(at(159, silent()), []);
    let told = Notice::ProviderUnreachable { since: Timestamp(100), error: "no route".into() };
    assert_eq!(at(160, silent()), [tell(told)]);
    assert_eq!(at(500, silent()), []);
    assert_eq!(at(510, there()), [tell(Notice::ProviderBack)]);
    assert_eq!(at(520, silent()), []);
    assert_eq!(at(530, there()), []);
    // An answer is one, also when it is that there is nothing to sign.
    assert_eq!(at(540, silent()), []);
    assert_eq!(at(590, Event::NothingNew), []);
    assert_eq!(at(610, silent()), []);
    assert_eq!(at(670, silent()).len(), 1);
    assert_eq!(at(680, Event::NothingNew), [tell(Notice::ProviderBack)]);
}

#[test]
fn suspensions_and_services_that_do_not_answer_are_told_when_they_change() {
    let (mut state, policy) = (State::default(), policy(DisputeRule::Tell, Hands::Tied));
    let mut see = |suspended: Option<&str>, silent: &[&str]| {
        let silent = silent.iter().map(|name| (*name).to_owned()).collect();
        let event = Event::Reached { suspended: suspended.map(str::to_owned), silent };
        state.step(&policy, event, Timestamp(1))
    };
    assert_eq!(see(None, &[]), []);
    assert_eq!(see(None, &["web"]), [tell(Notice::ServiceDown { service: "web".into() })]);
    assert_eq!(see(None, &["web"]), []);
    assert_eq!(see(Some("unpaid"), &["web"]), [tell(Notice::Suspended { reason: "unpaid".into() })]);
    let back = [tell(Notice::Resumed), tell(Notice::ServiceUp { service: "web".into() })];
    assert_eq!(see(None, &[]), back);
}

#[test]
fn a_failed_transaction_is_told_once_for_each_reason() {
    let (mut state, policy) = (State::default(), policy(DisputeRule::Automatic, Hands::Free));
    let mut fail = |error: &str| {
        let event = Event::WriteFailed(Write::Resolve, error.to_owned());
        state.step(&policy, event, Timestamp(1)).len()
    };
    assert_eq!((fail("no gas"), fail("no gas"), fail("reverted")), (1, 0, 1));
}

#[test]
fn notices_are_one_line_for_programs_and_one_for_people() {
    let notice = Notice::ClaimTooHigh {
        claimed_cum: Amount(900),
        owed_cum: Amount(700),
        contestable_until: Timestamp(2_400),
        command: "leasehold dispute L --concede 7".into(),
    };
    let line = super::super::notice::Line { time: 5, lease_id: LEASE.0, notice: &notice };
    let expected = format!(
        r#"{{"time":5,"leaseId":"{LEASE}","event":"claim_too_high","claimedCum":"900","owedCum":"700","contestableUntil":2400,"command":"leasehold dispute L --concede 7"}}"#
    );
    assert_eq!(serde_json::to_string(&line).unwrap(), expected);
    let text = notice.text(LEASE, &policy(DisputeRule::Tell, Hands::Tied).money);
    assert_eq!(
        text,
        format!(
            "{LEASE}  THE PROVIDER CLAIMS 9 TEST ON CHAIN, but only 7 TEST are owed. Unless it is disputed before \
             1970-01-01T00:40:00Z it is paid: leasehold dispute L --concede 7"
        )
    );
}
