//! Each resource is sold here, and not more of it than one lease may have.

use market::Dimension;

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    // Requirements that cannot be summed are reported by their own check.
    let Ok(limits) = case.requirements.limits() else { return };
    for (dimension, wanted) in limits.iter().filter(|(_, wanted)| *wanted > 0) {
        let maximum = case.policy.max_limits.of(dimension);
        if !case.policy.price_list.sells(dimension, case.requirements) {
            reasons.push(DeclineReason::ResourceNotSold { dimension });
        } else if wanted > maximum {
            reasons.push(DeclineReason::LimitExceeded { dimension, wanted, maximum });
        }
    }
    let is_part = |milli: u64| !milli.is_multiple_of(1000);
    if limits.of(Dimension::Gpu) > 0
        && case.requirements.services.iter().any(|service| is_part(service.gpu_milli))
    {
        reasons.push(DeclineReason::GpuNotWhole);
    }
}
