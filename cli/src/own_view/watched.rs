//! Which services of a manifest can be judged from outside, and what is missing while they are down.

use manifest::{Expose, ProbeKind, Protocol, ServiceName, ValidManifest};
use market::Dimension;

/// Seconds by which a gateway's word about a service may be old.
const STATUS_LAG_SECONDS: u64 = 60;

/// A service with an HTTP readiness probe on a port that its tenant reaches. Only for such a one do tenant and provider
/// ask the same question; what else does not answer may be meant not to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) service: ServiceName,
    pub(crate) port: u16,
    pub(crate) path: String,
    /// Seconds for which a service may have been down before its provider can know.
    pub(crate) grace: u64,
    /// What all its replicas hold together, per second.
    pub(crate) held: [(Dimension, u64); 3],
}

/// The services that can be judged.
pub(crate) fn watched(manifest: &ValidManifest) -> Vec<Watched> {
    let services = manifest.services().iter().filter_map(|(name, service)| {
        let probe = service.readiness.as_ref()?;
        let ProbeKind::HttpGet { port, path } = &probe.kind else { return None };
        let reached = service.ports.iter().any(|exposed| {
            exposed.port == *port && exposed.protocol == Protocol::Tcp && exposed.expose != Expose::Internal
        });
        let seconds = |value: i32| u64::try_from(value).unwrap_or_default();
        let noticed = seconds(probe.period_seconds)
            .saturating_add(seconds(probe.timeout_seconds))
            .saturating_mul(seconds(probe.failure_threshold));
        let all = |each: u64| each.saturating_mul(u64::from(service.replicas.0));
        let gpu = service.gpu.as_ref().map_or(0, |gpu| u64::from(gpu.count).saturating_mul(1_000));
        reached.then(|| Watched {
            service: name.clone(),
            port: port.0,
            path: path.clone(),
            grace: STATUS_LAG_SECONDS.saturating_add(noticed),
            held: [
                (Dimension::Cpu, all(service.cpu.0)),
                (Dimension::Memory, all(service.memory.0)),
                (Dimension::Gpu, all(gpu)),
            ],
        })
    });
    services.collect()
}
