//! Proves that the node really has what the isolation tiers build on: gVisor, and user namespaces of pods.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::images::Images;
use super::kubectl::Kubectl;
use super::site::SANDBOX_RUNTIME_CLASS;
use super::template::render;

const NAMESPACE: &str = "leasehold-testbed-proof";

/// Starts the pods that say on what they run.
pub(crate) fn start(images: &Images, kubectl: &Kubectl) -> Result<()> {
    let values =
        [("NAMESPACE", NAMESPACE), ("RUNTIME_CLASS", SANDBOX_RUNTIME_CLASS), ("IMAGE", &images.busybox)];
    let pods = render(include_str!("../../../testbed/config/proof.yaml"), &values)?;
    // Pods are refused until the controllers have given their namespace its service account.
    kubectl.apply_when_known(&pods, Duration::from_secs(30))
}

/// Waits for what the pods say, checks it, and lets them go.
pub(crate) fn check(kubectl: &Kubectl) -> Result<()> {
    let kernel = said(kubectl, "sandboxed")?;
    ensure!(kernel.contains("gvisor"), "a pod of the class {SANDBOX_RUNTIME_CLASS} runs on: {kernel}");
    let users = said(kubectl, "userns")?;
    ensure!(is_own_user_namespace(&users), "a pod with `hostUsers: false` has the user map: {users}");
    kubectl.run(&["delete", "namespace", NAMESPACE, "--wait=false"]).map(drop)
}

fn said(kubectl: &Kubectl, pod: &str) -> Result<String> {
    let target = format!("pod/{pod}");
    let ended = "--for=jsonpath={.status.phase}=Succeeded";
    kubectl.run(&["wait", "--namespace", NAMESPACE, &target, ended, "--timeout=60s"]).with_context(|| {
        let pod = kubectl.run(&["describe", "--namespace", NAMESPACE, &target]);
        format!("{target} did not run:\n{}", pod.unwrap_or_else(|error| format!("{error:#}")))
    })?;
    kubectl.run(&["logs", "--namespace", NAMESPACE, &target])
}

/// Whether a `uid_map` gives root of the pod to a user of the node that is not root, and no more users than a pod needs.
fn is_own_user_namespace(map: &str) -> bool {
    let numbers: Option<Vec<u64>> = map.split_whitespace().map(|word| word.parse().ok()).collect();
    matches!(numbers.as_deref(), Some([0, first, 65_536]) if *first >= 65_536)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_map_away_from_the_nodes_users_is_a_user_namespace_of_the_pods_own() {
        let maps = ["0 1206517760 65536\n", "0 0 4294967295\n", "0 0 65536\n", "0 65536 4294967295\n", ""];
        assert_eq!(maps.map(is_own_user_namespace), [true, false, false, false, false]);
    }
}
