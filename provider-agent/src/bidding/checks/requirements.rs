//! The requirements describe something that can run.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    if case.requirements.check().is_err() {
        reasons.push(DeclineReason::RequirementsInvalid);
    }
}
