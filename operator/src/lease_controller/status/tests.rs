use crd::{
    Party, Trouble,
    condition::{ACCEPTED, PROVISIONED, READY, USAGE_COLLECTED},
};
use serde_json::json;

use super::*;
use crate::lease_controller::{
    rollout::Course,
    test_support::{lease, manifest_of, manifest_yaml, name, now, pod, settings},
    validate::{Activity, Validated},
};

fn validated() -> Validated {
    Validated {
        name: name(),
        uid: "uid".to_owned(),
        tier: market::Tier::Strict,
        confinement: crate::lease_controller::tiers::Confinement::Strict,
        manifest: manifest_of(&manifest_yaml()),
        publicity: None,
        images: Vec::new(),
        storage_class: Some("local-path".to_owned()),
        closed_classes: std::collections::BTreeSet::new(),
        name_servers: Vec::new(),
        activity: Activity::Running,
        course: Course::Newest,
    }
}

fn all_pods() -> Vec<Arc<Pod>> {
    [pod("web", 0), pod("web", 1), pod("database", 0), pod("worker", 0)].map(Arc::new).into()
}

fn next(current: &ComputeLeaseStatus, outcome: Outcome<'_>, pods: &[Arc<Pod>]) -> ComputeLeaseStatus {
    compute(Observation {
        lease: &lease(&manifest_yaml()),
        current,
        outcome,
        pods,
        settings: &settings(),
        final_logs: &[],
        refused_pods: &BTreeMap::new(),
        now: now(),
    })
}

/// Phase, conditions as `Type=Status(Reason)`, and message.
fn summary(status: &ComputeLeaseStatus) -> (Phase, Vec<String>, Option<&str>) {
    let conditions =
        status.conditions.iter().map(|c| format!("{}={}({})", c.type_, c.status, c.reason)).collect();
    (status.phase, conditions, status.message.as_deref())
}

fn condition(status: &ComputeLeaseStatus, type_: &str) -> (String, String) {
    let found = condition::find(&status.conditions, type_).unwrap();
    (found.status.clone(), found.reason.clone())
}

#[test]
fn a_refused_lease_is_pending_with_the_reason_everywhere() {
    let outcome = Outcome::Refused { reason: reason::AWAITING_MANIFEST, message: "waiting".into() };
    let status = next(&ComputeLeaseStatus::default(), outcome, &[]);
    assert_eq!(
        summary(&status),
        (
            Phase::Pending,
            [
                "Accepted=False(AwaitingManifest)",
                "Provisioned=False(AwaitingManifest)",
                "Ready=False(AwaitingManifest)",
            ]
            .map(str::to_owned)
            .into(),
            Some("waiting")
        )
    );
    assert_eq!((status.observed_generation, status.namespace), (Some(1), None));
}

#[test]
fn a_lease_goes_from_provisioning_to_ready_to_degraded() {
    let validated = validated();
    let applied = || Outcome::of(Applied::Complete, &validated);
    let quota = next(&ComputeLeaseStatus::default(), Outcome::of(Applied::AwaitingQuota, &validated), &[]);
    assert_eq!(quota.phase, Phase::Provisioning);
    assert_eq!(condition(&quota, PROVISIONED), ("False".into(), reason::AWAITING_QUOTA.into()));

    let starting = next(&quota, applied(), &all_pods()[1..]);
    assert_eq!(starting.phase, Phase::Provisioning);
    assert_eq!(condition(&starting, READY), ("False".into(), reason::AWAITING_PODS.into()));
    assert_eq!(starting.message.as_deref(), Some("web: 1 of 2 pods ready"));

    let ready = next(&starting, applied(), &all_pods());
    assert_eq!(ready.phase, Phase::Ready);
    assert_eq!(ready.message, None);
    assert_eq!(ready.namespace, Some(name().to_string()));
    assert_eq!(
        json!(ready.services[1]),
        json!({
            "name": "web", "replicas": 2, "readyReplicas": 2, "ports": [{"port": 8080, "protocol": "TCP"}],
            "pods": [
                {"name": "web-0", "uid": "pod-web-0", "node": "node-a"},
                {"name": "web-1", "uid": "pod-web-1", "node": "node-a"},
            ]
        })
    );

    let degraded = next(&ready, applied(), &all_pods()[1..]);
    assert_eq!(degraded.phase, Phase::Degraded);
    assert_eq!(condition(&degraded, READY), ("False".into(), reason::PODS_NOT_READY.into()));
    assert_eq!(next(&degraded, applied(), &all_pods()).phase, Phase::Ready);
}

#[test]
fn nothing_changes_when_nothing_happened() {
    let validated = validated();
    let once = next(&ComputeLeaseStatus::default(), Outcome::of(Applied::Complete, &validated), &all_pods());
    assert_eq!(next(&once, Outcome::of(Applied::Complete, &validated), &all_pods()), once);
}

#[test]
fn a_failing_pod_tells_why() {
    let mut failing = pod("worker", 0);
    let status = failing.status.as_mut().unwrap();
    status.conditions = None;
    status.container_statuses = Some(
        serde_json::from_value(json!([{
            "name": "workload", "ready": false, "restartCount": 0, "image": "", "imageID": "",
            "state": {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}
        }]))
        .unwrap(),
    );
    let mut pods = all_pods();
    pods[3] = Arc::new(failing);
    let validated = validated();
    let status = next(&ComputeLeaseStatus::default(), Outcome::of(Applied::Complete, &validated), &pods);
    let image = validated.manifest.services().last_key_value().unwrap().1.image.to_string();
    let trouble = Trouble {
        reason: "ImageNotFound".to_owned(),
        who: Party::Tenant,
        message: format!("{image}: manifest unknown"),
    };
    let message = format!("worker: 0 of 1 pods ready; ImageNotFound (tenant): {image}: manifest unknown");
    assert_eq!(status.services[2].trouble, Some(trouble));
    assert_eq!(status.message, Some(message));
    assert_eq!(condition(&status, READY), ("False".into(), "ImageNotFound".into()));
    let healed = next(&status, Outcome::of(Applied::Complete, &validated), &all_pods());
    assert_eq!(healed.services[2].trouble, None);
}

#[test]
fn a_running_lease_stays_up_when_its_manifest_is_lost_or_a_write_fails() {
    let validated = validated();
    let ready = next(&ComputeLeaseStatus::default(), Outcome::of(Applied::Complete, &validated), &all_pods());
    let refused = Outcome::Refused { reason: reason::MANIFEST_MISSING, message: "lost".into() };
    let lost = next(&ready, refused, &all_pods());
    assert_eq!((lost.phase, condition(&lost, READY).0.as_str()), (Phase::Ready, "True"));
    assert_eq!(condition(&lost, ACCEPTED), ("False".into(), reason::MANIFEST_MISSING.into()));
    let failed = next(&ready, Outcome::Failed { lease: &validated, message: "no".into() }, &all_pods());
    assert_eq!((failed.phase, condition(&failed, READY).0.as_str()), (Phase::Ready, "True"));
    assert_eq!(condition(&failed, PROVISIONED), ("False".into(), reason::API_ERROR.into()));
}

#[test]
fn the_end_waits_for_the_usage_without_a_write_more() {
    let validated = validated();
    let ready = next(&ComputeLeaseStatus::default(), Outcome::of(Applied::Complete, &validated), &all_pods());
    let end = |current: &ComputeLeaseStatus, ending| next(current, Outcome::Ending(ending), &all_pods());
    let awaiting = |seconds| Ending::AwaitingUsage { rest: std::time::Duration::from_secs(seconds) };
    let waiting = end(&ready, awaiting(120));
    assert_eq!(waiting.phase, Phase::Ending);
    assert_eq!(condition(&waiting, USAGE_COLLECTED), ("False".into(), reason::COLLECTING_USAGE.into()));
    assert_eq!(end(&waiting, awaiting(60)), waiting);
    assert_eq!(end(&waiting, Ending::DeletingNamespace), waiting);
    let ended = end(&waiting, Ending::Ended);
    assert_eq!(ended.phase, Phase::Ended);
    assert_eq!((ended.namespace.clone(), ended.services.len()), (None, 0));
    assert_eq!(condition(&ended, USAGE_COLLECTED), ("True".into(), reason::FINAL_USAGE_PUBLISHED.into()));

    let silent = end(&waiting, Ending::MeterSilent);
    assert_eq!(condition(&silent, USAGE_COLLECTED), ("False".into(), reason::METER_SILENT.into()));
    let ended = end(&silent, Ending::Ended);
    assert_eq!(condition(&ended, USAGE_COLLECTED), ("False".into(), reason::METER_SILENT.into()));
}

#[test]
fn a_lease_that_owes_no_usage_ends_without_a_word_about_it() {
    let ended = next(&ComputeLeaseStatus::default(), Outcome::Ending(Ending::Ended), &[]);
    assert_eq!(condition::find(&ended.conditions, USAGE_COLLECTED), None);
}

#[test]
fn pods_that_are_over_do_not_fill_the_status() {
    let mut pods = all_pods();
    for number in 2..1000 {
        let mut evicted = pod("web", number);
        evicted.status =
            Some(serde_json::from_value(json!({"phase": "Failed", "reason": "Evicted"})).unwrap());
        pods.push(Arc::new(evicted));
    }
    let lease = validated();
    let outcome = || Outcome::Accepted { lease: &lease, applied: Applied::Complete };
    assert_eq!(
        next(&ComputeLeaseStatus::default(), outcome(), &pods),
        next(&ComputeLeaseStatus::default(), outcome(), &all_pods())
    );
}
