//! `leasehold provider preflight` on a real API server: what it says before and after a fix, and that reading is all it needs.

use std::{collections::BTreeMap, env, fs, path::Path};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    core::v1::{Namespace, Node, Secret},
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::api::{Patch, PatchParams};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::cluster::{Cluster, apply};

/// What the checks read. The right to ask for one's own rights is everybody's.
const READ: [(&str, &[&str], &str); 8] = [
    ("", &["nodes"], "list"),
    ("", &["namespaces", "configmaps", "secrets"], "get"),
    ("storage.k8s.io", &["storageclasses"], "list"),
    ("node.k8s.io", &["runtimeclasses"], "list"),
    ("coordination.k8s.io", &["leases"], "list"),
    ("certificates.k8s.io", &["certificatesigningrequests"], "list"),
    ("admissionregistration.k8s.io", &["mutatingwebhookconfigurations"], "list"),
    ("events.k8s.io", &["events"], "list"),
];

#[derive(Debug, Deserialize)]
struct Line {
    check: String,
    result: String,
    #[serde(default)]
    fix: String,
}

/// The program as it is shipped, with its values and a kubeconfig of somebody who may only read.
struct Preflight<'a> {
    cluster: &'a Cluster,
    folder: tempfile::TempDir,
}

impl<'a> Preflight<'a> {
    fn new(cluster: &'a Cluster) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let text = fs::read_to_string(admin()?)?;
        let mut kubeconfig: Value = serde_saphyr::from_str(&text)?;
        for user in kubeconfig["users"].as_array_mut().context("the kubeconfig has users")? {
            user["user"]["as"] = json!(reader(cluster));
            user["user"]["as-groups"] = json!(["system:authenticated"]);
        }
        fs::write(folder.path().join("reader"), kubeconfig.to_string())?;
        let values = json!({
            "operator": {"tenantNodes": {"selector": {"leasehold.dev/preflight": cluster.system}}},
            "agent": {"operatorKey": {"secretName": "operator-key"}}
        });
        fs::write(folder.path().join("values.yaml"), values.to_string())?;
        Ok(Self { cluster, folder })
    }

    /// What each check says, by its name, and whether the program was content.
    async fn run(&self, kubeconfig: &Path) -> Result<(BTreeMap<String, Line>, bool)> {
        let binary =
            env::var("LEASEHOLD_TEST_CLI").context("LEASEHOLD_TEST_CLI must name the client's program")?;
        let mut command = Command::new(binary);
        command.args(["provider", "preflight", "--output", "json", "--namespace", &self.cluster.system]);
        command.arg("--values").arg(self.folder.path().join("values.yaml"));
        command.arg("--kubeconfig").arg(kubeconfig).env("LEASEHOLD_HOME", self.folder.path());
        let output = command.output().await?;
        let lines: Vec<Line> = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        Ok((lines.into_iter().map(|line| (line.check.clone(), line)).collect(), output.status.success()))
    }

    async fn as_reader(&self) -> Result<(BTreeMap<String, Line>, bool)> {
        self.run(&self.folder.path().join("reader")).await
    }
}

fn admin() -> Result<String> {
    env::var("LEASEHOLD_TEST_KUBECONFIG").context("LEASEHOLD_TEST_KUBECONFIG must name a kubeconfig")
}

fn reader(cluster: &Cluster) -> String {
    format!("{}-reader", cluster.system)
}

fn failed(lines: &BTreeMap<String, Line>) -> Vec<&str> {
    lines.values().filter(|line| line.result == "fail").map(|line| line.check.as_str()).collect()
}

async fn let_somebody_read(cluster: &Cluster) -> Result<()> {
    let name = reader(cluster);
    let rules = READ.map(
        |(group, resources, verb)| json!({"apiGroups": [group], "resources": resources, "verbs": [verb]}),
    );
    let role = json!({"metadata": {"name": name}, "rules": rules});
    apply(&cluster.all::<ClusterRole>(), &serde_json::from_value(role)?).await?;
    let binding = json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}]
    });
    apply(&cluster.all::<ClusterRoleBinding>(), &serde_json::from_value(binding)?).await
}

/// Does what the fixes say, and what a kubelet would do.
async fn fix(cluster: &Cluster) -> Result<()> {
    let system = &cluster.system;
    let node = json!({"metadata": {"name": system, "labels": {"leasehold.dev/preflight": system}}});
    let nodes = cluster.all::<Node>();
    apply(&nodes, &serde_json::from_value(node)?).await?;
    let ready = json!({"status": {"conditions": [{
        "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "as good as a kubelet",
        "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"
    }]}});
    nodes.patch_status(system, &PatchParams::default(), &Patch::Merge(&ready)).await?;
    // The API server puts the taint of a node that is not ready on every new one.
    let clean = json!({"spec": {"taints": null}});
    nodes.patch(system, &PatchParams::default(), &Patch::Merge(&clean)).await?;
    cluster.ensure_storage_class().await?;
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    cluster.all::<Namespace>().patch(system, &PatchParams::default(), &Patch::Merge(&label)).await?;
    let secret =
        json!({"metadata": {"name": "operator-key"}, "stringData": {"operator-key": "not asked for"}});
    apply(&cluster.own::<Secret>(), &serde_json::from_value(secret)?).await
}

async fn story(cluster: &Cluster) -> Result<()> {
    let_somebody_read(cluster).await?;
    let preflight = Preflight::new(cluster)?;

    let (before, content) = preflight.as_reader().await?;
    ensure!(!content, "it is content with an empty cluster");
    let wanted = ["operator_key", "permissions", "pod_security", "storage_class", "tenant_nodes"];
    ensure!(failed(&before) == wanted, "{before:?}");
    let fix_of = |check: &str| before[check].fix.as_str();
    let label = format!("kubectl label node NODE leasehold.dev/preflight={}", cluster.system);
    ensure!(fix_of("tenant_nodes") == label, "{before:?}");
    let annotate = "kubectl annotate storageclass CLASS storageclass.kubernetes.io/is-default-class=true";
    ensure!(fix_of("storage_class") == annotate, "{before:?}");
    ensure!(fix_of("pod_security").ends_with("pod-security.kubernetes.io/enforce=restricted"), "{before:?}");
    ensure!(fix_of("operator_key").contains("create secret generic operator-key"), "{before:?}");

    fix(cluster).await?;
    // Whoever may only read lacks the rights to install, and nothing else is refused to him: so nothing was written.
    let (after, content) = preflight.as_reader().await?;
    ensure!(!content && failed(&after) == ["permissions"], "{after:?}");
    let (installing, content) = preflight.run(Path::new(&admin()?)).await?;
    ensure!(content && failed(&installing).is_empty(), "{installing:?}");
    ensure!(installing["network_plugin"].result == "not_applicable", "{installing:?}");
    ensure!(installing["clock"].result == "pass", "{installing:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a real API server: LEASEHOLD_TEST_KUBECONFIG"]
async fn preflight_fails_with_the_fix_passes_after_it_and_only_reads() -> Result<()> {
    let cluster = Cluster::connect("preflight").await?;
    cluster
        .clean_up_after(async |cluster| {
            let told = story(cluster).await;
            let name = reader(cluster);
            cluster.delete(&cluster.all::<Node>(), &cluster.system).await?;
            cluster.delete(&cluster.all::<ClusterRoleBinding>(), &name).await?;
            cluster.delete(&cluster.all::<ClusterRole>(), &name).await?;
            told
        })
        .await
}
