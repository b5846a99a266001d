//! `admission`: no webhook that may change objects of leases stands in their way.
//!
//! What a webhook adds to a tenant's pod is mostly what our admission policies refuse, and one that fails closed stops every
//! lease while it is away: those are failures. One that fails open and looks at everything is common (identity webhooks of
//! clouds change annotated pods alone), so it is named and passes; so is one whose `matchConditions` only the API server can
//! evaluate.

use std::collections::BTreeMap;

use crd::labels;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, RuleWithOperations};

use crate::{
    ClusterFacts, Values,
    outcome::{Judgement, fail, pass},
    selector::may_choose,
};

/// What the operator writes in a lease's namespace, and what Kubernetes makes of it.
const RESOURCES: [(&str, &[&str]); 5] = [
    (
        "",
        &[
            "pods",
            "services",
            "secrets",
            "serviceaccounts",
            "persistentvolumeclaims",
            "resourcequotas",
            "limitranges",
        ],
    ),
    ("apps", &["deployments", "replicasets", "statefulsets"]),
    ("networking.k8s.io", &["networkpolicies"]),
    ("rbac.authorization.k8s.io", &["rolebindings"]),
    ("gateway.networking.k8s.io", &["httproutes"]),
];

pub(super) fn check(facts: &ClusterFacts, _values: &Values) -> Judgement {
    let reaching: Vec<&MutatingWebhook> = facts
        .webhooks
        .as_ref()?
        .iter()
        .flat_map(|configuration| configuration.webhooks.iter().flatten())
        .filter(|webhook| may_reach_leases(webhook))
        .collect();
    let (blocking, harmless): (Vec<_>, Vec<_>) = reaching.into_iter().partition(|webhook| {
        webhook.failure_policy.as_deref() != Some("Ignore")
            && webhook.match_conditions.as_ref().is_none_or(Vec::is_empty)
    });
    let names = |webhooks: &[&MutatingWebhook]| {
        webhooks.iter().map(|webhook| webhook.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    if !blocking.is_empty() {
        return fail(
            format!("mutating webhooks may change or stop objects of leases: {}", names(&blocking)),
            format!(
                "add to the namespaceSelector of each: matchExpressions: [{{key: {}, operator: DoesNotExist}}]",
                labels::LEASE_NAMESPACE
            ),
        );
    }
    if harmless.is_empty() {
        return pass("no mutating webhook looks at lease namespaces");
    }
    pass(format!(
        "no mutating webhook stops leases; these may change their objects, see that they change annotated pods alone: {}",
        names(&harmless)
    ))
}

fn may_reach_leases(webhook: &MutatingWebhook) -> bool {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let namespace = BTreeMap::from([
        label(labels::LEASE_NAMESPACE, "true"),
        label(labels::MANAGED_BY, labels::MANAGED_BY_VALUE),
        label(labels::LEASE, "any"),
        label(labels::TIER, "strict"),
        label("kubernetes.io/metadata.name", "lease-any"),
    ]);
    let object = BTreeMap::from([
        label(labels::MANAGED_BY, labels::MANAGED_BY_VALUE),
        label(labels::LEASE, "any"),
        label(labels::SERVICE, "any"),
    ]);
    webhook.rules.iter().flatten().any(concerns_leases)
        && may_choose(webhook.namespace_selector.as_ref(), &namespace)
        && may_choose(webhook.object_selector.as_ref(), &object)
}

fn concerns_leases(rule: &RuleWithOperations) -> bool {
    let has = |list: &Option<Vec<String>>, wanted: &[&str]| {
        list.iter().flatten().any(|item| wanted.contains(&item.as_str()))
    };
    rule.scope.as_deref() != Some("Cluster")
        && has(&rule.operations, &["*", "CREATE", "UPDATE"])
        && RESOURCES.iter().any(|(group, resources)| {
            has(&rule.api_groups, &["*", group])
                && (has(&rule.resources, &["*", "*/*"]) || has(&rule.resources, resources))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::test_support::{facts, failed, object, passed};

    fn checked(webhook: Value) -> Judgement {
        let mut whole = json!({
            "name": "inject.example.net",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]
        });
        whole.as_object_mut().unwrap().extend(webhook.as_object().unwrap().clone());
        let configuration = object(json!({"metadata": {"name": "inject"}, "webhooks": [whole]}));
        check(&ClusterFacts { webhooks: Ok(vec![configuration]), ..facts() }, &Values::default())
    }

    const NONE: &str = "no mutating webhook looks at lease namespaces";

    #[test]
    fn one_that_looks_at_every_pod_fails_with_the_selector_to_add() {
        let expected = (
            "mutating webhooks may change or stop objects of leases: inject.example.net".to_owned(),
            "add to the namespaceSelector of each: matchExpressions: [{key: leasehold.dev/lease-namespace, operator: DoesNotExist}]".to_owned(),
        );
        assert_eq!(failed(checked(json!({}))), expected);
        let all =
            json!([{"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}]);
        assert_eq!(failed(checked(json!({"rules": all}))), expected);
        let other = json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}]});
        assert_eq!(failed(checked(json!({"namespaceSelector": other}))), expected);
    }

    #[test]
    fn one_that_leaves_lease_namespaces_out_passes() {
        let fixed = json!({"matchExpressions": [{"key": "leasehold.dev/lease-namespace", "operator": "DoesNotExist"}]});
        assert_eq!(passed(checked(json!({"namespaceSelector": fixed}))), NONE);
        assert_eq!(
            passed(checked(json!({"namespaceSelector": {"matchLabels": {"istio-injection": "enabled"}}}))),
            NONE
        );
        assert_eq!(passed(checked(json!({"objectSelector": {"matchLabels": {"inject": "yes"}}}))), NONE);
        let elsewhere = json!([{"apiGroups": ["example.net"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}]);
        assert_eq!(passed(checked(json!({"rules": elsewhere}))), NONE);
    }

    #[test]
    fn one_that_fails_open_or_chooses_by_an_expression_is_named() {
        let conditions = json!([{"name": "annotated", "expression": "has(object.metadata.annotations)"}]);
        for webhook in [json!({"failurePolicy": "Ignore"}), json!({"matchConditions": conditions})] {
            assert!(passed(checked(webhook)).ends_with("annotated pods alone: inject.example.net"));
        }
    }
}
