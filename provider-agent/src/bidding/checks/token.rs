//! The order is paid in the token that this deployment settles.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    if case.order.token != case.policy.token {
        reasons.push(DeclineReason::TokenNotAccepted);
    }
}
