//! Pause, update and roll-back.

use crd::{ComputeLeaseStatus, DesiredState, Rollout, Suspension, SuspensionReason};

use super::*;
use crate::canary::enforcement::{Enforcement, Finding, Network, Open};

const QUOTA: &str = "PUT /api/v1/namespaces/LEASE/resourcequotas/lease";
const DATABASE: &str = "PUT /apis/apps/v1/namespaces/LEASE/statefulsets/database";
const WEB: &str = "PUT /apis/apps/v1/namespaces/LEASE/deployments/web";
const SECRET: &str = "APPLY /api/v1/namespaces/LEASE/secrets/web-env";
const WORKER: &str = "PUT /apis/apps/v1/namespaces/LEASE/deployments/worker";
const EVENT: &str = "POST /apis/events.k8s.io/v1/namespaces/SYSTEM/events";

fn status(scenario: &Scenario) -> ComputeLeaseStatus {
    scenario.lease().status.unwrap()
}

fn updated(scenario: &Scenario) -> (String, String, String) {
    let status = status(scenario);
    let found = condition::find(&status.conditions, condition::UPDATED).unwrap();
    (found.status.clone(), found.reason.clone(), found.message.clone())
}

/// The guestbook with another argument for its worker.
fn changed_worker() -> String {
    let yaml = manifest_yaml();
    let worker = yaml.find("  worker:").unwrap();
    let (head, worker) = yaml.split_at(worker);
    format!("{head}{}", worker.replacen("resources:", "env: {ROUND: second}\n    resources:", 1))
}

/// Reconciles twice, with the quota controller in between, and returns all writes but those of the status.
async fn settle(scenario: &Scenario) -> Vec<String> {
    let mut writes = scenario.reconcile().await.unwrap();
    scenario.api.run_quota_controller();
    writes.extend(scenario.reconcile().await.unwrap());
    writes.retain(|write| write != STATUS);
    writes
}

#[tokio::test]
async fn a_pause_leaves_no_room_for_pods_and_keeps_the_volumes() {
    let mut scenario = Scenario::provisioned(&manifest_yaml()).await;
    scenario.change_lease(|lease| lease.spec.desired = DesiredState::Paused);
    assert_eq!(settle(&scenario).await, [QUOTA, DATABASE, SECRET, WORKER, WEB]);
    let quota = format!("{}/resourcequotas/lease", namespace_path());
    assert_eq!(scenario.api.find(&quota).unwrap()["spec"]["hard"]["pods"], "0");
    let set = format!("/apis/apps/v1/namespaces/{}/statefulsets/database", name());
    let set = scenario.api.find(&set).unwrap();
    assert_eq!(set["spec"]["replicas"], 0);
    assert_eq!(
        set["spec"]["persistentVolumeClaimRetentionPolicy"],
        json!({"whenDeleted": "Delete", "whenScaled": "Retain"})
    );
    assert_eq!(ready_reason(&scenario), (Phase::Paused, reason::PAUSED.to_owned()));
    for pod in [pod("web", 0), pod("web", 1), pod("database", 0), pod("worker", 0)] {
        scenario.remove_pod(pod);
    }
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    pass(2);
    scenario.reconcile().await.unwrap();
    let services = status(&scenario).services;
    assert!(services.iter().all(|service| service.ready_replicas == 0 && service.trouble.is_none()));
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());

    scenario.change_lease(|lease| lease.spec.desired = DesiredState::Running);
    assert_eq!(settle(&scenario).await, [QUOTA, DATABASE, SECRET, WORKER, WEB]);
    assert_eq!(ready_reason(&scenario), (Phase::Provisioning, reason::AWAITING_PODS.to_owned()));
    for pod in [pod("web", 0), pod("web", 1), pod("database", 0), pod("worker", 0)] {
        scenario.put_pod(pod);
    }
    scenario.reconcile().await.unwrap();
    assert_eq!(ready_reason(&scenario), (Phase::Ready, reason::ALL_READY.to_owned()));
}

#[tokio::test]
async fn a_lease_that_is_suspended_says_why_and_one_that_only_will_be_does_not() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    let suspension = |since| Suspension { reason: SuspensionReason::NeverSigned, announced_at: 5, since };
    let say = |since, desired| {
        move |lease: &mut ComputeLease| {
            (lease.spec.desired, lease.spec.suspension) = (desired, Some(suspension(since)))
        }
    };
    scenario.change_lease(say(None, DesiredState::Paused));
    settle(&scenario).await;
    assert_eq!(ready_reason(&scenario), (Phase::Paused, reason::PAUSED.to_owned()));
    scenario.change_lease(say(Some(6), DesiredState::Paused));
    settle(&scenario).await;
    assert_eq!(ready_reason(&scenario), (Phase::Paused, reason::SUSPENDED_UNSIGNED.to_owned()));
    assert!(status(&scenario).message.is_some_and(|message| message.contains("which it never was")));
    // Who sets it going lifts the suspension.
    scenario.change_lease(say(Some(6), DesiredState::Running));
    settle(&scenario).await;
    assert_ne!(ready_reason(&scenario).0, Phase::Paused);
}

#[tokio::test]
async fn an_update_is_proven_by_pods_of_the_new_form_alone() {
    let mut scenario = Scenario::provisioned(&manifest_yaml()).await;
    let before = status(&scenario);
    assert_eq!((before.revision, before.proven_revision, before.rollout), (Some(1), Some(1), None));
    assert_eq!(condition::find(&before.conditions, condition::UPDATED), None);

    scenario.update_manifest(&changed_worker(), 2);
    // All pods are ready, but the worker's is the old one.
    assert_eq!(scenario.reconcile().await.unwrap(), [WORKER, STATUS]);
    let trying = status(&scenario);
    assert_eq!((trying.revision, trying.proven_revision), (Some(2), Some(1)));
    assert_eq!(trying.rollout.map(|rollout| (rollout.revision, rollout.started_at)), Some((2, NOW)));
    assert_eq!(updated(&scenario).1, reason::ROLLING_OUT);

    scenario.remove_pod(pod("worker", 0));
    scenario.put_pod(pod_of(&changed_worker(), "worker", 1));
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    let done = status(&scenario);
    assert_eq!((done.revision, done.proven_revision, done.rollout), (Some(2), Some(2), None));
    assert_eq!(updated(&scenario), ("True".into(), reason::ROLLED_OUT.into(), "revision 2 runs".into()));
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

fn crashing_worker(yaml: &str) -> k8s_openapi::api::core::v1::Pod {
    let mut crashing = pod_of(yaml, "worker", 1);
    let status = crashing.status.as_mut().unwrap();
    status.conditions = None;
    status.container_statuses = Some(
        serde_json::from_value(json!([{
            "name": "workload", "ready": false, "restartCount": 4, "image": "", "imageID": "",
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 9, "reason": "Error"}}
        }]))
        .unwrap(),
    );
    crashing
}

/// A lease whose second revision has failed just now, and the status that says so.
async fn failed_update() -> Scenario {
    let mut scenario = Scenario::provisioned(&manifest_yaml()).await;
    scenario.update_manifest(&changed_worker(), 2);
    scenario.remove_pod(pod("worker", 0));
    scenario.put_pod(crashing_worker(&changed_worker()));
    scenario.reconcile().await.unwrap();
    let Rollout { started_at, deadline_at, .. } = status(&scenario).rollout.unwrap();
    pass(deadline_at - started_at - 1);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    pass(1);
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS, EVENT]);
    scenario
}

#[tokio::test]
async fn an_update_that_fails_is_taken_back_once_and_the_next_is_tried() {
    let mut scenario = failed_update().await;
    let failed = status(&scenario);
    assert_eq!((failed.failed_revision, failed.proven_revision, failed.rollout), (Some(2), Some(1), None));
    let (value, reason, message) = updated(&scenario);
    assert_eq!((value.as_str(), reason.as_str()), ("False", reason::ROLLED_BACK));
    assert!(
        message.ends_with(
            "so revision 1 comes back: worker: ContainerCrashed (tenant): the container ended with exit code 9, started again \
             4 times"
        ),
        "{message}"
    );

    // Back it goes, and it stays there however much time passes.
    assert_eq!(scenario.reconcile().await.unwrap(), [WORKER, STATUS]);
    scenario.remove_pod(crashing_worker(&changed_worker()));
    scenario.put_pod(pod("worker", 0));
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    assert_eq!(ready_reason(&scenario), (Phase::Ready, reason::ALL_READY.to_owned()));
    assert_eq!(status(&scenario).revision, Some(1));
    assert_eq!(updated(&scenario).2, message);
    pass(100_000);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());

    // The agent keeps what runs as the previous one of the next.
    let running = scenario.lease().spec.manifest.unwrap().previous;
    let third = changed_worker().replace("second", "third");
    scenario.update_manifest(&third, 3);
    scenario.change_lease(|lease| lease.spec.manifest.as_mut().unwrap().previous = running);
    assert_eq!(scenario.reconcile().await.unwrap(), [WORKER, STATUS]);
    assert_eq!(status(&scenario).rollout.map(|rollout| rollout.revision), Some(3));
    scenario.remove_pod(pod("worker", 0));
    scenario.put_pod(pod_of(&third, "worker", 2));
    scenario.reconcile().await.unwrap();
    assert_eq!(updated(&scenario).1, reason::ROLLED_OUT);
    assert_eq!((status(&scenario).proven_revision, status(&scenario).failed_revision), (Some(3), Some(2)));
}

#[tokio::test]
async fn an_update_that_cannot_be_taken_back_stays_and_says_so() {
    let mut scenario = failed_update().await;
    let secret = format!("/api/v1/namespaces/{SYSTEM}/secrets/{}", name().manifest_secret());
    scenario.api.remove(&secret);
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS, EVENT]);
    assert_eq!(status(&scenario).revision, Some(2));
    assert_eq!(
        updated(&scenario),
        (
            "False".into(),
            reason::CANNOT_ROLL_BACK.into(),
            format!(
                "revision 2 failed and stays, because revision 1 cannot come back: the manifest Secret {} does not exist",
                name().manifest_secret()
            )
        )
    );
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    // If it comes up after all, it is as good as any other.
    scenario.remove_pod(crashing_worker(&changed_worker()));
    scenario.put_pod(pod_of(&changed_worker(), "worker", 1));
    scenario.reconcile().await.unwrap();
    assert_eq!(updated(&scenario).1, reason::ROLLED_OUT);
    scenario.put_manifest(&manifest_yaml());
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_revision_above_the_limits_is_refused_and_the_one_before_is_kept_as_it_should_be() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    let greedy = manifest_yaml().replacen("replicas: 2", "replicas: 9", 1);
    scenario.update_manifest(&greedy, 2);
    scenario.api.remove(&format!("/apis/apps/v1/namespaces/{}/deployments/worker", name()));
    assert_eq!(scenario.reconcile().await.unwrap(), [WORKER.replace("PUT", "APPLY"), STATUS.to_owned()]);
    let status = status(&scenario);
    let accepted = condition::find(&status.conditions, condition::ACCEPTED).unwrap();
    assert_eq!((accepted.status.as_str(), accepted.reason.as_str()), ("False", reason::LIMITS_EXCEEDED));
    assert_eq!((status.revision, status.phase), (Some(1), Phase::Ready));
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

/// Where nothing is proved yet, nothing is said, as a refused lease is given back on chain; one that runs is left alone.
#[tokio::test]
async fn a_new_lease_waits_for_the_proof_of_the_network_and_is_refused_without_one() {
    let mut scenario = Scenario::new(&manifest_yaml());
    let network = Arc::new(Network::new(Enforcement::Pending));
    Arc::get_mut(&mut scenario.ctx).unwrap().network = network.clone();
    let learn = |finding| network.learn(&finding, now(), std::time::Duration::from_secs(3600));
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    assert_eq!(scenario.lease().status, None);
    for (finding, reason, message) in [
        (
            Finding::Inconclusive { why: "no image".to_owned() },
            reason::NETWORK_UNPROVED,
            "it is not proved that the provider's network keeps leases apart: no image",
        ),
        (
            Finding::Open(Open::Egress),
            reason::NETWORK_NOT_ENFORCED,
            "the network plug-in let a pod out to an address that its lease may not reach (egress); the provider must install one that enforces NetworkPolicy",
        ),
    ] {
        learn(finding);
        assert_eq!(scenario.reconcile().await.unwrap(), [EVENT, super::STATUS]);
        let lease = scenario.lease();
        let accepted = condition::find(lease.conditions(), condition::ACCEPTED).unwrap();
        assert_eq!((accepted.reason.as_str(), accepted.message.as_str()), (reason, message));
        assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    }
    learn(Finding::Enforced);
    assert_eq!(scenario.reconcile().await.unwrap()[..1], ["POST /api/v1/namespaces".to_owned()]);
    scenario.api.run_quota_controller();
    scenario.reconcile().await.unwrap();
    learn(Finding::Open(Open::Both));
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    assert_eq!(ready_reason(&scenario).1, reason::AWAITING_PODS);
}

#[tokio::test]
async fn a_service_in_the_place_of_another_waits_for_its_room_in_the_quota() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    let renamed = manifest_yaml().replace("  web:", "  front:");
    scenario.put_manifest(&renamed);
    scenario.change_lease(|changed| {
        changed.spec.manifest = lease(&renamed).spec.manifest;
        changed.spec.manifest.as_mut().unwrap().revision = 2;
    });
    scenario.api.fail_next_saying(
        "APPLY",
        "/secrets/front-env",
        StatusCode::FORBIDDEN,
        "secrets \"front-env\" is forbidden: exceeded quota: lease, requested: secrets=1, used: secrets=1, limited: secrets=1",
    );
    let before = status(&scenario);
    let writes = scenario.reconcile().await.unwrap();
    let place = |write: &str| writes.iter().position(|found| found.ends_with(write));
    let (gone, wanted) = (place("/deployments/web"), place("/secrets/front-env"));
    assert!(gone.is_some() && gone < wanted, "{writes:?}");
    assert_eq!(status(&scenario), before, "a wait of moments is no news");
    let writes = scenario.reconcile().await.unwrap();
    assert!(writes.iter().any(|write| write.ends_with("/secrets/front-env")), "{writes:?}");
    assert!(writes.iter().any(|write| write.ends_with("/deployments/front")), "{writes:?}");
    assert_eq!(provisioned_reason(&scenario), reason::OBJECTS_APPLIED);
}
