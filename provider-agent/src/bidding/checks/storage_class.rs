//! Volumes need a default StorageClass, because a manifest cannot name one.

use crate::bidding::{Case, DeclineReason};
use crate::inventory::DefaultStorageClass;

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<DeclineReason>) {
    let wants_volumes = case.requirements.services.iter().any(|service| !service.volume_bytes.is_empty());
    if wants_volumes && case.inventory.default_storage_class() == DefaultStorageClass::Missing {
        reasons.push(DeclineReason::NoDefaultStorageClass);
    }
}
