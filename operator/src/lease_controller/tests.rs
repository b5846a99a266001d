use crd::{
    Phase, Term,
    condition::{self, ConditionStatus},
    reason,
};
use http::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::{test_support::*, *};

mod drift;
mod ended_pods;
mod ending;
mod lifecycle;
mod registries;
mod writes;

const CREATED: [&str; 13] = [
    "APPLY /api/v1/namespaces/LEASE/limitranges/lease",
    "APPLY /apis/networking.k8s.io/v1/namespaces/LEASE/networkpolicies/lease",
    "APPLY /apis/networking.k8s.io/v1/namespaces/LEASE/networkpolicies/from-gateway-web",
    "APPLY /api/v1/namespaces/LEASE/serviceaccounts/default",
    "APPLY /api/v1/namespaces/LEASE/serviceaccounts/workload",
    "APPLY /apis/rbac.authorization.k8s.io/v1/namespaces/LEASE/rolebindings/lease-reader",
    "APPLY /apis/apps/v1/namespaces/LEASE/statefulsets/database",
    "APPLY /api/v1/namespaces/LEASE/services/database",
    "APPLY /api/v1/namespaces/LEASE/secrets/web-env",
    "APPLY /apis/apps/v1/namespaces/LEASE/deployments/worker",
    "APPLY /apis/apps/v1/namespaces/LEASE/deployments/web",
    "APPLY /api/v1/namespaces/LEASE/services/web",
    STATUS,
];
const STATUS: &str = "APPLY /apis/leasehold.dev/v1alpha1/namespaces/SYSTEM/computeleases/LEASE/status";

fn ready_reason(scenario: &Scenario) -> (Phase, String) {
    let lease = scenario.lease();
    let reason = condition::find(lease.conditions(), condition::READY).unwrap().reason.clone();
    (lease.status.unwrap().phase, reason)
}

#[tokio::test]
async fn objects_appear_in_order_and_nothing_before_the_quota_is_in_force() {
    let scenario = Scenario::new(&manifest_yaml());
    assert_eq!(
        scenario.reconcile().await.unwrap(),
        ["POST /api/v1/namespaces", "APPLY /api/v1/namespaces/LEASE/resourcequotas/lease"]
    );
    pass(4);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    // A quota controller that needs more than moments is worth telling.
    pass(1);
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    assert_eq!(ready_reason(&scenario), (Phase::Provisioning, reason::AWAITING_QUOTA.to_owned()));
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    scenario.api.run_quota_controller();
    assert_eq!(scenario.reconcile().await.unwrap(), CREATED);
    assert_eq!(ready_reason(&scenario), (Phase::Provisioning, reason::AWAITING_PODS.to_owned()));
}

#[tokio::test]
async fn nothing_is_decided_before_the_watches_have_seen_everything() {
    let scenario = Scenario::with_watches(&manifest_yaml(), run::Synced::default());
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    assert_eq!(scenario.lease().status, None);
}

#[tokio::test]
async fn without_a_name_server_a_lease_waits_and_says_why_and_one_that_runs_is_left_alone() {
    let mut scenario = Scenario::new(&manifest_yaml());
    scenario.remove_name_server();
    let why = "Service leasehold-system/leasehold-dns has no address: the provider must install the tenants' name server";
    let error = scenario.reconcile().await.unwrap_err();
    assert_eq!((error.category(), error.to_string().as_str()), ("NoNameServer", why));
    let waiting = scenario.lease();
    let provisioned = condition::find(waiting.conditions(), condition::PROVISIONED).unwrap();
    assert_eq!((provisioned.status.as_str(), provisioned.message.as_str()), ("False", why));
    assert_eq!(scenario.api.find(&format!("/api/v1/namespaces/{}", name())), None);

    let mut running = Scenario::provisioned(&manifest_yaml()).await;
    running.remove_name_server();
    running.api.take_requests();
    running.reconcile().await.unwrap_err();
    let is_told = |write: &String| write == STATUS || write.ends_with("/namespaces/SYSTEM/events");
    let writes: Vec<_> = running.writes().into_iter().filter(|write| !is_told(write)).collect();
    assert_eq!(writes, Vec::<String>::new());
    assert_eq!(running.lease().status.unwrap().phase, Phase::Ready);
}

#[tokio::test]
async fn a_name_server_with_another_address_replaces_the_pods_and_nothing_else() {
    let mut scenario = Scenario::provisioned(&manifest_yaml()).await;
    scenario.put_name_server(name_server("10.96.0.99"));
    let writes = scenario.reconcile().await.unwrap();
    assert_eq!(
        writes,
        [
            "PUT /apis/apps/v1/namespaces/LEASE/statefulsets/database",
            // A Deployment is written after what it refers to.
            "APPLY /api/v1/namespaces/LEASE/secrets/web-env",
            "PUT /apis/apps/v1/namespaces/LEASE/deployments/worker",
            "PUT /apis/apps/v1/namespaces/LEASE/deployments/web",
            STATUS,
        ]
    );
}

#[tokio::test]
async fn a_resync_that_finds_everything_right_writes_nothing() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    assert_eq!(ready_reason(&scenario), (Phase::Ready, reason::ALL_READY.to_owned()));
    let before = scenario.ctx.metrics.api_writes();
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    assert_eq!(scenario.ctx.metrics.api_writes(), before);
}

#[tokio::test]
async fn a_restarted_operator_writes_nothing_either() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    let mut restarted = Scenario::new(&manifest_yaml());
    for pod in [pod("web", 0), pod("web", 1), pod("database", 0), pod("worker", 0)] {
        restarted.put_pod(pod);
    }
    for path in scenario.api.paths() {
        restarted.api.insert(&path, scenario.api.find(&path).unwrap());
    }
    assert_eq!(restarted.reconcile().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_deleted_or_edited_object_is_repaired() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    scenario.reconcile().await.unwrap();
    let policies = format!("/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies", name());
    scenario.api.remove(&format!("{policies}/from-gateway-web"));
    let mut opened = scenario.api.find(&format!("{policies}/lease")).unwrap();
    opened["spec"]["podSelector"] = json!({"matchLabels": {"nobody": "here"}});
    opened["metadata"]["generation"] = json!(2);
    scenario.api.insert(&format!("{policies}/lease"), opened);
    let mut labels = scenario.api.find(&namespace_path()).unwrap();
    labels["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("privileged");
    scenario.api.insert(&namespace_path(), labels);
    assert_eq!(
        scenario.reconcile().await.unwrap(),
        [
            "PUT /api/v1/namespaces/LEASE",
            "PUT /apis/networking.k8s.io/v1/namespaces/LEASE/networkpolicies/lease",
            "APPLY /apis/networking.k8s.io/v1/namespaces/LEASE/networkpolicies/from-gateway-web",
        ]
    );
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_lease_that_loses_a_pod_is_degraded_until_it_is_back() {
    let mut scenario = Scenario::provisioned(&manifest_yaml()).await;
    scenario.remove_pod(pod("web", 1));
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    assert_eq!(ready_reason(&scenario), (Phase::Degraded, reason::PODS_NOT_READY.to_owned()));
    scenario.put_pod(pod("web", 1));
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    assert_eq!(ready_reason(&scenario), (Phase::Ready, reason::ALL_READY.to_owned()));
}

#[tokio::test]
async fn a_lost_secret_is_written_again_when_a_pod_misses_it() {
    let mut scenario = Scenario::provisioned(&manifest_yaml()).await;
    let mut waiting = pod("web", 0);
    waiting.status.as_mut().unwrap().container_statuses = Some(
        serde_json::from_value(json!([{
            "name": "workload", "ready": false, "restartCount": 0, "image": "", "imageID": "",
            "state": {"waiting": {"reason": "CreateContainerConfigError"}}
        }]))
        .unwrap(),
    );
    scenario.put_pod(waiting);
    assert_eq!(scenario.reconcile().await.unwrap(), ["APPLY /api/v1/namespaces/LEASE/secrets/web-env"]);
}

#[tokio::test]
async fn a_changed_manifest_changes_its_services_and_prunes_the_others() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    let start = manifest_yaml().find("  web:").unwrap();
    let end = manifest_yaml().find("  database:").unwrap();
    let without_web = format!("{}{}", &manifest_yaml()[..start], &manifest_yaml()[end..]);
    scenario.put_manifest(&without_web);
    scenario.change_lease(|changed| {
        changed.spec.manifest = lease(&without_web).spec.manifest;
        changed.spec.manifest.as_mut().unwrap().revision = 2;
    });
    // The smaller quota is in force only after the quota controller has seen it.
    assert_eq!(scenario.reconcile().await.unwrap(), ["PUT /api/v1/namespaces/LEASE/resourcequotas/lease"]);
    scenario.api.run_quota_controller();
    assert_eq!(
        scenario.reconcile().await.unwrap(),
        [
            "DELETE /api/v1/namespaces/LEASE/secrets/web-env",
            "DELETE /apis/apps/v1/namespaces/LEASE/deployments/web",
            "DELETE /api/v1/namespaces/LEASE/services/web",
            "DELETE /apis/networking.k8s.io/v1/namespaces/LEASE/networkpolicies/from-gateway-web",
            STATUS,
        ]
    );
}

#[tokio::test]
async fn a_namespace_of_somebody_else_is_never_touched() {
    let scenario = Scenario::new(&manifest_yaml());
    scenario.api.insert(&namespace_path(), json!({"metadata": {"name": name().as_str()}}));
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    assert_eq!(ready_reason(&scenario), (Phase::Pending, reason::NAMESPACE_CONFLICT.to_owned()));
    scenario.change_lease(|lease| lease.metadata.deletion_timestamp = Some(Time(now())));
    assert_eq!(
        scenario.reconcile().await.unwrap(),
        ["PATCH /apis/leasehold.dev/v1alpha1/namespaces/SYSTEM/computeleases/LEASE"]
    );
    assert!(scenario.api.find(&namespace_path()).is_some());
}

#[tokio::test]
async fn a_namespace_that_appears_meanwhile_is_not_adopted() {
    let scenario = Scenario::new(&manifest_yaml());
    scenario.api.fail_next("GET", name().as_str(), StatusCode::NOT_FOUND);
    scenario.api.insert(&namespace_path(), json!({"metadata": {"name": name().as_str()}}));
    assert_eq!(scenario.reconcile().await.unwrap(), ["POST /api/v1/namespaces", STATUS]);
    assert_eq!(ready_reason(&scenario), (Phase::Pending, reason::NAMESPACE_CONFLICT.to_owned()));
}

#[tokio::test]
async fn the_finalizer_is_there_before_anything_else() {
    let scenario = Scenario::new(&manifest_yaml());
    scenario.change_lease(|lease| lease.metadata.finalizers = None);
    let writes = scenario.reconcile().await.unwrap();
    assert_eq!(writes[0], "PATCH /apis/leasehold.dev/v1alpha1/namespaces/SYSTEM/computeleases/LEASE");
    assert_eq!(scenario.lease().metadata.finalizers, Some(vec![crd::labels::FINALIZER.to_owned()]));
}

#[tokio::test]
async fn a_refusal_is_told_once_by_event_and_condition() {
    let mut scenario = Scenario::new(&manifest_yaml());
    scenario.put_class(storage_class("Retain"));
    assert_eq!(
        scenario.reconcile().await.unwrap(),
        ["POST /apis/events.k8s.io/v1/namespaces/SYSTEM/events", STATUS]
    );
    assert_eq!(ready_reason(&scenario), (Phase::Pending, reason::STORAGE_CLASS_RETAINS.to_owned()));
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_failed_write_is_told_and_tried_again() {
    let scenario = Scenario::new(&manifest_yaml());
    scenario.api.fail_next("POST", "/namespaces", StatusCode::INTERNAL_SERVER_ERROR);
    let error = scenario.reconcile().await.unwrap_err();
    assert_eq!(error.category(), "ApplyFailed");
    assert_eq!(provisioned_reason(&scenario), reason::API_ERROR);
    scenario.api.take_requests();
    assert!(scenario.reconcile().await.is_ok());
}

fn provisioned_reason(scenario: &Scenario) -> String {
    let lease = scenario.lease();
    condition::find(lease.conditions(), condition::PROVISIONED).unwrap().reason.clone()
}

const NO_WRITES: [&str; 0] = [];

/// A lease whose term has begun, so that it owes its usage.
async fn billed() -> Scenario {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    scenario.change_lease(|lease| {
        lease.spec.term = Some(Term { started_at: NOW - 100, ends_at: NOW });
    });
    scenario.reconcile().await.unwrap();
    scenario
}

/// Plays the meter that publishes its last word.
fn publish_last_usage(scenario: &Scenario) {
    let mut lease = scenario.lease();
    let conditions = &mut lease.status.as_mut().unwrap().conditions;
    condition::set_condition(
        conditions,
        condition::USAGE_FINAL,
        ConditionStatus::True,
        reason::FINAL_USAGE_PUBLISHED,
        "",
        None,
        now(),
    );
    scenario.api.insert(&lease_path(), lease);
}

#[tokio::test]
async fn the_end_awaits_the_usage_deletes_waits_and_only_then_is_over() {
    let scenario = billed().await;
    scenario.change_lease(|lease| lease.spec.desired = DesiredState::Ended);
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    assert_eq!(scenario.reconcile().await.unwrap(), NO_WRITES);
    publish_last_usage(&scenario);
    assert_eq!(scenario.reconcile().await.unwrap(), ["DELETE /api/v1/namespaces/LEASE"]);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    assert_eq!(scenario.lease().status.unwrap().phase, Phase::Ending);

    scenario.api.remove(&namespace_path());
    let volume = "/api/v1/persistentvolumes/pv-1";
    scenario.api.insert(
        volume,
        json!({
            "metadata": {"name": "pv-1"},
            "spec": {
                "claimRef": {"namespace": name().as_str(), "name": "data-database-0"},
                "persistentVolumeReclaimPolicy": "Delete"
            }
        }),
    );
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    assert_eq!(scenario.lease().status.unwrap().phase, Phase::Ending);
    scenario.api.remove(volume);
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    assert_eq!(scenario.lease().status.unwrap().phase, Phase::Ended);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_deleted_lease_keeps_its_namespace_until_its_usage_is_published() {
    let scenario = billed().await;
    scenario.change_lease(|lease| lease.metadata.deletion_timestamp = Some(Time(now())));
    assert_eq!(scenario.reconcile().await.unwrap(), NO_WRITES);
    publish_last_usage(&scenario);
    assert_eq!(scenario.reconcile().await.unwrap(), ["DELETE /api/v1/namespaces/LEASE"]);
}

#[tokio::test]
async fn a_lease_whose_meter_is_gone_can_go_after_the_wait() {
    let long_ago = || Time(Timestamp::from_second(NOW - 120).unwrap());
    const EVENT: &str = "POST /apis/events.k8s.io/v1/namespaces/SYSTEM/events";
    let scenario = billed().await;
    scenario.change_lease(|lease| lease.metadata.deletion_timestamp = Some(long_ago()));
    assert_eq!(scenario.reconcile().await.unwrap(), [EVENT, "DELETE /api/v1/namespaces/LEASE"]);
    assert_eq!(scenario.reconcile().await.unwrap(), NO_WRITES);

    // The end without deletion counts its wait from a condition, through restarts.
    let scenario = billed().await;
    scenario.change_lease(|lease| {
        lease.spec.desired = DesiredState::Ended;
        let conditions = &mut lease.status.as_mut().unwrap().conditions;
        condition::set_condition(
            conditions,
            condition::USAGE_COLLECTED,
            ConditionStatus::False,
            reason::COLLECTING_USAGE,
            "",
            None,
            long_ago().0,
        );
    });
    scenario.ctx.memory.forget(&scenario.lease());
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS, EVENT]);
    assert_eq!(scenario.reconcile().await.unwrap(), ["DELETE /api/v1/namespaces/LEASE"]);
}

#[tokio::test]
async fn cleanup_succeeds_when_the_spec_is_invalid() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    scenario.change_lease(|lease| {
        lease.spec.lease_id = "nonsense".to_owned();
        lease.spec.manifest = None;
        lease.metadata.deletion_timestamp = Some(Time(now()));
    });
    assert_eq!(scenario.reconcile().await.unwrap(), ["DELETE /api/v1/namespaces/LEASE"]);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    scenario.api.remove(&namespace_path());
    assert_eq!(
        scenario.reconcile().await.unwrap(),
        ["PATCH /apis/leasehold.dev/v1alpha1/namespaces/SYSTEM/computeleases/LEASE"]
    );
    assert_eq!(scenario.api.find(&lease_path()), None);
}

#[tokio::test]
async fn a_lost_race_for_the_finalizer_is_an_error_that_is_tried_again() {
    let scenario = Scenario::new(&manifest_yaml());
    scenario.change_lease(|lease| lease.metadata.finalizers = None);
    scenario.api.fail_next("PATCH", name().as_str(), StatusCode::CONFLICT);
    assert_eq!(scenario.reconcile().await.unwrap_err().category(), "CleanupFailed");
}

#[tokio::test]
async fn a_crash_loop_is_told_once_and_not_at_each_restart() {
    let mut scenario = Scenario::provisioned(&manifest_yaml()).await;
    let crashing = |restarts: i32| {
        let mut crashing = pod("worker", 0);
        let status = crashing.status.as_mut().unwrap();
        status.conditions = None;
        status.container_statuses = Some(
            serde_json::from_value(json!([{
                "name": "workload", "ready": false, "restartCount": restarts, "image": "", "imageID": "",
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 7, "reason": "Error", "message": "no such table\n"}}
            }]))
            .unwrap(),
        );
        crashing
    };
    scenario.put_pod(crashing(1));
    assert_eq!(
        scenario.reconcile().await.unwrap(),
        [STATUS, "POST /apis/events.k8s.io/v1/namespaces/SYSTEM/events"]
    );
    assert_eq!(ready_reason(&scenario), (Phase::Degraded, "ContainerCrashed".to_owned()));
    scenario.put_pod(crashing(2));
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    scenario.put_pod(pod("worker", 0));
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    scenario.put_pod(crashing(3));
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    let message = scenario.lease().status.unwrap().message.unwrap();
    assert_eq!(
        message,
        "worker: 0 of 1 pods ready; ContainerCrashed (tenant): the container ended with exit code 7, started again 3 times; \
         last lines: no such table"
    );
}

const ROUTE: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/LEASE/httproutes/web-8080";

#[tokio::test]
async fn a_public_port_gets_its_route_and_loses_it_with_the_manifest() {
    let private = manifest_yaml();
    let public = private.replace("{port: 8080, expose: tenant}", "{port: 8080, expose: public}");
    let scenario = Scenario::provisioned(&public).await;
    let route = scenario.api.find(&ROUTE.replace("LEASE", name().as_str())).unwrap();
    let host = format!("web-{}.apps.example.net", &name().label_value()[..26]);
    assert_eq!(route["spec"]["hostnames"], serde_json::json!([host]));
    let status = scenario.lease().status.unwrap();
    let web = status.services.iter().find(|service| service.name == "web").unwrap();
    assert_eq!(
        web.ports[0].hosts,
        [crd::HostStatus { host, reason: reason::HOSTS_ROUTED.to_owned(), message: None }]
    );
    assert!(condition::is_true(&status.conditions, condition::EXPOSED));
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());

    scenario.put_manifest(&private);
    scenario.change_lease(|changed| {
        changed.spec.manifest = lease(&private).spec.manifest;
        changed.spec.manifest.as_mut().unwrap().revision = 2;
    });
    let writes = scenario.reconcile().await.unwrap();
    assert!(writes.contains(&format!("DELETE {ROUTE}")), "{writes:?}");
    let status = scenario.lease().status.unwrap();
    assert_eq!(condition::find(&status.conditions, condition::EXPOSED), None);
}

#[tokio::test]
async fn a_cluster_without_the_gateway_api_runs_everything_but_the_route() {
    let public = manifest_yaml().replace("{port: 8080, expose: tenant}", "{port: 8080, expose: public}");
    let scenario = Scenario::new(&public);
    scenario.reconcile().await.unwrap();
    scenario.api.run_quota_controller();
    scenario.api.fail_next("GET", "/httproutes", http::StatusCode::NOT_FOUND);
    scenario.api.fail_next("APPLY", "/httproutes/web-8080", http::StatusCode::NOT_FOUND);
    assert!(scenario.reconcile().await.is_err());
    for workload in ["deployments/web", "statefulsets/database", "deployments/worker"] {
        let path = format!("/apis/apps/v1/namespaces/{}/{workload}", name());
        assert!(scenario.api.find(&path).is_some(), "{path}");
    }
}

#[tokio::test]
async fn pods_that_the_api_server_refuses_are_told_in_its_words() {
    let mut scenario = Scenario::provisioned(&manifest_yaml()).await;
    let path = format!("/apis/apps/v1/namespaces/{}/deployments/web", name());
    let mut deployment = scenario.api.find(&path).unwrap();
    deployment["status"] = json!({"conditions": [{
        "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "pods \"web-2\" is forbidden: exceeded quota: lease, requested: pods=1"
    }]});
    scenario.api.insert(&path, deployment);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    scenario.remove_pod(pod("web", 1));
    assert_eq!(
        scenario.reconcile().await.unwrap(),
        [STATUS, "POST /apis/events.k8s.io/v1/namespaces/SYSTEM/events"]
    );
    assert_eq!(ready_reason(&scenario), (Phase::Degraded, "QuotaExceeded".to_owned()));
    let message = scenario.lease().status.unwrap().message.unwrap();
    assert_eq!(
        message,
        "web: 1 of 2 pods ready; QuotaExceeded (platform): pods \"web-2\" is forbidden: exceeded quota: lease, requested: pods=1"
    );
}
