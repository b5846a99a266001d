//! Upstream's Pod Security test data: pods that break one rule of *restricted* each, and pods that break none.
//!
//! It is read from the very Kubernetes module that the testbed builds. Each pod is completed with what a lease's pod has
//! besides (a pinned image, bounds, labels), so that what is refused is refused for what upstream wrote into it.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};

use super::{
    case::{self, Outcome},
    lease,
};
use crate::cluster::Cluster;

/// The newest rules that the testbed's Kubernetes has.
const VERSION: &str = "v1.35";

/// What became of the corpus in one namespace.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    admitted: Vec<String>,
    refused: Vec<String>,
    /// Refused by the API server itself, before any layer was asked.
    invalid: Vec<String>,
    /// Refused, but not by the layer under test.
    elsewhere: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |list: &[String], half: &str| list.iter().filter(|name| name.starts_with(half)).count();
        write!(
            f,
            "{} of {} failing and {} of {} passing pods refused, {} refused by the API server itself",
            count(&self.refused, "fail/"),
            count(&self.refused, "fail/") + count(&self.admitted, "fail/"),
            count(&self.refused, "pass/"),
            count(&self.refused, "pass/") + count(&self.admitted, "pass/"),
            self.invalid.len()
        )
    }
}

impl Verdict {
    /// Compares with the reviewed list: failing pods that are admitted, and passing pods that are refused.
    pub(super) fn compare(&self, name: &str) -> Result<()> {
        ensure!(self.elsewhere.is_empty(), "refused by another layer: {}", self.elsewhere.join("\n"));
        let mut lines: Vec<String> = Vec::new();
        lines.extend(
            self.admitted.iter().filter(|n| n.starts_with("fail/")).map(|n| format!("admitted {n}\n")),
        );
        lines
            .extend(self.refused.iter().filter(|n| n.starts_with("pass/")).map(|n| format!("refused {n}\n")));
        lines.extend(self.invalid.iter().map(|name| format!("invalid {name}\n")));
        let actual = lines.concat();
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/admission/corpus")
            .join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            return fs::write(&path, actual).with_context(|| format!("failed to write {}", path.display()));
        }
        let expected =
            fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        ensure!(expected == actual, "{name} differs from the reviewed list:\n{actual}");
        Ok(())
    }
}

/// Offers every pod to the namespace of a tier, as the controller that makes a lease's pods. `layer` is in the words of
/// every refusal of the layer under test.
pub(super) async fn judge(cluster: &Cluster, tier: &str, layer: &str) -> Result<Verdict> {
    let user = "system:serviceaccount:kube-system:replicaset-controller";
    let client = cluster.as_user(user, &["system:masters".to_owned()])?;
    let uri = format!("/api/v1/namespaces/{}-{tier}/pods?dryRun=All", cluster.system);
    let mut verdict = Verdict::default();
    for (name, mut pod) in pods()? {
        complete(&mut pod, cluster, tier);
        match case::send(client.clone(), Method::POST, &uri, &pod).await? {
            Outcome::Admitted => verdict.admitted.push(name),
            Outcome::Refused(why) if why.contains(layer) => verdict.refused.push(name),
            Outcome::Refused(why) if why.contains("\" is invalid: ") => verdict.invalid.push(name),
            Outcome::Refused(why) => verdict.elsewhere.push(format!("{name}: {why}")),
        }
    }
    Ok(verdict)
}

/// Every pod by `fail/NAME` or `pass/NAME`.
fn pods() -> Result<BTreeMap<String, Value>> {
    let mut pods = BTreeMap::new();
    for half in ["fail", "pass"] {
        let folder = corpus()?.join(half);
        for entry in fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).context("a file has a name")?;
            let text = fs::read_to_string(&path)?;
            let pod = serde_saphyr::from_str(&text)
                .with_context(|| format!("failed to parse {}", path.display()))?;
            pods.insert(format!("{half}/{name}"), pod);
        }
    }
    ensure!(pods.len() > 80, "only {} pods were found", pods.len());
    Ok(pods)
}

/// Where go keeps the module that the testbed's Kubernetes is built from.
fn corpus() -> Result<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbed/kubernetes");
    let answer = Command::new("go")
        .args(["list", "-mod=mod", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission"])
        .current_dir(module)
        .output()
        .context("failed to start go")?;
    ensure!(answer.status.success(), "go list: {}", String::from_utf8_lossy(&answer.stderr));
    let folder = String::from_utf8(answer.stdout)?;
    Ok(Path::new(folder.trim()).join("test/testdata/restricted").join(VERSION))
}

/// Adds what every pod of a lease has, and nothing that upstream set.
fn complete(pod: &mut Value, cluster: &Cluster, tier: &str) {
    pod["metadata"]["name"] = json!("corpus");
    pod["metadata"]["labels"]["leasehold.dev/lease"] = json!(lease(cluster));
    let spec = &mut pod["spec"];
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            container["image"] = json!(format!("registry.example/pause@sha256:{}", "1".repeat(64)));
            let resources = json!({"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "16Mi"});
            container["resources"] = json!({"requests": resources, "limits": resources});
        }
    }
    spec["automountServiceAccountToken"] = json!(false);
    spec["enableServiceLinks"] = json!(false);
    spec["dnsPolicy"] = json!("None");
    let search = format!("{}-{tier}.svc.cluster.local", cluster.system);
    spec["dnsConfig"] = json!({"nameservers": ["10.96.0.53"], "searches": [search]});
    spec["nodeSelector"] = json!({"example.net/pool": "tenants"});
    spec["priorityClassName"] = json!(crd::labels::TENANT_PRIORITY_CLASS);
    if spec["os"]["name"] != "windows" {
        spec["securityContext"]["supplementalGroupsPolicy"] = json!("Strict");
    }
    if spec["os"].is_null() {
        spec.as_object_mut().expect("a spec is an object").remove("os");
    }
    for volume in spec["volumes"].as_array_mut().into_iter().flatten() {
        if volume["emptyDir"].is_object() {
            volume["emptyDir"]["sizeLimit"] = json!("1Mi");
        }
        // Indexing leaves nulls behind.
        if let Some(volume) = volume.as_object_mut() {
            volume.retain(|_, value| !value.is_null());
        }
    }
    let spec = spec.as_object_mut().expect("a spec is an object");
    spec.retain(|_, value| !value.is_null());
    match tier {
        "userns" => _ = spec.entry("hostUsers").or_insert(json!(false)),
        "sandboxed" => _ = spec.entry("runtimeClassName").or_insert(json!(cluster.system)),
        _ => {}
    }
}
