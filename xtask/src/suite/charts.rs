//! Tests of the chart: lint, schema, Kubernetes schemas, golden RBAC. None needs a cluster.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};

use super::{Log, alerts, schemas};
use crate::{
    process::{output, output_with_input},
    tools::{Tool, repository},
};

const NAMESPACE: &str = "leasehold-system";

/// Settings that must be refused, with the words that the refusal must hold.
const REFUSED: [(&str, &str); 17] = [
    ("bogus=1", "bogus"),
    ("admission.enabled=false", "enabled"),
    ("admission.breakGlassGroups={system:authenticated}", "breakGlassGroups"),
    ("agent.bogus=1", "bogus"),
    ("agent.config.terms.bogus=1", "bogus"),
    ("agent.config.terms.split_bps=10001", "split_bps"),
    ("agent.gateway.service.type=ExternalName", "type"),
    ("agent.config.gateway.public_url=http://gateway.example.net", "public_url"),
    ("operator.image=operator", "image"),
    ("meter.ledger.kind=tape", "kind"),
    ("meter.ledger.kind=volume,meter.replicas=2", "meter.replicas"),
    ("meter.ledger.kind=postgres", "meter.ledger.postgres.url"),
    ("agent.series.kind=tape", "kind"),
    ("meter.retention.fiveMinuteSeconds=3599", "fiveMinuteSeconds"),
    ("meter.retention.fiveMinuteSeconds=21599", "meter.retention.unsignedSeconds"),
    ("meter.retention.hourSeconds=172799", "meter.retention.fiveMinuteSeconds"),
    ("meter.ledger.postgres.url=postgres://meter:hunter2@db.example.net/meter", "url"),
];

/// Rights that no rule of ours may hold.
const FORBIDDEN_RIGHTS: [&str; 6] =
    ["'*'", "\"*\"", "cluster-admin", "nodes/proxy", "escalate", "impersonate"];

/// Runs them all.
pub(super) fn run(log: &mut Log) -> anyhow::Result<()> {
    let helm = Tool::Helm.program("helm")?;
    let kubeconform = Tool::Kubeconform.program("kubeconform")?;
    let schemas = tempfile::tempdir()?;
    schemas::write(schemas.path())?;
    for values in value_files()? {
        let name = values.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        log.check(&format!("helm lint with {name}"), |log| {
            log.command(
                Command::new(&helm).args(["lint", "--strict"]).arg(chart()).arg("--values").arg(&values),
            )
        })?;
        log.check(&format!("kubeconform with {name}"), |_| {
            let rendered = output(template(&helm, &values).arg("--include-crds"))?;
            conform(&kubeconform, schemas.path(), &rendered)
        })?;
        log.check(&format!("the agent reads the configuration of {name}"), |_| {
            read_by_the_agent(&output(&mut template(&helm, &values))?)
        })?;
    }
    let minimal = chart().join("ci/minimal-values.yaml");
    let rendered = output(&mut template(&helm, &minimal))?;
    log.check("kubeconform refuses a field that no kind has", |_| {
        let broken = rendered.replacen("replicas: 1", "replicas: 1\n  replica: 1", 1);
        ensure!(broken != rendered, "the chart renders no deployment");
        let refused = conform(&kubeconform, schemas.path(), &broken);
        ensure!(refused.is_err(), "the schemas are not strict");
        Ok(())
    })?;
    log.check("defaults alone are refused, and what is missing is named", |_| {
        let mut helm = Command::new(&helm);
        must_fail(helm.args(["template", "leasehold"]).arg(chart()), "/agent/image")
    })?;
    for (setting, words) in REFUSED {
        log.check(&format!("--set {setting} is refused"), |_| {
            must_fail(template(&helm, &minimal).args(["--set", setting]), words)
        })?;
    }
    log.check("the definitions stay when the release goes", |_| {
        ensure!(rendered.contains("helm.sh/resource-policy: keep"), "no definition has the keep policy");
        ensure!(rendered.contains("name: computeleases.leasehold.dev"), "the definition is not rendered");
        Ok(())
    })?;
    log.check("no rule holds a forbidden right", |_| {
        let rules = documents(&rendered, &["ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding"]);
        for right in FORBIDDEN_RIGHTS {
            ensure!(!rules.contains(right), "a rule holds {right}");
        }
        Ok(())
    })?;
    log.check("the rules are the reviewed ones", |_| {
        let rules = documents(&rendered, &["ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding"]);
        golden(&chart().join("tests/rbac.yaml"), &rules)
    })?;
    log.check("the admission policies are the reviewed ones", |_| {
        let policies = documents(
            &rendered,
            &["IsolationPolicy", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"],
        );
        golden(&chart().join("tests/admission.yaml"), &policies)
    })?;
    log.check("the agent's configuration is the reviewed one", |_| {
        let mut helm = template(&helm, &chart().join("ci/maximal-values.yaml"));
        let rendered = output(helm.args(["--set", "monitoring.dashboard=false"]))?;
        golden(&chart().join("tests/agent-config.yaml"), &documents(&rendered, &["ConfigMap"]))
    })?;
    log.check("alerts and scrapes are the reviewed ones, and none is there unless it is asked for", |_| {
        ensure!(
            documents(&rendered, &MONITORING).is_empty(),
            "the defaults render what a cluster may not know"
        );
        let rendered = output(&mut with_all_alerts(&helm))?;
        golden(&chart().join("tests/monitoring.yaml"), &documents(&rendered, &MONITORING))
    })?;
    alerts::run(log, &output(&mut with_all_alerts(&helm))?)
}

/// The chart with every alert that it can have.
fn with_all_alerts(helm: &Path) -> Command {
    let mut helm = template(helm, &chart().join("ci/maximal-values.yaml"));
    helm.args(["--set", "meter.ledger.kind=volume,meter.replicas=1"]);
    helm
}

/// Kinds of the Prometheus operator.
const MONITORING: [&str; 2] = ["PrometheusRule", "ServiceMonitor"];

pub(super) fn chart() -> PathBuf {
    repository().join("charts/leasehold")
}

pub(super) fn value_files() -> anyhow::Result<Vec<PathBuf>> {
    let folder = chart().join("ci");
    let entries = fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))?;
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.sort();
    ensure!(!files.is_empty(), "{} has no value files", folder.display());
    Ok(files)
}

fn template(helm: &Path, values: &Path) -> Command {
    let mut command = Command::new(helm);
    command
        .args(["template", "leasehold"])
        .arg(chart())
        .args(["--namespace", NAMESPACE, "--values"])
        .arg(values);
    command
}

fn conform(kubeconform: &Path, schemas: &Path, rendered: &str) -> anyhow::Result<()> {
    let location = format!("{}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json", schemas.display());
    let mut command = Command::new(kubeconform);
    command.args(["-strict", "-summary", "-schema-location", &location, "-"]);
    output_with_input(&mut command, rendered.as_bytes()).map(drop)
}

pub(super) fn must_fail(command: &mut Command, words: &str) -> anyhow::Result<()> {
    match output(command) {
        Ok(_) => bail!("it was accepted"),
        Err(error) if format!("{error:?}").contains(words) => Ok(()),
        Err(error) => bail!("it was refused without saying `{words}`: {error:#}"),
    }
}

/// Gives the rendered configuration to the agent itself. It must get as far as the key file, which is not there.
fn read_by_the_agent(rendered: &str) -> anyhow::Result<()> {
    let (_, text) = rendered.split_once("\n  agent.toml: |\n").context("no agent.toml is rendered")?;
    let text: String = text
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n")
        .collect();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("agent.toml");
    fs::write(&file, text)?;
    let mut agent = Command::new("cargo");
    agent.args(["run", "--quiet", "--package", "provider-agent", "--", "identity", "--config"]).arg(&file);
    must_fail(agent.current_dir(repository()), "the key file /var/run/leasehold/operator-key/")
}

/// The documents of these kinds, in the order in which they are rendered.
pub(super) fn documents(rendered: &str, kinds: &[&str]) -> String {
    let is_wanted = |document: &str| {
        document
            .lines()
            .find_map(|line| line.strip_prefix("kind: "))
            .is_some_and(|kind| kinds.contains(&kind))
    };
    let wanted: Vec<_> = rendered
        .split("\n---\n")
        .map(|text| text.trim_start_matches("---\n"))
        .filter(|d| is_wanted(d))
        .collect();
    wanted.iter().map(|document| format!("---\n{}\n", document.trim_end())).collect()
}

pub(super) fn golden(path: &Path, actual: &str) -> anyhow::Result<()> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().context("a golden file has a folder")?)?;
        return fs::write(path, actual).with_context(|| format!("failed to write {}", path.display()));
    }
    let expected = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    if expected == actual {
        return Ok(());
    }
    let line = expected.lines().zip(actual.lines()).position(|(old, new)| old != new).unwrap_or_default() + 1;
    bail!(
        "{} is not what it was, first at line {line}; if that is meant, run this layer again with UPDATE_GOLDEN=1 and \
         review the difference",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_chosen_by_their_kind() {
        let rendered =
            "---\n# Source: a\nkind: Role\nrules: []\n---\nkind: Service\n---\nkind: ClusterRole\n";
        assert_eq!(
            documents(rendered, &["Role", "ClusterRole"]),
            "---\n# Source: a\nkind: Role\nrules: []\n---\nkind: ClusterRole\n"
        );
    }
}
