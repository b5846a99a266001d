//! Everything already promised and this order pack onto the nodes together.

use crate::bidding::{Case, DeclineReason};
use crate::inventory::Shortage;

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    match case.inventory.place(case.requirements) {
        Ok(_) => {}
        Err(Shortage::Nodes) => reasons.push(DeclineReason::NoCapacity),
        Err(Shortage::Storage) => reasons.push(DeclineReason::NoStorage),
    }
}
