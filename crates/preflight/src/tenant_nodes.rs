//! Which nodes a tenant's pod may be put on.

use crd::TenantNodes;
use k8s_openapi::api::core::v1::Node;

/// Those of the nodes that take a tenant's pod.
pub(crate) fn fitting<'a>(nodes: &'a [Node], wanted: &TenantNodes) -> Vec<&'a Node> {
    nodes.iter().filter(|node| wanted.take(node)).collect()
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
    fn of_many_nodes_three_are_named() {
        let nodes = ["a", "b", "c", "d", "e"].map(|name| node(name, json!({})));
        assert_eq!(names(&nodes[..3]), "a, b, c");
        assert_eq!(names(&nodes), "a, b, c and 2 more");
    }
}
