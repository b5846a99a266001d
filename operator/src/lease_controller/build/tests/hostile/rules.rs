//! What must hold for every object of a lease, said from outside: over JSON, without a line of the builders'.
//!
//! The fields of each place are a closed list, so a field that nobody thought of is a breach too.

mod objects;
mod pod;

use std::collections::BTreeSet;

use super::*;

pub(super) struct Case<'a> {
    pub(super) lease: &'a Validated,
    pub(super) settings: &'a Settings,
    pub(super) objects: &'a [Value],
}

/// A pod template and the workload that makes pods of it.
struct PodCase<'a> {
    case: &'a Case<'a>,
    workload: &'a Value,
    spec: &'a Value,
    container: &'a Value,
}

type PodRule = (&'static str, fn(&PodCase<'_>) -> bool);
type Rule = (&'static str, fn(&Case<'_>) -> bool);

/// Names of all rules.
pub(super) const NAMES: [&str; pod::RULES.len() + objects::RULES.len() + 1] = names();

const UNKNOWN_FIELD: &str = "fields are a closed list";

const fn names() -> [&'static str; pod::RULES.len() + objects::RULES.len() + 1] {
    let mut all = [UNKNOWN_FIELD; pod::RULES.len() + objects::RULES.len() + 1];
    let mut at = 0;
    while at < pod::RULES.len() {
        all[at] = pod::RULES[at].0;
        at += 1;
    }
    while at < pod::RULES.len() + objects::RULES.len() {
        all[at] = objects::RULES[at - pod::RULES.len()].0;
        at += 1;
    }
    all
}

/// The rules that the objects break.
pub(super) fn broken(lease: &Validated, settings: &Settings, objects: &[Value]) -> BTreeSet<&'static str> {
    let case = Case { lease, settings, objects };
    let mut broken: BTreeSet<&str> =
        objects::RULES.iter().filter(|(_, holds)| !holds(&case)).map(|(name, _)| *name).collect();
    for workload in case.of_kind("Deployment").chain(case.of_kind("StatefulSet")) {
        let spec = &workload["spec"]["template"]["spec"];
        let pod = PodCase { case: &case, workload, spec, container: &spec["containers"][0] };
        broken.extend(pod::RULES.iter().filter(|(_, holds)| !holds(&pod)).map(|(name, _)| *name));
    }
    if !objects.iter().all(has_known_fields) {
        broken.insert(UNKNOWN_FIELD);
    }
    broken
}

impl<'a> Case<'a> {
    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }
}

/// Everything at a path such as `containers[].env[]`.
pub(super) fn select<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    path.split('.').filter(|part| !part.is_empty()).fold(vec![value], |found, part| {
        let (name, is_list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
        let inner = found.into_iter().filter_map(|value| value.get(name));
        match is_list {
            true => inner.flat_map(|list| list.as_array().into_iter().flatten()).collect(),
            false => inner.collect(),
        }
    })
}

/// Whether nothing is at any of the paths.
fn lacks(value: &Value, paths: &[&str]) -> bool {
    paths.iter().all(|path| select(value, path).is_empty())
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// Whether a text may not be set as the name of an environment variable.
fn is_reserved_variable(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.starts_with("KUBERNETES_") || name.starts_with("NVIDIA_")
}

const TEMPLATE: &str = "spec.template.spec";
const WORKLOADS: &[&str] = &["Deployment", "StatefulSet"];

/// Which fields may be at which place of which kinds.
const FIELDS: &[(&[&str], &str, &[&str])] = &[
    (&["Deployment"], "spec", &["replicas", "revisionHistoryLimit", "selector", "strategy", "template"]),
    (
        &["StatefulSet"],
        "spec",
        &[
            "persistentVolumeClaimRetentionPolicy",
            "podManagementPolicy",
            "replicas",
            "revisionHistoryLimit",
            "selector",
            "serviceName",
            "template",
            "volumeClaimTemplates",
        ],
    ),
    (WORKLOADS, "spec.selector", &["matchLabels"]),
    (WORKLOADS, "spec.template", &["metadata", "spec"]),
    (WORKLOADS, "spec.template.metadata", &["annotations", "labels"]),
    (
        WORKLOADS,
        TEMPLATE,
        &[
            "automountServiceAccountToken",
            "containers",
            "dnsConfig",
            "dnsPolicy",
            "enableServiceLinks",
            "hostUsers",
            "imagePullSecrets",
            "nodeSelector",
            "priorityClassName",
            "restartPolicy",
            "runtimeClassName",
            "securityContext",
            "serviceAccountName",
            "shareProcessNamespace",
            "terminationGracePeriodSeconds",
            "tolerations",
        ],
    ),
    (WORKLOADS, "spec.template.spec.imagePullSecrets[]", &["name"]),
    (
        WORKLOADS,
        "spec.template.spec.securityContext",
        &[
            "fsGroup",
            "fsGroupChangePolicy",
            "runAsGroup",
            "runAsNonRoot",
            "runAsUser",
            "seccompProfile",
            "supplementalGroupsPolicy",
        ],
    ),
    (
        WORKLOADS,
        "spec.template.spec.containers[]",
        &[
            "args",
            "command",
            "env",
            "envFrom",
            "image",
            "imagePullPolicy",
            "name",
            "ports",
            "readinessProbe",
            "resources",
            "securityContext",
            "terminationMessagePolicy",
            "volumeMounts",
        ],
    ),
    (
        WORKLOADS,
        "spec.template.spec.containers[].securityContext",
        &[
            "allowPrivilegeEscalation",
            "capabilities",
            "privileged",
            "readOnlyRootFilesystem",
            "runAsNonRoot",
            "seccompProfile",
        ],
    ),
    (WORKLOADS, "spec.template.spec.containers[].env[]", &["name", "value"]),
    (WORKLOADS, "spec.template.spec.containers[].envFrom[]", &["secretRef"]),
    (WORKLOADS, "spec.template.spec.containers[].ports[]", &["containerPort", "protocol"]),
    (
        WORKLOADS,
        "spec.template.spec.containers[].readinessProbe",
        &[
            "failureThreshold",
            "httpGet",
            "initialDelaySeconds",
            "periodSeconds",
            "tcpSocket",
            "timeoutSeconds",
        ],
    ),
    (WORKLOADS, "spec.template.spec.containers[].readinessProbe.httpGet", &["path", "port"]),
    (WORKLOADS, "spec.template.spec.containers[].readinessProbe.tcpSocket", &["port"]),
    (WORKLOADS, "spec.template.spec.containers[].resources", &["limits", "requests"]),
    (WORKLOADS, "spec.template.spec.containers[].volumeMounts[]", &["mountPath", "name"]),
    (WORKLOADS, "spec.template.spec.tolerations[]", &["key", "operator"]),
    (&["StatefulSet"], "spec.volumeClaimTemplates[].spec", &["accessModes", "resources", "storageClassName"]),
    (&["StatefulSet"], "spec.volumeClaimTemplates[].metadata", &["labels", "name"]),
    (&["Service"], "spec", &["ports", "selector", "type"]),
    (&["Service"], "spec.ports[]", &["name", "port", "protocol", "targetPort"]),
    (&["ServiceAccount"], "", &["apiVersion", "automountServiceAccountToken", "kind", "metadata"]),
    (&["Secret"], "", &["apiVersion", "data", "kind", "metadata", "type"]),
    (&["RoleBinding"], "", &["apiVersion", "kind", "metadata", "roleRef", "subjects"]),
    (&["NetworkPolicy"], "spec", &["egress", "ingress", "podSelector", "policyTypes"]),
    (&["NetworkPolicy"], "spec.ingress[]", &["from", "ports"]),
    (&["NetworkPolicy"], "spec.egress[]", &["ports", "to"]),
    (&["HTTPRoute"], "spec", &["hostnames", "parentRefs", "rules"]),
    (&["HTTPRoute"], "spec.rules[]", &["backendRefs", "matches"]),
    (&["HTTPRoute"], "spec.rules[].backendRefs[]", &["group", "kind", "name", "port", "weight"]),
    (&["ResourceQuota"], "spec", &["hard"]),
    (&["LimitRange"], "spec", &["limits"]),
];

fn has_known_fields(object: &Value) -> bool {
    let kind = object["kind"].as_str().unwrap_or_default();
    let places = FIELDS.iter().filter(|(kinds, ..)| kinds.contains(&kind));
    let metadata = ["annotations", "labels", "name", "namespace"];
    keys(&object["metadata"]).is_subset(&metadata.into())
        && places.clone().all(|(_, path, known)| {
            let known: BTreeSet<&str> = known.iter().copied().collect();
            select(object, path).into_iter().all(|place| keys(place).is_subset(&known))
        })
        && (kind == "Namespace" || places.count() > 0)
}
