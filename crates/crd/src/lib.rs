//! The `ComputeLease` custom resource: the only seam between the provider agent and the operator.
//!
//! The agent writes `spec`, the operator writes `status`. Wire fields are plain text and integers, so
//! that one malformed object can never break a watch; [`convert`] turns them into domain types once.
//! This crate does no IO and reads no clock.
#![warn(missing_docs)]
// `KubeSchema` derives items inside functions that nobody could reach.
#![allow(unreachable_pub)]
// Each printer column has a type; to the lint they are one attribute given again and again.
#![allow(clippy::duplicated_attributes)]

pub mod cause;
pub mod compute_lease;
pub mod condition;
pub mod convert;
pub mod host_claim;
pub mod isolation_policy;
pub mod labels;
pub mod name;
pub mod node;
pub mod reason;
pub mod storage_class;
pub mod tenant_nodes;

pub use cause::{Cause, Party, Trouble};
pub use compute_lease::{
    ComputeLease, ComputeLeaseSpec, ComputeLeaseStatus,
    spec::{
        ChainRef, DesiredState, ManifestRef, PreviousManifest, ResourceLimits, Settlement,
        SettlementStatement, Suspension, SuspensionReason, Term, TierName,
    },
    status::{
        FinalLog, HostStatus, ImageStatus, LeaseUsage, Phase, PodStatus, PortProtocol, PortStatus,
        ResourceUsage, Rollout, ServiceStatus, UsedResources,
    },
};
pub use host_claim::{ComputeLeaseRef, HostClaim, HostClaimSpec};
pub use isolation_policy::{GatewayRef, IsolationPolicy, IsolationPolicySpec, Writer};
pub use name::{LeaseName, lease_name};
pub use tenant_nodes::TenantNodes;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// Every custom resource definition that Leasehold installs, in the order in which they are printed.
pub fn all_crds() -> Vec<CustomResourceDefinition> {
    vec![ComputeLease::crd(), HostClaim::crd(), IsolationPolicy::crd()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules that the API server must enforce, by the path of the schema that carries them.
    fn rules(schema: &serde_json::Value, path: &str, found: &mut Vec<(String, String)>) {
        if let Some(list) = schema.get("x-kubernetes-validations").and_then(|v| v.as_array()) {
            for rule in list {
                found.push((path.to_owned(), rule["rule"].as_str().unwrap_or_default().to_owned()));
            }
        }
        if let Some(properties) = schema.get("properties").and_then(|v| v.as_object()) {
            for (name, property) in properties {
                rules(property, &format!("{path}.{name}"), found);
            }
        }
    }

    fn schema_of(crd: &CustomResourceDefinition) -> serde_json::Value {
        let crd = serde_json::to_value(crd).unwrap();
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    }

    fn schema() -> serde_json::Value {
        schema_of(&ComputeLease::crd())
    }

    #[test]
    fn the_definition_is_a_namespaced_clease_of_our_group() {
        let crd = serde_json::to_value(&all_crds()[0]).unwrap();
        assert_eq!(crd["metadata"]["name"], "computeleases.leasehold.dev");
        assert_eq!(crd["spec"]["scope"], "Namespaced");
        assert_eq!(crd["spec"]["names"]["shortNames"], serde_json::json!(["clease"]));
        assert_eq!(crd["spec"]["versions"][0]["subresources"], serde_json::json!({"status": {}}));
        let columns: Vec<_> = crd["spec"]["versions"][0]["additionalPrinterColumns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(columns, ["Phase", "Ready", "Tenant", "Ends", "Age", "Provider", "Message"]);
    }

    #[test]
    fn immutability_and_one_way_rules_are_in_the_schema() {
        let mut found = Vec::new();
        rules(&schema(), "", &mut found);
        let (counters, found): (Vec<_>, Vec<_>) = found
            .iter()
            .map(|(path, rule)| (path.as_str(), rule.as_str()))
            .partition(|(path, _)| path.starts_with(".status.usage."));
        assert_eq!(
            found,
            [
                (".spec", "!has(oldSelf.manifest) || has(self.manifest)"),
                (".spec", "!has(oldSelf.term) || has(self.term)"),
                (".spec.chain", "self == oldSelf"),
                (".spec.desired", "oldSelf != 'Ended' || self == 'Ended'"),
                (".spec.leaseId", "self == oldSelf"),
                (".spec.limits", "self == oldSelf"),
                (".spec.manifest", "self.revision >= oldSelf.revision"),
                (".spec.manifest", "self.hash == oldSelf.hash || self.revision > oldSelf.revision"),
                (".spec.manifest", "!has(self.previous) || self.previous.revision < self.revision"),
                (".spec.provider", "self == oldSelf"),
                (".spec.tenant", "self == oldSelf"),
                (".spec.term", "self.endsAt >= self.startedAt"),
                (".spec.tier", "self == oldSelf"),
                (".status", "!has(oldSelf.usage) || has(self.usage)"),
                (".status.usage", "self.sequence >= oldSelf.sequence"),
                (
                    ".status.usage",
                    "self.sequence != oldSelf.sequence || (self.asOf == oldSelf.asOf && self.meterRoot == oldSelf.meterRoot)"
                ),
                (".status.usage", "self.asOf >= oldSelf.asOf"),
            ]
        );
        let never_falls = |(path, rule): &(&str, &str), counters: usize| {
            path.starts_with(".status.usage.") && rule.matches("size(self.").count() == 2 * counters
        };
        assert_eq!(counters.len(), 2, "{counters:?}");
        assert!(never_falls(&counters[0], 8) && never_falls(&counters[1], 4), "{counters:?}");
    }

    #[test]
    fn a_host_claim_is_named_after_its_host_and_changes_hands_only_after_its_release() {
        let mut found = Vec::new();
        rules(&schema_of(&HostClaim::crd()), "", &mut found);
        let found: Vec<(&str, &str)> = found.iter().map(|(p, r)| (p.as_str(), r.as_str())).collect();
        assert_eq!(
            found,
            [
                ("", "self.metadata.name == self.spec.host"),
                (
                    ".spec",
                    "has(oldSelf.releasedAt) || (self.leaseId == oldSelf.leaseId && self.computeLease == oldSelf.computeLease && self.tenant == oldSelf.tenant)"
                ),
                (
                    ".spec",
                    "!has(oldSelf.releasedAt) || !has(self.releasedAt) || self.releasedAt == oldSelf.releasedAt"
                ),
                (".spec.host", "self == oldSelf"),
            ]
        );
    }

    /// `kubectl explain` must say something about every field of ours.
    #[test]
    fn every_field_has_a_description() {
        fn undocumented(schema: &serde_json::Value, path: &str, found: &mut Vec<String>) {
            for (name, property) in schema.get("properties").and_then(|v| v.as_object()).into_iter().flatten()
            {
                let path = format!("{path}.{name}");
                if property.get("description").is_none() {
                    found.push(path.clone());
                }
                undocumented(property, &path, found);
                if let Some(items) = property.get("items") {
                    undocumented(items, &path, found);
                }
            }
        }
        let mut found = Vec::new();
        for crd in all_crds() {
            undocumented(&schema_of(&crd), "", &mut found);
        }
        assert_eq!(found, Vec::<String>::new());
    }
}
