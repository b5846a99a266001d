//! The life of a lease after its start, on a real API server: pause, update, roll-back, and a removal that is stuck.
//!
//! No kubelet runs; a watch of the test plays its part, so that controllers can replace pods one by one.

use anyhow::{Context, Result};
use crd::{ComputeLease, ComputeLeaseStatus, DesiredState, LeaseName, Phase, condition, reason};
use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Pod, ResourceQuota},
    },
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use manifest::ValidManifest;
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, guestbook, guestbook_with, wait},
    kubelet::Kubelet,
    operator::phase,
    running::Running,
};

async fn patch(cluster: &Cluster, name: &LeaseName, change: Value) -> Result<()> {
    let leases = cluster.own::<ComputeLease>();
    leases.patch(name.as_str(), &PatchParams::default(), &Patch::Merge(&change)).await?;
    Ok(())
}

/// Lets time pass: writes a status as the operator itself would have, so that its fields stay the operator's.
async fn rewrite(cluster: &Cluster, name: &LeaseName, status: ComputeLeaseStatus) -> Result<()> {
    let applied = json!({
        "apiVersion": "leasehold.dev/v1alpha1", "kind": "ComputeLease", "metadata": {"name": name.as_str()}, "status": status,
    });
    let params = PatchParams::apply(crd::labels::OPERATOR_FIELD_MANAGER).force();
    cluster.own::<ComputeLease>().patch_status(name.as_str(), &params, &Patch::Apply(&applied)).await?;
    Ok(())
}

async fn until(
    cluster: &Cluster,
    name: &LeaseName,
    what: &'static str,
    reached: impl Fn(&ComputeLeaseStatus) -> bool + Send + Sync + 'static,
) -> Result<ComputeLeaseStatus> {
    let holds = move |lease: Option<&ComputeLease>| {
        lease.and_then(|lease| lease.status.as_ref()).is_some_and(&reached)
    };
    let lease = wait(&cluster.own(), name.as_str(), holds).await.context(what)?;
    lease.and_then(|lease| lease.status).context("the lease disappeared")
}

fn told(status: &ComputeLeaseStatus, type_: &str) -> Option<(String, String)> {
    condition::find(&status.conditions, type_).map(|found| (found.reason.clone(), found.message.clone()))
}

fn is_told(
    type_: &'static str,
    reason: &'static str,
) -> impl Fn(&ComputeLeaseStatus) -> bool + Send + Sync + 'static {
    move |status| told(status, type_).is_some_and(|(found, _)| found == reason)
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_paused_lease_runs_nothing_and_finds_its_volume_again() -> Result<()> {
    Cluster::connect("pause").await?.clean_up_after(pause).await
}

async fn pause(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let operator = Running::start(cluster)?;
    let name = cluster.open_lease(0xb1, &guestbook()).await?;
    let kubelet = Kubelet::start(cluster, &name, "nobody");
    phase(cluster, &name, Phase::Ready).await?;
    let claims = Api::<PersistentVolumeClaim>::namespaced(cluster.admin.clone(), name.as_str());
    let claim = claims.get("data-database-0").await?.uid();

    let before = operator.metrics.api_writes();
    patch(cluster, &name, json!({"spec": {"desired": DesiredState::Paused}})).await?;
    phase(cluster, &name, Phase::Paused).await?;
    println!("API writes of a pause of two services: {}", operator.metrics.api_writes() - before);
    let quota = Api::<ResourceQuota>::namespaced(cluster.admin.clone(), name.as_str());
    wait(&quota, "lease", |quota: Option<&ResourceQuota>| {
        let used = quota.and_then(|quota| quota.status.as_ref()?.used.as_ref()?.get("pods"));
        used.is_some_and(|used| used.0 == "0")
    })
    .await?;
    let hard = quota.get("lease").await?.spec.and_then(|spec| spec.hard).unwrap_or_default();
    assert_eq!(hard["pods"].0, "0");
    let sets = Api::<StatefulSet>::namespaced(cluster.admin.clone(), name.as_str());
    assert_eq!(sets.get("database").await?.spec.and_then(|spec| spec.replicas), Some(0));
    assert_eq!(claims.get("data-database-0").await?.uid(), claim);

    patch(cluster, &name, json!({"spec": {"desired": DesiredState::Running}})).await?;
    phase(cluster, &name, Phase::Ready).await?;
    assert_eq!(claims.get("data-database-0").await?.uid(), claim);
    drop(kubelet);
    operator.stop().await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn an_update_replaces_pods_and_one_that_fails_is_taken_back() -> Result<()> {
    Cluster::connect("update").await?.clean_up_after(update).await
}

async fn upload(cluster: &Cluster, name: &LeaseName, manifest: &ValidManifest, revision: i64) -> Result<()> {
    let reference = cluster.store_manifest(name, manifest, revision).await?;
    patch(cluster, name, json!({"spec": {"manifest": reference}})).await
}

async fn update(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let operator = Running::start(cluster)?;
    let name = cluster.open_lease(0xb2, &guestbook()).await?;
    let kubelet = Kubelet::start(cluster, &name, "broken");
    phase(cluster, &name, Phase::Ready).await?;

    upload(cluster, &name, &guestbook_with("good"), 2).await?;
    let status = until(cluster, &name, "rolled out", is_told(condition::UPDATED, reason::ROLLED_OUT)).await?;
    assert_eq!((status.revision, status.proven_revision), (Some(2), Some(2)));
    assert_eq!(words(cluster, &name).await?, ["good", "good"]);

    upload(cluster, &name, &guestbook_with("broken"), 3).await?;
    let crashed = |status: &ComputeLeaseStatus| {
        status.services.iter().any(|s| s.trouble.as_ref().is_some_and(|t| t.reason == "ContainerCrashed"))
    };
    let status = until(cluster, &name, "crashing", crashed).await?;
    let message = status.message.clone().unwrap_or_default();
    assert!(message.contains("exit code 2, started again 3 times"), "{message}");
    assert!(message.contains("cannot log in with [hidden]") && !message.contains("open-sesame"), "{message}");
    // The deadline is in the status alone, so an operator that starts after it takes the update back.
    operator.stop().await?;
    let status = cluster.own::<ComputeLease>().get(name.as_str()).await?.status.unwrap_or_default();
    let mut over = status.rollout.context("an update is under way")?;
    (over.started_at, over.deadline_at) = (1, 2);
    rewrite(cluster, &name, ComputeLeaseStatus { rollout: Some(over), ..status }).await?;
    let operator = Running::start(cluster)?;
    let status =
        until(cluster, &name, "rolled back", is_told(condition::UPDATED, reason::ROLLED_BACK)).await?;
    let (_, why) = told(&status, condition::UPDATED).unwrap_or_default();
    assert!(why.contains("revision 2 comes back: web: ContainerCrashed (tenant)"), "{why}");
    let status = until(cluster, &name, "ready again", |status| {
        (status.phase, status.revision) == (Phase::Ready, Some(2))
    })
    .await?;
    assert_eq!((status.failed_revision, status.proven_revision), (Some(3), Some(2)));
    assert_eq!(words(cluster, &name).await?, ["good", "good"]);
    drop(kubelet);
    operator.stop().await
}

/// What the pods of the web service were told.
async fn words(cluster: &Cluster, name: &LeaseName) -> Result<Vec<String>> {
    let pods = Api::<Pod>::namespaced(cluster.admin.clone(), name.as_str());
    let pods = pods.list(&ListParams::default().labels("leasehold.dev/service=web")).await?;
    let spoken = pods.iter().filter_map(|pod| {
        let variable = pod.spec.as_ref()?.containers.first()?.env.as_ref()?.first()?;
        variable.value.clone()
    });
    Ok(spoken.collect())
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_removal_that_is_stuck_names_who_holds_it_and_ends_by_the_documented_way() -> Result<()> {
    Cluster::connect("stuck").await?.clean_up_after(stuck).await
}

async fn stuck(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let operator = Running::start(cluster)?;
    let name = cluster.open_lease(0xb3, &guestbook()).await?;
    phase(cluster, &name, Phase::Provisioning).await?;
    let maps = Api::<ConfigMap>::namespaced(cluster.admin.clone(), name.as_str());
    wait(&maps, "kube-root-ca.crt", |map: Option<&ConfigMap>| map.is_some()).await?;
    let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    maps.patch("kube-root-ca.crt", &PatchParams::default(), &Patch::Merge(&hold)).await?;
    patch(cluster, &name, json!({"spec": {"desired": DesiredState::Ended}})).await?;
    let held = |namespace: Option<&Namespace>| {
        let conditions = namespace.and_then(|namespace| namespace.status.as_ref()?.conditions.as_ref());
        conditions.is_some_and(|all| {
            all.iter().any(|found| found.type_ == "NamespaceFinalizersRemaining" && found.status == "True")
        })
    };
    wait(&cluster.all::<Namespace>(), name.as_str(), held).await.context("the namespace is held")?;

    // Ten minutes are in the condition's time alone.
    operator.stop().await?;
    let mut status = cluster.own::<ComputeLease>().get(name.as_str()).await?.status.unwrap_or_default();
    let cleaned = status.conditions.iter_mut().find(|found| found.type_ == condition::CLEANED);
    let begun = Timestamp::now() - SignedDuration::from_mins(11);
    cleaned.context("the removal has begun")?.last_transition_time.0 = begun;
    rewrite(cluster, &name, status).await?;
    let operator = Running::start(cluster)?;
    let status = until(cluster, &name, "stuck", is_told(condition::STUCK, reason::OBJECTS_REMAIN)).await?;
    let message = status.message.unwrap_or_default();
    assert!(message.contains("example.com/hold in 1 resource instances"), "{message}");

    let free = json!({"metadata": {"finalizers": null}});
    maps.patch("kube-root-ca.crt", &PatchParams::default(), &Patch::Merge(&free)).await?;
    let lease = phase(cluster, &name, Phase::Ended).await?;
    assert!(condition::is_true(lease.conditions(), condition::CLEANED));
    assert!(!condition::is_true(lease.conditions(), condition::STUCK));
    operator.stop().await
}
