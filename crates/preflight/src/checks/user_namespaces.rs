//! `user_namespaces`: every node for tenants can run pods of the tier userns.
//!
//! The scheduler does not know which nodes can, so one that cannot would get pods that never start.

use crd::node::has_user_namespaces;
use market::Tier;

use crate::{
    ClusterFacts, Values,
    outcome::{Judgement, fail, not_applicable, pass},
    tenant_nodes::{count, fitting, names},
};

pub(super) fn check(facts: &ClusterFacts, values: &Values) -> Judgement {
    if !values.operator.sells(Tier::Userns) {
        return not_applicable("the tier userns is not in operator.tiers");
    }
    let nodes = fitting(facts.nodes.as_ref()?, &values.operator.tenant_nodes);
    let (can, cannot): (Vec<_>, Vec<_>) = nodes.iter().copied().partition(|node| has_user_namespaces(node));
    let runtime = "put Linux 6.3 and a runtime such as containerd 2 on them";
    match (can.len(), cannot.len()) {
        (0, _) => fail(
            "no node for tenants reports userNamespaces in status.runtimeHandlers",
            format!("{runtime}, or take userns out of operator.tiers"),
        ),
        (can, 0) => pass(format!("{} for tenants, all with user namespaces", count(can))),
        (_, _) => fail(
            format!("no userNamespaces in status.runtimeHandlers of {}", names(cannot)),
            format!(
                "{runtime}, or put a label on the other nodes and name it in operator.tenantNodes.selector"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_support::{facts, failed, node, passed, skipped, values};

    #[test]
    fn every_node_that_tenants_may_reach_must_have_them() {
        let old = || node("old", json!({"status": {"runtimeHandlers": [{"name": ""}]}}));
        let check = |nodes, yaml| check(&ClusterFacts { nodes: Ok(nodes), ..facts() }, &values(yaml));
        let sold = "{operator: {tiers: [strict, userns]}}";
        assert_eq!(
            passed(check(vec![node("new", json!({}))], sold)),
            "1 node for tenants, all with user namespaces"
        );
        assert_eq!(
            failed(check(vec![node("new", json!({})), old()], sold)),
            (
                "no userNamespaces in status.runtimeHandlers of old".to_owned(),
                "put Linux 6.3 and a runtime such as containerd 2 on them, or put a label on the other nodes and name it in operator.tenantNodes.selector".to_owned()
            )
        );
        assert_eq!(
            failed(check(vec![old()], sold)),
            (
                "no node for tenants reports userNamespaces in status.runtimeHandlers".to_owned(),
                "put Linux 6.3 and a runtime such as containerd 2 on them, or take userns out of operator.tiers".to_owned()
            )
        );
        assert_eq!(skipped(check(vec![old()], "{}")), "the tier userns is not in operator.tiers");
        let labelled =
            "{operator: {tiers: [userns], tenantNodes: {selector: {kubernetes.io/hostname: new}}}}";
        passed(check(vec![node("new", json!({})), old()], labelled));
    }
}
