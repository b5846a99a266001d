//! The values of the chart that the checks depend on, from the file that `helm install` reads.
//!
//! Keys that no check reads are skipped here: the chart's schema refuses unknown ones. What the file leaves out has the
//! chart's own default, and a test compares the two.

use std::collections::BTreeMap;

use crd::TenantNodes;
use serde::Deserialize;

/// Why a file cannot be used as values.
#[derive(Debug, thiserror::Error)]
#[error("the values are not usable at {path}: {reason}")]
pub struct InvalidValues {
    /// Dotted path of the key; `.` is the whole document.
    pub path: String,
    /// What the parser says.
    pub reason: String,
}

/// The values of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Values {
    /// `operator`.
    pub operator: Operator,
    /// `meter`.
    pub meter: Meter,
    /// `agent`.
    pub agent: Agent,
    /// `monitoring`.
    pub monitoring: Monitoring,
    /// `admission`.
    pub admission: Admission,
}

/// What the operator is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Operator {
    /// Isolation tiers that are sold.
    pub tiers: Vec<String>,
    /// RuntimeClass of the tier sandboxed.
    pub sandbox_runtime_class: String,
    /// Nodes for leases.
    pub tenant_nodes: TenantNodes,
    /// Where HTTP services appear.
    pub exposure: Exposure,
}

impl Default for Operator {
    fn default() -> Self {
        Self {
            tiers: vec![market::Tier::Strict.name().to_owned()],
            sandbox_runtime_class: crd::labels::DEFAULT_SANDBOX_RUNTIME_CLASS.to_owned(),
            tenant_nodes: TenantNodes::default(),
            exposure: Exposure::default(),
        }
    }
}

impl Operator {
    /// Whether leases of this tier are sold.
    pub fn sells(&self, tier: market::Tier) -> bool {
        self.tiers.iter().any(|name| name == tier.name())
    }
}

/// Where HTTP services of leases appear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Exposure {
    /// The Gateway; without a name there is none.
    pub gateway: GatewayName,
    /// Domain of the generated hosts.
    pub public_domain: String,
}

/// Name of a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GatewayName {
    /// Its namespace.
    pub namespace: String,
    /// Its name; empty for none.
    pub name: String,
}

/// What the meter is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Meter {
    /// How it knows a kubelet.
    pub kubelet: Kubelet,
    /// Where evidence is kept.
    pub ledger: Kept,
}

/// How the meter knows a kubelet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Kubelet {
    /// The ConfigMap with the kubelets' authority; empty for the cluster's own.
    pub ca_config_map: String,
    /// Trust whatever answers.
    pub insecure_tls: bool,
}

/// Where something is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Only `volume` makes a claim.
    pub kind: String,
}

impl Kept {
    /// Whether a claim is made for it.
    pub fn is_volume(&self) -> bool {
        self.kind == "volume"
    }
}

/// What the agent is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Agent {
    /// Where the hot key is.
    pub operator_key: OperatorKey,
    /// Where the history of usage is kept.
    pub series: Kept,
    /// The agent's own configuration.
    pub config: Config,
}

/// Where the hot key is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OperatorKey {
    /// The Secret; empty where nobody said.
    pub secret_name: String,
    /// The key in its data.
    pub secret_key: String,
}

impl Default for OperatorKey {
    fn default() -> Self {
        Self { secret_name: String::new(), secret_key: "operator-key".to_owned() }
    }
}

/// The agent's own configuration, with the names of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Prices.
    pub pricing: Pricing,
}

/// Prices of what only some clusters have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Pricing {
    /// A GPU of any model.
    pub gpu_hour: Option<String>,
    /// GPUs by model.
    pub gpu_model_hour: BTreeMap<String, String>,
}

impl Pricing {
    /// Whether orders for GPUs get a bid.
    pub fn sells_gpus(&self) -> bool {
        self.gpu_hour.is_some() || !self.gpu_model_hour.is_empty()
    }
}

/// Objects of the Prometheus operator that the chart makes when it is asked to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Monitoring {
    /// A ServiceMonitor.
    pub service_monitor: bool,
    /// A PrometheusRule.
    pub rules: bool,
}

/// What admission policies allow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Admission {
    /// StorageClasses that leases may use; empty for every one.
    pub storage_classes: Vec<String>,
}

impl Values {
    /// Reads the YAML of a values file.
    pub fn parse(text: &str) -> Result<Self, InvalidValues> {
        let invalid =
            |path: String, reason: &dyn ToString| InvalidValues { path, reason: reason.to_string() };
        let document: serde_json::Value =
            serde_saphyr::from_str(text).map_err(|error| invalid(".".to_owned(), &error))?;
        if document.is_null() {
            // A file of comments alone is what helm takes, too.
            return Ok(Self::default());
        }
        serde_path_to_error::deserialize(document)
            .map_err(|error| invalid(error.path().to_string(), error.inner()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_leaves_out_has_the_charts_default() {
        let mut chart = Values::parse(include_str!("../../../charts/leasehold/values.yaml")).unwrap();
        // No check asks where nothing but a volume matters.
        assert_eq!((chart.meter.ledger.kind.as_str(), chart.agent.series.kind.as_str()), ("none", "pod"));
        chart.meter.ledger.kind.clear();
        chart.agent.series.kind.clear();
        assert_eq!(chart, Values::default());
        assert_eq!(Values::parse("# nothing\n").unwrap(), Values::default());
    }

    #[test]
    fn every_key_that_is_read_has_the_name_that_it_has_in_the_chart() {
        let maximal =
            Values::parse(include_str!("../../../charts/leasehold/ci/maximal-values.yaml")).unwrap();
        let text = str::to_owned;
        let expected = Values {
            operator: Operator {
                tiers: ["strict", "userns", "sandboxed"].map(text).into(),
                sandbox_runtime_class: text("kata"),
                tenant_nodes: TenantNodes {
                    selector: [(text("leasehold.dev/tenants"), text("true"))].into(),
                    taint: text("leasehold.dev/tenants"),
                },
                exposure: Exposure {
                    gateway: GatewayName { namespace: text("ingress"), name: text("public") },
                    public_domain: text("apps.example.net"),
                },
            },
            meter: Meter {
                kubelet: Kubelet { ca_config_map: text("kubelet-ca"), insecure_tls: false },
                ledger: Kept { kind: text("postgres") },
            },
            agent: Agent {
                operator_key: OperatorKey { secret_name: text("hot-key"), secret_key: text("key.hex") },
                series: Kept { kind: text("volume") },
                config: Config {
                    pricing: Pricing {
                        gpu_hour: Some(text("0.5")),
                        gpu_model_hour: [("nvidia-h100", "2.2"), ("nvidia-l4", "0.4")]
                            .map(|(model, price)| (text(model), text(price)))
                            .into(),
                    },
                },
            },
            monitoring: Monitoring { service_monitor: true, rules: true },
            admission: Admission { storage_classes: ["fast", "cold"].map(text).into() },
        };
        assert_eq!(maximal, expected);
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_named_by_its_path() {
        let refused = Values::parse("operator: {tiers: strict}\n").unwrap_err();
        assert_eq!(refused.path, "operator.tiers");
        assert_eq!(Values::parse("operator: [").unwrap_err().path, ".");
    }
}
