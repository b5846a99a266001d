//! The lease is over before a planned maintenance, however late it is accepted and confirmed.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let Some(maintenance) = case.policy.no_leases_past else { return };
    let latest_end = case
        .now
        .saturating_add(case.policy.bid_validity)
        .saturating_add(u64::from(case.policy.start_window))
        .saturating_add(u64::from(case.requirements.duration));
    if latest_end > maintenance {
        reasons.push(DeclineReason::PastMaintenance { latest_end, maintenance });
    }
}
