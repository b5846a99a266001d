//! What was read of a cluster, as values. A thing that could not be read says why, and the others stand.

use http::StatusCode;
use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration,
    certificates::v1::CertificateSigningRequest,
    coordination::v1::Lease,
    core::v1::{ConfigMap, Namespace, Node},
    events::v1::Event,
    node::v1::RuntimeClass,
    storage::v1::StorageClass,
};
use serde::Deserialize;

use crate::rights::Right;

/// What was read, or why not.
pub type Fact<T> = Result<T, Unread>;

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read: {why}")]
pub struct Unread {
    /// What it is, in the plural or with an article.
    pub what: String,
    /// What the other side, or the network, said.
    pub why: String,
    /// Whether the API server said that this user may not.
    pub is_forbidden: bool,
}

impl Unread {
    /// From what the client of the API server says.
    pub fn new(what: impl Into<String>, error: &kube::Error) -> Self {
        let status = match error {
            kube::Error::Api(status) => Some(status),
            _ => None,
        };
        Self {
            what: what.into(),
            why: status.map_or_else(|| error.to_string(), |status| status.message.clone()),
            is_forbidden: status.is_some_and(|status| status.code == StatusCode::FORBIDDEN.as_u16()),
        }
    }

    /// What to do about it.
    pub fn fix(&self) -> String {
        if self.is_forbidden {
            "run this as a user who may read it; whoever installs the chart may".to_owned()
        } else {
            "see that the API server can be reached from here and run this again".to_owned()
        }
    }
}

/// A cluster, as far as the checks look at it.
#[derive(Clone, Debug)]
pub struct ClusterFacts {
    /// Namespace that the release goes to.
    pub namespace: String,
    /// What the API server says of itself.
    pub version: Fact<Version>,
    /// Rights that the chart needs and this user lacks.
    pub lacking: Fact<Vec<Right>>,
    /// All nodes.
    pub nodes: Fact<Vec<Node>>,
    /// All classes of runtimes.
    pub runtime_classes: Fact<Vec<RuntimeClass>>,
    /// All classes of storage.
    pub storage_classes: Fact<Vec<StorageClass>>,
    /// Resources of `gateway.networking.k8s.io/v1` that are served.
    pub gateway_resources: Fact<Vec<String>>,
    /// The Gateway that the values name, if it is there.
    pub gateway: Fact<Option<Gateway>>,
    /// Events in the release's namespace.
    pub events: Fact<Vec<Event>>,
    /// The API server's clock and ours.
    pub clocks: Fact<Clocks>,
    /// Heartbeats of the nodes.
    pub heartbeats: Fact<Vec<Lease>>,
    /// Requests for certificates that the cluster remembers.
    pub certificate_requests: Fact<Vec<CertificateSigningRequest>>,
    /// The ConfigMap with the kubelets' authority that the values name, if it is there.
    pub kubelet_authority: Fact<Option<ConfigMap>>,
    /// The release's namespace, if it is there.
    pub system_namespace: Fact<Option<Namespace>>,
    /// Webhooks that change objects.
    pub webhooks: Fact<Vec<MutatingWebhookConfiguration>>,
    /// Whether the Secret with the hot key is there. Its data is never asked for.
    pub has_operator_key: Fact<bool>,
}

/// The API server's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// For example `1`.
    pub major: String,
    /// For example `35`; some vendors add a `+`.
    pub minor: String,
    /// For example `v1.35.4`.
    pub full: String,
}

/// Two clocks at one moment, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// What the API server's answer was dated.
    pub there: i64,
    /// Our own when the question was sent.
    pub asked: i64,
    /// Our own when the answer had come.
    pub answered: i64,
}

/// A Gateway of the Gateway API (v1), as far as the checks look at it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Gateway {
    /// What was asked for.
    #[serde(default)]
    pub spec: GatewaySpec,
    /// What its controller says.
    #[serde(default)]
    pub status: GatewayStatus,
}

/// What a Gateway listens to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct GatewaySpec {
    /// Each with a protocol, a host and rules.
    #[serde(default)]
    pub listeners: Vec<Listener>,
}

/// One listener.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Its name in the Gateway.
    pub name: String,
    /// `HTTP`, `HTTPS` or another.
    pub protocol: String,
    /// The hosts that it takes; all if there is none.
    pub hostname: Option<String>,
    /// Whose routes it takes.
    #[serde(default)]
    pub allowed_routes: AllowedRoutes,
}

/// Whose routes a listener takes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct AllowedRoutes {
    /// From which namespaces.
    #[serde(default)]
    pub namespaces: RouteNamespaces,
}

/// From which namespaces a listener takes routes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct RouteNamespaces {
    /// `All`, `Selector` or `Same`, which is the default.
    pub from: Option<String>,
    /// With `Selector`: by which labels.
    pub selector: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector>,
}

/// What a Gateway's controller says of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct GatewayStatus {
    /// `Accepted` and `Programmed` among others.
    #[serde(default)]
    pub conditions: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>,
}
