//! The tenant signs for what its other leases here use: one that does not gets no more to use.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    if let Some(unsigned) = case.held_against {
        reasons.push(DeclineReason::TenantDoesNotSign { unsigned });
    }
}
