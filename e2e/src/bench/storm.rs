//! Pods that crash and come back, all of them, as fast as the API server takes it: what their statuses cost the operator.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crd::labels;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

/// Requests that are under way at once.
const AT_ONCE: usize = 16;
/// More pods than a data centre's tenants let crash at the same time.
const MOST: usize = 1000;
/// How often each of them crashes.
const ROUNDS: u32 = 3;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    /// Pods that crashed.
    pub pods: usize,
    /// Crashes of all of them.
    pub crashes: u64,
    /// How long it took.
    pub took: Duration,
}

/// Lets pods of leases crash and come back, at most a thousand of them.
///
/// # Errors
/// When the API server refuses.
pub async fn crash(client: &Client) -> Result<Storm> {
    let selector = format!("{}={}", labels::MANAGED_BY, labels::MANAGED_BY_VALUE);
    let mut pods =
        Api::<Pod>::all(client.clone()).list(&ListParams::default().labels(&selector)).await?.items;
    pods.truncate(MOST);
    let begun = Instant::now();
    for round in 1..=ROUNDS {
        say(client, &pods, &crashed(round)).await?;
        say(client, &pods, &running(round)).await?;
    }
    let crashes = u64::try_from(pods.len())? * u64::from(ROUNDS);
    Ok(Storm { pods: pods.len(), crashes, took: begun.elapsed() })
}

/// Says the same of all pods.
async fn say(client: &Client, pods: &[Pod], status: &Value) -> Result<()> {
    let patch = &Patch::Strategic(json!({"status": status}));
    stream::iter(pods)
        .map(|pod| async move {
            let api = Api::<Pod>::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
            api.patch_status(&pod.name_any(), &PatchParams::default(), patch).await
        })
        .buffer_unordered(AT_ONCE)
        .try_for_each(|_| async { Ok(()) })
        .await
        .context("failed to play a kubelet")
}

fn crashed(restarts: u32) -> Value {
    let now = Timestamp::now().to_string();
    let ended = json!({"exitCode": 2, "reason": "Error", "message": "no such table\n", "startedAt": now, "finishedAt": now});
    let waiting = json!({"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"});
    container("False", restarts, &json!({"waiting": waiting}), &json!({"terminated": ended}))
}

fn running(restarts: u32) -> Value {
    container("True", restarts, &json!({"running": {"startedAt": Timestamp::now().to_string()}}), &json!({}))
}

/// `restarts` of them so far, and whether it is ready.
fn container(ready: &str, restarts: u32, state: &Value, last: &Value) -> Value {
    json!({
        "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": Timestamp::now().to_string()}],
        "containerStatuses": [{
            "name": "workload", "image": "i", "imageID": "", "ready": ready == "True", "restartCount": restarts,
            "state": state, "lastState": last,
        }],
    })
}
