//! What is known of a node: where its kubelet is, which boot it is in, and whether it is fit. Pure.

use std::net::IpAddr;

use k8s_openapi::api::{coordination::v1::Lease, core::v1::Node};
use usage::{Boot, Millis, Trouble};

use super::millis;

/// Where kubelets keep the `coordination.k8s.io` Leases that show that they live.
pub(super) const HEARTBEATS: &str = "kube-node-lease";

/// Conditions that make a node unfit while they hold. A node that is not `Ready` is unfit too.
const AILMENTS: [&str; 4] = ["NetworkUnavailable", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// A node, reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MeteredNode {
    pub(super) address: IpAddr,
    pub(super) boot: Option<Boot>,
    pub(super) trouble: Trouble,
}

pub(super) fn node(node: &Node) -> Option<MeteredNode> {
    let status = node.status.as_ref()?;
    let addresses = status.addresses.as_ref()?;
    Some(MeteredNode {
        address: addresses.iter().find(|address| address.type_ == "InternalIP")?.address.parse().ok()?,
        boot: status.node_info.as_ref().and_then(|info| boot(&info.boot_id)),
        trouble: trouble(node),
    })
}

/// When a kubelet renewed its Lease last.
pub(super) fn heartbeat(lease: &Lease) -> Option<Millis> {
    Some(millis(lease.spec.as_ref()?.renew_time.as_ref()?.0))
}

/// The number that stands for a boot id, a random UUID.
fn boot(id: &str) -> Option<Boot> {
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).ok().map(Boot)
}

fn trouble(node: &Node) -> Trouble {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let holds = |type_: &str| conditions.iter().any(|found| found.type_ == type_ && found.status == "True");
    if holds("Ready") && !AILMENTS.into_iter().any(holds) { Trouble::None } else { Trouble::Provider }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node_with(conditions: Value) -> MeteredNode {
        let node: Node = serde_json::from_value(json!({"status": {
            "addresses": [{"type": "Hostname", "address": "a"}, {"type": "InternalIP", "address": "10.0.0.1"}],
            "conditions": conditions,
            "nodeInfo": {
                "bootID": "0123abcd-4567-89ab-cdef-000000000000", "architecture": "", "containerRuntimeVersion": "",
                "kernelVersion": "", "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "",
                "operatingSystem": "", "osImage": "", "systemUUID": ""
            }
        }}))
        .unwrap();
        super::node(&node).unwrap()
    }

    #[test]
    fn a_node_is_fit_only_when_it_is_ready_and_nothing_ails_it() {
        let ready = json!({"type": "Ready", "status": "True"});
        let fit = MeteredNode {
            address: [10, 0, 0, 1].into(),
            boot: Some(Boot(0x0123_abcd_4567_89ab)),
            trouble: Trouble::None,
        };
        let unfit = MeteredNode { trouble: Trouble::Provider, ..fit };
        assert_eq!(node_with(json!([ready, {"type": "DiskPressure", "status": "False"}])), fit);
        assert_eq!(node_with(json!([ready, {"type": "DiskPressure", "status": "True"}])), unfit);
        assert_eq!(node_with(json!([{"type": "Ready", "status": "Unknown"}])), unfit);
        assert_eq!(node_with(json!([])), unfit);
    }

    #[test]
    fn a_heartbeat_is_the_time_of_the_renewal() {
        let lease = |spec: Value| -> Lease { serde_json::from_value(json!({"spec": spec})).unwrap() };
        let renewed = lease(json!({"renewTime": "1970-01-01T00:00:05.250000Z"}));
        assert_eq!(heartbeat(&renewed), Some(Millis(5_250)));
        assert_eq!(heartbeat(&lease(json!({}))), None);
    }
}
