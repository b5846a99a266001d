//! Pods that were evicted: they make room for others at a pace, and are not kept for ever.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Pod;
use tokio::time::Duration;

use super::*;
use crate::lease_controller::remains;

/// A pod of the guestbook's `web` that the kubelet evicted so long before now.
fn evicted(index: usize, seconds_ago: i64) -> Pod {
    let ended = (now() - SignedDuration::from_secs(seconds_ago)).to_string();
    let mut pod = pod("web", index);
    pod.status = serde_json::from_value(json!({
        "phase": "Failed", "reason": "Evicted",
        "conditions": [{"type": "DisruptionTarget", "status": "True", "lastTransitionTime": ended}],
    }))
    .unwrap();
    pod
}

fn put(scenario: &mut Scenario, pod: Pod) {
    scenario.api.insert(&path(&pod), pod.clone());
    scenario.put_pod(pod);
}

fn path(pod: &Pod) -> String {
    format!("{}/pods/{}", namespace_path(), pod.metadata.name.as_deref().unwrap())
}

#[tokio::test]
async fn a_pod_that_ended_stays_five_minutes_and_goes_then() {
    let mut scenario = Scenario::provisioned(&manifest_yaml()).await;
    for (index, ago) in [(7, 301), (8, 299), (9, 10)] {
        put(&mut scenario, evicted(index, ago));
    }
    let gone = "DELETE /api/v1/namespaces/LEASE/pods/web-7";
    assert_eq!(scenario.reconcile().await.unwrap(), [gone]);
    scenario.remove_pod(evicted(7, 301));
    // Nothing happens when the next one's time is over, so somebody must look.
    let action = crate::lease_controller::reconcile(Arc::new(scenario.lease()), scenario.ctx.clone());
    assert_eq!(action.await.unwrap(), Action::requeue(Duration::from_secs(1)));
    pass(1);
    assert_eq!(scenario.reconcile().await.unwrap(), ["DELETE /api/v1/namespaces/LEASE/pods/web-8"]);
}

#[tokio::test]
async fn a_pod_that_somebody_removed_is_no_failure_and_one_that_cannot_go_is() {
    let mut scenario = Scenario::provisioned(&manifest_yaml()).await;
    // Shown by the watch still, and gone.
    scenario.put_pod(evicted(7, 301));
    scenario.reconcile().await.unwrap();
    scenario.remove_pod(evicted(7, 301));
    put(&mut scenario, evicted(8, 301));
    scenario.api.fail_next("DELETE", "/pods/web-8", http::StatusCode::FORBIDDEN);
    let error = scenario.reconcile().await.unwrap_err();
    assert_eq!(
        (error.category(), error.to_string().as_str()),
        ("ClearPodsFailed", "failed to clear ended pods away")
    );
    assert!(scenario.reconcile().await.unwrap().iter().any(|write| write.ends_with("/pods/web-8")));
}

#[tokio::test]
async fn the_quota_has_room_for_some_that_ended_beside_those_that_run() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    let quota = scenario.api.find(&format!("{}/resourcequotas/lease", namespace_path())).unwrap();
    let hard = &quota["spec"]["hard"];
    let run: u64 = hard["pods"].as_str().unwrap().parse().unwrap();
    assert_eq!(hard["count/pods"], (run + remains::MOST).to_string());
}
