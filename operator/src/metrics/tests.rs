use std::collections::BTreeSet;

use prometheus::TextEncoder;

use super::*;
use crate::{dns::metrics::DnsMetrics, meter::metrics::MeterMetrics};

/// Whether one of our processes exports a metric: a second one of its name is refused.
fn is_exported(registry: &Registry, name: &str) -> bool {
    registry.register(Box::new(IntGauge::new(name, "another").unwrap())).is_err()
}

fn all() -> Registry {
    let registry = Registry::new();
    Metrics::register(&registry).unwrap();
    MeterMetrics::register(&registry).unwrap();
    DnsMetrics::register(&registry).unwrap();
    registry
}

#[test]
fn whatever_alerts_and_dashboard_name_is_exported() {
    let registry = all();
    let named = testkit::chart_metrics::named().unwrap();
    let ours = named.iter().filter(|name| name.starts_with("operator_") || name.starts_with("meter_"));
    let missing: BTreeSet<_> = ours.filter(|name| !is_exported(&registry, name)).collect();
    assert_eq!(missing, BTreeSet::new(), "the chart names metrics that no process of ours has");
    assert!(!is_exported(&registry, "operator_no_such_thing"));
}

#[test]
fn whatever_grows_for_an_alert_begins_at_zero() {
    let text = TextEncoder::new().encode_to_string(&all().gather()).unwrap();
    for prefix in ["operator_", "meter_"] {
        let missing = testkit::chart_metrics::without_a_zero(&text, prefix).unwrap();
        assert_eq!(missing, Vec::<String>::new(), "{prefix}");
    }
}
