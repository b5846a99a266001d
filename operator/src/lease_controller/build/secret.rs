//! The tenant's secret environment of one service. Its values are written once and never read back.

use k8s_openapi::{ByteString, api::core::v1::Secret};
use manifest::{Service, ServiceName};
use sha2::{Digest, Sha256};

use super::service_metadata;
use crate::lease_controller::validate::Validated;

/// Name of the Secret of a service.
pub fn name(service: &str) -> String {
    format!("{service}-env")
}

/// The Secret, unless the service has no secret environment.
pub fn build(lease: &Validated, name: &ServiceName, service: &Service) -> Option<Secret> {
    if service.secrets.is_empty() {
        return None;
    }
    Some(Secret {
        metadata: service_metadata(lease, &self::name(name.as_str()), name),
        type_: Some("Opaque".to_owned()),
        data: Some(
            service
                .secrets
                .iter()
                .map(|(key, value)| (key.to_string(), ByteString(value.expose().as_bytes().to_vec())))
                .collect(),
        ),
        ..Secret::default()
    })
}

/// A digest of the values, so that a change of a secret replaces the pods. Bound to the lease, so that
/// equal secrets of two leases do not look equal.
pub fn digest(lease: &Validated, service: &Service) -> Option<String> {
    if service.secrets.is_empty() {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(lease.uid.as_bytes());
    for (key, value) in &service.secrets {
        for part in [key.as_str(), value.expose()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    Some(data_encoding::HEXLOWER.encode(&hash.finalize()))
}
