//! Bounds for one container and one claim, enforced at admission even where the quota lags.

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec};
use manifest::{Service, limits};

use super::{EPHEMERAL_STORAGE_BYTES, metadata, milli, number, quantities};
use crate::lease_controller::validate::Validated;

/// Name of the limit range.
pub const NAME: &str = "lease";

/// The limit range: the largest container and the smallest and largest claim of the manifest.
pub fn build(lease: &Validated) -> LimitRange {
    let services = lease.manifest.services();
    let largest = |of: fn(&Service) -> u64| services.values().map(of).max().unwrap_or(0);
    let sizes = || services.values().flat_map(|service| &service.volumes).map(|volume| volume.size.0);
    let container = || {
        quantities([
            ("cpu", milli(largest(|service| service.cpu.0))),
            ("memory", number(largest(|service| service.memory.0))),
            ("ephemeral-storage", number(EPHEMERAL_STORAGE_BYTES)),
        ])
    };
    let mut limits = vec![LimitRangeItem {
        type_: "Container".to_owned(),
        default: Some(container()),
        default_request: Some(container()),
        max: Some(container()),
        // The smallest container that a manifest may ask for.
        min: Some(quantities([
            ("cpu", milli(*limits::CPU_MILLI.start())),
            ("memory", number(*limits::MEMORY_BYTES.start())),
        ])),
        max_limit_request_ratio: Some(quantities([
            ("cpu", number(1)),
            ("memory", number(1)),
            ("ephemeral-storage", number(1)),
        ])),
    }];
    if let (Some(min), Some(max)) = (sizes().min(), sizes().max()) {
        limits.push(LimitRangeItem {
            type_: "PersistentVolumeClaim".to_owned(),
            min: Some(quantities([("storage", number(min))])),
            max: Some(quantities([("storage", number(max))])),
            ..LimitRangeItem::default()
        });
    }
    LimitRange { metadata: metadata(lease, NAME), spec: Some(LimitRangeSpec { limits }) }
}
