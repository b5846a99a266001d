//! Every object of a lease, from values alone: no client, no clock, no randomness.
//!
//! Nothing that a tenant writes reaches metadata, and no object is passed through: all of them are built
//! from the typed manifest, so a field that is not set here cannot be set by a tenant.

pub mod http_route;
pub mod limit_range;
pub mod namespace;
pub mod network_policy;
pub mod pod;
pub mod pull_secret;
pub mod resource_quota;
pub mod role_binding;
pub mod secret;
pub mod service;
pub mod service_account;
pub mod workload;

use std::collections::BTreeMap;

use crd::labels;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::{LimitRange, Namespace, ResourceQuota, Secret, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        rbac::v1::RoleBinding,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use manifest::ServiceName;

use super::validate::Validated;
use crate::{
    http_route::HttpRoute,
    settings::{Cidr, Settings},
};

/// Ephemeral storage of one pod: image layers are not counted, logs and the writable layer are.
pub const EPHEMERAL_STORAGE_BYTES: u64 = 1 << 30;

/// All objects of a lease, in the order in which they are applied.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseObjects {
    /// The namespace that holds the others.
    pub namespace: Namespace,
    /// Upper bounds, in force before anything that they bound.
    pub resource_quota: ResourceQuota,
    /// Bounds per container and claim.
    pub limit_range: LimitRange,
    /// Who may talk to whom.
    pub network_policies: Vec<NetworkPolicy>,
    /// Credentials of private registries, when there are any.
    pub pull_secret: Option<Secret>,
    /// Identities without rights.
    pub service_accounts: Vec<ServiceAccount>,
    /// The agent's right to read pods and logs.
    pub role_binding: RoleBinding,
    /// Workloads by service.
    pub services: Vec<ServiceObjects>,
}

/// Objects of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceObjects {
    /// Name of the service.
    pub name: String,
    /// Secret environment, when there is any.
    pub secret: Option<Secret>,
    /// The pods.
    pub workload: Workload,
    /// The name by which others reach the pods, when there are ports.
    pub service: Option<Service>,
    /// What leads requests from the internet to it, one for each public port.
    pub routes: Vec<HttpRoute>,
}

/// What runs the pods of a service.
#[derive(Clone, Debug, PartialEq)]
pub enum Workload {
    /// Without volumes.
    Deployment(Box<Deployment>),
    /// With volumes, each replica with its own.
    StatefulSet(Box<StatefulSet>),
}

/// Addresses of the cluster itself, which tenants may not reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterAddresses {
    /// Addresses of all nodes.
    pub nodes: Vec<Cidr>,
}

/// Builds every object of a lease.
pub fn build(lease: &Validated, settings: &Settings, addresses: &ClusterAddresses) -> LeaseObjects {
    LeaseObjects {
        namespace: namespace::build(lease),
        resource_quota: resource_quota::build(lease),
        limit_range: limit_range::build(lease),
        network_policies: network_policy::build(lease, settings, addresses),
        pull_secret: pull_secret::build(lease),
        service_accounts: service_account::build(lease),
        role_binding: role_binding::build(lease, settings),
        services: lease
            .manifest
            .services()
            .iter()
            .map(|(name, service)| ServiceObjects {
                name: name.to_string(),
                secret: secret::build(lease, name, service),
                workload: workload::build(lease, settings, name, service),
                service: service::build(lease, name, service),
                routes: http_route::build(lease, name, service),
            })
            .collect(),
    }
}

/// Labels of every object of a lease.
pub fn recommended_labels(lease: &Validated) -> BTreeMap<String, String> {
    BTreeMap::from([
        (labels::MANAGED_BY.to_owned(), labels::MANAGED_BY_VALUE.to_owned()),
        (labels::LEASE.to_owned(), lease.name.label_value().to_owned()),
    ])
}

/// Labels of the objects of one service, and its selector.
fn service_labels(lease: &Validated, service: &ServiceName) -> BTreeMap<String, String> {
    let mut all = recommended_labels(lease);
    all.insert(labels::SERVICE.to_owned(), service.to_string());
    all
}

/// What selects the pods of a service. The namespace already selects the lease; its label as well makes a pod that
/// somebody else put there no part of the service.
fn service_selector(lease: &Validated, service: &ServiceName) -> BTreeMap<String, String> {
    BTreeMap::from([
        (labels::LEASE.to_owned(), lease.name.label_value().to_owned()),
        (labels::SERVICE.to_owned(), service.to_string()),
    ])
}

fn metadata(lease: &Validated, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(lease.name.as_str().to_owned()),
        labels: Some(recommended_labels(lease)),
        ..ObjectMeta::default()
    }
}

fn service_metadata(lease: &Validated, name: &str, service: &ServiceName) -> ObjectMeta {
    ObjectMeta { labels: Some(service_labels(lease, service)), ..metadata(lease, name) }
}

fn milli(value: u64) -> Quantity {
    Quantity(format!("{value}m"))
}

fn number(value: u64) -> Quantity {
    Quantity(value.to_string())
}

fn quantities<const N: usize>(entries: [(&str, Quantity); N]) -> BTreeMap<String, Quantity> {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests;
