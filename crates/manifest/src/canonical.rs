//! The one byte form of a manifest that is hashed, sent and stored.

use std::collections::BTreeMap;

use alloy_primitives::{B256, keccak256};

use crate::document::{
    ExposeDocument, GpuDocument, HttpGetDocument, Manifest, NetworkDocument, PlacementDocument, PortDocument,
    ProtocolDocument, ReadinessDocument, RegistryDocument, ResourcesDocument, ServiceDocument,
    TcpSocketDocument, TierDocument, VersionDocument, VolumeDocument,
};
use crate::error::Problem;
use crate::parse::MAX_DOCUMENT_BYTES;
use crate::secret::SecretSource;
use crate::valid::{
    Credentials, Expose, Gpu, Probe, ProbeKind, Protocol, Service, ServicePort, ValidManifest, Volume,
};
use crate::validate::validate;

/// Why bytes are not a canonical manifest.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// Larger than any manifest.
    #[error("the manifest has {bytes} bytes; at most {limit} are accepted")]
    TooLarge {
        /// Bytes received.
        bytes: usize,
        /// Most bytes accepted.
        limit: usize,
    },
    /// Not a manifest document in JSON. The cause is reduced to its place, since it might quote a secret.
    #[error("not a manifest: line {line}, column {column}: {path}")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The field at fault.
        path: crate::Path,
    },
    /// A document that asks for what it may not have.
    #[error("the manifest is not valid: {}", list(.problems))]
    Invalid {
        /// All problems.
        problems: Vec<Problem>,
    },
    /// A valid manifest in other bytes than its canonical ones.
    #[error("the manifest is not in its canonical form")]
    NotCanonical,
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Hash committed on chain: `keccak256(salt ++ keccak256(canonical))`. The salt keeps guessable secrets unguessable.
pub fn manifest_hash(salt: &B256, canonical: &[u8]) -> B256 {
    keccak256([salt.as_slice(), keccak256(canonical).as_slice()].concat())
}

/// Reads back what [`ValidManifest::canonical_json`] wrote; any other bytes are refused.
pub fn from_canonical(bytes: &[u8]) -> Result<ValidManifest, CanonicalError> {
    // Escapes may make the canonical form longer than the text it came from.
    let limit = 3 * MAX_DOCUMENT_BYTES;
    if bytes.len() > limit {
        return Err(CanonicalError::TooLarge { bytes: bytes.len(), limit });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let manifest: Manifest = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = crate::Path::from(error.path());
        CanonicalError::Malformed { line: error.inner().line(), column: error.inner().column(), path }
    })?;
    let manifest = validate(&manifest).map_err(|problems| CanonicalError::Invalid { problems })?;
    if manifest.canonical_json() != bytes {
        return Err(CanonicalError::NotCanonical);
    }
    Ok(manifest)
}

impl ValidManifest {
    /// The canonical bytes: JSON without white space, maps in byte order of their keys, all defaults written out. They
    /// hold the secret values, so they go to the chosen provider alone.
    pub fn canonical_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.to_document())
            .expect("a document of strings, numbers, lists and maps is JSON")
    }

    /// The document that says the same with all defaults and base units written out.
    pub fn to_document(&self) -> Manifest {
        let services =
            self.services.iter().map(|(name, service)| (name.to_string(), service_document(service)));
        let registries = self.registries.iter().map(|(host, credentials)| {
            let Credentials { username, password } = credentials.clone();
            (host.clone(), RegistryDocument { username, password: SecretSource::Value(password) })
        });
        Manifest {
            version: VersionDocument::V1,
            name: self.name.to_string(),
            duration: self.duration.to_string(),
            tier: match self.tier {
                market::Tier::Strict => TierDocument::Strict,
                market::Tier::Userns => TierDocument::Userns,
                market::Tier::Sandboxed => TierDocument::Sandboxed,
            },
            placement: PlacementDocument { attributes: self.attributes.clone() },
            network: NetworkDocument {
                egress_per_second: self.egress_per_second.map(|bytes| bytes.to_string()),
            },
            registries: registries.collect(),
            services: services.collect(),
        }
    }
}

fn service_document(service: &Service) -> ServiceDocument {
    let env: BTreeMap<_, _> =
        service.env.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let secrets =
        service.secrets.iter().map(|(name, secret)| (name.to_string(), SecretSource::Value(secret.clone())));
    ServiceDocument {
        image: service.image.to_string(),
        command: service.command.clone(),
        args: service.args.clone(),
        env,
        secrets: secrets.collect(),
        resources: ResourcesDocument {
            cpu: service.cpu.to_string(),
            memory: service.memory.to_string(),
            gpu: service.gpu.as_ref().map(gpu_document),
        },
        replicas: i64::from(service.replicas.0),
        ports: service.ports.iter().map(port_document).collect(),
        volumes: service.volumes.iter().map(volume_document).collect(),
        readiness: service.readiness.as_ref().map(readiness_document),
        run_as_user: service.run_as_user.map(|user| user.0),
    }
}

fn gpu_document(gpu: &Gpu) -> GpuDocument {
    GpuDocument { count: i64::from(gpu.count), model: gpu.model.clone() }
}

fn port_document(port: &ServicePort) -> PortDocument {
    PortDocument {
        port: i64::from(port.port.0),
        protocol: match port.protocol {
            Protocol::Tcp => ProtocolDocument::Tcp,
            Protocol::Udp => ProtocolDocument::Udp,
        },
        expose: match port.expose {
            Expose::Internal => ExposeDocument::Internal,
            Expose::Tenant => ExposeDocument::Tenant,
            Expose::Public => ExposeDocument::Public,
        },
        hosts: port.hosts.iter().map(ToString::to_string).collect(),
    }
}

fn volume_document(volume: &Volume) -> VolumeDocument {
    VolumeDocument {
        name: volume.name.to_string(),
        mount_path: volume.mount_path.to_string(),
        size: volume.size.to_string(),
    }
}

fn readiness_document(probe: &Probe) -> ReadinessDocument {
    let (http_get, tcp_socket) = match &probe.kind {
        ProbeKind::HttpGet { port, path } => {
            (Some(HttpGetDocument { port: i64::from(port.0), path: path.clone() }), None)
        }
        ProbeKind::TcpSocket { port } => (None, Some(TcpSocketDocument { port: i64::from(port.0) })),
    };
    ReadinessDocument {
        http_get,
        tcp_socket,
        initial_delay_seconds: i64::from(probe.initial_delay_seconds),
        period_seconds: i64::from(probe.period_seconds),
        timeout_seconds: i64::from(probe.timeout_seconds),
        failure_threshold: i64::from(probe.failure_threshold),
    }
}
