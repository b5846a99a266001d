//! The `IsolationPolicy` type: what the admission policies of lease namespaces read as data.
//!
//! The chart renders one object of the name [`crate::labels::ISOLATION_POLICY`] from the same values as the operator's
//! flags. While it is missing, the API server refuses every write in a lease namespace.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may write in lease namespaces, and what may be written there. Read by admission policies, never by a program.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[kube(
    group = "leasehold.dev",
    version = "v1alpha1",
    kind = "IsolationPolicy",
    plural = "isolationpolicies",
    doc = "Parameters of the admission policies that guard lease namespaces. Installed by the chart as one object; without it every write in a lease namespace is refused.",
    shortname = "isopol",
    category = "leasehold",
    derive = "PartialEq",
    printcolumn(name = "Operator", type_ = "string", json_path = ".spec.operator"),
    printcolumn(name = "Break-glass", type_ = "string", json_path = ".spec.breakGlassGroups"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct IsolationPolicySpec {
    /// User name of the operator's ServiceAccount, the only one that may write what guards a lease.
    #[schemars(length(min = 1, max = 253))]
    pub operator: String,
    /// User name of the gateway's ServiceAccount, the only one that may open streams into a tenant's pods.
    #[schemars(length(min = 1, max = 253))]
    pub gateway: String,
    /// Namespace of the gateway's ServiceAccount.
    #[schemars(length(min = 1, max = 63))]
    pub gateway_namespace: String,
    /// Name of the gateway's ServiceAccount.
    #[schemars(length(min = 1, max = 253))]
    pub gateway_service_account: String,
    /// The one ClusterRole that a RoleBinding in a lease namespace may name.
    #[schemars(length(min = 1, max = 253))]
    pub gateway_cluster_role: String,
    /// The cluster's own identities that write in namespaces: controllers, the scheduler, nodes, the pod network.
    #[schemars(length(max = 64))]
    pub writers: Vec<Writer>,
    /// User names of the controllers that empty a namespace that is being deleted.
    #[schemars(length(max = 16))]
    pub cleaners: Vec<String>,
    /// Groups whose members may repair a lease namespace by hand. Each use is written to the audit log.
    #[schemars(length(max = 16))]
    pub break_glass_groups: Vec<String>,
    /// RuntimeClasses of the tier sandboxed.
    #[schemars(length(max = 16))]
    pub sandbox_runtime_classes: Vec<String>,
    /// Capabilities that containers of the tiers userns and sandboxed may add; those of the tier strict may add none.
    #[schemars(length(max = 40))]
    pub capabilities: Vec<String>,
    /// PriorityClass that every pod of a lease must name.
    #[schemars(length(min = 1, max = 253))]
    pub priority_class: String,
    /// Labels of the nodes that pods of leases must ask for. Empty: every node.
    // As a whole: of a map that is merged by its keys, an apply without keys would leave a null.
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    #[schemars(length(max = 64))]
    pub node_selector: BTreeMap<String, String>,
    /// Keys of the taints that pods of leases may tolerate.
    #[schemars(length(max = 16))]
    pub toleration_keys: Vec<String>,
    /// StorageClasses that volumes of leases may name. Empty: every class, but a class must be named.
    #[schemars(length(max = 64))]
    pub storage_classes: Vec<String>,
    /// Gateways that a lease's HTTPRoutes may attach to. Empty: none, so there is no route.
    #[schemars(length(max = 16))]
    pub gateways: Vec<GatewayRef>,
    /// Domain under which hosts are generated, without a dot in front. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 189))]
    pub public_domain: Option<String>,
}

/// Identities of the cluster and what they may write in a lease namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Writer {
    /// User names.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub users: Vec<String>,
    /// Groups.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub groups: Vec<String>,
    /// Resources such as `pods` or `pods/status`; `*` stands for all of them.
    #[schemars(length(min = 1, max = 64))]
    pub resources: Vec<String>,
    /// Operations: CREATE, UPDATE, DELETE; `*` stands for all of them.
    #[schemars(length(min = 1, max = 4))]
    pub operations: Vec<String>,
}

/// A Gateway by name.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRef {
    /// Namespace of the Gateway.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Name of the Gateway.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
