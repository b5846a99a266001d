//! A manifest whose every field has been checked and typed. Only `validate` makes one.

use std::collections::BTreeMap;

use crate::host::HostName;
use crate::image::ImageRef;
use crate::names::{EnvName, Label, MountPath, ServiceName, VolumeName};
use crate::quantity::{Bytes, CpuMilli, Seconds};
use crate::secret::Secret;

/// A checked manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidManifest {
    pub(crate) name: Label,
    pub(crate) duration: Seconds,
    pub(crate) tier: market::Tier,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) egress_per_second: Option<Bytes>,
    pub(crate) registries: BTreeMap<String, Credentials>,
    pub(crate) services: BTreeMap<ServiceName, Service>,
}

impl ValidManifest {
    /// Name of the workload.
    pub fn name(&self) -> &Label {
        &self.name
    }

    /// Longest term wanted.
    pub fn duration(&self) -> Seconds {
        self.duration
    }

    /// Isolation tier.
    pub fn tier(&self) -> market::Tier {
        self.tier
    }

    /// Attributes that the provider must have declared.
    pub fn attributes(&self) -> &BTreeMap<String, String> {
        &self.attributes
    }

    /// Most egress that may be billed, per second.
    pub fn egress_per_second(&self) -> Option<Bytes> {
        self.egress_per_second
    }

    /// Credentials by registry, `host` or `host:port`. Each belongs to the registry of some image.
    pub fn registries(&self) -> &BTreeMap<String, Credentials> {
        &self.registries
    }

    /// The credentials for an image, if its registry wants some. They are for that registry and nobody else.
    pub fn credentials(&self, image: &ImageRef) -> Option<&Credentials> {
        self.registries.get(image.registry())
    }

    /// The services by name.
    pub fn services(&self) -> &BTreeMap<ServiceName, Service> {
        &self.services
    }
}

/// What a private registry wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name. Without a colon.
    pub username: String,
    /// Password or token.
    pub password: Secret,
}

/// One checked service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Image with a digest, a tag or both.
    pub image: ImageRef,
    /// Replaces the image's entry point unless empty.
    pub command: Vec<String>,
    /// Replaces the image's arguments unless empty.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<EnvName, String>,
    /// Secret environment variables.
    pub secrets: BTreeMap<EnvName, Secret>,
    /// CPU per replica.
    pub cpu: CpuMilli,
    /// Memory per replica.
    pub memory: Bytes,
    /// GPUs per replica.
    pub gpu: Option<Gpu>,
    /// Number of replicas.
    pub replicas: Replicas,
    /// Ports in the order written.
    pub ports: Vec<ServicePort>,
    /// Volumes per replica in the order written.
    pub volumes: Vec<Volume>,
    /// Readiness probe.
    pub readiness: Option<Probe>,
    /// User to run as.
    pub run_as_user: Option<UserId>,
}

/// Number of replicas, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replicas(pub u32);

/// GPUs of one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Number of whole GPUs, at least 1.
    pub count: u32,
    /// Model; any if left out.
    pub model: Option<String>,
}

/// Port number, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(pub u16);

/// Numeric user; 0 only outside the strict tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub i64);

/// A port that a service listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Port number.
    pub port: Port,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Who may reach it.
    pub expose: Expose,
    /// Host names of the tenant's own, for a public port. No two ports of a manifest share one.
    pub hosts: Vec<HostName>,
}

/// Transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Who may reach a port. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expose {
    /// The other services of the lease.
    Internal,
    /// The tenant too, through the provider's gateway.
    Tenant,
    /// Everybody, by HTTP under host names.
    Public,
}

/// A persistent volume of each replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Name, unique within the service.
    pub name: VolumeName,
    /// Path inside the container.
    pub mount_path: MountPath,
    /// Size.
    pub size: Bytes,
}

/// A readiness probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What is probed.
    pub kind: ProbeKind,
    /// Seconds before the first probe.
    pub initial_delay_seconds: i32,
    /// Seconds between probes.
    pub period_seconds: i32,
    /// Seconds until a probe counts as failed.
    pub timeout_seconds: i32,
    /// Failed probes in a row until the replica counts as not ready.
    pub failure_threshold: i32,
}

/// What a probe asks. The host is always the pod itself, so a manifest cannot make the node ask others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeKind {
    /// An HTTP request that must answer 200 to 399.
    HttpGet {
        /// Port to ask.
        port: Port,
        /// Path to ask for.
        path: String,
    },
    /// A connection that must be accepted.
    TcpSocket {
        /// Port to connect to.
        port: Port,
    },
}
