//! Which nodes a tenant's pod may be put on.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Taint, Toleration};
use serde::Deserialize;

use crate::node::{has_labels, is_cordoned, is_ready};

/// Nodes for leases. By default every one that takes a pod without tolerations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantNodes {
    /// Labels that they have, and that the operator makes tenants' pods ask for.
    pub selector: BTreeMap<String, String>,
    /// Key of the taint that keeps others away, and that the operator makes tenants' pods tolerate; empty for none.
    pub taint: String,
}

impl TenantNodes {
    /// Whether the node is ready and takes a tenant's pod which tolerates no more than the operator makes it tolerate.
    pub fn take(&self, node: &Node) -> bool {
        has_labels(node, &self.selector)
            && is_ready(node)
            && !is_cordoned(node)
            && self.repelling(node, &[]).is_none()
    }

    /// The first taint that keeps a tenant's pod away, also if it tolerates these.
    pub fn repelling<'a>(&self, node: &'a Node, tolerated: &[Toleration]) -> Option<&'a Taint> {
        let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
        taints
            .filter(|taint| taint.effect != "PreferNoSchedule")
            .filter(|taint| self.taint.is_empty() || taint.key != self.taint)
            .find(|taint| !tolerated.iter().any(|one| tolerates(one, taint)))
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
    fn a_node_has_to_have_the_labels_and_no_taint_but_the_one_of_tenants() {
        let of_tenants = json!({"key": "tenants", "effect": "NoSchedule"});
        let node = |labels: serde_json::Value, taints: &[serde_json::Value], ready: &str| -> Node {
            let node = json!({
                "metadata": {"labels": labels},
                "spec": {"taints": taints},
                "status": {"conditions": [{"type": "Ready", "status": ready}]},
            });
            serde_json::from_value(node).unwrap()
        };
        let any = TenantNodes::default();
        let chosen = TenantNodes {
            selector: [("pool".to_owned(), "tenants".to_owned())].into(),
            taint: "tenants".to_owned(),
        };
        let own = json!({"pool": "tenants"});
        assert!(any.take(&node(json!({}), &[], "True")));
        assert!(!any.take(&node(own.clone(), std::slice::from_ref(&of_tenants), "True")));
        assert!(chosen.take(&node(own.clone(), std::slice::from_ref(&of_tenants), "True")));
        assert!(chosen.take(&node(
            own.clone(),
            &[json!({"key": "x", "effect": "PreferNoSchedule"})],
            "True"
        )));
        assert!(!chosen.take(&node(
            own.clone(),
            &[of_tenants, json!({"key": "x", "effect": "NoExecute"})],
            "True"
        )));
        assert!(!chosen.take(&node(json!({"pool": "others"}), &[], "True")));
        assert!(!chosen.take(&node(own, &[], "False")));
    }
}
