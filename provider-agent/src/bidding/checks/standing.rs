//! The registry lets this key bid for this provider, and enough of the bond is free.

use crate::bidding::{Activity, Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let (standing, policy) = (&case.facts.standing, case.policy);
    if standing.activity == Activity::Inactive {
        reasons.push(DeclineReason::ProviderInactive);
        return;
    }
    if standing.operator != policy.operator {
        reasons.push(DeclineReason::OperatorNotAuthorised);
    }
    if standing.operator_expiry <= case.now.saturating_add(policy.bid_validity) {
        reasons.push(DeclineReason::OperatorKeyExpired { expiry: standing.operator_expiry });
    }
    if standing.bond < policy.min_bond {
        reasons.push(DeclineReason::BondBelowMinimum { bond: standing.bond, minimum: policy.min_bond });
    }
    let free = standing.free_bond;
    // Every outstanding bid may lock its share before this one is accepted.
    let needed = market::Amount(policy.max_slash.0.saturating_mul(u128::from(case.outstanding) + 1));
    if free < needed {
        reasons.push(DeclineReason::BondLocked { free, needed });
    }
}
