//! Every attribute that the tenant asks for is ours, word for word.

use crate::bidding::{Case, DeclineReason};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    for wanted in &case.requirements.attributes {
        match case.policy.attributes.get(&wanted.key) {
            Some(value) if *value == wanted.value => {}
            Some(_) => reasons.push(DeclineReason::AttributeDiffers { key: wanted.key.clone() }),
            None => reasons.push(DeclineReason::AttributeMissing { key: wanted.key.clone() }),
        }
    }
}
