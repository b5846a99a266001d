//! The operator with exactly the rights of the chart, on a real API server with its controllers.
//!
//! No kubelet runs: pods are created and admitted but stay unscheduled, and the test plays the kubelet's part.

use std::time::Duration;

use anyhow::{Context, Result};
use crd::{ComputeLease, DesiredState, LeaseName, Phase, condition, reason};
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{
        LimitRange, Namespace, PersistentVolumeClaim, Pod, ResourceQuota, Secret, Service, ServiceAccount,
    },
    networking::v1::NetworkPolicy,
    rbac::v1::RoleBinding,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::conditions,
};
use operator::lease_controller::owned::Kind;
use serde_json::json;

use crate::{
    cluster::{Cluster, guestbook, lease_id, wait},
    running::Running,
};

pub(crate) async fn phase(cluster: &Cluster, name: &LeaseName, wanted: Phase) -> Result<ComputeLease> {
    let reached = move |lease: Option<&ComputeLease>| {
        lease.and_then(|lease| lease.status.as_ref()).is_some_and(|status| status.phase == wanted)
    };
    wait(&cluster.own(), name.as_str(), reached)
        .await
        .with_context(|| format!("phase {wanted}"))?
        .context("the lease disappeared")
}

async fn names<K>(cluster: &Cluster, name: &LeaseName) -> Result<Vec<String>>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let found =
        Api::<K>::namespaced(cluster.admin.clone(), name.as_str()).list(&ListParams::default()).await?;
    Ok(found.iter().map(ResourceExt::name_any).collect())
}

/// Plays the kubelet: says that every pod of a lease is ready.
pub(crate) async fn make_pods_ready(cluster: &Cluster, name: &LeaseName, count: usize) -> Result<()> {
    let quota = Api::<ResourceQuota>::namespaced(cluster.admin.clone(), name.as_str());
    let all_created = move |quota: Option<&ResourceQuota>| {
        let used = quota.and_then(|quota| quota.status.as_ref()?.used.as_ref()?.get("pods"));
        used.is_some_and(|used| used.0 == count.to_string())
    };
    wait(&quota, "lease", all_created).await.context("pods in the quota")?;
    let pods = Api::<Pod>::namespaced(cluster.admin.clone(), name.as_str());
    for pod in pods.list(&ListParams::default()).await? {
        let status = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(&status)).await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_lease_is_provisioned_repaired_ended_and_gone_with_the_charts_rights_alone() -> Result<()> {
    Cluster::connect("lease").await?.clean_up_after(lifecycle).await
}

async fn lifecycle(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let operator = Running::start(cluster)?;
    let name = cluster.open_lease(0xa1, &guestbook()).await?;
    phase(cluster, &name, Phase::Provisioning).await?;
    make_pods_ready(cluster, &name, 3).await?;
    let lease = phase(cluster, &name, Phase::Ready).await?;
    assert!(operator.process.ready.report().passes(), "{}", operator.process.ready.report());
    assert_eq!(lease.status.unwrap_or_default().services.iter().map(|s| s.pods.len()).sum::<usize>(), 3);

    assert_eq!(names::<LimitRange>(cluster, &name).await?, ["lease"]);
    assert_eq!(names::<NetworkPolicy>(cluster, &name).await?, ["from-gateway-web", "lease"]);
    assert_eq!(names::<ServiceAccount>(cluster, &name).await?, ["default", "workload"]);
    assert_eq!(names::<RoleBinding>(cluster, &name).await?, ["lease-reader"]);
    assert_eq!(names::<Secret>(cluster, &name).await?, ["web-env"]);
    assert_eq!(names::<Deployment>(cluster, &name).await?, ["web"]);
    assert_eq!(names::<StatefulSet>(cluster, &name).await?, ["database"]);
    assert_eq!(names::<PersistentVolumeClaim>(cluster, &name).await?, ["data-database-0"]);
    assert_eq!(names::<Service>(cluster, &name).await?, ["database", "web"]);
    let created = operator.metrics.api_writes();
    let told = operator.metrics.api_writes_of(Kind::ComputeLease);
    println!(
        "API writes of the operator for one lease until it was ready: {created}, {told} of them to the lease itself"
    );
    // How often the lease tells of its progress depends on how slowly the test makes its pods ready.
    assert!(created - told <= 13 && told <= 6, "{created} writes, {told} of them to the lease");

    what_the_operator_may_not_do(cluster, &name).await?;
    the_quota_holds(cluster, &name).await?;
    operator.stop().await?;
    let leases = cluster.own::<ComputeLease>();

    // A second operator finds everything as it should be, so it writes nothing.
    let operator = Running::start(cluster)?;
    let policies = Api::<NetworkPolicy>::namespaced(cluster.admin.clone(), name.as_str());
    looked_again(&operator, &policies).await?;
    assert_eq!(operator.metrics.api_writes(), 0);
    // It repairs what is missing, and that alone.
    policies.delete("lease", &DeleteParams::default()).await?;
    wait(&policies, "lease", |policy: Option<&NetworkPolicy>| {
        policy.is_some_and(|policy| policy.metadata.deletion_timestamp.is_none())
    })
    .await?;
    let metrics = operator.metrics.clone();
    // Stopping lets the running reconciliation finish, so that its write is counted.
    operator.stop().await?;
    assert_eq!(metrics.api_writes(), 1);

    let operator = Running::start(cluster)?;
    let end = json!({"spec": {"desired": DesiredState::Ended}});
    leases.patch(name.as_str(), &PatchParams::default(), &Patch::Merge(&end)).await?;
    // It never had a term, so it ends without a meter.
    let lease = phase(cluster, &name, Phase::Ended).await?;
    assert!(cluster.all::<Namespace>().get_opt(name.as_str()).await?.is_none());
    let uid = lease.uid().context("a lease has a UID")?;
    leases.delete(name.as_str(), &DeleteParams::default()).await?;
    wait(&leases, name.as_str(), conditions::is_deleted(&uid)).await?;
    operator.stop().await
}

/// Makes the operator look at everything: of two reconciliations after it was ready, the second began with everything seen.
async fn looked_again(operator: &Running, policies: &Api<NetworkPolicy>) -> Result<()> {
    let reached = async |reached: &dyn Fn() -> bool| {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), async {
        reached(&|| operator.process.ready.report().passes()).await;
        let before = operator.metrics.reconciliations();
        for count in 1..=2 {
            // A note of somebody else, which is let be.
            let note = json!({"metadata": {"annotations": {"example.com/note": count.to_string()}}});
            policies.patch("lease", &PatchParams::default(), &Patch::Merge(&note)).await?;
            reached(&|| operator.metrics.reconciliations() >= before + count).await;
        }
        Ok(())
    })
    .await?
}

/// The rights that would make the operator a way into other people's secrets.
async fn what_the_operator_may_not_do(cluster: &Cluster, name: &LeaseName) -> Result<()> {
    let client = cluster.as_operator()?;
    let forbidden = |error: kube::Error| matches!(error, kube::Error::Api(status) if status.code == 403);
    let secrets = Api::<Secret>::namespaced(client.clone(), name.as_str());
    assert!(secrets.get("web-env").await.is_err_and(forbidden));
    assert!(secrets.list(&ListParams::default()).await.is_err_and(forbidden));
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "too-much"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [],
    }))?;
    let bindings = Api::<RoleBinding>::namespaced(client, name.as_str());
    assert!(bindings.create(&PostParams::default(), &binding).await.is_err_and(forbidden));
    Ok(())
}

/// One more pod than was leased, and a service that leaves the namespace, are refused even to an administrator.
async fn the_quota_holds(cluster: &Cluster, name: &LeaseName) -> Result<()> {
    let pods = Api::<Pod>::namespaced(cluster.admin.clone(), name.as_str());
    let mut pod = pods.list(&ListParams::default()).await?.items.pop().context("there are pods")?;
    let spec = pod.spec.take();
    let more = Pod {
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            name: Some("one-more".to_owned()),
            ..Default::default()
        },
        spec,
        ..Pod::default()
    };
    let refused = pods.create(&PostParams::default(), &more).await.expect_err("one more pod").to_string();
    assert!(refused.contains("exceeded quota"), "{refused}");
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": "outside"},
        "spec": {"type": "NodePort", "ports": [{"port": 80}]},
    }))?;
    let services = Api::<Service>::namespaced(cluster.admin.clone(), name.as_str());
    let refused =
        services.create(&PostParams::default(), &service).await.expect_err("a node port").to_string();
    assert!(refused.contains("exceeded quota"), "{refused}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_namespace_of_somebody_else_survives_a_lease_of_its_name() -> Result<()> {
    Cluster::connect("foreign").await?.clean_up_after(foreign_namespace).await
}

async fn foreign_namespace(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let namespaces = cluster.all::<Namespace>();
    let name = LeaseName::of(lease_id(0xa2));
    let taken: Namespace = serde_json::from_value(json!({"metadata": {"name": name.as_str()}}))?;
    let taken = namespaces.create(&PostParams::default(), &taken).await?;
    let operator = Running::start(cluster)?;
    cluster.open_lease(0xa2, &guestbook()).await?;
    let conflict = |lease: Option<&ComputeLease>| {
        let conditions = lease.map(ComputeLease::conditions).unwrap_or_default();
        condition::find(conditions, condition::PROVISIONED)
            .is_some_and(|condition| condition.reason == reason::NAMESPACE_CONFLICT)
    };
    let leases = cluster.own::<ComputeLease>();
    let lease = wait(&leases, name.as_str(), conflict).await?.context("the lease disappeared")?;
    leases.delete(name.as_str(), &DeleteParams::default()).await?;
    wait(&leases, name.as_str(), conditions::is_deleted(&lease.uid().unwrap_or_default())).await?;
    let survivor = namespaces.get(name.as_str()).await?;
    assert_eq!((survivor.uid(), survivor.metadata.deletion_timestamp), (taken.uid(), None));
    operator.stop().await?;
    namespaces.delete(name.as_str(), &DeleteParams::default()).await?;
    Ok(())
}
