//! What a lease costs the API server: each write is wanted, and there are no others.

use super::*;

const PAGE: &str = "\
version: v1
name: page
duration: 1h
services:
  page:
    image: registry.example/page@sha256:1111111111111111111111111111111111111111111111111111111111111111
    resources: {cpu: 100m, memory: 64Mi}
    ports: [{port: 8080, expose: tenant}]
";

/// A lease of one service with one port, from its creation by the agent until it is ready, and all writes of that.
async fn created() -> (Scenario, Vec<String>) {
    let mut scenario = Scenario::new(PAGE);
    scenario.change_lease(|lease| lease.metadata.finalizers = None);
    let mut writes = scenario.reconcile().await.unwrap();
    scenario.api.run_quota_controller();
    writes.extend(scenario.reconcile().await.unwrap());
    scenario.put_pod(pod_of(PAGE, "page", 0));
    writes.extend(scenario.reconcile().await.unwrap());
    assert_eq!(ready_reason(&scenario), (Phase::Ready, reason::ALL_READY.to_owned()));
    (scenario, writes)
}

#[tokio::test]
async fn a_lease_of_one_service_with_one_port_is_thirteen_writes() {
    let (scenario, writes) = created().await;
    assert_eq!(
        writes,
        [
            "PATCH /apis/leasehold.dev/v1alpha1/namespaces/SYSTEM/computeleases/LEASE",
            "POST /api/v1/namespaces",
            "APPLY /api/v1/namespaces/LEASE/resourcequotas/lease",
            "APPLY /api/v1/namespaces/LEASE/limitranges/lease",
            "APPLY /apis/networking.k8s.io/v1/namespaces/LEASE/networkpolicies/lease",
            "APPLY /apis/networking.k8s.io/v1/namespaces/LEASE/networkpolicies/from-gateway-page",
            "APPLY /api/v1/namespaces/LEASE/serviceaccounts/default",
            "APPLY /api/v1/namespaces/LEASE/serviceaccounts/workload",
            "APPLY /apis/rbac.authorization.k8s.io/v1/namespaces/LEASE/rolebindings/lease-reader",
            "APPLY /apis/apps/v1/namespaces/LEASE/deployments/page",
            "APPLY /api/v1/namespaces/LEASE/services/page",
            STATUS,
            STATUS,
        ]
    );
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn pods_that_are_not_up_yet_are_written_down_once_they_stay_so() {
    let mut scenario = Scenario::new(PAGE);
    scenario.reconcile().await.unwrap();
    scenario.api.run_quota_controller();
    scenario.reconcile().await.unwrap();
    let mut pod = pod_of(PAGE, "page", 0);
    pod.status = None;
    scenario.put_pod(pod.clone());
    let mut writes = scenario.reconcile().await.unwrap();
    pass(1);
    // A change of what waits does not let it wait longer.
    pod.metadata.name = Some("page-1".to_owned());
    scenario.put_pod(pod);
    writes.extend(scenario.reconcile().await.unwrap());
    assert_eq!(writes, Vec::<String>::new());
    pass(1);
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    let shown: Vec<String> =
        scenario.lease().status.unwrap().services[0].pods.iter().map(|pod| pod.name.clone()).collect();
    assert_eq!(shown, ["page-0", "page-1"]);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_update_is_three_writes() {
    let (mut scenario, _) = created().await;
    let changed = PAGE.replace("sha256:1", "sha256:2");
    scenario.update_manifest(&changed, 2);
    let mut writes = scenario.reconcile().await.unwrap();
    scenario.remove_pod(pod_of(PAGE, "page", 0));
    writes.extend(scenario.reconcile().await.unwrap());
    scenario.put_pod(pod_of(&changed, "page", 1));
    writes.extend(scenario.reconcile().await.unwrap());
    assert_eq!(writes, ["PUT /apis/apps/v1/namespaces/LEASE/deployments/page", STATUS, STATUS]);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_restart_is_no_write_at_all() {
    let (scenario, _) = created().await;
    let mut restarted = Scenario::new(PAGE);
    restarted.put_pod(pod_of(PAGE, "page", 0));
    for path in scenario.api.paths() {
        restarted.api.insert(&path, scenario.api.find(&path).unwrap());
    }
    for _ in 0..3 {
        assert_eq!(restarted.reconcile().await.unwrap(), Vec::<String>::new());
    }
}
