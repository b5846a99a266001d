use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{attempt, dial::Word, enforcement::Network, leases::Side, *};
use crate::{
    canary::enforcement::Open,
    lease_controller::{
        build::{ClusterAddresses, workload::present_form},
        test_support::{Scenario, check_golden, manifest_yaml, name_servers, settings},
    },
    settings::Settings,
};

fn image() -> ImageRef {
    format!("registry.example/operator@sha256:{}", "7".repeat(64)).parse().unwrap()
}

/// A pod of a side as the kubelet reports it.
fn pod(side: Side, listener: Option<&str>, status: &Value) -> Pod {
    let name = side.name(&settings());
    let manifest = side.manifest(&image(), listener.map(|address| address.parse().unwrap())).unwrap();
    let validated = side.validated(&settings(), manifest, Vec::new(), name_servers());
    let (service, document) = validated.manifest.services().iter().next().unwrap();
    let form = present_form(&validated, &settings(), service, document);
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("{}-1", side.service()),
            "namespace": name.as_str(),
            "uid": format!("pod-{}", side.service()),
            "labels": {
                "app.kubernetes.io/managed-by": "leasehold-operator",
                "leasehold.dev/lease": name.label_value(),
                "leasehold.dev/service": side.service(),
            },
            "annotations": {"leasehold.dev/form": form},
        },
        "status": status,
    }))
    .unwrap()
}

fn listener(address: &str) -> Pod {
    let ready =
        json!({"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": "True"}]});
    pod(Side::Listener, None, &ready)
}

fn dialer(listener: &str, exit_code: i32) -> Pod {
    let ended = json!({"terminated": {"exitCode": exit_code}});
    let status = json!({
        "phase": "Running",
        "containerStatuses": [{
            "name": "workload", "ready": false, "restartCount": 1, "image": "", "imageID": "",
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended,
        }]
    });
    pod(Side::Dialer, Some(listener), &status)
}

fn namespace(side: Side) -> String {
    format!("/api/v1/namespaces/{}", side.name(&settings()))
}

/// One step with everything seen that is on the server.
async fn step(scenario: &Scenario) -> Option<Finding> {
    scenario.watch();
    let image = image();
    let spoken = attempt::Attempt::new(&scenario.ctx, &image).step().await.unwrap();
    match spoken {
        attempt::Step::Spoken(word) => Some(word.finding()),
        attempt::Step::Waiting { .. } => None,
    }
}

fn writes(scenario: &Scenario) -> Vec<String> {
    let [listener, dialer] = Side::ALL.map(|side| side.name(&settings()));
    let all = scenario.api.take_writes().into_iter();
    all.map(|write| write.replace(listener.as_str(), "LISTENER").replace(dialer.as_str(), "DIALER")).collect()
}

#[test]
fn both_sides_are_rendered_as_leases_with_one_more_policy_each() {
    let settings = Settings { node_taint: None, ..settings() };
    let rendered = Side::ALL.map(|side| {
        let manifest = side.manifest(&image(), Some("10.42.0.7".parse().unwrap())).unwrap();
        let validated = side.validated(&settings, manifest, Vec::new(), name_servers());
        let objects = side.objects(&validated, &settings, &ClusterAddresses::default());
        let policies = objects.network_policies.iter().map(|policy| policy.metadata.name.clone().unwrap());
        assert_eq!(policies.collect::<Vec<_>>(), ["lease", "canary"]);
        json!({
            "namespace": objects.namespace,
            "canary": objects.network_policies[1],
            "args": objects.services.iter().map(|service| match &service.workload {
                crate::lease_controller::build::Workload::Deployment(deployment) =>
                    json!(deployment)["spec"]["template"]["spec"]["containers"][0]["args"].clone(),
                crate::lease_controller::build::Workload::StatefulSet(_) => Value::Null,
            }).collect::<Vec<_>>(),
        })
    });
    check_golden("canary/objects.json", &json!(rendered));
}

#[tokio::test]
async fn the_dialer_is_made_when_there_is_somebody_to_call_and_its_word_is_the_finding() {
    let mut scenario = Scenario::new(&manifest_yaml());
    assert_eq!(step(&scenario).await, None);
    assert_eq!(
        writes(&scenario),
        [
            "POST /api/v1/namespaces",
            "APPLY /api/v1/namespaces/LISTENER/resourcequotas/lease",
            "POST /api/v1/namespaces",
            "APPLY /api/v1/namespaces/DIALER/resourcequotas/lease",
        ]
    );
    scenario.api.run_quota_controller();
    assert_eq!(step(&scenario).await, None);
    let made = writes(&scenario);
    assert!(
        made.contains(&"APPLY /apis/apps/v1/namespaces/LISTENER/deployments/listener".to_owned()),
        "{made:?}"
    );
    assert!(
        made.contains(
            &"APPLY /apis/networking.k8s.io/v1/namespaces/DIALER/networkpolicies/canary".to_owned()
        )
    );
    assert!(!made.iter().any(|write| write.ends_with("deployments/dialer")), "{made:?}");

    // A listener that is not ready has an address that leads nowhere.
    let mut starting = listener("10.42.0.7");
    starting.status.as_mut().unwrap().conditions = None;
    scenario.put_pod(starting);
    assert_eq!(step(&scenario).await, None);
    assert_eq!(writes(&scenario), Vec::<String>::new());
    scenario.put_pod(listener("10.42.0.7"));
    assert_eq!(step(&scenario).await, None);
    assert_eq!(writes(&scenario), ["APPLY /apis/apps/v1/namespaces/DIALER/deployments/dialer"]);

    // A dialer that failed in another way, or called somebody else, has said nothing.
    for silent in [dialer("10.42.0.7", 137), dialer("10.42.0.8", Word::Enforced.exit_code())] {
        scenario.put_pod(silent);
        assert_eq!(step(&scenario).await, None);
    }
    for (word, finding) in [
        (Word::Enforced, Finding::Enforced),
        (Word::Open(Open::Ingress), Finding::Open(Open::Ingress)),
        (Word::Open(Open::Egress), Finding::Open(Open::Egress)),
        (Word::Open(Open::Both), Finding::Open(Open::Both)),
    ] {
        scenario.put_pod(dialer("10.42.0.7", word.exit_code()));
        assert_eq!(step(&scenario).await, Some(finding));
    }
}

#[tokio::test]
async fn what_keeps_the_canary_from_running_is_told() {
    let mut scenario = Scenario::new(&manifest_yaml());
    step(&scenario).await;
    scenario.api.run_quota_controller();
    step(&scenario).await;
    let stuck = json!({"containerStatuses": [{
        "name": "workload", "ready": false, "restartCount": 0, "image": "", "imageID": "",
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image: not found"}}
    }]});
    scenario.put_pod(pod(Side::Listener, None, &stuck));
    scenario.watch();
    let image = image();
    let attempt::Step::Waiting { why } = attempt::Attempt::new(&scenario.ctx, &image).step().await.unwrap()
    else {
        panic!("nobody spoke")
    };
    assert!(why.starts_with("the canary's listener does not run: "), "{why}");
}

/// What a process that was killed left is removed before anything else, and the end waits for it.
#[tokio::test(start_paused = true)]
async fn a_try_begins_by_removing_what_an_earlier_one_left() {
    let scenario = Scenario::new(&manifest_yaml());
    step(&scenario).await;
    writes(&scenario);
    let ctx = scenario.ctx.clone();
    let clearing = tokio::spawn(async move { attempt::clear(&ctx).await.map_err(|error| error.to_string()) });
    for side in Side::ALL {
        while scenario.api.find(&namespace(side)).unwrap()["metadata"]["deletionTimestamp"].is_null() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(!clearing.is_finished());
        scenario.api.remove(&namespace(side));
    }
    assert_eq!(clearing.await.unwrap(), Ok(()));
    assert_eq!(writes(&scenario), ["DELETE /api/v1/namespaces/LISTENER", "DELETE /api/v1/namespaces/DIALER"]);
}

#[tokio::test(start_paused = true)]
async fn residue_that_does_not_go_is_told_and_not_waited_for_without_end() {
    let scenario = Scenario::new(&manifest_yaml());
    step(&scenario).await;
    let name = Side::Listener.name(&settings());
    assert_eq!(
        attempt::clear(&scenario.ctx).await.unwrap_err().to_string(),
        format!("what an earlier try left in {name} does not go")
    );
}

#[tokio::test]
async fn a_namespace_of_somebody_else_is_left_alone() {
    let scenario = Scenario::new(&manifest_yaml());
    let name = Side::Listener.name(&settings());
    scenario.api.insert(&namespace(Side::Listener), json!({"metadata": {"name": name.as_str()}}));
    scenario.watch();
    let image = image();
    let Err(error) = attempt::Attempt::new(&scenario.ctx, &image).step().await else {
        panic!("it went on in a namespace of somebody else")
    };
    assert_eq!(error.to_string(), format!("the namespace {name} belongs to somebody else"));
    assert_eq!(writes(&scenario), Vec::<String>::new());
}

/// What leases see, the Events, and the metrics.
#[tokio::test]
async fn each_turn_is_told_once_and_a_proof_lifts_the_alarm() {
    let mut scenario = Scenario::new(&manifest_yaml());
    Arc::get_mut(&mut scenario.ctx).unwrap().network = Arc::new(Network::new(Enforcement::Pending));
    let mut events = Vec::new();
    for finding in [
        Finding::Open(Open::Ingress),
        Finding::Open(Open::Ingress),
        Finding::Inconclusive { why: "no image".to_owned() },
        Finding::Enforced,
        Finding::Enforced,
    ] {
        tell(&scenario.ctx, &finding, Duration::from_secs(60)).await;
        let requests = scenario.api.take_requests().into_iter();
        events.push(
            requests.map(|event| event.body["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        );
    }
    assert_eq!(events, [vec!["NetworkNotEnforced"], vec![], vec![], vec!["NetworkEnforced"], vec![]]);
    assert!(matches!(scenario.ctx.network.current(), Enforcement::Enforced { .. }));
}
