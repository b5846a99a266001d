//! The agent's right to read this lease's pods and logs, and nothing else anywhere.

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use super::metadata;
use crate::{lease_controller::validate::Validated, settings::Settings};

/// ClusterRole that the chart installs.
pub const CLUSTER_ROLE: &str = "leasehold-lease-reader";
/// Name of the binding.
pub const NAME: &str = "lease-reader";

/// The binding.
pub fn build(lease: &Validated, settings: &Settings) -> RoleBinding {
    RoleBinding {
        metadata: metadata(lease, NAME),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "ClusterRole".to_owned(),
            name: CLUSTER_ROLE.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: settings.agent_service_account.clone(),
            namespace: Some(settings.system_namespace.clone()),
            ..Subject::default()
        }]),
    }
}
