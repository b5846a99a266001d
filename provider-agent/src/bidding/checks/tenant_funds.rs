//! The tenant has the money in the market now: a bid reserves capacity, and must not be free to ask for.

use crate::bidding::checks::rate::minimum_deposit;
use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let deposit =
        case.requirements.limits().ok().and_then(|limits| minimum_deposit(case, &limits)).unwrap_or_default();
    let (available, minimum) = (case.facts.tenant_available, deposit.max(case.policy.min_tenant_available));
    if available < minimum {
        reasons.push(DeclineReason::TenantUnderfunded { available, minimum });
    }
}
