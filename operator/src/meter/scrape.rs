//! Asks the kubelets of the nodes that run leases, and hands their readings to the accounts.

use std::{collections::BTreeMap, net::IpAddr};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::time::{Duration, Instant};
use usage::Verdict;

use super::{Meter, kubelet::Summary, millis};

/// Scrapes of a node that may be missed before the time without one counts as a gap.
const GAP: u32 = 3;
/// Nodes that are asked at the same time.
const PARALLEL: usize = 8;

/// Whether every node answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scraped {
    /// All did, or there was none to ask.
    All,
    /// At least one did not.
    Some,
}

/// A tenth earlier or later, so that many meters do not fall into step. The spread follows from the turn
/// alone: nothing depends on its being unpredictable.
pub(super) fn jittered(interval: Duration, turn: u32) -> Duration {
    // Multiplying by an odd constant walks through all residues in a scattered order.
    let scattered = turn.wrapping_mul(2_654_435_761) >> 16;
    interval * 9 / 10 + interval / 5 * (scattered % 256) / 256
}

impl Meter {
    /// Asks these nodes.
    pub(super) async fn scrape(&self, nodes: &BTreeMap<String, IpAddr>, now: Timestamp) -> Scraped {
        let answers: Vec<Scraped> = stream::iter(nodes.clone())
            .map(|(name, address)| async move { self.scrape_node(&name, address, now).await })
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        if answers.contains(&Scraped::Some) { Scraped::Some } else { Scraped::All }
    }

    async fn scrape_node(&self, name: &str, address: IpAddr, now: Timestamp) -> Scraped {
        let metrics = &self.metrics;
        let started = Instant::now();
        let answer = self.kubelets.summary(address).await;
        metrics.scrape_seconds.observe(started.elapsed().as_secs_f64());
        match answer {
            Ok(summary) => {
                metrics.scrapes.with_label_values(&["ok"]).inc();
                // Readings are newer than the look at the clock before the scrape.
                let read_at = now.saturating_add(started.elapsed()).unwrap_or(now);
                self.take(&summary, read_at);
                let mut state = self.lock();
                state.conservation.take(name, &summary, millis(read_at));
                let silent = Duration::from_millis(state.sight.answered(name, millis(now)).unwrap_or(0));
                if silent > self.settings.scrape_interval * GAP {
                    metrics.gap_seconds.inc_by(silent.as_secs());
                }
                Scraped::All
            }
            Err(error) => {
                metrics.scrapes.with_label_values(&["error"]).inc();
                tracing::warn!(node = name, error = &error as &dyn std::error::Error, "failed to scrape");
                Scraped::Some
            }
        }
    }

    fn take(&self, summary: &Summary, now: Timestamp) {
        let mut state = self.lock();
        for account in state.accounts.values_mut().filter(|account| !account.is_finished()) {
            let pods = summary.pods.iter().filter(|pod| pod.pod_ref.namespace == account.namespace());
            for pod in pods.cloned().collect::<Vec<_>>() {
                for verdict in account.sample(&pod, millis(now)) {
                    self.count(&pod.pod_ref.uid, verdict);
                }
            }
        }
    }

    fn count(&self, pod: &str, verdict: Verdict) {
        let result = match verdict {
            Verdict::Baseline => "baseline",
            Verdict::Credited(_) => "accepted",
            Verdict::OutsideTerm => "outside_term",
            Verdict::NotNewer => "stale",
            Verdict::Future => "future",
            Verdict::UnknownPod => "unknown",
            Verdict::Quarantined(reason) => {
                let label = match reason {
                    usage::QuarantineReason::WentBack => "went_back",
                    usage::QuarantineReason::AboveLimit => "above_limit",
                };
                self.metrics.quarantined.with_label_values(&[label]).inc();
                tracing::warn!(pod, reason = label, "a reading cannot be true and was not counted");
                "quarantined"
            }
        };
        self.metrics.samples.with_label_values(&[result]).inc();
    }
}
