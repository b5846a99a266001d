//! The agent's configuration: one documented TOML file, parsed once at the edge into typed values.
//!
//! Unknown keys are errors that name their path. Secrets are file paths, never values, so this file can be reviewed and kept in Git.
//! `config-minimal.toml` and `config-maximal.toml` beside this crate are the documentation; tests load both.

mod bidding;
mod chain;
mod filter;
mod gate;
mod pricing;
mod series;
mod units;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use crd::TenantNodes;
use market::Tier;
use serde::Deserialize;

pub use bidding::Bidding;
pub use chain::{Chain, InlineDeployment};
pub use filter::Filter;
pub use gate::{Gate, ReclaimAfter, Suspending};
pub use pricing::{Adjust, DurationStep, Pricing, UtilisationPoint};
pub use series::Series;
pub use units::{Bytes, Decimal, Moment, Seconds, UnitError};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("failed to read the configuration file {}", path.display())]
    ReadFile {
        /// The path that was tried.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The text is not the TOML that we want.
    #[error("failed to parse the configuration at {path}: {reason}")]
    Parse {
        /// Dotted path of the key at fault; `.` is the whole document.
        path: String,
        /// The parser's message, with line and column.
        reason: String,
    },
    /// Every value is well formed, but two of them contradict each other.
    #[error("the configuration contradicts itself at {path}: {reason}")]
    Contradiction {
        /// Dotted path of the key at fault.
        path: &'static str,
        /// What is wrong and what to do.
        reason: &'static str,
    },
}

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub chain: Chain,
    pub provider: Provider,
    pub gateway: Gateway,
    pub pricing: Pricing,
    #[serde(default)]
    pub kubernetes: Kubernetes,
    #[serde(default)]
    pub admin: Admin,
    #[serde(default)]
    pub terms: Terms,
    #[serde(default)]
    pub offer: Offer,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub bidding: Bidding,
    #[serde(default)]
    pub filter: Filter,
    #[serde(default)]
    pub settlement: Settlement,
    #[serde(default)]
    pub resync: Resync,
    #[serde(default)]
    pub series: Series,
}

/// Who sells.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The cold owner address, which is the provider's identity.
    pub owner: Address,
    /// File with the hot operator key, 32 bytes as hex, mode 0400 or 0600 or a mounted Secret.
    pub operator_key_file: PathBuf,
}

/// The HTTPS endpoint for tenants.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub public_url: url::Url,
    #[serde(default = "defaults::gateway_listen")]
    pub listen: SocketAddr,
    /// PEM certificate chain; without it the agent makes its own, whose key is derived from the operator key.
    pub certificate_file: Option<PathBuf>,
    /// PEM private key of `certificate_file`.
    pub key_file: Option<PathBuf>,
    /// The longest time for one request, log streams with `follow` excepted.
    #[serde(default = "defaults::request_timeout")]
    pub request_timeout: Seconds,
    /// Requests that one signer may send per second, on average.
    #[serde(default = "defaults::requests_per_second")]
    pub requests_per_second: u32,
    /// Requests that one signer may send at once.
    #[serde(default = "defaults::request_burst")]
    pub request_burst: u32,
}

/// Where the agent's own objects live.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kubernetes {
    /// The system namespace, with the `ComputeLease` objects and manifest Secrets.
    pub namespace: String,
    pub cluster_domain: String,
    /// The ConfigMap in that namespace that holds the transactions on their way. No two agents may share one.
    pub journal: String,
    /// Storage that may be sold in this cluster. Default: the sum of the nodes' allocatable ephemeral storage.
    pub storage_capacity: Option<Bytes>,
    /// Nodes that the operator puts leases on; only their room is sold.
    pub tenant_nodes: TenantNodes,
}

/// The endpoint for probes and metrics, inside the cluster only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    pub listen: SocketAddr,
}

/// The terms of every bid that are not prices. Money is in whole tokens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// No bids while the provider's bond is below this.
    pub min_bond: Decimal,
    /// The most that an arbiter may take from the bond for one lease; this much of the bond is locked per lease.
    pub max_slash: Decimal,
    /// What a tenant is owed when its lease was neither confirmed nor declined in time.
    pub no_show_penalty: Decimal,
    /// How long a bid may be accepted.
    pub bid_validity: Seconds,
    /// How long after acceptance the workloads may take to become ready.
    pub start_window: Seconds,
    /// The longest lease.
    pub max_duration: Seconds,
    /// The notice that the provider owes when it takes its capacity back.
    pub notice_period: Seconds,
    /// The provider's share of a contested sum when the arbiter stays silent, in basis points.
    pub split_bps: u16,
    /// Who decides disputes; absent means that silence splits.
    pub arbiter: Option<Address>,
    /// The deposit must cover this much time at the full rate (or the order's duration, if shorter).
    pub min_prepaid: Seconds,
    /// A lease that is not ready this long before its start window ends is declined.
    pub decline_margin: Seconds,
}

/// What is on offer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Offer {
    pub tiers: Vec<TierName>,
    /// Attributes that an order may ask for.
    pub attributes: BTreeMap<String, String>,
    /// Orders of tenants with less than this available in the market are ignored, in whole tokens.
    pub min_tenant_available: Decimal,
}

/// An isolation tier by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TierName {
    Strict,
    Userns,
    Sandboxed,
}

impl From<TierName> for Tier {
    fn from(name: TierName) -> Self {
        match name {
            TierName::Strict => Self::Strict,
            TierName::Userns => Self::Userns,
            TierName::Sandboxed => Self::Sandboxed,
        }
    }
}

/// Bounds on what one tenant, or all of them together, may take.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bids that may wait for acceptance at a time. Each can cost a no-show penalty during an outage.
    pub max_outstanding_bids: u32,
    pub max_cpu_milli: Option<u64>,
    pub max_memory: Option<Bytes>,
    pub max_storage: Option<Bytes>,
    pub max_egress_per_second: Option<Bytes>,
}

/// When usage becomes money.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settlement {
    /// The shortest time between two settlements of a running lease.
    pub interval: Seconds,
    /// A running lease settles only when at least this much is signed and unpaid, in whole tokens.
    pub minimum_amount: Decimal,
    /// What one whole coin of the chain is worth, in whole tokens. Without it gas is not counted.
    pub coin_price: Option<Decimal>,
    /// A settlement of running leases moves at least this many times what its gas costs.
    pub gas_multiple: u32,
    /// What has waited this long is settled as soon as it pays for its own gas.
    pub longest_hold: Seconds,
    /// How long before a lease's money runs out at its full rate the agent warns of it.
    pub warn_before: Seconds,
    /// How long after the end the tenant may take to sign before the agent claims alone.
    pub countersign_timeout: Seconds,
    /// What follows from usage that is not signed.
    pub gate: Gate,
}

/// How often everything is rebuilt from the chain and the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resync {
    pub interval: Seconds,
}

impl Config {
    /// Reads and parses `path`.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::ReadFile { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Parses and checks a whole document.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parse_error =
            |path: String, reason: toml::de::Error| Error::Parse { path, reason: reason.to_string() };
        let document = toml::Deserializer::parse(text).map_err(|error| parse_error(".".into(), error))?;
        let config: Self = serde_path_to_error::deserialize(document)
            .map_err(|error| parse_error(error.path().to_string(), error.into_inner()))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Error> {
        let contradiction = |path, reason| Err(Error::Contradiction { path, reason });
        if let Some((path, reason)) = self.chain.contradiction() {
            return contradiction(path, reason);
        }
        if self.gateway.certificate_file.is_some() != self.gateway.key_file.is_some() {
            return contradiction("gateway", "give both certificate_file and key_file, or neither");
        }
        if self.gateway.public_url.scheme() != "https" || self.gateway.public_url.host().is_none() {
            return contradiction("gateway.public_url", "must be https://HOST or https://HOST:PORT");
        }
        if self.gateway.requests_per_second == 0 || self.gateway.request_burst == 0 {
            return contradiction("gateway.requests_per_second", "rates of zero would refuse every request");
        }
        if self.pricing.cpu_core_hour.is_none() || self.pricing.memory_gib_hour.is_none() {
            return contradiction("pricing", "cpu_core_hour and memory_gib_hour are required");
        }
        if self.terms.split_bps > 10_000 {
            return contradiction("terms.split_bps", "is at most 10000");
        }
        if self.terms.decline_margin >= self.terms.start_window {
            return contradiction("terms.decline_margin", "must be shorter than terms.start_window");
        }
        if self.terms.max_duration == Seconds(0) || self.terms.bid_validity == Seconds(0) {
            return contradiction("terms", "max_duration and bid_validity must be longer than zero");
        }
        if self.offer.tiers.is_empty() {
            return contradiction("offer.tiers", "offer at least one tier");
        }
        let contradictions = [
            self.filter.contradiction(&self.terms),
            self.settlement.gate.contradiction(),
            self.series.contradiction(),
        ];
        if let Some((path, reason)) = contradictions.into_iter().flatten().next() {
            return contradiction(path, reason);
        }
        if self.chain.poll_interval == Seconds(0) || self.resync.interval == Seconds(0) {
            return contradiction(
                "resync.interval",
                "chain.poll_interval and resync.interval must not be zero",
            );
        }
        Ok(())
    }
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self {
            namespace: "leasehold-system".into(),
            cluster_domain: "cluster.local".into(),
            journal: "leasehold-agent-transactions".into(),
            storage_capacity: None,
            tenant_nodes: TenantNodes::default(),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)) }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            min_bond: Decimal::ZERO,
            max_slash: Decimal::ZERO,
            no_show_penalty: Decimal::ZERO,
            bid_validity: Seconds(300),
            start_window: Seconds(1800),
            max_duration: Seconds(30 * 24 * 3600),
            notice_period: Seconds(24 * 3600),
            split_bps: 5000,
            arbiter: None,
            min_prepaid: Seconds(3600),
            decline_margin: Seconds(120),
        }
    }
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            tiers: vec![TierName::Strict],
            attributes: BTreeMap::new(),
            min_tenant_available: Decimal::ZERO,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_outstanding_bids: 50,
            max_cpu_milli: None,
            max_memory: None,
            max_storage: None,
            max_egress_per_second: None,
        }
    }
}

impl Default for Settlement {
    fn default() -> Self {
        Self {
            interval: Seconds(3 * 24 * 3600),
            minimum_amount: Decimal::ZERO,
            coin_price: None,
            gas_multiple: 200,
            longest_hold: Seconds(7 * 24 * 3600),
            warn_before: Seconds(24 * 3600),
            countersign_timeout: Seconds(3600),
            gate: Gate::default(),
        }
    }
}

impl Default for Resync {
    fn default() -> Self {
        Self { interval: Seconds(60) }
    }
}

mod defaults {
    //! Defaults of keys whose section has required keys beside them.

    use super::{Ipv4Addr, Seconds, SocketAddr};

    pub(super) fn gateway_listen() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443))
    }

    pub(super) fn request_timeout() -> Seconds {
        Seconds(30)
    }

    pub(super) fn requests_per_second() -> u32 {
        20
    }

    pub(super) fn request_burst() -> u32 {
        60
    }
}

#[cfg(test)]
mod tests;
