//! `GET /v1/leases/{id}`.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{Decimal, StatementRefusal};

/// How far a lease's workloads are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeasePhase {
    /// Waiting, usually for the manifest.
    Pending,
    /// Being set up.
    Provisioning,
    /// All replicas run and are ready.
    Ready,
    /// Was ready; some replicas are not now.
    Degraded,
    /// Stopped by the spec; the volumes are kept.
    Paused,
    /// Being taken down.
    Ending,
    /// Gone.
    Ended,
}

/// State of a lease in the provider's cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseStatus {
    /// The lease.
    pub lease_id: B256,
    /// How far it is.
    pub phase: LeasePhase,
    /// Why it is there, in a word for programs; empty if there is nothing to say.
    #[serde(default)]
    pub reason: String,
    /// Why it is there, for people.
    #[serde(default)]
    pub message: String,
    /// Hash of the accepted manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_hash: Option<B256>,
    /// The billed term, once it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
    /// What of the usage is signed. Absent while the lease does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Acknowledgement>,
    /// The services.
    #[serde(default)]
    pub services: Vec<ServiceStatus>,
}

/// What of a running lease's usage is signed, and what follows if no more is. Moments are unix seconds of the chain's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledgement {
    /// What the metered usage costs in all.
    pub due_cum: Decimal,
    /// What of it is signed or paid.
    pub acknowledged_cum: Decimal,
    /// Up to when.
    pub acknowledged_to: u64,
    /// When the provider suspends the lease, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspends_at: Option<u64>,
    /// Since when it is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_since: Option<u64>,
    /// When the provider ends it, with the notice that the bid gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaims_at: Option<u64>,
    /// The newest proposal that the tenant refused to sign, if the provider remembers one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<StatementRefusal>,
}

/// The billed term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Term {
    /// First second, unix time.
    pub started_at: u64,
    /// End, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<u64>,
}

/// State of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Name.
    pub name: String,
    /// Replicas wanted.
    pub replicas: u32,
    /// Replicas ready.
    pub ready_replicas: u32,
    /// What holds the service up, if anything does and the cluster says what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// Ports.
    #[serde(default)]
    pub ports: Vec<PortStatus>,
    /// Pods.
    #[serde(default)]
    pub pods: Vec<PodStatus>,
}

/// What holds a service up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// Why, in a word for programs.
    pub reason: String,
    /// Who can do something about it: `tenant`, `provider` or `platform`.
    pub who: String,
    /// Why, for people.
    pub message: String,
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortStatus {
    /// Number.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Public host names of the port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostStatus>,
}

/// A public host name of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostStatus {
    /// The host.
    pub host: String,
    /// `HostsRouted` when requests for it reach the port, or why not, in a word for programs.
    pub reason: String,
    /// What to do about it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A pod of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// Name.
    pub name: String,
    /// Unique id.
    pub uid: String,
    /// Node it runs on.
    #[serde(default)]
    pub node: String,
    /// Runtime class, if not the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class: Option<String>,
}
