//! `tenant_nodes`: at least one node takes tenants' pods.

use crd::node::{has_labels, is_cordoned, is_ready};
use k8s_openapi::api::core::v1::Node;

use crate::{
    ClusterFacts, Values,
    outcome::{Judgement, fail, pass},
    tenant_nodes::{count, fitting, names},
};

pub(super) fn check(facts: &ClusterFacts, values: &Values) -> Judgement {
    let nodes = facts.nodes.as_ref()?;
    let wanted = &values.operator.tenant_nodes;
    let fitting = fitting(nodes, wanted);
    if !fitting.is_empty() {
        return pass(format!("{} of {} can take tenants' pods", fitting.len(), count(nodes.len())));
    }
    let labels: Vec<_> = wanted.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let labels = labels.join(",");
    let chosen: Vec<&Node> = nodes.iter().filter(|node| has_labels(node, &wanted.selector)).collect();
    if chosen.is_empty() {
        return match labels.as_str() {
            "" => fail("the cluster has no node", "add one"),
            labels => fail(
                format!("no node has the labels {labels} of operator.tenantNodes.selector"),
                format!("kubectl label node NODE {}", labels.replace(',', " ")),
            ),
        };
    }
    let ready: Vec<&Node> = chosen.into_iter().filter(|node| is_ready(node)).collect();
    if ready.is_empty() {
        return fail(
            "no node for tenants is ready",
            "see why with `kubectl describe node`; mostly it is the network plug-in or the kubelet",
        );
    }
    let open: Vec<&Node> = ready.iter().copied().filter(|node| !is_cordoned(node)).collect();
    if open.is_empty() {
        let names = names(ready);
        return fail(format!("every node for tenants is cordoned: {names}"), "kubectl uncordon NODE");
    }
    let taints: Vec<_> = open.iter().filter_map(|node| wanted.repelling(node, &[])).collect();
    let taint = taints.first().map(|taint| format!("{}:{}", taint.key, taint.effect)).unwrap_or_default();
    fail(
        format!(
            "every node for tenants has a taint that their pods do not tolerate: {taint} on {}",
            names(open)
        ),
        format!("kubectl taint node NODE {taint}-, or name the taint's key in operator.tenantNodes.taint"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::test_support::{facts, failed, node, passed, values};

    const OWN: &str = "{operator: {tenantNodes: {selector: {pool: tenants}, taint: tenants}}}";

    fn with(mores: &[Value]) -> ClusterFacts {
        let nodes =
            mores.iter().enumerate().map(|(i, more)| node(&format!("node-{i}"), more.clone())).collect();
        ClusterFacts { nodes: Ok(nodes), ..facts() }
    }

    fn labelled() -> Value {
        json!({"metadata": {"labels": {"pool": "tenants"}}})
    }

    #[test]
    fn a_node_with_the_labels_passes_its_own_taint_and_no_other() {
        let tainted = |key: &str, effect: &str| {
            json!({
                "metadata": {"labels": {"pool": "tenants"}},
                "spec": {"taints": [{"key": key, "effect": effect}]}
            })
        };
        for fits in [labelled(), tainted("tenants", "NoSchedule"), tainted("soft", "PreferNoSchedule")] {
            assert_eq!(
                passed(check(&with(&[fits, json!({})]), &values(OWN))),
                "1 of 2 nodes can take tenants' pods"
            );
        }
        let (message, fix) = failed(check(&with(&[tainted("other", "NoExecute")]), &values(OWN)));
        assert_eq!(
            message,
            "every node for tenants has a taint that their pods do not tolerate: other:NoExecute on node-0"
        );
        assert_eq!(
            fix,
            "kubectl taint node NODE other:NoExecute-, or name the taint's key in operator.tenantNodes.taint"
        );
    }

    #[test]
    fn what_is_missing_is_named_from_the_first_step_to_the_last() {
        let failed = |nodes: &[Value], yaml| failed(check(&with(nodes), &values(yaml)));
        assert_eq!(failed(&[], "{}"), ("the cluster has no node".to_owned(), "add one".to_owned()));
        assert_eq!(
            failed(&[json!({})], OWN),
            (
                "no node has the labels pool=tenants of operator.tenantNodes.selector".to_owned(),
                "kubectl label node NODE pool=tenants".to_owned()
            )
        );
        let away = json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}});
        assert_eq!(failed(&[away], "{}").0, "no node for tenants is ready");
        let cordoned = json!({"spec": {"unschedulable": true}});
        assert_eq!(
            failed(&[cordoned], "{}"),
            ("every node for tenants is cordoned: node-0".to_owned(), "kubectl uncordon NODE".to_owned())
        );
    }
}
