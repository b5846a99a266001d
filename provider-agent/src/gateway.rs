//! The HTTPS endpoint for tenants.
//!
//! ```text
//! TLS ─▶ route ─▶ header ─▶ lease and claimed signer ─▶ body limit ─▶ signature ─▶ nonce ─▶ rate ─▶ handler
//!                 └────────────────────── middleware::admit, one file per check ───────────────────┘
//! ```
//! `GET /v1/provider` and `/healthz` alone are unsigned. Cheap checks come first; nothing is remembered about a stranger.
//! Handlers read the core's view of a lease and ask the core for writes; they decide nothing about money. The series of usage alone is
//! also shown of leases that are over: `middleware::admit_past` asks the series who owned them.

pub mod connections;
pub mod error;
pub mod forwarder;
mod middleware;
mod router;
mod routes;
mod slots;
pub mod tls;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chain::Eip712;
use gateway_api::NonceCache;
use gateway_api::auth::Audience;
use market::{Address, Timestamp};

use crate::inbox::AgentHandle;
use crate::series::Series;
use forwarder::Forwarder;
use middleware::body::Bodies;
use middleware::rate::Rates;
use slots::Slots;

pub use router::router;

/// Nonces of one minute and a bit, over all signers.
const NONCE_CAPACITY: usize = 200_000;
/// Pods whose logs may be streamed at a time, over all leases and for one of them. A service has 64 pods at most.
const LOG_STREAMS: usize = 1024;
const LOG_STREAMS_OF_A_LEASE: usize = 64;
/// Forwarded requests of one lease that may be on their way at a time. The number of connections bounds them all.
const FORWARDS: usize = 1024;
const FORWARDS_OF_A_LEASE: usize = 64;

/// What the handlers share.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

struct Shared {
    agent: AgentHandle,
    settings: Settings,
    nonces: Mutex<NonceCache>,
    rates: Mutex<Rates>,
    cluster: kube::Client,
    series: Series,
    forwarder: Forwarder,
    log_streams: Slots,
    forwards: Slots,
    bodies: Bodies,
}

/// The constants of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub provider: Address,
    pub market: Address,
    pub chain_id: u64,
    pub eip712: Eip712,
    pub tiers: Vec<market::Tier>,
    pub cluster_domain: String,
    pub request_timeout: Duration,
    pub requests_per_second: u32,
    pub request_burst: u32,
    /// When this process began to remember nonces.
    pub started_at: Timestamp,
    /// Time is an input, so that tests can choose it.
    pub clock: fn() -> Timestamp,
}

impl Gateway {
    /// A gateway in front of `agent`.
    pub fn new(agent: AgentHandle, cluster: kube::Client, series: Series, settings: Settings) -> Self {
        // A signer that keeps to its rate can never fill its share of the nonces.
        let per_signer = usize::try_from(settings.requests_per_second)
            .unwrap_or(usize::MAX)
            .saturating_mul(80)
            .saturating_add(usize::try_from(settings.request_burst).unwrap_or(usize::MAX));
        Self(Arc::new(Shared {
            agent,
            nonces: Mutex::new(NonceCache::new(NONCE_CAPACITY, per_signer)),
            rates: Mutex::new(Rates::new(settings.requests_per_second, settings.request_burst)),
            cluster,
            series,
            forwarder: Forwarder::new(settings.request_timeout),
            log_streams: Slots::new(LOG_STREAMS, LOG_STREAMS_OF_A_LEASE),
            forwards: Slots::new(FORWARDS, FORWARDS_OF_A_LEASE),
            bodies: Bodies::default(),
            settings,
        }))
    }
}

impl Gateway {
    fn shared(&self) -> &Shared {
        &self.0
    }
}

impl Settings {
    fn audience(&self) -> Audience {
        Audience { chain_id: self.chain_id, provider: self.provider }
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

#[cfg(test)]
mod tests;
