//! The checks, one file each, in the order in which their reasons are reported: whether anything is offered to anybody like that, what the order
//! says, what the cluster has, what it costs, who stands behind it, what is at stake.

mod attributes;
mod budget;
mod capacity;
mod deadline;
mod disputes;
mod duration;
mod exposure;
mod maintenance;
mod outstanding;
mod paused;
pub(super) mod rate;
mod requirements;
mod resources;
mod standing;
mod storage_class;
mod tenant;
mod tenant_funds;
mod tier;
mod token;
mod unsigned;

use super::{Case, DeclineReason};

type Check = fn(&Case<'_>, &mut Vec<DeclineReason>);

const CHECKS: [Check; 20] = [
    paused::check,
    tenant::check,
    disputes::check,
    token::check,
    deadline::check,
    requirements::check,
    tier::check,
    attributes::check,
    duration::check,
    maintenance::check,
    resources::check,
    storage_class::check,
    capacity::check,
    rate::check,
    tenant_funds::check,
    unsigned::check,
    standing::check,
    outstanding::check,
    exposure::check,
    budget::check,
];

/// Every reason of every check.
pub(super) fn all(case: &Case<'_>) -> Vec<DeclineReason> {
    let mut reasons = Vec::new();
    for check in CHECKS {
        check(case, &mut reasons);
    }
    reasons
}
