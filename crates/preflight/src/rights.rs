//! The rights that installing, upgrading and removing the chart takes.

use std::fmt;

use crate::values::Values;

/// Where a right must be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the release's namespace.
    Namespaced,
    /// In a namespace that is not the release's.
    In(&'static str),
    /// In the whole cluster.
    Cluster,
}

/// One right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// What is done.
    pub verb: &'static str,
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The resource, in the plural.
    pub resource: &'static str,
    /// Where.
    pub scope: Scope,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, group, resource, scope } = self;
        match *group {
            "" => write!(f, "{verb} {resource}")?,
            group => write!(f, "{verb} {resource}.{group}")?,
        }
        match scope {
            Scope::In(namespace) => write!(f, " (in {namespace})"),
            Scope::Namespaced | Scope::Cluster => Ok(()),
        }
    }
}

/// When the chart has objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// A claim is asked for.
    Volume,
    ServiceMonitor,
    Rules,
}

/// A kind of object that the chart has.
struct Kind {
    api_version: &'static str,
    /// Only the templates say it; the API speaks of resources.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares it with the templates"))]
    kind: &'static str,
    resource: &'static str,
    scope: Scope,
    when: When,
}

const fn kind(api_version: &'static str, kind: &'static str, resource: &'static str, scope: Scope) -> Kind {
    Kind { api_version, kind, resource, scope, when: When::Always }
}

impl Kind {
    const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    fn group(&self) -> &'static str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    fn is_wanted(&self, values: &Values) -> bool {
        match self.when {
            When::Always => true,
            When::Volume => values.meter.ledger.is_volume() || values.agent.series.is_volume(),
            When::ServiceMonitor => values.monitoring.service_monitor,
            When::Rules => values.monitoring.rules,
        }
    }
}

/// Where the meter reads the nodes' heartbeats.
const HEARTBEATS: Scope = Scope::In("kube-node-lease");

const KINDS: [Kind; 22] = {
    use Scope::{Cluster, Namespaced};
    [
        kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", Cluster),
        kind("leasehold.dev/v1alpha1", "IsolationPolicy", "isolationpolicies", Cluster),
        kind(
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicy",
            "validatingadmissionpolicies",
            Cluster,
        ),
        kind(
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicyBinding",
            "validatingadmissionpolicybindings",
            Cluster,
        ),
        kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", Cluster),
        kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", Cluster),
        kind("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", Cluster),
        kind("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", "flowschemas", Cluster),
        kind(
            "flowcontrol.apiserver.k8s.io/v1",
            "PriorityLevelConfiguration",
            "prioritylevelconfigurations",
            Cluster,
        ),
        kind("rbac.authorization.k8s.io/v1", "Role", "roles", Namespaced),
        kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", Namespaced),
        kind("rbac.authorization.k8s.io/v1", "Role", "roles", HEARTBEATS),
        kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", HEARTBEATS),
        kind("apps/v1", "Deployment", "deployments", Namespaced),
        kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", Namespaced),
        kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", Namespaced),
        kind("v1", "ConfigMap", "configmaps", Namespaced),
        kind("v1", "Service", "services", Namespaced),
        kind("v1", "ServiceAccount", "serviceaccounts", Namespaced),
        kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", Namespaced).when(When::Volume),
        kind("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors", Namespaced)
            .when(When::ServiceMonitor),
        kind("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules", Namespaced).when(When::Rules),
    ]
};

/// What helm does with an object of the chart: it looks, makes, changes and removes.
const VERBS: [&str; 4] = ["get", "create", "patch", "delete"];

/// Helm keeps the record of a release in Secrets.
const RECORDS: [&str; 5] = ["get", "list", "create", "update", "delete"];

/// A role can be given only by whoever holds all of it, or these.
const GIVEN: [(&str, &str, Scope); 6] = [
    ("escalate", "clusterroles", Scope::Cluster),
    ("bind", "clusterroles", Scope::Cluster),
    ("escalate", "roles", Scope::Namespaced),
    ("bind", "roles", Scope::Namespaced),
    ("escalate", "roles", HEARTBEATS),
    ("bind", "roles", HEARTBEATS),
];

/// All of them, with these values.
pub fn of_the_chart(values: &Values) -> Vec<Right> {
    let objects = KINDS.iter().filter(|kind| kind.is_wanted(values)).flat_map(|kind| {
        VERBS.map(|verb| Right { verb, group: kind.group(), resource: kind.resource, scope: kind.scope })
    });
    let records =
        RECORDS.map(|verb| Right { verb, group: "", resource: "secrets", scope: Scope::Namespaced });
    let given = GIVEN.map(|(verb, resource, scope)| Right {
        verb,
        group: "rbac.authorization.k8s.io",
        resource,
        scope,
    });
    objects.chain(records).chain(given).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;
    use crate::test_support::values;

    /// Version and kind of each document, and its namespace where that is not the release's.
    type Document = (String, String, Option<String>);

    /// What the chart's documents are. Definitions are files beside the templates.
    fn in_the_templates() -> BTreeSet<Document> {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/leasehold");
        let mut found = Vec::<Document>::new();
        for folder in ["templates", "files/crds"] {
            for entry in fs::read_dir(chart.join(folder)).unwrap() {
                let text = fs::read_to_string(entry.unwrap().path()).unwrap();
                let mut api_version = None;
                for line in text.lines() {
                    if let Some(version) = line.strip_prefix("apiVersion: ") {
                        api_version = Some(version.to_owned());
                    } else if let Some(kind) = line.strip_prefix("kind: ") {
                        let version = api_version.take().expect("a version before each kind");
                        found.push((version, kind.to_owned(), None));
                    } else if let Some(namespace) = line.strip_prefix("  namespace: ")
                        && !namespace.contains("{{")
                    {
                        found.last_mut().expect("a document").2 = Some(namespace.to_owned());
                    }
                }
            }
        }
        found.into_iter().collect()
    }

    #[test]
    fn every_kind_of_the_chart_is_asked_for_and_no_other() {
        let document = |kind: &Kind| {
            let namespace = match kind.scope {
                Scope::In(namespace) => Some(namespace.to_owned()),
                Scope::Namespaced | Scope::Cluster => None,
            };
            (kind.api_version.to_owned(), kind.kind.to_owned(), namespace)
        };
        assert_eq!(KINDS.iter().map(document).collect::<BTreeSet<_>>(), in_the_templates());
    }

    #[test]
    fn kinds_that_were_not_asked_for_need_no_right() {
        let resources = |yaml| -> BTreeSet<_> {
            of_the_chart(&values(yaml)).iter().map(|right| right.resource).collect()
        };
        let optional = |yaml| -> Vec<_> { resources(yaml).difference(&resources("{}")).copied().collect() };
        assert_eq!(optional("{monitoring: {rules: true}}"), ["prometheusrules"]);
        assert_eq!(optional("{monitoring: {serviceMonitor: true}}"), ["servicemonitors"]);
        for kept in ["{meter: {ledger: {kind: volume}}}", "{agent: {series: {kind: volume}}}"] {
            assert_eq!(optional(kept), ["persistentvolumeclaims"]);
        }
    }

    #[test]
    fn a_right_reads_as_kubectl_writes_it() {
        let right = |group, resource| Right { verb: "get", group, resource, scope: Scope::Cluster };
        assert_eq!(right("", "nodes").to_string(), "get nodes");
        assert_eq!(right("apps", "deployments").to_string(), "get deployments.apps");
        let elsewhere = Right { scope: HEARTBEATS, ..right("", "nodes") };
        assert_eq!(elsewhere.to_string(), "get nodes (in kube-node-lease)");
    }
}
