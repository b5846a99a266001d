//! The agent's metrics. Labels are closed enums; no ids, no names, no error texts.

use std::sync::Arc;

use chain::{NodeDeed, NodeWatch};
use gateway_api::RefusalReason;
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// The handles.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub orders_seen: IntCounter,
    pub bids_placed: IntCounter,
    pub declines: IntCounterVec,
    pub lease_declines: IntCounterVec,
    pub order_to_bid: Histogram,
    pub transactions: IntCounterVec,
    pub items_skipped: IntCounterVec,
    pub head_lag: IntGauge,
    pub head_number: IntGauge,
    pub node_answers: IntCounterVec,
    pub leases: IntGauge,
    pub leases_running_out: IntGauge,
    pub gas_balance_low: IntGauge,
    pub cluster_writes: IntCounterVec,
    pub foreign_objects: IntCounter,
    pub disputes: IntCounter,
    pub statement_refusals: IntCounterVec,
    pub unacknowledged: IntGaugeVec,
    pub leases_suspended: IntGauge,
    pub usage_series_writes: IntCounterVec,
}

impl Metrics {
    /// Makes and registers all of them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name, help| register(registry, IntCounter::new(name, help)?);
        let gauge = |name, help| register(registry, IntGauge::new(name, help)?);
        let counters = |name, help, labels: &[&str]| {
            register(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let order_to_bid = HistogramOpts::new(
            "agent_order_to_bid_seconds",
            "Seconds from the block of an order to the block of its bid.",
        )
        .buckets(vec![1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 60.0, 120.0, 300.0]);
        let metrics = Self {
            orders_seen: counter("agent_orders_seen_total", "Orders that were open when they were seen.")?,
            bids_placed: counter("agent_bids_placed_total", "Bids that are on chain.")?,
            declines: counters("agent_declines_total", "Reasons against bids.", &["reason"])?,
            lease_declines: counters(
                "agent_lease_declines_total",
                "Open leases that were given back, by reason.",
                &["reason"],
            )?,
            order_to_bid: register(registry, Histogram::with_opts(order_to_bid)?)?,
            transactions: counters(
                "agent_tx_total",
                "Transactions by call and outcome.",
                &["call", "outcome"],
            )?,
            items_skipped: counters(
                "agent_items_skipped_total",
                "Items of batches that the contract passed over, by call.",
                &["call"],
            )?,
            head_lag: gauge("agent_chain_head_lag_seconds", "Age of the newest block.")?,
            head_number: gauge("agent_chain_head_number", "Height of the newest block.")?,
            node_answers: counters(
                "agent_chain_node_answers_total",
                "What the nodes of the chain did, by their place in the configuration.",
                &["node", "outcome"],
            )?,
            leases: gauge("agent_leases", "Leases that are not over.")?,
            leases_running_out: gauge(
                "agent_leases_running_out_of_funds",
                "Running leases whose money lasts no longer than `settlement.warn_before`.",
            )?,
            gas_balance_low: gauge(
                "agent_gas_balance_low",
                "1 when the operator key is short of gas money.",
            )?,
            cluster_writes: counters(
                "agent_cluster_writes_total",
                "Writes to the Kubernetes API by kind and outcome.",
                &["kind", "outcome"],
            )?,
            foreign_objects: counter(
                "agent_foreign_compute_leases_total",
                "Observations of ComputeLeases of another chain, market or provider.",
            )?,
            disputes: counter("agent_leases_disputed_total", "Leases whose claim was disputed.")?,
            statement_refusals: counters(
                "agent_statement_refusals_total",
                "Proposed statements that tenants' clients refused to sign, by their reason.",
                &["reason"],
            )?,
            unacknowledged: register(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "agent_unacknowledged_value",
                        "What running leases have used and nobody signed, in millionths of a token, by what follows.",
                    ),
                    &["standing"],
                )?,
            )?,
            leases_suspended: gauge(
                "agent_leases_suspended",
                "Running leases that are paused because their tenants do not sign.",
            )?,
            usage_series_writes: counters(
                "agent_usage_series_writes_total",
                "Writes of the history of usage, by outcome. What fails costs history alone.",
                &["outcome"],
            )?,
        };
        // An alert on growth needs its zero.
        for reason in RefusalReason::ALL {
            metrics.statement_refusals.with_label_values(&[reason.label()]).inc_by(0);
        }
        let _first = metrics.watch_nodes(1);
        Ok(metrics)
    }

    /// Counts what each of so many nodes of the chain does, from zero on.
    pub fn watch_nodes(&self, nodes: usize) -> NodeWatch {
        let deeds = [NodeDeed::Answered, NodeDeed::Failed, NodeDeed::Contradicted];
        let counter = |node: usize, deed| {
            self.node_answers.with_label_values(&[node.to_string().as_str(), label(deed)])
        };
        let counters: Vec<_> = (0..nodes).map(|node| deeds.map(|deed| (deed, counter(node, deed)))).collect();
        Arc::new(move |node, deed| {
            let of_node = counters.get(node).into_iter().flatten();
            of_node.filter(|(counted, _)| *counted == deed).for_each(|(_, counter)| counter.inc());
        })
    }
}

fn label(deed: NodeDeed) -> &'static str {
    match deed {
        NodeDeed::Answered => "answered",
        NodeDeed::Failed => "failed",
        NodeDeed::Contradicted => "contradicted",
    }
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    /// Whether the agent exports a metric: a second one of its name is refused.
    fn is_exported(registry: &Registry, name: &str) -> bool {
        registry.register(Box::new(IntGauge::new(name, "another").unwrap())).is_err()
    }

    #[test]
    fn whatever_alerts_and_dashboard_name_is_exported() {
        let registry = Registry::new();
        Metrics::new(&registry).unwrap();
        let named = testkit::chart_metrics::named().unwrap();
        let ours = named.iter().filter(|name| name.starts_with("agent_"));
        let missing: Vec<_> = ours.filter(|name| !is_exported(&registry, name)).collect();
        assert_eq!(missing, Vec::<&String>::new(), "the chart names metrics that the agent does not have");
        assert!(!is_exported(&registry, "agent_no_such_thing"));
    }

    #[test]
    fn whatever_grows_for_an_alert_begins_at_zero() {
        let registry = Registry::new();
        Metrics::new(&registry).unwrap();
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert_eq!(testkit::chart_metrics::without_a_zero(&text, "agent_").unwrap(), Vec::<String>::new());
        for reason in RefusalReason::ALL {
            let zero = format!("agent_statement_refusals_total{{reason=\"{}\"}} 0\n", reason.label());
            assert!(text.contains(&zero), "{zero}");
        }
    }
}
