//! A tenant whose pods are evicted again and again: it costs the cluster a bounded number of objects, at a bounded pace.

use anyhow::{Context, Result, ensure};
use crd::{Cause, ComputeLease};
use k8s_openapi::{
    api::core::v1::{Pod, ResourceQuota},
    jiff::SignedDuration,
};
use kube::{Api, ResourceExt, api::ListParams};
use operator::lease_controller::{owned::Kind, pods::is_over, remains};

use crate::{
    cluster::{Cluster, guestbook_with, wait},
    kubelet::Kubelet,
    running::Running,
};

const COUNT: &str = "count/pods";
/// Just before an ended pod's time is over.
const NEARLY_OVER: SignedDuration = SignedDuration::from_secs(270);

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn pods_that_are_evicted_for_ever_are_made_anew_at_a_pace() -> Result<()> {
    Cluster::connect("evictions").await?.clean_up_after(evictions).await
}

async fn evictions(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let operator = Running::start(cluster)?;
    let name = cluster.open_lease(0xe1, &guestbook_with("greedy")).await?;
    let _kubelet = Kubelet::evicting(cluster, &name, "greedy", NEARLY_OVER);

    // The workload's controller fills the room that the quota has, and then it stands.
    let quotas = Api::<ResourceQuota>::namespaced(cluster.admin.clone(), name.as_str());
    let is_full = |quota: Option<&ResourceQuota>| {
        let status = quota.and_then(|quota| quota.status.as_ref());
        let used = status.and_then(|status| status.used.as_ref()?.get(COUNT));
        used.is_some() && used == status.and_then(|status| status.hard.as_ref()?.get(COUNT))
    };
    wait(&quotas, "lease", is_full).await.context("a full quota")?;
    let pods = Api::<Pod>::namespaced(cluster.admin.clone(), name.as_str());
    let mut ended = pods.list(&ListParams::default()).await?.items;
    ended.retain(is_over);
    ensure!(u64::try_from(ended.len())? >= remains::MOST, "{} ended pods", ended.len());

    // The tenant reads what ended them, and not that a quota is full.
    let says_why = |lease: Option<&ComputeLease>| {
        let services = lease.and_then(|lease| lease.status.as_ref()).map(|status| &status.services);
        services.into_iter().flatten().any(|service| {
            let trouble = service.trouble.as_ref();
            trouble.is_some_and(|trouble| trouble.reason == Cause::EphemeralStorageExceeded.as_str())
        })
    };
    wait(&cluster.own(), name.as_str(), says_why).await.context("the reason of the evictions")?;

    // Each of those goes when its time is over, and only then is there room for another.
    let one = ended.first().context("an ended pod")?;
    wait(&pods, &one.name_any(), |pod: Option<&Pod>| pod.is_none()).await.context("an ended pod goes")?;
    ensure!(operator.metrics.api_writes_of(Kind::Pod) >= 1);
    operator.stop().await
}
