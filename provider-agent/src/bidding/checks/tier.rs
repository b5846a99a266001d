//! The isolation tier is one that this provider runs.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let tier = case.requirements.tier;
    if !case.policy.tiers.contains(&tier) {
        reasons.push(DeclineReason::TierNotOffered { tier });
    }
}
