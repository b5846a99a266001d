//! What the story reads from the cluster, as its owner.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Event, Namespace, Node, Pod};
use kube::api::{Api, DeleteParams, ListParams, LogParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::report;

/// How often a condition is looked at while it is awaited.
const POLL: Duration = Duration::from_millis(500);

/// A client for the cluster in `kubeconfig`.
///
/// # Errors
/// When the file cannot be read or names no usable cluster.
pub async fn connect(kubeconfig: &Path) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("failed to read {}", kubeconfig.display()))?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// A client of the group that may repair a lease by hand; the chart's default has nobody in it.
///
/// # Errors
/// As [`connect`].
pub async fn connect_as_break_glass(kubeconfig: &Path) -> Result<Client> {
    connect_as(kubeconfig, "leasehold-demo", "leasehold:break-glass").await
}

/// A client of somebody whom the administrator plays, in a group of their own beside the administrators.
///
/// # Errors
/// As [`connect`].
pub async fn connect_as(kubeconfig: &Path, user: &str, group: &str) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("failed to read {}", kubeconfig.display()))?;
    let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.auth_info.impersonate = Some(user.to_owned());
    config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned(), group.to_owned()]);
    Ok(Client::try_from(config)?)
}

/// Makes a namespace with labels.
///
/// # Errors
/// When the API server refuses.
pub async fn apply_namespace(client: &Client, manager: &str, name: &str, labels: Value) -> Result<()> {
    let object = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
    });
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces.patch(name, &PatchParams::apply(manager).force(), &Patch::Apply(object)).await?;
    Ok(())
}

/// Looks at `condition` until it gives a value, for at most `limit`.
///
/// # Errors
/// What `condition` says when it fails, or that `what` did not come in time.
pub async fn until<T, F>(what: &str, limit: Duration, mut condition: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let mut ticks = tokio::time::interval(POLL);
    let wait = async {
        loop {
            ticks.tick().await;
            if let Some(value) = condition().await? {
                return Ok(value);
            }
        }
    };
    tokio::time::timeout(limit, wait)
        .await
        .with_context(|| format!("{what} did not happen within {} s", limit.as_secs()))?
}

/// All nodes as their kubelets describe them.
///
/// # Errors
/// When the API server refuses or is away.
pub async fn nodes(client: &Client) -> Result<Vec<report::Node>> {
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?;
    nodes
        .into_iter()
        .map(|node| {
            let name = node.name_any();
            let info = node
                .status
                .and_then(|status| status.node_info)
                .with_context(|| format!("node {name} has no info yet"))?;
            Ok(report::Node {
                name,
                container_runtime: info.container_runtime_version,
                kubelet: info.kubelet_version,
                kernel: info.kernel_version,
            })
        })
        .collect()
}

/// The pods of a lease namespace.
///
/// # Errors
/// When the API server refuses or is away.
pub async fn pods(client: &Client, namespace: &str) -> Result<Vec<report::Pod>> {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace).list(&ListParams::default()).await?;
    Ok(pods
        .into_iter()
        .map(|pod| report::Pod {
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
            images: pod
                .status
                .and_then(|status| status.container_statuses)
                .unwrap_or_default()
                .into_iter()
                .map(|container| container.image_id)
                .collect(),
            cgroup_cpu_nanoseconds: None,
        })
        .collect())
}

/// Whether a namespace is gone.
///
/// # Errors
/// When the API server refuses or is away.
pub async fn namespace_gone(client: &Client, name: &str) -> Result<bool> {
    Ok(Api::<Namespace>::all(client.clone()).get_opt(name).await?.is_none())
}

/// Deletes a namespace and waits until it is gone; one that is not there is no error.
///
/// # Errors
/// When the API server refuses, or the namespace stays.
pub async fn delete_namespace(client: &Client, name: &str) -> Result<()> {
    match Api::<Namespace>::all(client.clone()).delete(name, &DeleteParams::default()).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    until("the namespace's end", Duration::from_secs(120), || async {
        Ok(namespace_gone(client, name).await?.then_some(()))
    })
    .await
}

/// The text of `path` on a pod's port, through the API server.
///
/// # Errors
/// When the pod does not answer.
pub async fn pod_get(client: &Client, namespace: &str, pod: &str, port: u16, path: &str) -> Result<String> {
    let uri = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}");
    let request = http::Request::get(uri).body(Vec::new())?;
    Ok(client.request_text(request).await?)
}

/// The whole logs of every pod in a namespace, by pod.
///
/// # Errors
/// When the API server or a kubelet refuses.
pub async fn logs(client: &Client, namespace: &str) -> Result<Vec<(String, String)>> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut logs = Vec::new();
    for pod in pods.list(&ListParams::default()).await? {
        let name = pod.name_any();
        let text = pods.logs(&name, &LogParams::default()).await?;
        logs.push((name, text));
    }
    Ok(logs)
}

/// Prints the newest log lines of every pod in a namespace and the namespace's events, to explain a failure.
pub async fn print_logs(client: &Client, namespace: &str) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let list = match pods.list(&ListParams::default()).await {
        Ok(list) => list,
        Err(error) => return eprintln!("failed to list the pods of {namespace}: {error}"),
    };
    for pod in list {
        let name = pod.name_any();
        let phase = pod.status.and_then(|status| status.phase).unwrap_or_default();
        eprintln!("--- {namespace}/{name} ({phase})");
        match pods.logs(&name, &LogParams { tail_lines: Some(60), ..LogParams::default() }).await {
            Ok(text) => eprintln!("{text}"),
            Err(error) => eprintln!("no log: {error}"),
        }
    }
    match Api::<Event>::namespaced(client.clone(), namespace).list(&ListParams::default()).await {
        Ok(events) => {
            for event in events {
                let object = event.involved_object.name.unwrap_or_default();
                eprintln!(
                    "event {namespace}/{object}: {} {}",
                    event.reason.unwrap_or_default(),
                    event.message.unwrap_or_default()
                );
            }
        }
        Err(error) => eprintln!("failed to list the events of {namespace}: {error}"),
    }
}
