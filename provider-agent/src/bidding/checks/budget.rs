//! The bids of a day do not stake more than the owner allows, accepted or not: a policy gone mad gets no further.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let Some(budget) = case.policy.filter.daily_bid_budget else { return };
    let needed = case.at_stake.signed.saturating_add(case.policy.max_slash);
    if needed > budget {
        reasons.push(DeclineReason::BidBudgetSpent { needed, budget });
    }
}
