//! The tenant still looks at bids.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let deadline = case.order.deadline;
    if deadline <= case.now {
        reasons.push(DeclineReason::OrderExpired { deadline });
    }
}
