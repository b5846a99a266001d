//! `sandbox`: the RuntimeClass of the tier sandboxed leads to a runtime that a node for tenants has.

use std::collections::BTreeMap;

use crd::{
    TenantNodes,
    node::{has_handler, has_labels, is_cordoned, is_ready, reports_handlers},
};
use k8s_openapi::api::{core::v1::Node, node::v1::RuntimeClass};
use market::Tier;

use crate::{
    ClusterFacts, Values,
    outcome::{Judgement, fail, not_applicable, pass},
    tenant_nodes::count,
};

pub(super) fn check(facts: &ClusterFacts, values: &Values) -> Judgement {
    if !values.operator.sells(Tier::Sandboxed) {
        return not_applicable("the tier sandboxed is not in operator.tiers");
    }
    let name = &values.operator.sandbox_runtime_class;
    let classes = facts.runtime_classes.as_ref()?;
    let Some(class) = classes.iter().find(|class| class.metadata.name.as_ref() == Some(name)) else {
        return fail(
            format!("there is no RuntimeClass {name}"),
            "install gVisor or Kata and its RuntimeClass, name another in operator.sandboxRuntimeClass, or take sandboxed out of operator.tiers",
        );
    };
    let nodes = reached(facts.nodes.as_ref()?, &values.operator.tenant_nodes, class);
    if nodes.is_empty() {
        return fail(
            format!("the scheduling of RuntimeClass {name} leads to no ready node for tenants"),
            format!(
                "put its labels on a node that operator.tenantNodes chooses: kubectl get runtimeclass {name} -o jsonpath='{{.scheduling}}'"
            ),
        );
    }
    let handler = &class.handler;
    if !nodes.iter().any(|node| reports_handlers(node)) {
        let which = count(nodes.len());
        return pass(format!(
            "RuntimeClass {name} leads to {which}; their runtimes are too old to say whether they have {handler}"
        ));
    }
    // The scheduler does not look at handlers: a pod on a node without it would never start.
    let without = nodes.iter().filter(|node| reports_handlers(node) && !has_handler(node, handler)).count();
    if without > 0 {
        return fail(
            format!(
                "{} of {} for RuntimeClass {name} do not report its handler {handler}",
                without,
                count(nodes.len())
            ),
            format!(
                "configure {handler} in their container runtime, or keep the class to the other nodes by its scheduling.nodeSelector"
            ),
        );
    }
    pass(format!("RuntimeClass {name}, handler {handler}, on {}", count(nodes.len())))
}

/// Nodes for tenants that pods of this class may be put on.
fn reached<'a>(nodes: &'a [Node], wanted: &TenantNodes, class: &RuntimeClass) -> Vec<&'a Node> {
    let scheduling = class.scheduling.clone().unwrap_or_default();
    let labels: BTreeMap<_, _> = scheduling.node_selector.unwrap_or_default().into_iter().collect();
    let tolerated = scheduling.tolerations.unwrap_or_default();
    nodes
        .iter()
        .filter(|node| has_labels(node, &wanted.selector) && has_labels(node, &labels))
        .filter(|node| is_ready(node) && !is_cordoned(node) && wanted.repelling(node, &tolerated).is_none())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::test_support::{facts, failed, node, object, passed, skipped, values};

    fn checked(nodes: Vec<Node>, class: Value) -> Judgement {
        let facts = ClusterFacts { nodes: Ok(nodes), runtime_classes: Ok(vec![object(class)]), ..facts() };
        check(&facts, &values("{operator: {tiers: [sandboxed]}}"))
    }

    fn gvisor() -> Value {
        json!({"metadata": {"name": "gvisor"}, "handler": "runsc"})
    }

    #[test]
    fn a_class_whose_handler_is_there_passes_and_an_old_runtime_is_taken_at_the_classs_word() {
        assert_eq!(
            passed(checked(vec![node("a", json!({}))], gvisor())),
            "RuntimeClass gvisor, handler runsc, on 1 node"
        );
        let silent = node("a", json!({"status": {"runtimeHandlers": null}}));
        assert_eq!(
            passed(checked(vec![silent], gvisor())),
            "RuntimeClass gvisor leads to 1 node; their runtimes are too old to say whether they have runsc"
        );
        assert_eq!(
            skipped(check(&facts(), &Values::default())),
            "the tier sandboxed is not in operator.tiers"
        );
    }

    #[test]
    fn a_missing_class_a_missing_handler_and_a_selector_to_nowhere_fail() {
        let kata = json!({"metadata": {"name": "kata"}, "handler": "kata"});
        assert_eq!(failed(checked(vec![node("a", json!({}))], kata)).0, "there is no RuntimeClass gvisor");
        let plain = node("b", json!({"status": {"runtimeHandlers": [{"name": ""}]}}));
        let (message, fix) = failed(checked(vec![node("a", json!({})), plain], gvisor()));
        assert_eq!(message, "1 of 2 nodes for RuntimeClass gvisor do not report its handler runsc");
        assert_eq!(
            fix,
            "configure runsc in their container runtime, or keep the class to the other nodes by its scheduling.nodeSelector"
        );
        let mut class = gvisor();
        class["scheduling"] = json!({"nodeSelector": {"sandbox": "yes"}});
        assert_eq!(
            failed(checked(vec![node("a", json!({}))], class)).0,
            "the scheduling of RuntimeClass gvisor leads to no ready node for tenants"
        );
    }

    #[test]
    fn the_class_may_lead_past_a_taint_and_away_from_nodes_without_the_runtime() {
        let mut class = gvisor();
        class["scheduling"] = json!({
            "nodeSelector": {"sandbox": "yes"},
            "tolerations": [{"key": "sandbox", "operator": "Exists"}]
        });
        let fits = node(
            "a",
            json!({
                "metadata": {"labels": {"sandbox": "yes"}},
                "spec": {"taints": [{"key": "sandbox", "effect": "NoSchedule"}]}
            }),
        );
        let plain = node("b", json!({"status": {"runtimeHandlers": [{"name": ""}]}}));
        assert_eq!(
            passed(checked(vec![fits, plain], class)),
            "RuntimeClass gvisor, handler runsc, on 1 node"
        );
    }
}
