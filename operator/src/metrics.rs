//! Counters of the operator; the meter has its own. Labels are closed words; nothing here names a lease or a tenant.

use std::time::Duration;

use crd::Phase;
use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::{canary::enforcement::Open, lease_controller::owned::Kind, watches::WatchMetrics};

/// How an object was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// POST.
    Create,
    /// Server-side apply.
    Apply,
    /// PUT.
    Replace,
    /// Any other patch.
    Patch,
    /// DELETE.
    Delete,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Apply => "apply",
            Self::Replace => "replace",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// What this replica does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// It works.
    Leader,
    /// It is ready to take over.
    Standby,
}

/// What the network canary found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// Both directions are enforced.
    Enforced,
    /// Some are not.
    Open(Open),
    /// Nothing.
    Nothing,
}

/// What [`Proved`] is counted as.
const PROVED: [&str; 3] = ["enforced", "open", "nothing"];

/// All metrics of the operator. Cloning shares the counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Of the watches.
    pub watches: WatchMetrics,
    api_writes: IntCounterVec,
    reconcile_seconds: Histogram,
    reconcile_errors: IntCounterVec,
    refusals: IntCounterVec,
    leases: IntGaugeVec,
    watch_errors: IntCounterVec,
    leader: IntGauge,
    leases_stuck: IntGauge,
    network_enforced: IntGaugeVec,
    network_proofs: IntCounterVec,
}

impl Metrics {
    /// Registers everything.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            watches: WatchMetrics::register("operator", registry)?,
            api_writes: counters(
                "operator_api_writes_total",
                "Writes to the API server.",
                &["kind", "verb"],
            )?,
            reconcile_seconds: histogram("operator_reconcile_duration_seconds", "Time per reconciliation.")?,
            reconcile_errors: counters(
                "operator_reconcile_errors_total",
                "Reconciliations that failed and will be repeated.",
                &["category"],
            )?,
            refusals: counters("operator_refusals_total", "Leases refused, by reason.", &["reason"])?,
            leases: IntGaugeVec::new(Opts::new("operator_leases_count", "Leases by phase."), &["phase"])?,
            watch_errors: counters("operator_watch_errors_total", "Interrupted watches.", &["kind"])?,
            leader: IntGauge::new(
                "operator_leader",
                "1 for the replica that works, 0 for one that stands by.",
            )?,
            leases_stuck: IntGauge::new(
                "operator_leases_stuck",
                "Leases whose removal takes longer than ten minutes.",
            )?,
            network_enforced: IntGaugeVec::new(
                Opts::new(
                    "operator_network_policy_enforced",
                    "1 where the canary's last word is that network policies are enforced, 0 where they are not; absent before.",
                ),
                &["direction"],
            )?,
            network_proofs: counters(
                "operator_network_proofs_total",
                "What the network canary found: enforced, open or nothing.",
                &["outcome"],
            )?,
        };
        registry.register(Box::new(metrics.api_writes.clone()))?;
        registry.register(Box::new(metrics.reconcile_seconds.clone()))?;
        registry.register(Box::new(metrics.reconcile_errors.clone()))?;
        registry.register(Box::new(metrics.refusals.clone()))?;
        registry.register(Box::new(metrics.leases.clone()))?;
        registry.register(Box::new(metrics.watch_errors.clone()))?;
        registry.register(Box::new(metrics.leader.clone()))?;
        registry.register(Box::new(metrics.leases_stuck.clone()))?;
        registry.register(Box::new(metrics.network_enforced.clone()))?;
        registry.register(Box::new(metrics.network_proofs.clone()))?;
        // An alert on growth needs its zero.
        for outcome in PROVED {
            metrics.network_proofs.with_label_values(&[outcome]).inc_by(0);
        }
        Ok(metrics)
    }

    /// Counts one write to the API server.
    pub fn api_write(&self, kind: Kind, verb: Verb) {
        self.api_writes.with_label_values(&[&kind.to_string(), verb.as_str()]).inc();
    }

    /// Reconciliations so far.
    pub fn reconciliations(&self) -> u64 {
        self.reconcile_seconds.get_sample_count()
    }

    /// All writes so far.
    pub fn api_writes(&self) -> u64 {
        self.writes_where(|_| true)
    }

    /// Writes of one kind so far.
    pub fn api_writes_of(&self, kind: Kind) -> u64 {
        self.writes_where(|label| label == kind.as_str())
    }

    fn writes_where(&self, is_counted: impl Fn(&str) -> bool) -> u64 {
        use prometheus::core::Collector;
        let families = self.api_writes.collect();
        let metrics = families.iter().flat_map(|family| family.get_metric());
        let kind = |metric: &prometheus::proto::Metric| {
            metric.get_label().iter().any(|label| label.name() == "kind" && is_counted(label.value()))
        };
        metrics.filter(|metric| kind(metric)).map(|metric| metric.get_counter().get_value() as u64).sum()
    }

    /// Notes one reconciliation.
    pub fn reconciled(&self, took: Duration) {
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// Counts one failed reconciliation.
    pub fn failed(&self, category: &'static str) {
        self.reconcile_errors.with_label_values(&[category]).inc();
    }

    /// Counts one refusal.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.with_label_values(&[reason]).inc();
    }

    /// Counts one interrupted watch.
    pub fn watch_interrupted(&self, kind: &'static str) {
        self.watch_errors.with_label_values(&[kind]).inc();
    }

    /// Sets whether this replica works.
    pub fn set_leader(&self, leadership: Leadership) {
        self.leader.set(i64::from(leadership == Leadership::Leader));
    }

    /// Whether this replica works.
    pub fn is_leader(&self) -> bool {
        self.leader.get() == 1
    }

    /// Sets how many leases do not go.
    pub fn set_stuck(&self, count: usize) {
        self.leases_stuck.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Notes what the network canary found. What found nothing leaves what was known.
    pub fn network_proved(&self, proved: Proved) {
        let (outcome, enforced) = match proved {
            Proved::Enforced => ("enforced", Some((1, 1))),
            Proved::Open(Open::Ingress) => ("open", Some((0, 1))),
            Proved::Open(Open::Egress) => ("open", Some((1, 0))),
            Proved::Open(Open::Both) => ("open", Some((0, 0))),
            Proved::Nothing => ("nothing", None),
        };
        self.network_proofs.with_label_values(&[outcome]).inc();
        if let Some((ingress, egress)) = enforced {
            self.network_enforced.with_label_values(&["ingress"]).set(ingress);
            self.network_enforced.with_label_values(&["egress"]).set(egress);
        }
    }

    /// Sets how many leases there are of each phase.
    pub fn set_leases(&self, phases: impl Iterator<Item = Phase> + Clone) {
        for phase in Phase::ALL {
            let count = phases.clone().filter(|other| *other == phase).count();
            self.leases.with_label_values(&[phase.as_str()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn histogram(name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
    Histogram::with_opts(
        HistogramOpts::new(name, help).buckets(vec![0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
    )
}

#[cfg(test)]
mod tests;
