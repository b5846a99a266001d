//! One request and what must become of it. The cases are data: `cases/POLICY.yaml`.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result, bail, ensure};
use http::{Method, Request};
use k8s_openapi::api::{node::v1::RuntimeClass, storage::v1::StorageClass};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{TIERS, lease, merge, policies::renamed, read};
use crate::cluster::{Cluster, apply};

/// A request, as somebody, and its expected fate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// What it shows, in words.
    pub(super) name: String,
    /// Who asks: a name of [`identity`].
    #[serde(rename = "as")]
    who: String,
    /// create, update, delete or connect.
    #[serde(rename = "do")]
    verb: String,
    /// An object of `objects.yaml`.
    object: String,
    /// What the request changes about the object, as a JSON merge patch.
    #[serde(default)]
    with: Value,
    /// What it changes about the only container of a pod.
    #[serde(default)]
    container: Value,
    /// The tier of the namespace; strict if left out.
    #[serde(default = "strict")]
    tier: String,
    /// Words of the refusal; none if the request is to be admitted.
    pub(super) refused: Option<String>,
}

/// What the API server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Yes. For a stream to a pod that does not exist: not found.
    Admitted,
    /// No, and why.
    Refused(String),
}

/// Where objects of a kind are, under their namespace if they have one.
#[derive(Clone, Debug, Deserialize)]
struct Template {
    /// Such as `/apis/apps/v1`.
    api: String,
    /// Such as `deployments`.
    resource: String,
    /// Whether it lives in the namespace of the tier.
    #[serde(default)]
    cluster: bool,
    /// The object as it is admitted.
    object: Value,
}

fn strict() -> String {
    "strict".to_owned()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted => f.write_str("admitted"),
            Self::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

/// The cases of a policy.
pub(super) fn cases(policy: &str) -> Result<Vec<Case>> {
    let file = format!("cases/{policy}.yaml");
    serde_saphyr::from_str(&read(&file)?).with_context(|| format!("failed to parse {file}"))
}

/// Everything that the objects of the cases need to be admitted by other parts of the API server.
pub(super) async fn prepare(cluster: &Cluster) -> Result<()> {
    let runtime: RuntimeClass =
        serde_json::from_value(json!({"metadata": {"name": cluster.system}, "handler": "none"}))?;
    apply(&cluster.all::<RuntimeClass>(), &runtime).await?;
    let storage: StorageClass = serde_json::from_value(
        json!({"metadata": {"name": "fast"}, "provisioner": "kubernetes.io/no-provisioner"}),
    )?;
    apply(&cluster.all::<StorageClass>(), &storage).await?;
    ensure_routes(cluster).await?;
    // What updates and deletions need to be there.
    for tier in TIERS {
        for (name, template) in templates(cluster, tier)? {
            if name.starts_with("existing-") {
                let uri = template.collection(cluster, tier);
                let outcome = send(cluster.admin.clone(), Method::POST, &uri, &template.object).await?;
                ensure!(outcome == Outcome::Admitted || template.cluster, "{name}: {outcome}");
            }
        }
    }
    Ok(())
}

/// The kind HTTPRoute where no Gateway API is installed: admission asks nothing of its schema.
async fn ensure_routes(cluster: &Cluster) -> Result<()> {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    let api = cluster.all::<CustomResourceDefinition>();
    let name = "httproutes.gateway.networking.k8s.io";
    if api.get_opt(name).await?.is_none() {
        let definition: CustomResourceDefinition = serde_saphyr::from_str(&read("httproutes.yaml")?)?;
        apply(&api, &definition).await?;
    }
    crate::cluster::wait(&api, name, kube::runtime::conditions::is_crd_established()).await?;
    Ok(())
}

impl Case {
    /// Sends the request, as a question only.
    pub(super) async fn run(&self, cluster: &Cluster) -> Result<Outcome> {
        let templates = templates(cluster, &self.tier)?;
        let template = templates.get(&self.object).with_context(|| format!("no object {}", self.object))?;
        let mut object = template.object.clone();
        let changes: Value = serde_json::from_str(&filled(cluster, &self.with.to_string()))?;
        if !changes.is_null() {
            merge(&mut object, &changes);
        }
        if !self.container.is_null() {
            merge(&mut object["spec"]["containers"][0], &self.container);
        }
        let name = template.object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let collection = template.collection(cluster, &self.tier);
        let (user, groups) = identity(cluster, &self.who)?;
        let client = cluster.as_user(&user, &groups)?;
        let (method, uri) = match self.verb.as_str() {
            "create" => (Method::POST, collection + "?dryRun=All"),
            // A status, a token and other subresources are named by the resource: `pods/status`.
            "update" => (Method::PATCH, format!("{collection}/{name}?dryRun=All")),
            "delete" => (Method::DELETE, format!("{collection}/{name}?dryRun=All")),
            verb => match verb.split_once(' ') {
                Some(("connect", stream)) => {
                    (Method::POST, format!("{collection}/{name}/{stream}?command=id&stdout=true&ports=80"))
                }
                Some(("create", part)) => (Method::POST, format!("{collection}/{name}/{part}?dryRun=All")),
                Some(("update", part)) => (Method::PATCH, format!("{collection}/{name}/{part}?dryRun=All")),
                _ => bail!("no such request: {verb}"),
            },
        };
        let body = if method == Method::PATCH { changes } else { object };
        send(client, method, &uri, &body).await
    }

    /// Whether that is what the case expects of a policy.
    pub(super) fn is_met_by(&self, outcome: &Outcome, policy: &str, cluster: &Cluster) -> bool {
        match (&self.refused, outcome) {
            (None, Outcome::Admitted) => true,
            (Some(words), Outcome::Refused(why)) => {
                why.contains(words.as_str()) && why.contains(&format!("'{}-{policy}'", cluster.system))
            }
            _ => false,
        }
    }
}

impl Template {
    fn collection(&self, cluster: &Cluster, tier: &str) -> String {
        if self.cluster {
            return format!("{}/{}", self.api, self.resource);
        }
        let namespace = match self.object["metadata"]["namespace"].as_str() {
            Some(namespace) => namespace.to_owned(),
            None => format!("{}-{tier}", cluster.system),
        };
        format!("{}/namespaces/{namespace}/{}", self.api, self.resource)
    }
}

/// Text of a test file with the names of this run.
fn filled(cluster: &Cluster, text: &str) -> String {
    renamed(cluster, text)
        .replace("LEASE26", &lease(cluster)[..26])
        .replace("LEASE", &lease(cluster))
        .replace("SYSTEM", &cluster.system)
        .replace("DIGEST", &"1".repeat(64))
}

fn templates(cluster: &Cluster, tier: &str) -> Result<BTreeMap<String, Template>> {
    let text = filled(cluster, &read("objects.yaml")?).replace("TIER", tier);
    let mut templates: BTreeMap<String, Template> =
        serde_saphyr::from_str(&text).context("failed to parse objects.yaml")?;
    if let Some(pod) = templates.get_mut("pod") {
        match tier {
            "userns" => pod.object["spec"]["hostUsers"] = json!(false),
            "sandboxed" => pod.object["spec"]["runtimeClassName"] = json!(cluster.system),
            _ => {}
        }
    }
    Ok(templates)
}

/// Users by what they are. All of them are administrators to RBAC, so that admission alone decides.
fn identity(cluster: &Cluster, who: &str) -> Result<(String, Vec<String>)> {
    let system = &cluster.system;
    let controller = |name: &str| format!("system:serviceaccount:kube-system:{name}");
    let mut groups = vec!["system:masters".to_owned(), "system:authenticated".to_owned()];
    let user = match who {
        "operator" => format!("system:serviceaccount:{system}:{system}-operator"),
        "gateway" => format!("system:serviceaccount:{system}:leasehold-agent"),
        "administrator" => "alice".to_owned(),
        "break-glass" => {
            groups.push("leasehold:break-glass".to_owned());
            "alice".to_owned()
        }
        "scheduler" => "system:kube-scheduler".to_owned(),
        "node" => {
            groups.push("system:nodes".to_owned());
            "system:node:one".to_owned()
        }
        "addon" => "system:serviceaccount:kube-system:an-addon".to_owned(),
        "pod-network" => controller("calico-node"),
        name if name.ends_with("-controller")
            || name.ends_with("-binder")
            || name.ends_with("-publisher") =>
        {
            controller(name)
        }
        _ => bail!("nobody is called {who}"),
    };
    Ok((user, groups))
}

/// Sends a request and reads a refusal's words.
pub(super) async fn send(client: kube::Client, method: Method, uri: &str, body: &Value) -> Result<Outcome> {
    let content = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let body = if method == Method::DELETE { Vec::new() } else { serde_json::to_vec(body)? };
    let request = Request::builder().method(method).uri(uri).header("Content-Type", content).body(body)?;
    match client.request_text(request).await {
        Ok(_) => Ok(Outcome::Admitted),
        // Admission comes before the look for the pod that a stream is for.
        Err(kube::Error::Api(status)) if status.code == 404 && status.message.contains("pods \"") => {
            Ok(Outcome::Admitted)
        }
        Err(kube::Error::Api(status)) => Ok(Outcome::Refused(status.message.clone())),
        Err(error) => Err(error).with_context(|| format!("failed to send a request to {uri}")),
    }
}
