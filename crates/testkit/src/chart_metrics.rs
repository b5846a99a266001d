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
    let mut expressions = expressions(&serde_json::from_str(&read("files/dashboard.json")?)?);
    expressions.extend(alerts()?);
    let mut names = BTreeSet::new();
    for expression in expressions {
        names.extend(metrics(&expression)?);
    }
    ensure!(!names.is_empty(), "the chart names no metric");
    Ok(names)
}

/// The counters of a prefix whose growth an alert waits for and that are not among these metrics of a process that has just
/// begun. Prometheus sees no growth in a series that appears: its zero has to be there before.
pub fn without_a_zero(metrics: &str, prefix: &str) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for expression in alerts()? {
        let grown = expression.split("increase(").skip(1).filter_map(|rest| rest.split('[').next());
        for selector in grown.filter(|selector| selector.starts_with(prefix)) {
            if !metrics.lines().any(|line| is_of(line, selector)) {
                missing.push(selector.to_owned());
            }
        }
    }
    Ok(missing)
}

/// Whether a line of metrics is of a selector of equalities, but for the namespace, which Prometheus adds.
fn is_of(line: &str, selector: &str) -> bool {
    let (name, labels) = selector.split_once('{').unwrap_or((selector, ""));
    let Some(rest) = line.strip_prefix(name) else { return false };
    let labels = labels.trim_end_matches('}').split(',').map(str::trim);
    let mut ours = labels.filter(|label| !label.is_empty() && !label.starts_with("namespace="));
    rest.starts_with(['{', ' ']) && ours.all(|label| rest.contains(label))
}

fn read(path: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/leasehold").join(path);
    std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
}

/// The queries of the rendered alerts: a golden file that the chart's own tests keep right.
fn alerts() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for document in read("tests/monitoring.yaml")?.split("---\n").filter(|document| !document.is_empty()) {
        let document: Value = serde_saphyr::from_str(document).context("failed to parse the alerts")?;
        found.extend(expressions(&document));
    }
    Ok(found)
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
    fn a_counter_without_its_zero_is_found() {
        let zero = "meter_gap_seconds_total 0\nmeter_quarantined_samples_total{reason=\"went_back\"} 0\n";
        let missing = without_a_zero(zero, "meter_").unwrap();
        let commits = "meter_ledger_commits_total{namespace=\"leasehold-system\",result=\"error\"}";
        assert_eq!(missing, [commits]);
        let other = format!("{zero}meter_ledger_commits_total{{result=\"ok\"}} 1\n");
        assert_eq!(without_a_zero(&other, "meter_").unwrap(), [commits]);
        let whole = format!("{zero}meter_ledger_commits_total{{result=\"error\"}} 0\n");
        assert!(without_a_zero(&whole, "meter_").unwrap().is_empty());
    }

    #[test]
    fn the_chart_names_metrics_of_every_binary() {
        let names = named().unwrap();
        for prefix in PREFIXES {
            assert!(names.iter().any(|name| name.starts_with(prefix)), "{prefix}: {names:?}");
        }
    }
}
