//! Proposals that tenants do not sign.

use gateway_api::RefusalReason;
use market::B256;

use super::leases::running;
use super::*;

const REPLY: ReplyId = ReplyId(9);

fn refused(proposed: u128) -> RefusedProposal {
    RefusedProposal {
        reason: RefusalReason::AmountAboveUsage,
        proposed: Amount(proposed),
        as_of: NOW,
        usage_hash: B256::repeat_byte(1),
        largest_accepted: Amount(proposed / 2),
    }
}

fn refuse(state: &mut State, proposed: u128, at: u64) -> Vec<Effect> {
    let refused = refused(proposed);
    step(state, Event::StatementRefused { lease: id(), refused, reply: REPLY }, Timestamp(at))
}

fn heard(proposed: u128, telling: Telling) -> Vec<Effect> {
    vec![
        Effect::Record(Record::StatementRefused { lease: id(), refused: refused(proposed), telling }),
        Effect::Answer { reply: REPLY, answer: Ok(Answer::RefusalHeard) },
    ]
}

#[test]
fn every_refusal_is_counted_one_a_minute_is_logged_and_the_newest_is_kept() {
    let mut state = running(|_| {}, ready_status(3));
    let at = NOW.0;
    assert_eq!(refuse(&mut state, 10, at), heard(10, Telling::Logged));
    for second in 0..60 {
        let proposed = 11 + u128::from(second);
        assert_eq!(refuse(&mut state, proposed, at + second), heard(proposed, Telling::Counted));
        let kept = state.leases[&id()].refusal.map(|kept| kept.refused);
        assert_eq!(kept, Some(refused(proposed)));
    }
    assert_eq!(refuse(&mut state, 100, at + 60), heard(100, Telling::Logged));
}

#[test]
fn a_refusal_changes_no_proposal_and_one_about_no_lease_is_refused_itself() {
    let mut status = ready_status(3);
    status.usage = Some(metered(NOW.saturating_add(60), Usage([60, 60_000, 60 << 32, 0, 0, 0, 0, 0])));
    let mut state = running(|_| {}, status);
    let later = NOW.saturating_add(61);
    step(&mut state, head(later), later);
    let ask = |state: &mut State| step(state, Event::StatementRequested { lease: id(), reply: REPLY }, later);
    let before = ask(&mut state);
    assert!(matches!(before.as_slice(), [Effect::Answer { answer: Ok(Answer::Proposal(_)), .. }]));
    refuse(&mut state, 10, later.0);
    assert_eq!(ask(&mut state), before);

    step(&mut state, read(lease(LeaseState::Closed)), later);
    let over = Effect::Answer { reply: REPLY, answer: Err(Refusal::LeaseOver) };
    assert_eq!(refuse(&mut state, 10, later.0), vec![over]);
    let stranger = LeaseId(B256::ZERO);
    let refuse = Event::StatementRefused { lease: stranger, refused: refused(1), reply: REPLY };
    let unknown = Effect::Answer { reply: REPLY, answer: Err(Refusal::UnknownLease) };
    assert_eq!(step(&mut state, refuse, later), vec![unknown]);
}
