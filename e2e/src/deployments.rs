//! Our own Deployments, as their owner scales and awaits them.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::chart::NAMESPACE;
use crate::cluster::until;

const PATIENCE: Duration = Duration::from_secs(120);

/// Sets the replicas.
///
/// # Errors
/// When the API server refuses.
pub async fn scale(client: &Client, deployment: &str, replicas: u32) -> Result<()> {
    let patch = json!({"spec": {"replicas": replicas}});
    api(client)
        .patch(deployment, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .with_context(|| format!("failed to scale {deployment}"))?;
    Ok(())
}

/// Waits until it has as many available pods as it wants, and none besides.
///
/// # Errors
/// When that does not come.
pub async fn await_available(client: &Client, deployment: &str) -> Result<()> {
    until(&format!("{deployment} as wanted"), PATIENCE, || async {
        let found = api(client).get(deployment).await?;
        let wanted = found.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let seen = found.metadata.generation;
        let status = found.status.unwrap_or_default();
        let settled = status.observed_generation >= seen
            && status.available_replicas.unwrap_or(0) == wanted
            && status.replicas.unwrap_or(0) == wanted;
        Ok(settled.then_some(()))
    })
    .await
}

fn api(client: &Client) -> Api<Deployment> {
    Api::namespaced(client.clone(), NAMESPACE)
}
