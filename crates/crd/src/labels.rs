//! Names that the agent, the operator and the charts must spell the same way.
//!
//! Only constants belong here: a tenant never chooses a label, an annotation or a name of ours.

/// API group of our custom resources and prefix of our labels and annotations.
pub const GROUP: &str = "leasehold.dev";
/// Finalizer that keeps a `ComputeLease` until its namespace is proven gone.
pub const FINALIZER: &str = "leasehold.dev/cleanup";
/// Field manager of the operator's server-side apply.
pub const OPERATOR_FIELD_MANAGER: &str = "leasehold-operator";
/// Field manager of the meter's server-side apply: it owns `status.usage` and the conditions `Metered` and `UsageFinal`.
pub const METER_FIELD_MANAGER: &str = "leasehold-meter";
/// Field manager of the provider agent's server-side apply.
pub const AGENT_FIELD_MANAGER: &str = "leasehold-agent";
/// Label whose value [`MANAGED_BY_VALUE`] marks every object that the operator made.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub const MANAGED_BY_VALUE: &str = "leasehold-operator";
/// Label that carries the base32 text of the lease id (see [`crate::LeaseName::label_value`]).
pub const LEASE: &str = "leasehold.dev/lease";
/// Label that carries the manifest's service name on workloads and their pods.
pub const SERVICE: &str = "leasehold.dev/service";
/// Label that carries a volume's name on its claim.
pub const VOLUME: &str = "leasehold.dev/volume";
/// Namespace label, always `"true"`, that admission policies select lease namespaces by.
pub const LEASE_NAMESPACE: &str = "leasehold.dev/lease-namespace";
/// Namespace label that carries the isolation tier.
pub const TIER: &str = "leasehold.dev/tier";
/// PriorityClass of tenants' pods: below the cluster's own, and never in the place of a running one.
pub const TENANT_PRIORITY_CLASS: &str = "leasehold-tenant";
/// Name of the one `IsolationPolicy`.
pub const ISOLATION_POLICY: &str = "leasehold";
/// RuntimeClass of the sandboxed tier, unless the provider names another.
pub const DEFAULT_SANDBOX_RUNTIME_CLASS: &str = "gvisor";
/// Annotation that names the UID of the `ComputeLease` that owns a namespace. A namespace without the
/// right value is never touched, not even to delete it.
pub const COMPUTE_LEASE_UID: &str = "leasehold.dev/compute-lease-uid";
/// Namespace annotation with the tenant's own hosts that the lease holds, separated by commas, for admission policies.
pub const HOSTS: &str = "leasehold.dev/hosts";
/// First label of the DNS name whose TXT record names the lease that a host is for.
pub const HOST_PROOF_PREFIX: &str = "_leasehold";
/// Annotation that carries the hash of the state that was last applied to an object.
pub const APPLIED_HASH: &str = "leasehold.dev/applied-hash";
/// Key of the canonical manifest in the manifest Secret.
pub const MANIFEST_KEY: &str = "manifest.json";
/// Key of the salt (`0x` and 64 hex digits) in the manifest Secret.
pub const SALT_KEY: &str = "salt";
/// Annotation of a pod: digest of the template that it was made from.
pub const FORM: &str = "leasehold.dev/form";
/// Lease of `coordination.k8s.io` that elects the working replica of the operator.
pub const OPERATOR_ELECTION: &str = "leasehold-operator";
/// Lease of `coordination.k8s.io` that elects the working replica of the meter.
pub const METER_ELECTION: &str = "leasehold-meter";
