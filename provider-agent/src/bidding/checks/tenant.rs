//! The tenant is one that the provider wants to serve: denied beats allowed, and without a list of the allowed everybody is.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let (filter, tenant) = (&case.policy.filter, case.order.tenant);
    if filter.tenants_deny.contains(&tenant) {
        reasons.push(DeclineReason::TenantDenied);
    } else if !filter.tenants_allow.is_empty() && !filter.tenants_allow.contains(&tenant) {
        reasons.push(DeclineReason::TenantNotAllowed);
    }
}
