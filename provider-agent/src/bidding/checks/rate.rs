//! Our price is one that the tenant would pay, and its deposit carries the lease far enough to be worth starting.

use market::{Amount, Limits, U256, rate_cap_e6};

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let Ok(limits) = case.requirements.limits() else { return };
    let maximum_e6 = case.order.max_rate_e6;
    match rate_cap_e6(&case.prices(), &limits) {
        Ok(rate_e6) if rate_e6 > maximum_e6 => {
            reasons.push(DeclineReason::RateTooHigh { rate_e6, maximum_e6 });
        }
        Ok(_) => {}
        Err(_) => reasons.push(DeclineReason::RateUnusable),
    }
    let deposit = case.order.deposit;
    if let Some(minimum) = minimum_deposit(case, &limits)
        && deposit < minimum
    {
        reasons.push(DeclineReason::DepositTooSmall { deposit, minimum });
    }
}

/// What the tenant must lock: the full rate for the prepaid time, or for the whole lease if that is shorter, rounded up. `None` without a rate.
pub fn minimum_deposit(case: &Case<'_>, limits: &Limits) -> Option<Amount> {
    let rate_e6 = rate_cap_e6(&case.prices(), limits).ok()?;
    let seconds = case.policy.min_prepaid.min(u64::from(case.requirements.duration));
    let micro = U256::from(rate_e6) * U256::from(seconds);
    Some(Amount(micro.div_ceil(U256::from(1_000_000)).saturating_to()))
}
