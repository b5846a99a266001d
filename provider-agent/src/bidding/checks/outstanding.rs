//! Outstanding bids are bounded: each could cost a no-show penalty during an outage.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let maximum = case.policy.max_outstanding_bids;
    if case.outstanding >= maximum {
        reasons.push(DeclineReason::TooManyOutstandingBids { maximum });
    }
}
