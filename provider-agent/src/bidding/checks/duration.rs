//! The lease is not longer than this provider commits itself.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let (wanted, maximum) = (case.requirements.duration, case.policy.max_duration);
    if wanted > maximum {
        reasons.push(DeclineReason::DurationTooLong { wanted, maximum });
    }
}
