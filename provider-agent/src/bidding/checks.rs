//! The checks, one file each, in the order in which their reasons are reported: what the order says, what the cluster has, what it costs, who
//! stands behind it.

mod attributes;
mod capacity;
mod deadline;
mod duration;
mod outstanding;
pub(super) mod rate;
mod requirements;
mod resources;
mod standing;
mod storage_class;
mod tenant_funds;
mod tier;
mod token;
mod unsigned;

use super::{Case, DeclineReason};

type Check = fn(&Case<'_>, &mut Vec<DeclineReason>);

const CHECKS: [Check; 14] = [
    token::check,
    deadline::check,
    requirements::check,
    tier::check,
    attributes::check,
    duration::check,
    resources::check,
    storage_class::check,
    capacity::check,
    rate::check,
    tenant_funds::check,
    unsigned::check,
    standing::check,
    outstanding::check,
];

/// Every reason of every check.
pub(super) fn all(case: &Case<'_>) -> Vec<DeclineReason> {
    let mut reasons = Vec::new();
    for check in CHECKS {
        check(case, &mut reasons);
    }
    reasons
}
