//! Counters of the tenants' name server. Labels are closed words; nothing here holds a name that was asked.

use prometheus::{Histogram, HistogramOpts, IntCounterVec, Opts, Registry};

use crate::watches::WatchMetrics;

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A name of the asker's lease.
    Own,
    /// A name of the internet, answered from there.
    Public,
    /// A name that the asker may not know of, or that there is not.
    Absent,
    /// The provider's resolvers did not answer.
    Failed,
    /// A type or class that is not answered.
    Refused,
    /// Bytes that are no question.
    Malformed,
    /// From an address that is no lease's.
    Stranger,
    /// Too many from one pod.
    Limited,
    /// Too much at once, from one lease or from all.
    Overloaded,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 9] = [
        Self::Own,
        Self::Public,
        Self::Absent,
        Self::Failed,
        Self::Refused,
        Self::Malformed,
        Self::Stranger,
        Self::Limited,
        Self::Overloaded,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Public => "public",
            Self::Absent => "absent",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::Stranger => "stranger",
            Self::Limited => "limited",
            Self::Overloaded => "overloaded",
        }
    }
}

/// All metrics of the name server. Cloning shares the counters.
#[derive(Clone, Debug)]
pub struct DnsMetrics {
    /// Of the watches.
    pub watches: WatchMetrics,
    /// Questions by outcome.
    pub queries: IntCounterVec,
    /// Seconds until an answer was ready.
    pub seconds: Histogram,
    /// Interrupted watches by kind.
    pub watch_errors: IntCounterVec,
}

impl DnsMetrics {
    /// Registers everything.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let seconds = HistogramOpts::new("operator_dns_answer_seconds", "Time until an answer was ready.")
            .buckets(vec![0.0005, 0.002, 0.01, 0.05, 0.25, 1.0, 4.0]);
        let metrics = Self {
            watches: WatchMetrics::register("operator_dns", registry)?,
            queries: IntCounterVec::new(
                Opts::new("operator_dns_queries_total", "Questions of tenants."),
                &["outcome"],
            )?,
            seconds: Histogram::with_opts(seconds)?,
            watch_errors: IntCounterVec::new(
                Opts::new("operator_dns_watch_errors_total", "Interrupted watches of the name server."),
                &["kind"],
            )?,
        };
        // A rate needs its zero.
        for outcome in Outcome::ALL {
            metrics.queries.with_label_values(&[outcome.as_str()]).inc_by(0);
        }
        registry.register(Box::new(metrics.queries.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.watch_errors.clone()))?;
        Ok(metrics)
    }

    /// Counts the end of a question.
    pub fn count(&self, outcome: Outcome) {
        self.queries.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Questions that ended so.
    pub fn counted(&self, outcome: Outcome) -> u64 {
        self.queries.with_label_values(&[outcome.as_str()]).get()
    }
}
