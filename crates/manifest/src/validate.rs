//! Document to [`ValidManifest`]: every rule is checked and every problem reported, not only the first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use crate::document::{Manifest, TierDocument, VersionDocument};
use crate::error::Problem;
use crate::path::Path;
use crate::quantity::{Bytes, Seconds};
use crate::valid::ValidManifest;

mod registry;
mod service;

/// The bounds of a manifest. Requirements of any manifest within them fit the 8 KiB that an order may carry.
pub mod limits {
    use std::ops::RangeInclusive;

    /// Private registries of a workload.
    pub const REGISTRIES: RangeInclusive<usize> = 0..=4;
    /// Bytes of a registry's user name.
    pub const USERNAME_BYTES: RangeInclusive<usize> = 1..=256;
    /// Bytes of a registry's password; some are whole key files.
    pub const PASSWORD_BYTES: RangeInclusive<usize> = 0..=16_384;
    /// Services of a workload.
    pub const SERVICES: RangeInclusive<usize> = 1..=12;
    /// Attributes asked of a provider.
    pub const ATTRIBUTES: RangeInclusive<usize> = 0..=8;
    /// Bytes of an attribute's key or value.
    pub const ATTRIBUTE_BYTES: RangeInclusive<usize> = 1..=63;
    /// Term in seconds: a minute to 90 days.
    pub const DURATION_SECONDS: RangeInclusive<u32> = 60..=7_776_000;
    /// CPU of one replica: a hundredth of a core to 512 cores.
    pub const CPU_MILLI: RangeInclusive<u64> = 10..=512_000;
    /// Memory of one replica: 4 MiB to 16 TiB.
    pub const MEMORY_BYTES: RangeInclusive<u64> = (4 << 20)..=(16 << 40);
    /// Size of one volume: 1 MiB to 1 PiB.
    pub const VOLUME_BYTES: RangeInclusive<u64> = (1 << 20)..=(1 << 50);
    /// Billable egress per second: 1 kB to 100 GB.
    pub const EGRESS_BYTES_PER_SECOND: RangeInclusive<u64> = 1_000..=100_000_000_000;
    /// Replicas of one service.
    pub const REPLICAS: RangeInclusive<i64> = 1..=64;
    /// GPUs of one replica.
    pub const GPUS: RangeInclusive<i64> = 1..=16;
    /// Bytes of a GPU model.
    pub const GPU_MODEL_BYTES: RangeInclusive<usize> = 1..=32;
    /// Port number.
    pub const PORT: RangeInclusive<i64> = 1..=65_535;
    /// Ports of one service.
    pub const PORTS: RangeInclusive<usize> = 0..=16;
    /// Host names of one public port.
    pub const HOSTS: RangeInclusive<usize> = 0..=4;
    /// Host names of a workload.
    pub const ALL_HOSTS: RangeInclusive<usize> = 0..=16;
    /// Characters of a service's name that has a public port: it becomes part of a DNS label with the lease and the port.
    pub const PUBLIC_SERVICE_NAME: RangeInclusive<usize> = 1..=30;
    /// Volumes of one service.
    pub const VOLUMES: RangeInclusive<usize> = 0..=4;
    /// Environment variables of one service, secret ones included.
    pub const ENVIRONMENT: RangeInclusive<usize> = 0..=256;
    /// Words of a command or its arguments.
    pub const WORDS: RangeInclusive<usize> = 0..=256;
    /// Bytes of one environment value or word.
    pub const TEXT_BYTES: RangeInclusive<usize> = 0..=65_536;
    /// Bytes of a probe's path.
    pub const PROBE_PATH_BYTES: RangeInclusive<usize> = 1..=1_024;
    /// Numeric user. Root (0) only outside the strict tier.
    pub const USER: RangeInclusive<i64> = 0..=2_147_483_647;
    /// Delay, period and timeout of a probe in seconds. A delay may be 0 too.
    pub const PROBE_SECONDS: RangeInclusive<i64> = 1..=3_600;
    /// Failures in a row until a replica counts as not ready.
    pub const FAILURES: RangeInclusive<i64> = 1..=100;
}

/// Checks a document whose secrets are resolved.
pub fn validate(manifest: &Manifest) -> Result<ValidManifest, Vec<Problem>> {
    let mut check = Check::default();
    let root = Path::root();
    let VersionDocument::V1 = manifest.version;
    let name = check.parsed(&root.field("name"), &manifest.name);
    let duration: Option<Seconds> = check.parsed(&root.field("duration"), &manifest.duration);
    let duration = duration
        .and_then(|it| check.within(&root.field("duration"), it, it.0, limits::DURATION_SECONDS, "seconds"));
    attributes(&mut check, &root, manifest);
    let egress = manifest.network.egress_per_second.as_ref().map(|text| {
        let path = root.field("network").field("egressPerSecond");
        let bytes: Option<Bytes> = check.parsed(&path, text);
        bytes
            .and_then(|it| check.within(&path, it, it.0, limits::EGRESS_BYTES_PER_SECOND, "bytes per second"))
    });

    let services_path = root.field("services");
    check.count(&services_path, manifest.services.len(), limits::SERVICES, "services");
    let mut services = BTreeMap::new();
    for (service_name, document) in &manifest.services {
        let path = services_path.field(service_name);
        let parsed_name = check.parsed(&path, service_name);
        let service = service::check_service(&mut check, &path, service_name, manifest.tier, document);
        if let (Some(service_name), Some(service)) = (parsed_name, service) {
            services.insert(service_name, service);
        }
    }

    check_hosts_once(&mut check, &services_path, manifest);
    check_claims_once(&mut check, &services_path, manifest);
    let registries = registry::check_registries(&mut check, &root.field("registries"), manifest, &services);

    match (name, duration, check.problems.is_empty()) {
        (Some(name), Some(duration), true) => Ok(ValidManifest {
            name,
            duration,
            tier: tier(manifest.tier),
            attributes: manifest.placement.attributes.clone(),
            egress_per_second: egress.flatten(),
            registries,
            services,
        }),
        _ => Err(check.problems),
    }
}

/// A host leads to one port, so no two ports of a workload may ask for the same.
fn check_hosts_once(check: &mut Check, services_path: &Path, manifest: &Manifest) {
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for (service_name, service) in &manifest.services {
        for (position, port) in service.ports.iter().enumerate() {
            let path = services_path.field(service_name).field("ports").index(position).field("hosts");
            for (position, host) in port.hosts.iter().enumerate() {
                count += 1;
                if !seen.insert(host) {
                    check.refuse(&path.index(position), "is listed twice in this manifest");
                }
            }
        }
    }
    check.count(services_path, count, limits::ALL_HOSTS, "hosts");
}

/// A volume's claim is named after the volume and the service, joined by `-`, and two services must not share one.
fn check_claims_once(check: &mut Check, services_path: &Path, manifest: &Manifest) {
    let mut seen: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    for (service_name, service) in &manifest.services {
        for (position, volume) in service.volumes.iter().enumerate() {
            let claim = format!("{}-{service_name}", volume.name);
            // The same name twice in one service is refused with the service's other rules.
            if let Some((other, of)) = seen.insert(claim, (&volume.name, service_name))
                && of != service_name
            {
                let path = services_path.field(service_name).field("volumes").index(position).field("name");
                check.refuse(&path, format!("volume {} of {service_name} and volume {other} of {of} would be one volume; rename one", volume.name));
            }
        }
    }
}

fn tier(tier: TierDocument) -> market::Tier {
    match tier {
        TierDocument::Strict => market::Tier::Strict,
        TierDocument::Userns => market::Tier::Userns,
        TierDocument::Sandboxed => market::Tier::Sandboxed,
    }
}

fn attributes(check: &mut Check, root: &Path, manifest: &Manifest) {
    let path = root.field("placement").field("attributes");
    let attributes = &manifest.placement.attributes;
    check.count(&path, attributes.len(), limits::ATTRIBUTES, "attributes");
    for (key, value) in attributes {
        for text in [key, value] {
            if !limits::ATTRIBUTE_BYTES.contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
                check.refuse(
                    &path.field(key),
                    format!(
                        "key and value must be {} to {} printable ASCII characters without spaces",
                        limits::ATTRIBUTE_BYTES.start(),
                        limits::ATTRIBUTE_BYTES.end()
                    ),
                );
                break;
            }
        }
    }
}

/// Collects problems while checks go on.
#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn refuse(&mut self, path: &Path, reason: impl Into<String>) {
        self.problems.push(Problem { path: path.clone(), reason: reason.into() });
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, path: &Path, text: &str) -> Option<T> {
        text.parse().map_err(|error| self.refuse(path, format!("{error}"))).ok()
    }

    /// `value` if `number` lies in `range`; otherwise a problem that states the range.
    fn within<T, N: PartialOrd + Display>(
        &mut self,
        path: &Path,
        value: T,
        number: N,
        range: std::ops::RangeInclusive<N>,
        unit: &str,
    ) -> Option<T> {
        if range.contains(&number) {
            return Some(value);
        }
        self.refuse(
            path,
            format!("{number} {unit} is out of bounds; allowed: {} to {}", range.start(), range.end()),
        );
        None
    }

    fn count(&mut self, path: &Path, count: usize, range: std::ops::RangeInclusive<usize>, unit: &str) {
        if !range.contains(&count) {
            self.refuse(path, format!("{count} {unit} given; allowed: {} to {}", range.start(), range.end()));
        }
    }
}
