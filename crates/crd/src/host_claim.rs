//! The `HostClaim` type: the one index of who holds which public host name.
//!
//! The object is named after its host, so the API server itself decides a race: of any number of leases that create it,
//! one succeeds. There is no status subresource on purpose: a host changes hands in one atomic write.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A tenant's own host name, held by one lease. Written by the operator alone.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[kube(
    group = "leasehold.dev",
    version = "v1alpha1",
    kind = "HostClaim",
    doc = "A tenant's own host name, proven by DNS and held by one lease. The object is named after the host. Written by the operator alone.",
    namespaced,
    shortname = "hostc",
    category = "leasehold",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name == self.spec.host").message("a claim is named after its host"),
    printcolumn(name = "Lease", type_ = "string", json_path = ".spec.computeLease.name"),
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.service"),
    printcolumn(
        name = "Released",
        type_ = "integer",
        json_path = ".spec.releasedAt",
        description = "When the lease gave the host back, in Unix seconds"
    ),
    printcolumn(
        name = "Unproven",
        type_ = "integer",
        json_path = ".spec.unprovenSince",
        description = "Since when the DNS record is missing, in Unix seconds"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenant", priority = 1)
)]
#[x_kube(
    validation = Rule::new("has(oldSelf.releasedAt) || (self.leaseId == oldSelf.leaseId && self.computeLease == oldSelf.computeLease && self.tenant == oldSelf.tenant)").message("a host changes hands only after its release"),
    validation = Rule::new("!has(oldSelf.releasedAt) || !has(self.releasedAt) || self.releasedAt == oldSelf.releasedAt").message("a release has one time")
)]
#[serde(rename_all = "camelCase")]
pub struct HostClaimSpec {
    /// The host, in lower case. It is the object's name. Immutable.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$"),
        length(max = 242)
    )]
    #[x_kube(validation = Rule::new("self == oldSelf").message("host is immutable"))]
    pub host: String,
    /// Lease that holds the host, as its DNS record names it: `0x` and 64 lower case hex digits.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{64}$"), length(max = 66))]
    pub lease_id: String,
    /// The object of that lease.
    pub compute_lease: ComputeLeaseRef,
    /// Address of the tenant that pays for that lease. Other tenants wait after a release.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{40}$"), length(max = 42))]
    pub tenant: String,
    /// Service of that lease that the host leads to.
    #[schemars(length(min = 1, max = 40))]
    pub service: String,
    /// Port of that service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Since when the host's DNS record has not named the lease, in Unix seconds. Absent while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub unproven_since: Option<i64>,
    /// When the lease gave the host back, in Unix seconds. Absent while it holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub released_at: Option<i64>,
}

/// Which `ComputeLease` holds a host.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ComputeLeaseRef {
    /// Name of the object, in the claim's namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// UID of the object.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
}
