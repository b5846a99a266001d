//! Claims, disputes and ends on chain: what may be done when, and what it comes to. Pure.

use chain::convert::ConvertError;
use chain::{Call, Calls};
use market::{Amount, BasisPoints, Bid, Lease, LeaseState, PendingClaim, Timestamp};

use crate::command::provider::when;
use crate::exit::{Kind, Stop};

/// The stake that the contract asks for, in ten-thousandths of what is contested.
const STAKE_BPS: u16 = 500;

/// A transaction that contests a lease's end or brings it about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// Contest all of the claim but so much.
    Dispute { conceded: Amount },
    /// Close a disputed lease by the agreed split.
    Resolve,
    /// Close an ended lease.
    Finalize,
}

impl Write {
    /// The name of its function.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Write::Dispute { .. } => "dispute",
            Write::Resolve => "resolve",
            Write::Finalize => "finalize",
        }
    }

    /// Its call.
    pub(crate) fn call(self, calls: &Calls, bid: &Bid) -> Result<Call, ConvertError> {
        match self {
            Write::Dispute { conceded } => calls.dispute(bid, conceded),
            Write::Resolve => calls.resolve(bid, Amount::ZERO, Amount::ZERO),
            Write::Finalize => calls.finalize(&[*bid]),
        }
    }
}

/// What a dispute comes to, before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) conceded: Amount,
    pub(crate) contested: Amount,
    pub(crate) stake: Amount,
    /// The part of the stake that the lease's uncontested money does not cover.
    pub(crate) from_account: Amount,
}

/// The claim that may be contested now.
pub(crate) fn contestable(lease: &Lease, now: Timestamp, window: u64) -> Result<PendingClaim, Stop> {
    match (lease.state, lease.pending) {
        (LeaseState::Active, Some(claim)) if now < contestable_until(&claim, window) => Ok(claim),
        (LeaseState::Active, Some(claim)) => {
            let until = when(contestable_until(&claim, window).0);
            Err(Stop::new(Kind::TimedOut, format!("the claim could be disputed until {until}")))
        }
        (LeaseState::Disputed, _) => Err(Stop::new(Kind::NotFound, "the lease is disputed already")),
        _ => Err(Stop::new(
            Kind::NotFound,
            "the provider has no claim on the lease, so there is nothing to dispute",
        )),
    }
}

/// From when a claim cannot be contested any more.
pub(crate) fn contestable_until(claim: &PendingClaim, dispute_window: u64) -> Timestamp {
    claim.filed_at.saturating_add(dispute_window)
}

/// What contesting all but `conceded` comes to.
pub(crate) fn plan(lease: &Lease, claim: &PendingClaim, conceded: Amount) -> Result<Plan, &'static str> {
    if conceded < lease.paid {
        return Err("what is paid already cannot be contested");
    }
    if conceded >= claim.cum {
        return Err("there is nothing to contest: the whole claim is conceded");
    }
    let contested = claim.cum.saturating_sub(conceded);
    let stake = BasisPoints::new(STAKE_BPS).map_or(contested, |share| share.of(contested));
    Ok(Plan { conceded, contested, stake, from_account: stake.saturating_sub(uncontested(lease, claim)) })
}

/// Contests as much as can be, with `account` to pay the stake from. None if that is nothing.
pub(crate) fn affordable_plan(
    lease: &Lease,
    claim: &PendingClaim,
    conceded: Amount,
    account: Amount,
) -> Option<Plan> {
    let payable = account.saturating_add(uncontested(lease, claim));
    let most = payable.0.checked_mul(10_000).map_or(Amount::MAX, |all| Amount(all / u128::from(STAKE_BPS)));
    plan(lease, claim, conceded.max(claim.cum.saturating_sub(most))).ok()
}

/// The lease's money that is beyond the claim.
fn uncontested(lease: &Lease, claim: &PendingClaim) -> Amount {
    lease.paid.saturating_add(lease.balance).saturating_sub(claim.cum)
}

/// From when anybody may close a disputed lease.
pub(crate) fn splittable_from(lease: &Lease, arbiter_window: u64) -> Timestamp {
    lease.disputed_at.unwrap_or(lease.end_at).saturating_add(arbiter_window)
}

/// From when anybody may close an ended lease.
pub(crate) fn closable_from(lease: &Lease, claim_window: u64, dispute_window: u64) -> Timestamp {
    let billed_to = lease.pending.map_or(lease.last_as_of, |pending| pending.at);
    let billing_over =
        if billed_to == lease.end_at { lease.end_at } else { lease.end_at.saturating_add(claim_window + 1) };
    let dispute_over = lease.pending.map(|pending| contestable_until(&pending, dispute_window));
    dispute_over.map_or(billing_over, |dispute_over| dispute_over.max(billing_over))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: PendingClaim =
        PendingClaim { cum: Amount(900), at: Timestamp(300), filed_at: Timestamp(400) };

    fn lease() -> Lease {
        Lease {
            started_at: Some(Timestamp(100)),
            end_at: Timestamp(500),
            last_as_of: Timestamp(200),
            balance: Amount(810),
            paid: Amount(100),
            pending: Some(CLAIM),
            ..testkit::lease()
        }
    }

    #[test]
    fn a_stake_comes_first_from_what_nobody_contests() {
        let expected = Plan {
            conceded: Amount(100),
            contested: Amount(800),
            stake: Amount(40),
            from_account: Amount(30),
        };
        assert_eq!(plan(&lease(), &CLAIM, Amount(100)), Ok(expected));
        let rich = Lease { balance: Amount(2_000), ..lease() };
        assert_eq!(plan(&rich, &CLAIM, Amount(100)).map(|plan| plan.from_account), Ok(Amount::ZERO));
    }

    #[test]
    fn whoever_cannot_pay_the_whole_stake_contests_what_it_can() {
        let conceded =
            |account| affordable_plan(&lease(), &CLAIM, Amount(100), Amount(account)).map(|it| it.conceded);
        assert_eq!(conceded(30), Some(Amount(100)));
        assert_eq!(conceded(u128::MAX), Some(Amount(100)));
        // Ten are uncontested and pay the stake of two hundred; each of the account pays that of twenty more.
        assert_eq!(conceded(0), Some(Amount(700)));
        assert_eq!(conceded(29), Some(Amount(120)));
        for account in 0..30 {
            let plan = affordable_plan(&lease(), &CLAIM, Amount(100), Amount(account)).unwrap();
            assert!(plan.from_account <= Amount(account), "{plan:?}");
        }
        let poor = Lease { balance: Amount(800), ..lease() };
        assert_eq!(affordable_plan(&poor, &CLAIM, Amount(100), Amount::ZERO), None);
    }

    #[test]
    fn only_what_is_unpaid_and_claimed_can_be_contested() {
        assert_eq!(plan(&lease(), &CLAIM, Amount(99)), Err("what is paid already cannot be contested"));
        let whole = plan(&lease(), &CLAIM, Amount(900));
        assert_eq!(whole, Err("there is nothing to contest: the whole claim is conceded"));
        assert!(plan(&lease(), &CLAIM, Amount(899)).is_ok());
    }

    #[test]
    fn a_claim_can_be_contested_to_the_last_second_of_its_window() {
        let said =
            |lease: &Lease, now| contestable(lease, Timestamp(now), 50).map_err(|stop| stop.to_string());
        assert_eq!(said(&lease(), 449), Ok(CLAIM));
        let late = "the claim could be disputed until 1970-01-01T00:07:30Z".to_owned();
        assert_eq!(said(&lease(), 450), Err(late));
        let disputed = Lease { state: LeaseState::Disputed, ..lease() };
        assert_eq!(said(&disputed, 449), Err("the lease is disputed already".to_owned()));
        let none = "the provider has no claim on the lease, so there is nothing to dispute".to_owned();
        assert_eq!(said(&Lease { pending: None, ..lease() }, 449), Err(none));
    }

    #[test]
    fn an_ended_lease_can_be_closed_when_all_is_billed_or_the_windows_have_passed() {
        let unclaimed = Lease { pending: None, last_as_of: Timestamp(400), ..lease() };
        assert_eq!(closable_from(&unclaimed, 50, 70), Timestamp(551));
        let settled = Lease { last_as_of: Timestamp(500), ..unclaimed };
        assert_eq!(closable_from(&settled, 50, 70), Timestamp(500));
        let claim = |at, filed_at| {
            Some(PendingClaim { cum: Amount(1), at: Timestamp(at), filed_at: Timestamp(filed_at) })
        };
        let claimed = Lease { pending: claim(500, 520), ..unclaimed };
        assert_eq!(closable_from(&claimed, 50, 70), Timestamp(590));
        let claimed_early = Lease { pending: claim(450, 460), ..unclaimed };
        assert_eq!(closable_from(&claimed_early, 50, 70), Timestamp(551));
    }
}
