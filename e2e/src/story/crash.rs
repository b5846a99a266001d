//! A power cut of our own software: operator, meter and agent are killed without a warning, the lease goes on.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};

use crate::chart;
use crate::cluster::until;
use crate::report;
use crate::story::observe;
use crate::story::order::Opened;
use crate::world::World;

/// How long the replacements may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Kills our pods (no grace, so SIGKILL) and waits for ready replacements; the lease's pods must be the same as before.
///
/// # Errors
/// When a replacement does not get ready, or a pod of the lease was restarted or replaced.
pub(super) async fn kill_operator_and_agent(
    world: &World,
    opened: &Opened,
    lease_pods: &[report::Pod],
) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(world.cluster.clone(), chart::NAMESPACE);
    let before: Vec<String> =
        pods.list(&ListParams::default()).await?.iter().map(ResourceExt::name_any).collect();
    for name in &before {
        pods.delete(name, &DeleteParams::default().grace_period(0)).await?;
    }
    until("the replacements' readiness", PATIENCE, || async {
        let list = pods.list(&ListParams::default()).await?;
        let replaced = list.iter().filter(|pod| !before.contains(&pod.name_any()) && is_ready(pod)).count();
        Ok((replaced == before.len()).then_some(()))
    })
    .await?;
    let uids = |pods: &[report::Pod]| pods.iter().map(|pod| pod.uid.clone()).collect::<Vec<_>>();
    let now = observe::pods(world, opened).await?;
    anyhow::ensure!(
        uids(lease_pods) == uids(&now),
        "the lease's pods changed when our own software was killed"
    );
    Ok(())
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
