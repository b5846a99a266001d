//! Counters of the meter. Labels are closed words; nothing here names a lease or a tenant.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::watches::WatchMetrics;

/// All metrics of the meter. Cloning shares the counters.
#[derive(Clone, Debug)]
pub struct MeterMetrics {
    /// Of the watches.
    pub watches: WatchMetrics,
    /// Scrapes by result: `ok`, `error`.
    pub scrapes: IntCounterVec,
    /// Pod samples by result: `accepted`, `stale`, `quarantined`, `unknown`.
    pub samples: IntCounterVec,
    /// Seconds per scrape of a node.
    pub scrape_seconds: Histogram,
    /// Age of the oldest newest sample of any lease that is being counted.
    pub lag_seconds: IntGauge,
    /// Samples that were not believed, by reason.
    pub quarantined: IntCounterVec,
    /// Publications of usage.
    pub publications: IntCounter,
    /// Writes to the API server by result: `ok`, `superseded`, `error`.
    pub api_writes: IntCounterVec,
    /// Batches for the ledger by result: `ok`, `error`.
    pub ledger_commits: IntCounterVec,
    /// Interrupted watches by kind.
    pub watch_errors: IntCounterVec,
}

impl MeterMetrics {
    /// Registers everything.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let scrape_seconds =
            HistogramOpts::new("meter_scrape_duration_seconds", "Time per scrape of a kubelet.")
                .buckets(vec![0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
        let metrics = Self {
            watches: WatchMetrics::register("meter", registry)?,
            scrapes: counters("meter_scrapes_total", "Scrapes of kubelets.", "result")?,
            samples: counters("meter_samples_total", "Samples of pods.", "result")?,
            scrape_seconds: Histogram::with_opts(scrape_seconds)?,
            lag_seconds: IntGauge::new(
                "meter_lag_seconds",
                "Age of the oldest newest sample of a metered pod.",
            )?,
            quarantined: counters(
                "meter_quarantined_samples_total",
                "Samples that were not believed.",
                "reason",
            )?,
            publications: IntCounter::new("meter_publications_total", "Publications of usage.")?,
            api_writes: counters("meter_api_writes_total", "Writes to the API server.", "result")?,
            ledger_commits: counters("meter_ledger_commits_total", "Batches for the ledger.", "result")?,
            watch_errors: counters("meter_watch_errors_total", "Interrupted watches.", "kind")?,
        };
        let Self {
            watches: _,
            scrapes,
            samples,
            scrape_seconds,
            lag_seconds,
            quarantined,
            publications,
            api_writes,
            ledger_commits,
            watch_errors,
        } = metrics.clone();
        for counter in [scrapes, samples, quarantined, api_writes, ledger_commits, watch_errors] {
            registry.register(Box::new(counter))?;
        }
        registry.register(Box::new(scrape_seconds))?;
        registry.register(Box::new(lag_seconds))?;
        registry.register(Box::new(publications))?;
        Ok(metrics)
    }
}

fn counters(name: &str, help: &str, label: &str) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name, help), &[label])
}
