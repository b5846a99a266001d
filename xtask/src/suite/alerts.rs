//! The chart's alerts and dashboard, as a real Prometheus reads them: Debian's `promtool`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Log,
    charts::{chart, documents, must_fail},
};
use crate::tools::{debian, repository};

/// What promtool is told to do in the file of cases. Fields that are promtool's alone are left to it.
#[derive(Deserialize)]
struct Cases {
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    alert_rule_test: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    alertname: String,
    exp_alerts: Vec<Value>,
}

/// Whether an alert has a case in which it fires, and one in which it does not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Covered {
    fires: bool,
    is_quiet: bool,
}

/// Checks the alerts of a chart that was rendered with all of them.
pub(super) fn run(log: &mut Log, rendered: &str) -> anyhow::Result<()> {
    let promtool = debian::promtool()?;
    let folder = tempfile::tempdir()?;
    let rules = rules(&documents(rendered, &["PrometheusRule"]))?;
    let write = |rules: &Value| {
        fs::write(folder.path().join("rules.yaml"), serde_json::to_vec(rules)?)
            .context("failed to write the rules")
    };
    write(&rules)?;
    let cases = chart().join("tests/alerts.yaml");
    let text = fs::read_to_string(&cases).with_context(|| format!("failed to read {}", cases.display()))?;
    // Promtool looks for the rules beside the cases.
    fs::write(folder.path().join("cases.yaml"), &text)?;
    let test = || {
        let mut test = Command::new(&promtool);
        test.args(["test", "rules", "cases.yaml"]).current_dir(folder.path());
        test
    };
    log.check("Prometheus reads the alerts", |log| {
        log.command(Command::new(&promtool).args(["check", "rules", "rules.yaml"]).current_dir(folder.path()))
    })?;
    log.check("each alert has a case in which it fires and one in which it does not", |_| {
        let cases = serde_saphyr::from_str(&text).context("failed to parse the cases")?;
        all_covered(&names(&rules), &cases)
    })?;
    log.check("the alerts fire in their cases, and only there", |log| log.command(&mut test()))?;
    log.check("alerts that never fire fail their cases", |_| {
        write(&silenced(rules.clone()))?;
        must_fail(&mut test(), "FAILED")
    })?;
    log.check("Prometheus reads every query of the dashboard", |log| {
        write(&queries(&read_dashboard()?)?)?;
        log.command(Command::new(&promtool).args(["check", "rules", "rules.yaml"]).current_dir(folder.path()))
    })?;
    log.check("each alert names a paragraph of the operators' manual", |_| {
        let manual = repository().join("docs/operators.md");
        let manual =
            fs::read_to_string(&manual).with_context(|| format!("failed to read {}", manual.display()))?;
        runbooks_exist(&documents(rendered, &["PrometheusRule"]), &manual)
    })
}

/// The rules as a file of Prometheus' own holds them.
fn rules(document: &str) -> anyhow::Result<Value> {
    let document: Value =
        serde_saphyr::from_str(document.trim_start_matches("---\n")).context("failed to parse the alerts")?;
    let rules = document["spec"].clone();
    ensure!(!names(&rules).is_empty(), "there is no alert");
    Ok(rules)
}

fn names(rules: &Value) -> BTreeSet<String> {
    let groups = rules["groups"].as_array().into_iter().flatten();
    let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
    rules.filter_map(|rule| rule["alert"].as_str().map(str::to_owned)).collect()
}

/// The same alerts, each with a query that is never true.
fn silenced(mut rules: Value) -> Value {
    for group in rules["groups"].as_array_mut().into_iter().flatten() {
        for rule in group["rules"].as_array_mut().into_iter().flatten() {
            rule["expr"] = json!("vector(0) > 1");
        }
    }
    rules
}

fn all_covered(alerts: &BTreeSet<String>, cases: &Cases) -> anyhow::Result<()> {
    let mut covered: BTreeMap<&str, Covered> = BTreeMap::new();
    for expected in cases.tests.iter().flat_map(|case| &case.alert_rule_test) {
        let name = expected.alertname.as_str();
        ensure!(alerts.contains(name), "there is a case for {name}, which is no alert");
        let covered = covered.entry(name).or_default();
        if expected.exp_alerts.is_empty() {
            covered.is_quiet = true;
        } else {
            covered.fires = true;
        }
    }
    for name in alerts {
        let whole = Covered { fires: true, is_quiet: true };
        ensure!(covered.get(name.as_str()) == Some(&whole), "{name} has no case, or none on one side");
    }
    Ok(())
}

fn read_dashboard() -> anyhow::Result<Value> {
    let path: PathBuf = chart().join("files/dashboard.json");
    let text = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("failed to parse {}", path.display()))
}

/// The queries of a dashboard as rules, which is what promtool can check.
fn queries(dashboard: &Value) -> anyhow::Result<Value> {
    let mut found = Vec::new();
    collect(dashboard, &mut found);
    ensure!(!found.is_empty(), "the dashboard has no query");
    let mut rules = Vec::new();
    for (number, query) in found.iter().enumerate() {
        let query = query.replace("$namespace", "leasehold-system");
        ensure!(!query.contains('$'), "{query} needs a variable that the dashboard does not have");
        rules.push(json!({"record": format!("query:{number}"), "expr": query}));
    }
    Ok(json!({"groups": [{"name": "dashboard", "rules": rules}]}))
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(query) if name == "expr" => found.push(query.clone()),
                    value => collect(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

/// Every alert has a runbook, and every runbook is a heading of the manual.
fn runbooks_exist(alerts: &str, manual: &str) -> anyhow::Result<()> {
    let headings: Vec<String> = manual.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    let count = |word: &str| alerts.lines().filter(|line| line.trim_start().starts_with(word)).count();
    ensure!(count("- alert: ") > 0, "there is no alert");
    ensure!(count("- alert: ") == count("runbook: "), "an alert has no runbook");
    for line in alerts.lines().filter_map(|line| line.trim_start().strip_prefix("runbook: ")) {
        let anchor =
            line.strip_prefix("docs/operators.md#").with_context(|| format!("{line} is elsewhere"))?;
        ensure!(
            headings.iter().any(|heading| heading == anchor),
            "docs/operators.md has no paragraph {anchor}"
        );
    }
    Ok(())
}

/// The anchor that a heading of Markdown gets.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_without_a_paragraph_is_found() {
        let alert = |anchor: &str| format!("- alert: Any\n  runbook: docs/operators.md#{anchor}\n");
        let manual = "# Manual\n### The meter's ledger\ntext\n";
        assert!(runbooks_exist(&alert("the-meters-ledger"), manual).is_ok());
        assert!(runbooks_exist(&alert("the-ledger"), manual).is_err());
        assert!(runbooks_exist("- alert: Any\n", manual).is_err());
        assert!(runbooks_exist("", manual).is_err());
    }

    #[test]
    fn an_alert_with_one_case_or_none_and_a_case_of_no_alert_are_found() {
        let alerts = BTreeSet::from(["A".to_owned()]);
        let check = |expected: &[(&str, usize)]| {
            let expected = expected.iter().map(|(name, count)| Expected {
                alertname: (*name).to_owned(),
                exp_alerts: vec![json!({}); *count],
            });
            all_covered(&alerts, &Cases { tests: vec![Case { alert_rule_test: expected.collect() }] })
        };
        assert!(check(&[("A", 0), ("A", 1)]).is_ok());
        for wrong in [&[][..], &[("A", 0)], &[("A", 2)], &[("A", 0), ("A", 1), ("B", 0)]] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn queries_are_found_at_any_depth_and_none_keeps_a_variable() {
        let panel = |query: &str| json!({"panels": [{"targets": [{"expr": query}]}, {"title": "expr"}]});
        let rules = queries(&panel("up{namespace=\"$namespace\"}")).expect("it has a query");
        let expected = json!({"record": "query:0", "expr": "up{namespace=\"leasehold-system\"}"});
        assert_eq!(rules["groups"][0]["rules"], json!([expected]));
        assert!(queries(&panel("up[$__rate_interval]")).is_err());
        assert!(queries(&json!({})).is_err());
    }
}
