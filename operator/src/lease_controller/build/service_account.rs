//! Identities of the pods: they have no rights and no token.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::ServiceAccount, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::{metadata, pull_secret};
use crate::lease_controller::validate::Validated;

/// Name of the identity that the pods run as.
pub const NAME: &str = "workload";

/// Annotation of that identity: a digest of the registries' credentials. The Secret itself may not be read.
const PULL_DIGEST: &str = "leasehold.dev/pull-digest";

/// `workload`, and the namespace's `default` with its token switched off too.
pub fn build(lease: &Validated) -> Vec<ServiceAccount> {
    ["default", NAME]
        .into_iter()
        .map(|name| ServiceAccount {
            metadata: ObjectMeta {
                annotations: pull_secret::digest(lease)
                    .filter(|_| name == NAME)
                    .map(|digest| BTreeMap::from([(PULL_DIGEST.to_owned(), digest)])),
                ..metadata(lease, name)
            },
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        })
        .collect()
}
