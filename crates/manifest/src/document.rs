//! The manifest as a document: exactly what a tenant may write, nothing checked but its shape.
//!
//! Quantities, names and numbers stay as written, so that `validate` can report every problem of a file at once.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;
use crate::secret::SecretSource;

/// Version of the manifest format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VersionDocument {
    /// The first version.
    #[serde(rename = "v1")]
    V1,
}

/// Isolation tier asked of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TierDocument {
    /// Pod Security restricted: no root, no capabilities, the runtime's default seccomp profile.
    #[default]
    Strict,
    /// Each pod in a user namespace of its own: root inside is nobody outside.
    Userns,
    /// Each pod behind its own kernel, with root inside if the image wants it.
    Sandboxed,
}

/// A workload to run: services, what they need, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Leasehold manifest", inline)]
pub struct Manifest {
    /// Format version, `v1`.
    pub version: VersionDocument,
    /// Name of the workload, a DNS label. For the tenant's eyes; the provider names nothing after it.
    pub name: String,
    /// Longest term wanted, such as `90s`, `30m`, `1h`, `7d`.
    pub duration: String,
    /// Isolation tier. Default: `strict`.
    #[serde(default)]
    pub tier: TierDocument,
    /// What the provider must be like.
    #[serde(default)]
    pub placement: PlacementDocument,
    /// Network allowances of the whole workload.
    #[serde(default)]
    pub network: NetworkDocument,
    /// Credentials for private registries, by `host` or `host:port` as the images name them. Only the provider sees them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registries: BTreeMap<String, RegistryDocument>,
    /// The services by name. Names are DNS labels and become host names inside the lease.
    pub services: BTreeMap<String, ServiceDocument>,
}

/// What the provider must be like.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlacementDocument {
    /// Attributes that the provider must have declared, such as `region: eu`. They are public.
    #[serde(default)]
    #[schemars(schema_with = "schema::texts_by_name")]
    pub attributes: BTreeMap<String, String>,
}

/// Network allowances of the whole workload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkDocument {
    /// Most egress that may be billed, in bytes per second, such as `10M`. Left out: egress is not billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub egress_per_second: Option<String>,
}

/// Credentials for one private registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistryDocument {
    /// User name.
    pub username: String,
    /// Password, or an access token in its place; one that may only pull is enough.
    pub password: SecretSource,
}

/// One service: an image, its settings and its replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceDocument {
    /// Image with a digest or a tag: `registry/name@sha256:…`, `registry/name:tag@sha256:…` or `registry/name:tag`. A tag
    /// is looked up once, when the provider accepts the manifest.
    pub image: String,
    /// Replaces the image's entry point.
    #[serde(default)]
    #[schemars(schema_with = "schema::texts")]
    pub command: Vec<String>,
    /// Replaces the image's arguments.
    #[serde(default)]
    #[schemars(schema_with = "schema::texts")]
    pub args: Vec<String>,
    /// Environment variables.
    #[serde(default)]
    #[schemars(schema_with = "schema::texts_by_name")]
    pub env: BTreeMap<String, String>,
    /// Environment variables whose values are secret.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSource>,
    /// What each replica gets. Requests equal limits.
    pub resources: ResourcesDocument,
    /// Number of replicas. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub replicas: i64,
    /// Ports that the service listens on.
    #[serde(default)]
    pub ports: Vec<PortDocument>,
    /// Persistent volumes; each replica has its own set. They live as long as the lease.
    #[serde(default)]
    pub volumes: Vec<VolumeDocument>,
    /// How to tell that a replica is ready. Left out: ready when it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<ReadinessDocument>,
    /// Numeric user to run as. Left out: the image's own user. In the tier `strict` neither may be root (0), and the
    /// image's user must be a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647_i64))]
    pub run_as_user: Option<i64>,
}

/// What each replica of a service gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourcesDocument {
    /// CPU, such as `250m`, `1` or `1.5`.
    #[schemars(schema_with = "schema::quantity")]
    pub cpu: String,
    /// Memory, such as `128Mi`, `1Gi` or `1G`.
    #[schemars(schema_with = "schema::quantity")]
    pub memory: String,
    /// GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuDocument>,
}

/// GPUs of one replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuDocument {
    /// Number of whole GPUs.
    #[schemars(range(min = 1, max = 16))]
    pub count: i64,
    /// Model, such as `h100`. Left out: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A port that a service listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortDocument {
    /// Port number.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i64,
    /// Transport protocol. Default: `tcp`.
    #[serde(default)]
    pub protocol: ProtocolDocument,
    /// Who may reach it. Default: `internal`.
    #[serde(default)]
    pub expose: ExposeDocument,
    /// Further host names of a public port, such as `shop.example.com`. Each needs a DNS record that names the lease.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub hosts: Vec<String>,
}

/// Transport protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolDocument {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// Who may reach a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExposeDocument {
    /// The other services of the lease.
    #[default]
    Internal,
    /// The tenant too, by HTTP through the provider's gateway.
    Tenant,
    /// Everybody, by HTTP under a host name that the provider makes, and under `hosts`.
    Public,
}

/// A persistent volume of each replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VolumeDocument {
    /// Name, a DNS label, unique within the service.
    pub name: String,
    /// Absolute path inside the container.
    pub mount_path: String,
    /// Size, such as `1Gi`.
    #[schemars(schema_with = "schema::quantity")]
    pub size: String,
}

/// How to tell that a replica is ready: one of `httpGet` and `tcpSocket`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadinessDocument {
    /// Ready when this answers with a status from 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_get: Option<HttpGetDocument>,
    /// Ready when this port accepts a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_socket: Option<TcpSocketDocument>,
    /// Seconds before the first probe. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3600))]
    pub initial_delay_seconds: i64,
    /// Seconds between probes. Default: 5.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 3600))]
    pub period_seconds: i64,
    /// Seconds until a probe counts as failed. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: i64,
    /// Failed probes in a row until the replica counts as not ready. Default: 3.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 100))]
    pub failure_threshold: i64,
}

/// An HTTP probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpGetDocument {
    /// One of the service's TCP ports.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i64,
    /// Path to request. Default: `/`.
    #[serde(default = "root_path")]
    pub path: String,
}

/// A TCP probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpSocketDocument {
    /// One of the service's TCP ports.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i64,
}

impl Manifest {
    /// Replaces each secret by the value that `resolve` finds for its source. Fails with the first failure of `resolve`.
    pub fn resolve_secrets<E>(
        mut self,
        mut resolve: impl FnMut(&crate::Path, &SecretSource) -> Result<crate::Secret, E>,
    ) -> Result<Manifest, E> {
        for (service_name, service) in &mut self.services {
            for (name, source) in &mut service.secrets {
                let path =
                    crate::Path::root().field("services").field(service_name).field("secrets").field(name);
                *source = SecretSource::Value(resolve(&path, source)?);
            }
        }
        for (host, registry) in &mut self.registries {
            let path = crate::Path::root().field("registries").field(host).field("password");
            registry.password = SecretSource::Value(resolve(&path, &registry.password)?);
        }
        Ok(self)
    }
}

fn one() -> i64 {
    1
}

fn three() -> i64 {
    3
}

fn five() -> i64 {
    5
}

fn root_path() -> String {
    "/".to_owned()
}
