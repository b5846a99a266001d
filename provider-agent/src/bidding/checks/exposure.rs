//! What leases lock of the bond, what outstanding bids would lock, and this bid stay within what the owner is willing to stake.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let Some(maximum) = case.policy.filter.max_exposure else { return };
    let exposure = case
        .facts
        .standing
        .locked
        .saturating_add(case.at_stake.offered)
        .saturating_add(case.policy.max_slash);
    if exposure > maximum {
        reasons.push(DeclineReason::ExposureTooHigh { exposure, maximum });
    }
}
