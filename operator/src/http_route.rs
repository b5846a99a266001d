//! The part of Gateway API's `HTTPRoute` that the operator writes: hosts of one Gateway to one port of one Service.
//!
//! There is no field for filters, annotations of a controller or backends elsewhere, so none can be written. Fields that the
//! API server would fill in are written out, so that what is there can be compared with what was wanted.
// The derive makes items inside functions that nobody could reach.
#![allow(unreachable_pub)]

use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// Group of the Gateway API.
pub const GROUP: &str = "gateway.networking.k8s.io";

/// Where requests for some hosts go.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "HTTPRoute",
    plural = "httproutes",
    root = "HttpRoute",
    namespaced,
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// Gateways that carry the route.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// Hosts whose requests are led by the route.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// Where they are led.
    #[serde(default)]
    pub rules: Vec<HttpRouteRule>,
}

/// A Gateway, or one of its listeners.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// Group of the parent.
    pub group: String,
    /// Kind of the parent.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its listener; all that allow the route if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
}

/// Which requests go to which backends.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRule {
    /// Requests that the rule is for.
    #[serde(default)]
    pub matches: Vec<HttpRouteMatch>,
    /// Where they go.
    #[serde(default)]
    pub backend_refs: Vec<BackendReference>,
}

/// Requests by their path.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteMatch {
    /// Their path.
    pub path: PathMatch,
}

/// A path and how it is compared.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PathMatch {
    /// How it is compared.
    #[serde(rename = "type")]
    pub type_: String,
    /// The path.
    pub value: String,
}

/// A port of a Service in the route's own namespace.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BackendReference {
    /// Group of the backend.
    pub group: String,
    /// Kind of the backend.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: i32,
    /// Its share of the requests.
    pub weight: i32,
}
