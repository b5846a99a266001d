//! Whom the owner does not serve, when, and how much it stakes at most.

use super::*;

/// Just beyond a bound, and the reason; at the bound there is a bid.
fn beyond(expected: DeclineReason, at: impl FnOnce(&mut Setting), spoil: impl FnOnce(&mut Setting)) {
    let placed = decision(at);
    assert!(matches!(placed, BidDecision::Place(_)), "{placed:?}");
    check(expected, spoil);
}

#[test]
fn a_paused_provider_makes_no_bid() {
    check(DeclineReason::Paused, |s| s.policy.paused = true);
}

#[test]
fn denied_beats_allowed_and_no_list_of_the_allowed_means_everybody() {
    let tenant = order().tenant;
    check(DeclineReason::TenantDenied, |s| s.policy.filter.tenants_deny = [tenant].into());
    check(DeclineReason::TenantDenied, |s| {
        (s.policy.filter.tenants_allow, s.policy.filter.tenants_deny) = ([tenant].into(), [tenant].into());
    });
    beyond(
        DeclineReason::TenantNotAllowed,
        |s| s.policy.filter.tenants_allow = [tenant, Address::ZERO].into(),
        |s| s.policy.filter.tenants_allow = [Address::ZERO].into(),
    );
}

#[test]
fn a_tenant_with_too_many_disputes_gets_no_bid() {
    let with = |disputes, maximum| {
        move |s: &mut Setting| (s.disputes, s.policy.filter.max_disputes_per_tenant) = (disputes, maximum)
    };
    beyond(DeclineReason::TenantDisputes { disputes: 3, maximum: 2 }, with(2, Some(2)), with(3, Some(2)));
    beyond(DeclineReason::TenantDisputes { disputes: 1, maximum: 0 }, with(99, None), with(1, Some(0)));
}

#[test]
fn a_lease_that_could_last_into_a_maintenance_gets_no_bid() {
    // Accepted at the last moment, ready at the last moment, and used to the end.
    let latest_end = Timestamp(NOW.0 + 300 + 1800 + 7200);
    let maintenance = Timestamp(latest_end.0 - 1);
    beyond(
        DeclineReason::PastMaintenance { latest_end, maintenance },
        |s| s.policy.no_leases_past = Some(latest_end),
        |s| s.policy.no_leases_past = Some(maintenance),
    );
}

#[test]
fn leases_bids_and_this_bid_lock_no_more_than_the_owner_stakes() {
    // 200 are locked, 70 offered, and the bid takes 50.
    let with = |maximum| {
        move |s: &mut Setting| {
            s.at_stake = AtStake { offered: Amount(70), signed: Amount(7000) };
            s.policy.filter.max_exposure = Some(Amount(maximum));
        }
    };
    let (exposure, maximum) = (Amount(320), Amount(319));
    beyond(DeclineReason::ExposureTooHigh { exposure, maximum }, with(320), with(319));
}

#[test]
fn the_bids_of_a_day_stake_no_more_than_the_budget() {
    let with = |budget| {
        move |s: &mut Setting| {
            s.at_stake = AtStake { offered: Amount(7000), signed: Amount(70) };
            s.policy.filter.daily_bid_budget = Some(Amount(budget));
        }
    };
    let (needed, budget) = (Amount(120), Amount(119));
    beyond(DeclineReason::BidBudgetSpent { needed, budget }, with(120), with(119));
}

#[test]
fn what_the_owner_does_not_want_is_final_and_what_a_day_changes_is_not() {
    let last = [DeclineReason::Paused, DeclineReason::TenantDenied, DeclineReason::TenantNotAllowed];
    assert_eq!(last.map(|reason| reason.outlook()), [reason::Outlook::Final; 3]);
    let amount = Amount(1);
    let passing = [
        DeclineReason::TenantDisputes { disputes: 1, maximum: 0 },
        DeclineReason::ExposureTooHigh { exposure: amount, maximum: amount },
        DeclineReason::BidBudgetSpent { needed: amount, budget: amount },
    ];
    assert_eq!(passing.map(|reason| reason.outlook()), [reason::Outlook::Passing; 3]);
}
