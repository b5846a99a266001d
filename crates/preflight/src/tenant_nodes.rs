//! Which nodes a tenant's pod may be put on.

use crd::node::{has_labels, is_cordoned, is_ready};
use k8s_openapi::api::core::v1::{Node, Taint, Toleration};

use crate::values::TenantNodes;

/// Nodes that are ready and take a tenant's pod which tolerates no more than the operator makes it tolerate.
pub(crate) fn fitting<'a>(nodes: &'a [Node], wanted: &TenantNodes) -> Vec<&'a Node> {
    nodes
        .iter()
        .filter(|node| has_labels(node, &wanted.selector) && is_ready(node) && !is_cordoned(node))
        .filter(|node| repelling(node, wanted, &[]).is_none())
        .collect()
}

/// The first taint that keeps a tenant's pod away, also if it tolerates these.
pub(crate) fn repelling<'a>(
    node: &'a Node,
    wanted: &TenantNodes,
    tolerated: &[Toleration],
) -> Option<&'a Taint> {
    let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    taints
        .filter(|taint| taint.effect != "PreferNoSchedule")
        .filter(|taint| wanted.taint.is_empty() || taint.key != wanted.taint)
        .find(|taint| !tolerated.iter().any(|one| tolerates(one, taint)))
}

/// As the scheduler sees it: an empty key or effect means any, and `Exists` any value.
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let any_or = |said: Option<&str>, real: &str| said.is_none_or(|said| said.is_empty() || said == real);
    any_or(toleration.effect.as_deref(), &taint.effect)
        && any_or(toleration.key.as_deref(), &taint.key)
        && match toleration.operator.as_deref() {
            Some("Exists") => true,
            _ => {
                toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default()
            }
        }
}

/// `1 node` or `3 nodes`.
pub(crate) fn count(nodes: usize) -> String {
    match nodes {
        1 => "1 node".to_owned(),
        many => format!("{many} nodes"),
    }
}

/// The first few names, for a person to find them.
pub(crate) fn names<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> String {
    const SHOWN: usize = 3;
    let all: Vec<_> =
        nodes.into_iter().map(|node| node.metadata.name.as_deref().unwrap_or_default()).collect();
    match all.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} and {more} more", all[..SHOWN].join(", ")),
        _ => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_support::node;

    #[test]
    fn a_toleration_is_read_as_the_scheduler_reads_it() {
        let taint = |effect: &str| Taint {
            key: "sandbox".to_owned(),
            value: Some("only".to_owned()),
            effect: effect.to_owned(),
            ..Taint::default()
        };
        let check = |toleration: serde_json::Value, effect: &str| {
            tolerates(&serde_json::from_value(toleration).unwrap(), &taint(effect))
        };
        assert!(check(json!({"operator": "Exists"}), "NoExecute"));
        assert!(check(json!({"key": "sandbox", "operator": "Exists", "effect": "NoSchedule"}), "NoSchedule"));
        assert!(check(json!({"key": "sandbox", "value": "only"}), "NoSchedule"));
        assert!(!check(json!({"key": "sandbox", "value": "other"}), "NoSchedule"));
        assert!(!check(json!({"key": "sandbox"}), "NoSchedule"));
        assert!(!check(json!({"key": "else", "operator": "Exists"}), "NoSchedule"));
        assert!(!check(json!({"key": "sandbox", "operator": "Exists", "effect": "NoSchedule"}), "NoExecute"));
    }

    #[test]
    fn of_many_nodes_three_are_named() {
        let nodes = ["a", "b", "c", "d", "e"].map(|name| node(name, json!({})));
        assert_eq!(names(&nodes[..3]), "a, b, c");
        assert_eq!(names(&nodes), "a, b, c and 2 more");
    }
}
