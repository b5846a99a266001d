//! Parts of `status`, written by the operator and, where usage is concerned, by the meter.

use std::fmt;

use kube::{KubeSchema, core::Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cause::Trouble;

/// Where a lease stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Waiting for the manifest, or refused: see the condition `Accepted`.
    #[default]
    Pending,
    /// Objects are being created or pods are starting.
    Provisioning,
    /// All workloads run.
    Ready,
    /// All workloads ran, and some do not any more.
    Degraded,
    /// Nothing runs because the spec says so; the volumes are kept.
    Paused,
    /// The last usage is being collected or the namespace is being deleted.
    Ending,
    /// The namespace is gone and the usage is final.
    Ended,
}

impl Phase {
    /// Every phase, in the order of a lease's life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Provisioning,
        Self::Ready,
        Self::Degraded,
        Self::Paused,
        Self::Ending,
        Self::Ended,
    ];

    /// The text in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Provisioning => "Provisioning",
            Self::Ready => "Ready",
            Self::Degraded => "Degraded",
            Self::Paused => "Paused",
            Self::Ending => "Ending",
            Self::Ended => "Ended",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an image of the manifest was when it was accepted.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImageStatus {
    /// The image as the manifest names it.
    pub image: String,
    /// Digest that runs, `sha256:` and 64 hex digits.
    pub digest: String,
    /// Bytes that a node downloads for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
}

/// One service of the manifest.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Name in the manifest; also the host name inside the lease.
    pub name: String,
    /// Replicas that the manifest asks for.
    pub replicas: i32,
    /// Replicas whose pod is ready.
    pub ready_replicas: i32,
    /// What holds the service up, when fewer replicas are ready than wanted and the cluster says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// Ports that are reachable through the provider's gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortStatus>,
    /// Pods of the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<PodStatus>,
}

/// One port of a service.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PortStatus {
    /// Number of the port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Transport protocol.
    pub protocol: PortProtocol,
    /// Public host names of the port: the one that the provider made first, then the tenant's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostStatus>,
}

/// One public host name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HostStatus {
    /// The host.
    pub host: String,
    /// `HostsRouted` when requests for it are led to the port, or the reason why not.
    pub reason: String,
    /// What the tenant can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Transport protocol of a port.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortProtocol {
    /// TCP.
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP.
    #[serde(rename = "UDP")]
    Udp,
}

/// One pod of a service.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// Name of the pod.
    pub name: String,
    /// UID of the pod, the identity that usage is counted by.
    pub uid: String,
    /// Node that the pod runs on, once scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Runtime class of the pod, when it is not the node's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class: Option<String>,
}

/// An update of the manifest that is under way.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// Revision that is being tried.
    pub revision: i64,
    /// When it was applied, in Unix seconds.
    pub started_at: i64,
    /// When it counts as failed unless it is ready, in Unix seconds.
    pub deadline_at: i64,
}

/// What a service printed last.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FinalLog {
    /// Service.
    #[schemars(length(max = 63))]
    pub service: String,
    /// Pod whose container ended last.
    #[schemars(length(max = 253))]
    pub pod: String,
    /// Exit code of the container.
    pub exit_code: i32,
    /// Its last lines, as the node kept them: at most 4096 bytes of printable text.
    #[schemars(length(max = 4096))]
    pub text: String,
}

/// Cumulative usage of a lease.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    validation = Rule::new("self.sequence >= oldSelf.sequence").message("sequence may not go back"),
    validation = Rule::new("self.sequence != oldSelf.sequence || (self.asOf == oldSelf.asOf && self.meterRoot == oldSelf.meterRoot)")
        .message("a publication may not change; the next one has a higher sequence"),
    validation = Rule::new("self.asOf >= oldSelf.asOf").message("asOf may not go back")
)]
#[serde(rename_all = "camelCase")]
pub struct LeaseUsage {
    /// Time up to which usage was counted, in Unix seconds.
    pub as_of: i64,
    /// Number of this publication, one higher than the last.
    pub sequence: i64,
    /// What the lease held, whether it used it or not. This is what settles.
    #[x_kube(validation = never_fall([
        "uptimeSeconds",
        "cpuMilliSeconds",
        "memoryByteSeconds",
        "storageByteSeconds",
        "gpuMilliSeconds",
        "egressBytes",
        "leasedIpSeconds",
        "deviceMilliSeconds",
    ]))]
    pub allocated: ResourceUsage,
    /// What the pods really used, measured on the nodes.
    #[x_kube(validation = never_fall(["cpuNanoseconds", "memoryByteSeconds", "networkRxBytes", "networkTxBytes"]))]
    pub used: UsedResources,
    /// Root of the meter's evidence, `0x` and 64 lower case hex digits.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{64}$"), length(max = 66))]
    pub meter_root: String,
    /// State that the meter resumes from after a restart. Opaque and bounded; not part of the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1048576))]
    pub state: Option<String>,
}

/// Cumulative amounts of the eight priced dimensions, as decimal numbers.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ResourceUsage {
    /// Seconds during which the lease was delivered.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub uptime_seconds: String,
    /// Thousandths of a core times seconds.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub cpu_milli_seconds: String,
    /// Bytes of memory times seconds.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub memory_byte_seconds: String,
    /// Bytes of persistent storage times seconds.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub storage_byte_seconds: String,
    /// Thousandths of a GPU times seconds.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub gpu_milli_seconds: String,
    /// Bytes sent to the internet.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub egress_bytes: String,
    /// Leased public addresses times seconds.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub leased_ip_seconds: String,
    /// Thousandths of an extended device times seconds.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub device_milli_seconds: String,
}

/// Cumulative measured use, as decimal numbers.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UsedResources {
    /// CPU time in nanoseconds.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub cpu_nanoseconds: String,
    /// Working set in bytes times seconds.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub memory_byte_seconds: String,
    /// Bytes that the pods received.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub network_rx_bytes: String,
    /// Bytes that the pods sent.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub network_tx_bytes: String,
}

/// Decimal numbers without leading zeros compare by length first.
fn never_fall<const N: usize>(counters: [&str; N]) -> Rule {
    let rules = counters.map(|name| {
        format!(
            "(size(self.{name}) > size(oldSelf.{name}) || (size(self.{name}) == size(oldSelf.{name}) && self.{name} >= oldSelf.{name}))"
        )
    });
    Rule::new(rules.join(" && ")).message("a counter may not go back")
}
