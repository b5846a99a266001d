//! What the watches tell of themselves.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use tokio::time::Duration;

/// Why a watch began again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartCause {
    /// The API server ended it, as it was asked to.
    Ended,
    /// The connection broke, or the API server refused.
    Failed,
    /// Nothing came for too long.
    Silent,
}

impl RestartCause {
    /// Its word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::Silent => "silent",
        }
    }
}

/// Metrics of all watches of a process. Cloning shares them.
#[derive(Clone, Debug)]
pub struct WatchMetrics {
    age: IntGaugeVec,
    restarts: IntCounterVec,
    lists: IntCounterVec,
}

impl WatchMetrics {
    /// Registers everything under the name of a process: `operator` or `meter`.
    pub fn register(process: &'static str, registry: &Registry) -> Result<Self, prometheus::Error> {
        let name = |noun: &str| format!("{process}_watch_{noun}");
        let metrics = Self {
            age: IntGaugeVec::new(
                Opts::new(name("age_seconds"), "Time since the last sign of life of a watch."),
                &["kind"],
            )?,
            restarts: IntCounterVec::new(
                Opts::new(
                    name("restarts_total"),
                    "Watches that were begun again, by how the one before ended.",
                ),
                &["kind", "cause"],
            )?,
            lists: IntCounterVec::new(
                Opts::new(name("lists_total"), "Lists that a watch needed before it could begin."),
                &["kind"],
            )?,
        };
        registry.register(Box::new(metrics.age.clone()))?;
        registry.register(Box::new(metrics.restarts.clone()))?;
        registry.register(Box::new(metrics.lists.clone()))?;
        Ok(metrics)
    }

    pub(super) fn restarted(&self, kind: &'static str, cause: RestartCause) {
        self.restarts.with_label_values(&[kind, cause.as_str()]).inc();
    }

    pub(super) fn listed(&self, kind: &'static str) {
        self.lists.with_label_values(&[kind]).inc();
    }

    pub(super) fn set_age(&self, kind: &'static str, age: Duration) {
        self.age.with_label_values(&[kind]).set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    }

    /// Watches of a kind that began again for this cause.
    pub fn restarts(&self, kind: &str, cause: RestartCause) -> u64 {
        self.restarts.with_label_values(&[kind, cause.as_str()]).get()
    }

    /// Lists of a kind.
    pub fn lists(&self, kind: &str) -> u64 {
        self.lists.with_label_values(&[kind]).get()
    }

    /// Seconds since the last sign of life, as it was last looked at.
    pub fn age(&self, kind: &str) -> i64 {
        self.age.with_label_values(&[kind]).get()
    }
}
