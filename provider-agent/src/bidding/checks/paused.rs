//! The provider makes bids at all.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    if case.policy.paused {
        reasons.push(DeclineReason::Paused);
    }
}
