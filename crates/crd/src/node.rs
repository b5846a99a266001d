//! What a node says of itself: whether it takes pods, and which runtimes it has.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, NodeRuntimeHandler};
use kube::ResourceExt;

/// Whether the node has all of these labels.
pub fn has_labels<'a>(node: &Node, wanted: impl IntoIterator<Item = (&'a String, &'a String)>) -> bool {
    let labels: &BTreeMap<String, String> = node.labels();
    wanted.into_iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether somebody keeps new pods from it.
pub fn is_cordoned(node: &Node) -> bool {
    node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false)
}

/// Whether its kubelet says that it is fit.
pub fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

/// Whether pods without a RuntimeClass can have user namespaces there: only the default handler matters to them.
pub fn has_user_namespaces(node: &Node) -> bool {
    handlers(node).any(|handler| {
        handler.name.as_deref().unwrap_or_default().is_empty()
            && handler.features.as_ref().and_then(|features| features.user_namespaces) == Some(true)
    })
}

/// Whether its container runtime has a handler of this name.
pub fn has_handler(node: &Node, wanted: &str) -> bool {
    handlers(node).any(|handler| handler.name.as_deref() == Some(wanted))
}

/// Whether it says anything about its handlers; nodes with an older runtime do not.
pub fn reports_handlers(node: &Node) -> bool {
    handlers(node).next().is_some()
}

fn handlers(node: &Node) -> impl Iterator<Item = &NodeRuntimeHandler> {
    node.status.iter().flat_map(|status| status.runtime_handlers.iter().flatten())
}
