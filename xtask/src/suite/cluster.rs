//! The chart on a real API server: it installs and upgrades, its pods satisfy Pod Security *restricted*, and its four
//! identities may do what they need and nothing else: all of it is in `charts/leasehold/tests/can-i`.

use std::{path::PathBuf, process::Command};

use anyhow::{bail, ensure};
use serde_json::json;

use super::{
    Log,
    charts::{chart, golden, must_fail, value_files},
};
use crate::{process::output, tools::Tool};

const NAMESPACE: &str = "leasehold-system";
const OPERATOR: &str = "--as=system:serviceaccount:leasehold-system:leasehold-operator";
const METER: &str = "--as=system:serviceaccount:leasehold-system:leasehold-meter";
const DNS: &str = "--as=system:serviceaccount:leasehold-system:leasehold-dns";
const AGENT: &str = "--as=system:serviceaccount:leasehold-system:leasehold-agent";

/// What each identity may do: everything here was found in its code.
const MAY: [(&str, &[&str]); 17] = [
    (OPERATOR, &["create", "namespaces"]),
    (OPERATOR, &["create", "deployments.apps", "--all-namespaces"]),
    (OPERATOR, &["patch", "networkpolicies.networking.k8s.io", "--all-namespaces"]),
    (OPERATOR, &["create", "secrets", "--all-namespaces"]),
    (OPERATOR, &["get", "secrets", "--namespace=leasehold-system"]),
    (METER, &["get", "nodes", "--subresource=stats"]),
    (METER, &["watch", "pods", "--all-namespaces"]),
    (
        METER,
        &["patch", "computeleases.leasehold.dev", "--subresource=status", "--namespace=leasehold-system"],
    ),
    (DNS, &["watch", "pods", "--all-namespaces"]),
    (DNS, &["watch", "services", "--all-namespaces"]),
    (OPERATOR, &["bind", "clusterroles.rbac.authorization.k8s.io/leasehold-lease-reader"]),
    (
        OPERATOR,
        &["patch", "computeleases.leasehold.dev", "--subresource=status", "--namespace=leasehold-system"],
    ),
    (AGENT, &["create", "computeleases.leasehold.dev", "--namespace=leasehold-system"]),
    (AGENT, &["patch", "secrets", "--namespace=leasehold-system"]),
    (AGENT, &["list", "pods", "--all-namespaces"]),
    (AGENT, &["watch", "nodes"]),
    (AGENT, &["list", "storageclasses.storage.k8s.io"]),
];

/// What each identity must be refused.
const MUST_NOT: [(&str, &[&str]); 45] = [
    (OPERATOR, &["*", "*", "--all-namespaces"]),
    (OPERATOR, &["get", "secrets", "--namespace=default"]),
    (OPERATOR, &["list", "secrets", "--all-namespaces"]),
    (OPERATOR, &["list", "secrets", "--namespace=leasehold-system"]),
    (OPERATOR, &["watch", "secrets", "--namespace=leasehold-system"]),
    (OPERATOR, &["get", "nodes", "--subresource=proxy"]),
    (OPERATOR, &["create", "pods", "--all-namespaces"]),
    (OPERATOR, &["create", "pods", "--subresource=exec", "--all-namespaces"]),
    (OPERATOR, &["get", "pods", "--subresource=log", "--all-namespaces"]),
    (OPERATOR, &["create", "serviceaccounts", "--subresource=token", "--all-namespaces"]),
    (OPERATOR, &["create", "clusterroles.rbac.authorization.k8s.io"]),
    (OPERATOR, &["create", "clusterrolebindings.rbac.authorization.k8s.io"]),
    (OPERATOR, &["escalate", "clusterroles.rbac.authorization.k8s.io"]),
    (OPERATOR, &["bind", "clusterroles.rbac.authorization.k8s.io/cluster-admin"]),
    (OPERATOR, &["impersonate", "users"]),
    (OPERATOR, &["impersonate", "serviceaccounts", "--all-namespaces"]),
    (OPERATOR, &["create", "validatingwebhookconfigurations.admissionregistration.k8s.io"]),
    (OPERATOR, &["create", "computeleases.leasehold.dev", "--namespace=leasehold-system"]),
    (OPERATOR, &["patch", "nodes"]),
    (OPERATOR, &["get", "nodes", "--subresource=stats"]),
    (METER, &["*", "*", "--all-namespaces"]),
    (METER, &["get", "nodes", "--subresource=proxy"]),
    (METER, &["get", "secrets", "--namespace=leasehold-system"]),
    (METER, &["list", "secrets", "--all-namespaces"]),
    (METER, &["patch", "computeleases.leasehold.dev", "--namespace=leasehold-system"]),
    (METER, &["create", "namespaces"]),
    (METER, &["delete", "pods", "--all-namespaces"]),
    (METER, &["get", "pods", "--subresource=log", "--all-namespaces"]),
    (DNS, &["*", "*", "--all-namespaces"]),
    (DNS, &["list", "secrets", "--all-namespaces"]),
    (DNS, &["list", "namespaces"]),
    (DNS, &["patch", "services", "--all-namespaces"]),
    (DNS, &["patch", "pods", "--subresource=status", "--all-namespaces"]),
    (AGENT, &["*", "*", "--all-namespaces"]),
    (AGENT, &["list", "secrets", "--namespace=leasehold-system"]),
    (AGENT, &["get", "secrets", "--namespace=leasehold-system"]),
    (AGENT, &["get", "secrets", "--namespace=default"]),
    (AGENT, &["create", "deployments.apps", "--all-namespaces"]),
    (AGENT, &["create", "namespaces"]),
    (AGENT, &["create", "pods", "--all-namespaces"]),
    (AGENT, &["create", "pods", "--subresource=exec", "--all-namespaces"]),
    (AGENT, &["get", "pods", "--subresource=log", "--all-namespaces"]),
    (AGENT, &["get", "nodes", "--subresource=proxy"]),
    (AGENT, &["create", "rolebindings.rbac.authorization.k8s.io", "--all-namespaces"]),
    (
        AGENT,
        &["patch", "computeleases.leasehold.dev", "--subresource=status", "--namespace=leasehold-system"],
    ),
];

/// Kinds that are not ours, and their names in paths.
const MONITORING_KINDS: [(&str, &str); 2] =
    [("PrometheusRule", "prometheusrules"), ("ServiceMonitor", "servicemonitors")];

/// An API server, and the programs that speak to it.
struct Cluster {
    helm: PathBuf,
    kubectl: PathBuf,
    kubeconfig: String,
}

/// Runs every test of the chart that needs an API server, and leaves it as it was but for the kept definition.
pub(super) fn run(log: &mut Log, kubeconfig: &str) -> anyhow::Result<()> {
    let cluster = Cluster {
        helm: Tool::Helm.program("helm")?,
        kubectl: Tool::Kubernetes.program("kubectl")?,
        kubeconfig: kubeconfig.to_owned(),
    };
    cluster.make_namespace()?;
    cluster.make_monitoring_kinds()?;
    for values in value_files()? {
        let name = values.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        log.check(&format!("the API server accepts the chart with {name}"), |log| {
            log.command(
                cluster
                    .helm(&["upgrade", "--install", "leasehold"])
                    .arg(chart())
                    .arg("--values")
                    .arg(&values),
            )
        })?;
        log.check(&format!("the pods of {name} satisfy Pod Security restricted"), |_| {
            let mut template = cluster.helm(&["template", "leasehold"]);
            let rendered = output(template.arg(chart()).arg("--values").arg(&values))?;
            let apply =
                ["apply", "--dry-run=server", "--warnings-as-errors", "--server-side", "--force-conflicts"];
            let mut apply = cluster.kubectl(&apply);
            crate::process::output_with_input(apply.args(["--filename", "-"]), rendered.as_bytes()).map(drop)
        })?;
    }
    cluster.upgrade_with("minimal-values")?;
    let accounts = cluster.service_accounts()?;
    log.check("there are the identities that were reviewed", |_| {
        golden(&chart().join("tests/can-i/identities.txt"), &format!("{}\n", accounts.join("\n")))
    })?;
    for account in &accounts {
        log.check(&format!("{account} may do what was reviewed, and nothing else"), |_| {
            golden(&chart().join(format!("tests/can-i/{account}.txt")), &cluster.everything_that(account)?)
        })?;
    }
    log.check("the parameters of the admission policies are there, and every policy is bound", |_| {
        output(&mut cluster.kubectl(&["get", "isolationpolicy", "leasehold"]))?;
        for kind in ["validatingadmissionpolicies", "validatingadmissionpolicybindings"] {
            let selector = "--selector=app.kubernetes.io/instance=leasehold";
            let found = output(&mut cluster.kubectl(&["get", kind, selector, "--output=name"]))?;
            ensure!(found.lines().count() == 9, "{kind}: {found}");
        }
        Ok(())
    })?;
    for (identity, question) in MAY {
        log.check(&format!("{} may {}", short(identity), question.join(" ")), |_| {
            ensure!(cluster.can(identity, question)?, "it may not");
            Ok(())
        })?;
    }
    for (identity, question) in MUST_NOT {
        log.check(&format!("{} may not {}", short(identity), question.join(" ")), |_| {
            ensure!(!cluster.can(identity, question)?, "it may");
            Ok(())
        })?;
    }
    log.check("the operator can hand on the lease reader, nowhere but in leases, and no other role", |_| {
        let bind = |role: &str| {
            let mut kubectl = cluster.kubectl(&["create", "rolebinding", "probe", "--namespace=default"]);
            kubectl.args([&format!("--clusterrole={role}"), "--serviceaccount=default:default"]);
            kubectl.args(["--dry-run=server", OPERATOR]);
            kubectl
        };
        // The API server's own rule comes first: what gets past it may be handed on, and then only a policy refuses the place.
        must_fail(&mut bind("leasehold-lease-reader"), "it writes in lease namespaces")?;
        must_fail(&mut bind("cluster-admin"), "attempting to grant RBAC permissions not currently held")?;
        must_fail(&mut bind("view"), "attempting to grant RBAC permissions not currently held")
    })?;
    log.check("uninstalling keeps the definitions and takes the policies away", |log| {
        log.command(&mut cluster.helm(&["uninstall", "leasehold", "--wait"]))?;
        for kept in ["computeleases.leasehold.dev", "isolationpolicies.leasehold.dev"] {
            output(&mut cluster.kubectl(&["get", "crd", kept]))?;
        }
        for gone in ["isolationpolicies", "validatingadmissionpolicies", "validatingadmissionpolicybindings"]
        {
            let selector = "--selector=app.kubernetes.io/instance=leasehold";
            let found = output(&mut cluster.kubectl(&["get", gone, selector, "--output=name"]))?;
            ensure!(found.is_empty(), "still there: {found}");
        }
        Ok(())
    })
}

impl Cluster {
    fn helm(&self, arguments: &[&str]) -> Command {
        let mut helm = Command::new(&self.helm);
        helm.args(arguments).args(["--namespace", NAMESPACE, "--kubeconfig", &self.kubeconfig]);
        helm
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.args(arguments).args(["--kubeconfig", &self.kubeconfig]);
        kubectl
    }

    /// The kinds of the Prometheus operator, which a cluster has that turns `monitoring` on. Their schemas are kubeconform's matter.
    fn make_monitoring_kinds(&self) -> anyhow::Result<()> {
        for (kind, plural) in MONITORING_KINDS {
            let name = format!("{plural}.monitoring.coreos.com");
            let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
            let version =
                json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
            let definition = json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": name},
                "spec": {
                    "group": "monitoring.coreos.com", "scope": "Namespaced", "versions": [version],
                    "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()}
                }
            });
            let mut apply = self.kubectl(&["apply", "--server-side", "--filename", "-"]);
            crate::process::output_with_input(&mut apply, definition.to_string().as_bytes())?;
            let established = ["wait", "--for=condition=Established", "--timeout=60s", "crd", &name];
            output(&mut self.kubectl(&established))?;
        }
        Ok(())
    }

    /// The system namespace as a provider should make it.
    fn make_namespace(&self) -> anyhow::Result<()> {
        let namespace = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n  labels:\n    \
             pod-security.kubernetes.io/enforce: restricted\n    pod-security.kubernetes.io/warn: restricted\n"
        );
        let mut apply = self.kubectl(&["apply", "--server-side", "--filename", "-"]);
        crate::process::output_with_input(&mut apply, namespace.as_bytes()).map(drop)
    }

    /// Installs the chart once more, so that what follows does not depend on the last file of values.
    fn upgrade_with(&self, values: &str) -> anyhow::Result<()> {
        let values = chart().join(format!("ci/{values}.yaml"));
        let mut upgrade = self.helm(&["upgrade", "--install", "leasehold"]);
        output(upgrade.arg(chart()).arg("--values").arg(values)).map(drop)
    }

    /// Our identities, without the one that every namespace has.
    fn service_accounts(&self) -> anyhow::Result<Vec<String>> {
        let get = ["get", "serviceaccounts", "--output=name", "--namespace", NAMESPACE];
        let names = output(&mut self.kubectl(&get))?;
        let names = names.lines().filter_map(|line| line.strip_prefix("serviceaccount/"));
        Ok(names.filter(|name| *name != "default").map(str::to_owned).collect())
    }

    /// What the API server says that an identity may do: in our namespace, among the heartbeats of the nodes, and anywhere else.
    fn everything_that(&self, account: &str) -> anyhow::Result<String> {
        let mut text = String::new();
        let places = [
            ("in the system namespace", NAMESPACE),
            ("in kube-node-lease", "kube-node-lease"),
            ("anywhere else", "default"),
        ];
        for (place, namespace) in places {
            let user = format!("--as=system:serviceaccount:{NAMESPACE}:{account}");
            let list = ["auth", "can-i", "--list", "--no-headers", &user, "--namespace", namespace];
            let answer = output(&mut self.kubectl(&list))?;
            let mut lines: Vec<_> =
                answer.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
            lines.sort();
            text += &format!("# {account} {place}\n{}\n", lines.join("\n"));
        }
        Ok(text)
    }

    /// Asks the API server; kubectl says `no` by its exit status too, so the answer is read.
    fn can(&self, identity: &str, question: &[&str]) -> anyhow::Result<bool> {
        let answer = self.kubectl(&["auth", "can-i"]).args(question).arg(identity).output()?;
        match String::from_utf8_lossy(&answer.stdout).split_whitespace().next() {
            Some("yes") => Ok(true),
            Some("no") => Ok(false),
            _ => bail!("no answer: {}", String::from_utf8_lossy(&answer.stderr).trim()),
        }
    }
}

fn short(identity: &str) -> &str {
    identity.rsplit(':').next().unwrap_or(identity)
}
