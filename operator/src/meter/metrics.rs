//! Counters of the meter. Labels are closed words; nothing here names a lease or a tenant.

use prometheus::{GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::watches::WatchMetrics;

/// Why a sample is not believed.
const QUARANTINED: [&str; 2] = ["went_back", "above_limit"];

/// All metrics of the meter. Cloning shares the counters.
#[derive(Clone, Debug)]
pub struct MeterMetrics {
    /// Of the watches.
    pub watches: WatchMetrics,
    /// Scrapes by result: `ok`, `error`.
    pub scrapes: IntCounterVec,
    /// Pod samples by result: see `scrape::count`.
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
    /// Seconds per batch for the ledger.
    pub ledger_commit_seconds: Histogram,
    /// Age of the oldest publication that stands, of the leases that are being counted.
    pub publication_age_seconds: IntGauge,
    /// Time for which nodes did not answer, where it was longer than three scrapes.
    pub gap_seconds: IntCounter,
    /// CPU time of all pods by that of their common group: of the node where it is `lowest`, and where `highest`.
    pub conservation_ratio: GaugeVec,
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
            ledger_commit_seconds: Histogram::with_opts(
                HistogramOpts::new("meter_ledger_commit_seconds", "Time per batch for the ledger.")
                    .buckets(vec![0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0]),
            )?,
            publication_age_seconds: IntGauge::new(
                "meter_publication_age_seconds",
                "Age of the oldest publication of a lease that is being counted.",
            )?,
            gap_seconds: IntCounter::new(
                "meter_gap_seconds_total",
                "Time for which nodes did not answer, where it was longer than three scrapes.",
            )?,
            conservation_ratio: GaugeVec::new(
                Opts::new(
                    "meter_conservation_ratio",
                    "CPU time of all pods of a node by that of their group, over the last hour; the lowest and the highest of all nodes.",
                ),
                &["bound"],
            )?,
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
            ledger_commit_seconds,
            publication_age_seconds,
            gap_seconds,
            conservation_ratio,
            watch_errors,
        } = metrics.clone();
        for counter in [scrapes, samples, quarantined, api_writes, ledger_commits, watch_errors] {
            registry.register(Box::new(counter))?;
        }
        for histogram in [scrape_seconds, ledger_commit_seconds] {
            registry.register(Box::new(histogram))?;
        }
        for gauge in [lag_seconds, publication_age_seconds] {
            registry.register(Box::new(gauge))?;
        }
        for counter in [publications, gap_seconds] {
            registry.register(Box::new(counter))?;
        }
        registry.register(Box::new(conservation_ratio))?;
        // An alarm on growth needs its zero.
        for reason in QUARANTINED {
            metrics.quarantined.with_label_values(&[reason]).inc_by(0);
        }
        for result in ["ok", "error"] {
            metrics.scrapes.with_label_values(&[result]).inc_by(0);
            metrics.ledger_commits.with_label_values(&[result]).inc_by(0);
        }
        Ok(metrics)
    }
}

fn counters(name: &str, help: &str, label: &str) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name, help), &[label])
}
