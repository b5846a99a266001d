//! The `ComputeLease` type. Its documentation becomes `kubectl explain`.

pub mod spec;
pub mod status;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use spec::{ChainRef, DesiredState, ManifestRef, ResourceLimits, Settlement, Suspension, Term, TierName};
use status::{FinalLog, ImageStatus, LeaseUsage, Phase, Rollout, ServiceStatus};

/// A lease of this cluster's resources, opened on chain. Written by the provider agent.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "leasehold.dev",
    version = "v1alpha1",
    kind = "ComputeLease",
    doc = "A lease of this cluster's resources that was opened on chain: the provider agent writes the spec, the operator provisions, the meter counts, and both write the status.",
    namespaced,
    status = "ComputeLeaseStatus",
    shortname = "clease",
    category = "leasehold",
    derive = "PartialEq",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenant"),
    printcolumn(
        name = "Ends",
        type_ = "integer",
        json_path = ".spec.term.endsAt",
        description = "End of the term in Unix seconds"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.provider", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1)
)]
#[x_kube(
    validation = Rule::new("!has(oldSelf.manifest) || has(self.manifest)").message("manifest may not be removed"),
    validation = Rule::new("!has(oldSelf.term) || has(self.term)").message("term may not be removed")
)]
#[serde(rename_all = "camelCase")]
pub struct ComputeLeaseSpec {
    /// Lease id on chain: the EIP-712 digest of the accepted bid, `0x` and 64 lower case hex digits. Immutable.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{64}$"), length(max = 66))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("leaseId is immutable"))]
    pub lease_id: String,
    /// Address of the tenant that pays for the lease. Immutable.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{40}$"), length(max = 42))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("tenant is immutable"))]
    pub tenant: String,
    /// Address of the provider that signed the bid. Immutable.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{40}$"), length(max = 42))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("provider is immutable"))]
    pub provider: String,
    /// Chain and market contract that hold the lease's money. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("chain is immutable"))]
    pub chain: ChainRef,
    /// Isolation tier that the bid promised. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("tier is immutable"))]
    pub tier: TierName,
    /// Upper bounds on what the manifest may ask for. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("limits are immutable"))]
    pub limits: ResourceLimits,
    /// Where the tenant's manifest is. Absent until the tenant has uploaded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ManifestRef>,
    /// Whether the lease is to run, to rest or to end. Ended is final.
    #[x_kube(validation = Rule::new("oldSelf != 'Ended' || self == 'Ended'").message("desired may not go back from Ended"))]
    pub desired: DesiredState,
    /// Billed time, set after the lease was confirmed on chain. Usage is counted only inside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
    /// Newest statement that the tenant signed. Kept here so that a restarted agent loses nothing; the operator ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settlement: Option<Settlement>,
    /// Whether the agent is about to pause the lease, or has paused it, because the tenant does not sign for its usage.
    /// A pause without it is somebody else's, and the agent leaves that alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
}

/// What was observed in the cluster. The meter owns `usage` and the conditions Metered and UsageFinal, the operator all else.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(
    validation = Rule::new("!has(oldSelf.usage) || has(self.usage)").message("usage may not be removed")
)]
#[serde(rename_all = "camelCase")]
pub struct ComputeLeaseStatus {
    /// Summary of the conditions for people.
    #[serde(default)]
    pub phase: Phase,
    /// Generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted, Provisioned, Ready, Updated, UsageCollected, Cleaned and Stuck by the operator, Metered and UsageFinal by the
    /// meter, each with a reason for machines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Namespace that holds the lease's objects, while it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Services of the manifest and how many of their pods are ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceStatus>,
    /// Images that were looked up, so that a tag stays what it was when its manifest was accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageStatus>,
    /// One sentence for people about what holds the lease up, if anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Revision of the manifest whose objects are applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Newest revision that became ready, which is what a failed update goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_revision: Option<i64>,
    /// Newest revision that did not become ready in time. It is not tried again; a newer one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_revision: Option<i64>,
    /// The update that is under way, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// Last lines of each service, kept when the lease ended. Not the whole log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub final_logs: Vec<FinalLog>,
    /// Digest of the lease's objects as the operator last left them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects_digest: Option<String>,
    /// Cumulative usage since the term began. Its counters never go back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<LeaseUsage>,
}

impl ComputeLease {
    /// Conditions of the status, empty when there is none yet.
    pub fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}
