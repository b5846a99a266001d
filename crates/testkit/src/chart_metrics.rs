//! The metrics that the chart's alerts and dashboard are made of, so that each binary's tests can say whether it has them.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Where our metrics come from, and the one of the kubelet's that an alert needs.
const PREFIXES: [&str; 4] = ["agent_", "meter_", "operator_", "kubelet_volume_stats_"];
/// Words of the query language with an underscore.
const WORDS: [&str; 4] = ["group_left", "histogram_quantile", "label_values", "predict_linear"];

/// Every metric that the chart names, without the suffixes of histograms.
pub fn named() -> Result<BTreeSet<String>> {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/leasehold");
    let read = |path: &str| {
        let path = chart.join(path);
        std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
    };
    let mut expressions = expressions(&serde_json::from_str(&read("files/dashboard.json")?)?);
    // The rendered alerts: a golden file that the chart's own tests keep right.
    for document in read("tests/monitoring.yaml")?.split("---\n").filter(|document| !document.is_empty()) {
        let document: Value = serde_saphyr::from_str(document).context("failed to parse the alerts")?;
        expressions.extend(self::expressions(&document));
    }
    let mut names = BTreeSet::new();
    for expression in expressions {
        names.extend(metrics(&expression)?);
    }
    ensure!(!names.is_empty(), "the chart names no metric");
    Ok(names)
}

/// Every query in a dashboard or a rule.
fn expressions(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if name == "expr" || name == "query" => vec![text.clone()],
                value => expressions(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

/// The metrics of a query. Labels and their values are not looked at.
fn metrics(query: &str) -> Result<BTreeSet<String>> {
    let mut bare = String::new();
    let mut depth = 0_u32;
    for c in query.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            c if depth == 0 => bare.push(c),
            _ => {}
        }
        if c == '}' {
            bare.push(' ');
        }
    }
    let words = bare.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut names = BTreeSet::new();
    for word in words.filter(|word| word.contains('_') && !WORDS.contains(word)) {
        ensure!(PREFIXES.iter().any(|prefix| word.starts_with(prefix)), "{word} is nobody's metric");
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| word.strip_suffix(suffix));
        // `operator_leases_count` is a gauge and no histogram's.
        let name = base.filter(|base| base.ends_with("_seconds")).unwrap_or(word);
        names.insert(name.to_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn metrics_are_found_among_labels_and_functions() {
        let query = "sum by (le) (rate(meter_x_seconds_bucket{result=\"some_thing\"}[5m])) / on (pod) group_left operator_y > 3";
        let expected = ["meter_x_seconds", "operator_y"].map(str::to_owned);
        assert_eq!(metrics(query).unwrap(), BTreeSet::from(expected));
        assert!(metrics("rate(node_load_average[5m])").is_err());
    }

    #[test]
    fn the_chart_names_metrics_of_every_binary() {
        let names = named().unwrap();
        for prefix in PREFIXES {
            assert!(names.iter().any(|name| name.starts_with(prefix)), "{prefix}: {names:?}");
        }
    }
}
