//! The chart's policies under names of one test, seeing only namespaces of that test.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::case::{Outcome, cases};
use crate::cluster::{Cluster, apply};

/// All nine, by the end of their names.
pub(super) const POLICIES: [&str; 9] =
    ["writers", "operator", "namespace", "pod", "service", "httproute", "claim", "secret", "guard"];
/// Rendered by the chart's own tests, so what is proved here is what a provider installs.
const RENDERED: &str = include_str!("../../../../charts/leasehold/tests/admission.yaml");

/// Which namespaces the policies of a test see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Those that the test has labelled for itself.
    OwnNamespaces,
    /// Those of leases, as in a provider's cluster.
    Leases,
}

/// What the chart installs, renamed.
pub(super) struct Policies {
    documents: Vec<Value>,
}

/// The label that the test's policies select namespaces by.
pub(super) fn label(cluster: &Cluster) -> String {
    format!("leasehold.dev/{}", cluster.system)
}

/// Text with the names of a test, seen by policies that see only the test.
pub(super) fn renamed(cluster: &Cluster, text: &str) -> String {
    with_own_users(cluster, text).replace("leasehold.dev/lease-namespace", &label(cluster))
}

fn with_own_users(cluster: &Cluster, text: &str) -> String {
    text.replace("leasehold-system:leasehold-operator", &format!("{0}:{0}-operator", cluster.system))
        .replace("leasehold-system", &cluster.system)
}

impl Policies {
    /// Installs them, the parameters first.
    pub(super) async fn install(cluster: &Cluster, sight: Sight) -> Result<Self> {
        let text = match sight {
            Sight::OwnNamespaces => renamed(cluster, RENDERED),
            Sight::Leases => with_own_users(cluster, RENDERED),
        };
        let mut documents = Vec::new();
        for document in text.split("\n---\n") {
            let mut document: Value = serde_saphyr::from_str(document.trim_start_matches("---\n"))?;
            rename(&mut document, cluster)?;
            if document["kind"] == "IsolationPolicy" {
                set_parameters(&mut document["spec"], cluster, sight);
            }
            documents.push(document);
        }
        let policies = Self { documents };
        for kind in ["IsolationPolicy", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"] {
            for document in policies.of_kind(kind) {
                match kind {
                    "IsolationPolicy" => apply_as::<crd::IsolationPolicy>(cluster, document).await?,
                    "ValidatingAdmissionPolicy" => {
                        apply_as::<ValidatingAdmissionPolicy>(cluster, document).await?;
                    }
                    _ => apply_as::<ValidatingAdmissionPolicyBinding>(cluster, document).await?,
                }
            }
        }
        Ok(policies)
    }

    /// Waits until the API server has read every policy: something that each refuses is refused by it.
    pub(super) async fn in_force(&self, cluster: &Cluster) -> Result<()> {
        for policy in POLICIES {
            let refused = cases(policy)?.into_iter().find(|case| case.refused.is_some());
            let case = refused.with_context(|| format!("{policy} refuses nothing"))?;
            let name = format!("'{}-{policy}'", cluster.system);
            eventually(async || {
                Ok(matches!(case.run(cluster).await?, Outcome::Refused(text) if text.contains(&name)))
            })
            .await
            .with_context(|| format!("policy {policy}, case {}", case.name))?;
        }
        Ok(())
    }

    /// How many rules a policy has.
    pub(super) fn rules(&self, policy: &str) -> Result<usize> {
        let rules = self.policy(policy)?["spec"]["validations"].as_array();
        Ok(rules.context("a policy has rules")?.len())
    }

    /// Installs a policy without one of its rules.
    pub(super) async fn drop_rule(&self, cluster: &Cluster, policy: &str, rule: usize) -> Result<()> {
        let mut mutant = self.policy(policy)?.clone();
        let rules = mutant["spec"]["validations"].as_array_mut().context("a policy has rules")?;
        rules.remove(rule);
        // A policy must say something.
        if rules.is_empty() {
            rules.push(json!({"expression": "true"}));
        }
        replace(cluster, &mutant).await
    }

    /// Installs a policy as it was.
    pub(super) async fn restore(&self, cluster: &Cluster, policy: &str) -> Result<()> {
        replace(cluster, self.policy(policy)?).await
    }

    /// Removes what the policies read.
    pub(super) async fn remove_parameters(&self, cluster: &Cluster) -> Result<()> {
        let api = cluster.all::<crd::IsolationPolicy>();
        api.delete(&cluster.system, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Removes them all.
    pub(super) async fn remove(&self, cluster: &Cluster) -> Result<()> {
        for policy in POLICIES {
            let name = format!("{}-{policy}", cluster.system);
            cluster.delete(&cluster.all::<ValidatingAdmissionPolicyBinding>(), &name).await?;
            cluster.delete(&cluster.all::<ValidatingAdmissionPolicy>(), &name).await?;
        }
        cluster.delete(&cluster.all::<crd::IsolationPolicy>(), &cluster.system).await
    }

    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.documents.iter().filter(move |document| document["kind"] == kind)
    }

    fn policy(&self, policy: &str) -> Result<&Value> {
        let found = self.of_kind("ValidatingAdmissionPolicy").find(|document| {
            document["metadata"]["name"].as_str().is_some_and(|name| name.ends_with(&format!("-{policy}")))
        });
        found.with_context(|| format!("the chart has no policy {policy}"))
    }
}

/// Cluster-wide names of the release become those of the test, and the parameters those of its fixtures.
fn rename(document: &mut Value, cluster: &Cluster) -> Result<()> {
    let new = |old: &Value| -> Result<Value> {
        let old = old.as_str().context("a name is text")?;
        let end = old.strip_prefix("leasehold").context("a name begins with that of the release")?;
        Ok(json!(format!("{}{end}", cluster.system)))
    };
    document["metadata"]["name"] = new(&document["metadata"]["name"])?;
    let spec = document["spec"].as_object_mut().context("a document has a spec")?;
    if let Some(policy) = spec.get_mut("policyName") {
        *policy = new(policy)?;
    }
    if let Some(parameters) = spec.get_mut("paramRef") {
        parameters["name"] = new(&parameters["name"])?;
    }
    Ok(())
}

/// What the fixtures are written for; a lease of the operator's needs the chart's own, and the test's administrator plays the
/// kubelet.
fn set_parameters(spec: &mut Value, cluster: &Cluster, sight: Sight) {
    if sight == Sight::Leases {
        spec["breakGlassGroups"] = json!(["system:masters"]);
        return;
    }
    spec["sandboxRuntimeClasses"] = json!([cluster.system]);
    spec["gateways"] = json!([{"namespace": "gateways", "name": "public"}]);
    spec["publicDomain"] = json!("apps.example.net");
    spec["nodeSelector"] = json!({"example.net/pool": "tenants"});
    spec["tolerationKeys"] = json!(["example.net/tenants"]);
    spec["storageClasses"] = json!(["fast"]);
}

async fn apply_as<K>(cluster: &Cluster, document: &Value) -> Result<()>
where
    K: kube::Resource<DynamicType = ()> + serde::Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    let object: K = serde_json::from_value(document.clone())?;
    apply(&cluster.all::<K>(), &object).await
}

async fn replace(cluster: &Cluster, document: &Value) -> Result<()> {
    let api: Api<ValidatingAdmissionPolicy> = cluster.all();
    let name = document["metadata"]["name"].as_str().context("a policy has a name")?;
    let patch = json!({"spec": document["spec"]});
    api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

/// Asks until the answer is yes; the API server reads policies a moment after they were written.
pub(super) async fn eventually(ask: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    for _ in 0..150 {
        ticks.tick().await;
        if ask().await? {
            return Ok(());
        }
    }
    bail!("it did not happen in 30 s")
}
