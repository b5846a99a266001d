//! The tenant does not make a habit of disputes with this provider.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let disputes = case.disputes;
    if let Some(maximum) = case.policy.filter.max_disputes_per_tenant
        && disputes > maximum
    {
        reasons.push(DeclineReason::TenantDisputes { disputes, maximum });
    }
}
