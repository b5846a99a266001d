//! The end of a lease: proof that nothing is left, removals that are stuck, and last words.

use crd::{ComputeLeaseStatus, FinalLog};

use super::*;

const DELETE: &str = "DELETE /api/v1/namespaces/LEASE";
const EVENT: &str = "POST /apis/events.k8s.io/v1/namespaces/SYSTEM/events";
const FINALIZER: &str = "PATCH /apis/leasehold.dev/v1alpha1/namespaces/SYSTEM/computeleases/LEASE";
const VOLUME: &str = "/api/v1/persistentvolumes/pv-7";

fn status(scenario: &Scenario) -> ComputeLeaseStatus {
    scenario.lease().status.unwrap()
}

/// A condition as `status(reason): message`.
fn told(scenario: &Scenario, type_: &str) -> String {
    let status = status(scenario);
    let found = condition::find(&status.conditions, type_).unwrap();
    format!("{}({}): {}", found.status, found.reason, found.message)
}

/// A lease whose namespace is being deleted.
async fn ending() -> Scenario {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    scenario.change_lease(|lease| lease.spec.desired = DesiredState::Ended);
    assert_eq!(scenario.reconcile().await.unwrap(), [DELETE, STATUS]);
    scenario
}

fn hold_namespace(scenario: &Scenario) {
    let mut namespace = scenario.api.find(&namespace_path()).unwrap();
    namespace["status"] = json!({"conditions": [{
        "type": "NamespaceFinalizersRemaining", "status": "True", "reason": "SomeFinalizersRemain",
        "message": "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    }]});
    scenario.api.insert(&namespace_path(), namespace);
}

fn volume(policy: &str) -> serde_json::Value {
    json!({
        "metadata": {"name": "pv-7"},
        "spec": {
            "claimRef": {"namespace": name().as_str(), "name": "data-database-0"},
            "persistentVolumeReclaimPolicy": policy
        },
        "status": {"phase": "Released"}
    })
}

#[tokio::test]
async fn a_close_costs_three_writes_and_proves_that_nothing_is_left() {
    let scenario = ending().await;
    assert_eq!(
        told(&scenario, condition::CLEANED),
        "False(Removing): the namespace and its volumes are being deleted"
    );
    scenario.api.remove(&namespace_path());
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    assert_eq!(
        told(&scenario, condition::CLEANED),
        "True(NothingLeft): no namespace, no object in it, no host held, and 0 volumes of the cluster refer to it"
    );
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_namespace_that_does_not_go_is_told_after_ten_minutes_and_only_once() {
    let scenario = ending().await;
    hold_namespace(&scenario);
    pass(599);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    pass(1);
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS, EVENT]);
    let wanted = format!(
        "namespace {} does not go: Some content in the namespace has finalizers remaining: example.com/hold in 1 resource \
         instances",
        name()
    );
    assert_eq!(told(&scenario, condition::STUCK), format!("True(ObjectsRemain): {wanted}"));
    assert_eq!((status(&scenario).phase, status(&scenario).message), (Phase::Ending, Some(wanted)));
    pass(3600);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    scenario.api.remove(&namespace_path());
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS]);
    assert_eq!(told(&scenario, condition::STUCK), "False(Removing): ");
    assert_eq!(status(&scenario).phase, Phase::Ended);
}

#[tokio::test]
async fn data_that_a_volume_keeps_is_no_clean_end() {
    let scenario = ending().await;
    scenario.api.insert(VOLUME, volume("Retain"));
    scenario.api.remove(&namespace_path());
    scenario.reconcile().await.unwrap();
    assert_eq!(status(&scenario).phase, Phase::Ending);
    pass(600);
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS, EVENT]);
    assert_eq!(
        told(&scenario, condition::STUCK),
        "True(VolumesRemain): the namespace is gone, but its data is not: volume pv-7 is Released, reclaim policy Retain"
    );
    scenario.api.remove(VOLUME);
    scenario.reconcile().await.unwrap();
    assert_eq!(status(&scenario).phase, Phase::Ended);
}

#[tokio::test]
async fn a_deleted_lease_whose_namespace_does_not_go_says_so_too() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    scenario.change_lease(|lease| lease.metadata.deletion_timestamp = Some(Time(now())));
    assert_eq!(scenario.reconcile().await.unwrap(), [DELETE]);
    hold_namespace(&scenario);
    pass(600);
    assert_eq!(scenario.reconcile().await.unwrap(), [STATUS, EVENT]);
    assert!(told(&scenario, condition::STUCK).starts_with("True(ObjectsRemain): "));
    scenario.api.remove(&namespace_path());
    assert_eq!(scenario.reconcile().await.unwrap(), [FINALIZER]);
}

#[tokio::test]
async fn last_words_are_kept_without_the_lease_s_secrets() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    let manifest = manifest_of(&manifest_yaml());
    let secret = manifest.services().values().flat_map(|service| service.secrets.values()).next().unwrap();
    let mut dying = pod("web", 0);
    dying.metadata.deletion_timestamp = Some(Time(now()));
    dying.status.as_mut().unwrap().container_statuses = Some(
        serde_json::from_value(json!([{
            "name": "workload", "ready": false, "restartCount": 0, "image": "", "imageID": "",
            "state": {"terminated": {
                "exitCode": 143, "reason": "Error", "message": format!("bye\nkey {}\u{7}\n", secret.expose())
            }}
        }]))
        .unwrap(),
    );
    scenario.ctx.memory.hear(&dying);
    scenario.ctx.memory.hear(&pod("worker", 0));
    scenario.change_lease(|lease| lease.spec.desired = DesiredState::Ended);
    scenario.reconcile().await.unwrap();
    scenario.reconcile().await.unwrap();
    scenario.api.remove(&namespace_path());
    scenario.reconcile().await.unwrap();
    let wanted = FinalLog {
        service: "web".to_owned(),
        pod: "web-0".to_owned(),
        exit_code: 143,
        text: "bye\nkey [hidden]".to_owned(),
    };
    assert_eq!(status(&scenario).final_logs, [wanted]);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn cleanup_succeeds_whatever_became_of_the_spec() {
    let breakages: [fn(&mut ComputeLease); 7] = [
        |lease| lease.spec.lease_id = "nonsense".to_owned(),
        |lease| lease.spec.lease_id.replace_range(2..4, "ff"),
        |lease| lease.spec.manifest = None,
        |lease| lease.spec.manifest.as_mut().unwrap().hash.clear(),
        |lease| lease.spec.manifest.as_mut().unwrap().revision = -1,
        |lease| lease.spec.limits.cpu_milli = -1,
        |lease| lease.spec.term = Some(crd::Term { started_at: 9, ends_at: 1 }),
    ];
    for breakage in breakages {
        let scenario = Scenario::provisioned(&manifest_yaml()).await;
        scenario.api.remove(&format!("/api/v1/namespaces/{SYSTEM}/secrets/{}", name().manifest_secret()));
        scenario.change_lease(|lease| {
            breakage(lease);
            lease.metadata.deletion_timestamp = Some(Time(now()));
        });
        publish_last_usage(&scenario);
        let mut unknown = scenario.api.find(&lease_path()).unwrap();
        unknown["spec"]["ofANewerVersion"] = json!({"a": 1});
        unknown["status"]["ofANewerVersion"] = json!(["b"]);
        scenario.api.insert(&lease_path(), unknown);
        assert_eq!(scenario.reconcile().await.unwrap(), [DELETE]);
        scenario.api.remove(&namespace_path());
        assert_eq!(scenario.reconcile().await.unwrap(), [FINALIZER]);
        assert_eq!(scenario.api.find(&lease_path()), None);
    }
}
