//! Identities of the pods: they have no rights and no token.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::metadata;
use crate::lease_controller::validate::Validated;

/// Name of the identity that the pods run as.
pub const NAME: &str = "workload";

/// `workload`, and the namespace's `default` with its token switched off too.
pub fn build(lease: &Validated) -> Vec<ServiceAccount> {
    ["default", NAME]
        .into_iter()
        .map(|name| ServiceAccount {
            metadata: metadata(lease, name),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        })
        .collect()
}
