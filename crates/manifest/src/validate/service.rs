//! Rules of one service.

use std::collections::BTreeMap;

use super::{Check, limits};
use crate::document::{
    ExposeDocument, GpuDocument, PortDocument, ProtocolDocument, ReadinessDocument, ServiceDocument,
    TierDocument, VolumeDocument,
};
use crate::host::HostName;
use crate::names::EnvName;
use crate::path::Path;
use crate::quantity::{Bytes, CpuMilli};
use crate::secret::{Secret, SecretSource};
use crate::valid::{
    Expose, Gpu, Port, Probe, ProbeKind, Protocol, Replicas, Service, ServicePort, UserId, Volume,
};

pub(super) fn check_service(
    check: &mut Check,
    path: &Path,
    name: &str,
    tier: TierDocument,
    document: &ServiceDocument,
) -> Option<Service> {
    let image = check.parsed(&path.field("image"), &document.image);
    words(check, &path.field("command"), &document.command);
    words(check, &path.field("args"), &document.args);
    let (env, secrets) = environment(check, path, document);
    let resources = path.field("resources");
    let cpu: Option<CpuMilli> = check.parsed(&resources.field("cpu"), &document.resources.cpu);
    let cpu = cpu.and_then(|it| {
        check.within(&resources.field("cpu"), it, it.0, limits::CPU_MILLI, "thousandths of a core")
    });
    let memory = bytes(check, &resources.field("memory"), &document.resources.memory, limits::MEMORY_BYTES);
    let gpu = document.resources.gpu.as_ref().and_then(|gpu| check_gpu(check, &resources.field("gpu"), gpu));
    let replicas = check.within(
        &path.field("replicas"),
        document.replicas,
        document.replicas,
        limits::REPLICAS,
        "replicas",
    );
    let ports = check_ports(check, &path.field("ports"), &document.ports);
    if ports.iter().any(|port| port.expose == Expose::Public)
        && !limits::PUBLIC_SERVICE_NAME.contains(&name.len())
    {
        let longest = limits::PUBLIC_SERVICE_NAME.end();
        check.refuse(
            path,
            format!("a service with a public port has a name of at most {longest} characters: it becomes part of a host name"),
        );
    }
    let volumes = check_volumes(check, &path.field("volumes"), &document.volumes);
    let readiness = document
        .readiness
        .as_ref()
        .and_then(|readiness| check_readiness(check, &path.field("readiness"), readiness, &ports));
    let user = document.run_as_user.and_then(|user| check_user(check, &path.field("runAsUser"), tier, user));
    Some(Service {
        image: image?,
        command: document.command.clone(),
        args: document.args.clone(),
        env,
        secrets,
        cpu: cpu?,
        memory: memory?,
        gpu,
        replicas: Replicas(u32::try_from(replicas?).ok()?),
        ports,
        volumes,
        readiness,
        run_as_user: user,
    })
}

/// Root needs a wall around it that the strict tier does not have.
fn check_user(check: &mut Check, path: &Path, tier: TierDocument, user: i64) -> Option<UserId> {
    let user = check.within(path, user, user, limits::USER, "as a user")?;
    if user == 0 && tier == TierDocument::Strict {
        check.refuse(path, "root is refused in the tier strict; ask for the tier userns or sandboxed");
        return None;
    }
    Some(UserId(user))
}

fn bytes(check: &mut Check, path: &Path, text: &str, range: std::ops::RangeInclusive<u64>) -> Option<Bytes> {
    let bytes: Bytes = check.parsed(path, text)?;
    check.within(path, bytes, bytes.0, range, "bytes")
}

fn words(check: &mut Check, path: &Path, words: &[String]) {
    check.count(path, words.len(), limits::WORDS, "words");
    for (position, word) in words.iter().enumerate() {
        text(check, &path.index(position), word);
    }
}

/// Rules of any text that reaches a process: bounded, and without the byte that ends a C string.
fn text(check: &mut Check, path: &Path, text: &str) {
    if !limits::TEXT_BYTES.contains(&text.len()) {
        check.refuse(
            path,
            format!("has {} bytes; at most {} are accepted", text.len(), limits::TEXT_BYTES.end()),
        );
    }
    if text.contains('\0') {
        check.refuse(path, "contains a NUL character");
    }
}

fn environment(
    check: &mut Check,
    path: &Path,
    document: &ServiceDocument,
) -> (BTreeMap<EnvName, String>, BTreeMap<EnvName, Secret>) {
    let (mut env, mut secrets) = (BTreeMap::new(), BTreeMap::new());
    check.count(
        &path.field("env"),
        document.env.len() + document.secrets.len(),
        limits::ENVIRONMENT,
        "environment variables",
    );
    for (name, value) in &document.env {
        let path = path.field("env").field(name);
        text(check, &path, value);
        if let Some(name) = check.parsed(&path, name) {
            env.insert(name, value.clone());
        }
    }
    for (name, source) in &document.secrets {
        let path = path.field("secrets").field(name);
        let parsed: Option<EnvName> = check.parsed(&path, name);
        match source {
            SecretSource::Value(secret) => {
                text(check, &path, secret.expose());
                if let Some(name) = parsed {
                    if env.contains_key(&name) {
                        check.refuse(&path, "is set in env too; keep one of them");
                    }
                    secrets.insert(name, secret.clone());
                }
            }
            SecretSource::FromEnv(_) | SecretSource::FromFile(_) => {
                check.refuse(&path, "has no value yet; secrets are resolved before a manifest is checked");
            }
        }
    }
    (env, secrets)
}

fn check_gpu(check: &mut Check, path: &Path, gpu: &GpuDocument) -> Option<Gpu> {
    let count = check.within(&path.field("count"), gpu.count, gpu.count, limits::GPUS, "GPUs");
    if let Some(model) = &gpu.model {
        let fits = limits::GPU_MODEL_BYTES.contains(&model.len())
            && model.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fits {
            let longest = limits::GPU_MODEL_BYTES.end();
            check.refuse(
                &path.field("model"),
                format!(
                    "{model:?} is not a model name: use 1 to {longest} lower-case letters, digits and '-'"
                ),
            );
        }
    }
    Some(Gpu { count: u32::try_from(count?).ok()?, model: gpu.model.clone() })
}

fn check_port_number(check: &mut Check, path: &Path, number: i64) -> Option<Port> {
    let number = check.within(path, number, number, limits::PORT, "as a port")?;
    u16::try_from(number).ok().map(Port)
}

fn check_ports(check: &mut Check, path: &Path, documents: &[PortDocument]) -> Vec<ServicePort> {
    check.count(path, documents.len(), limits::PORTS, "ports");
    let mut ports: Vec<ServicePort> = Vec::new();
    for (position, document) in documents.iter().enumerate() {
        let path = path.index(position);
        let Some(port) = check_port_number(check, &path.field("port"), document.port) else { continue };
        let protocol = match document.protocol {
            ProtocolDocument::Tcp => Protocol::Tcp,
            ProtocolDocument::Udp => Protocol::Udp,
        };
        let expose = match document.expose {
            ExposeDocument::Internal => Expose::Internal,
            ExposeDocument::Tenant => Expose::Tenant,
            ExposeDocument::Public => Expose::Public,
        };
        match (protocol, expose) {
            (Protocol::Udp, Expose::Tenant) => check.refuse(
                &path.field("expose"),
                "the gateway forwards HTTP only; expose a tcp port to the tenant",
            ),
            (Protocol::Udp, Expose::Public) => check
                .refuse(&path.field("expose"), "only HTTP is public; a udp port would need a leased address"),
            _ => {}
        }
        let hosts = check_hosts(check, &path.field("hosts"), expose, &document.hosts);
        if ports.iter().any(|other| (other.port, other.protocol) == (port, protocol)) {
            check.refuse(&path, format!("port {} is listed twice", port.0));
        }
        ports.push(ServicePort { port, protocol, expose, hosts });
    }
    ports
}

fn check_hosts(check: &mut Check, path: &Path, expose: Expose, hosts: &[String]) -> Vec<HostName> {
    check.count(path, hosts.len(), limits::HOSTS, "hosts");
    if expose != Expose::Public && !hosts.is_empty() {
        check.refuse(path, "only a port with expose: public has hosts");
    }
    hosts
        .iter()
        .enumerate()
        .filter_map(|(position, host)| check.parsed(&path.index(position), host))
        .collect()
}

fn check_volumes(check: &mut Check, path: &Path, documents: &[VolumeDocument]) -> Vec<Volume> {
    check.count(path, documents.len(), limits::VOLUMES, "volumes");
    let mut volumes: Vec<Volume> = Vec::new();
    for (position, document) in documents.iter().enumerate() {
        let path = path.index(position);
        let name = check.parsed(&path.field("name"), &document.name);
        let mount_path = check.parsed(&path.field("mountPath"), &document.mount_path);
        let size = bytes(check, &path.field("size"), &document.size, limits::VOLUME_BYTES);
        let (Some(name), Some(mount_path), Some(size)) = (name, mount_path, size) else { continue };
        let volume = Volume { name, mount_path, size };
        for other in &volumes {
            if other.name == volume.name {
                check.refuse(&path.field("name"), format!("volume {} is listed twice", volume.name));
            }
            let (one, two) = (&volume.mount_path, &other.mount_path);
            if one.is_at_or_below(two.as_str()) || two.is_at_or_below(one.as_str()) {
                check.refuse(&path.field("mountPath"), format!("{one} and {two} overlap"));
            }
        }
        volumes.push(volume);
    }
    volumes
}

fn check_readiness(
    check: &mut Check,
    path: &Path,
    document: &ReadinessDocument,
    ports: &[ServicePort],
) -> Option<Probe> {
    let kind = match (&document.http_get, &document.tcp_socket) {
        (Some(http), None) => {
            let at = path.field("httpGet");
            let printable = http.path.bytes().all(|b| b.is_ascii_graphic());
            if !http.path.starts_with('/')
                || !printable
                || !limits::PROBE_PATH_BYTES.contains(&http.path.len())
            {
                check.refuse(&at.field("path"), "must start with '/' and be printable ASCII without spaces");
            }
            let port = probe_port(check, &at.field("port"), http.port, ports);
            port.map(|port| ProbeKind::HttpGet { port, path: http.path.clone() })
        }
        (None, Some(tcp)) => {
            let port = probe_port(check, &path.field("tcpSocket").field("port"), tcp.port, ports);
            port.map(|port| ProbeKind::TcpSocket { port })
        }
        _ => {
            check.refuse(path, "give exactly one of httpGet and tcpSocket");
            None
        }
    };
    let mut number = |name: &str, value: i64, range: std::ops::RangeInclusive<i64>, unit: &str| {
        let value = check.within(&path.field(name), value, value, range, unit)?;
        i32::try_from(value).ok()
    };
    let delay_range = 0..=*limits::PROBE_SECONDS.end();
    let initial_delay_seconds =
        number("initialDelaySeconds", document.initial_delay_seconds, delay_range, "seconds");
    let period_seconds = number("periodSeconds", document.period_seconds, limits::PROBE_SECONDS, "seconds");
    let timeout_seconds =
        number("timeoutSeconds", document.timeout_seconds, limits::PROBE_SECONDS, "seconds");
    let failure_threshold =
        number("failureThreshold", document.failure_threshold, limits::FAILURES, "failures");
    Some(Probe {
        kind: kind?,
        initial_delay_seconds: initial_delay_seconds?,
        period_seconds: period_seconds?,
        timeout_seconds: timeout_seconds?,
        failure_threshold: failure_threshold?,
    })
}

fn probe_port(check: &mut Check, path: &Path, number: i64, ports: &[ServicePort]) -> Option<Port> {
    let port = check_port_number(check, path, number)?;
    if !ports.iter().any(|listed| (listed.port, listed.protocol) == (port, Protocol::Tcp)) {
        check.refuse(path, format!("port {} is not among the service's tcp ports", port.0));
    }
    Some(port)
}
