use std::sync::LazyLock;

use crd::{Cause, Party};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::lease_controller::test_support::{manifest_of, manifest_yaml, now};

static SERVICE: LazyLock<Service> = LazyLock::new(service);

/// A service with an image, a secret, a probe and limits of its own.
fn service() -> Service {
    let yaml = format!(
        "
version: v1
name: one
duration: 1h
services:
  web:
    image: registry.example:5000/acme/web@sha256:{}
    secrets: {{PASSWORD: {{value: open-sesame}}}}
    resources: {{cpu: 100m, memory: 96Mi}}
    ports: [{{port: 8081}}]
    readiness: {{httpGet: {{port: 8081, path: /ready}}, periodSeconds: 7, failureThreshold: 4, timeoutSeconds: 2}}
",
        "a1".repeat(32)
    );
    let manifest = manifest_of(&yaml);
    manifest.services().values().next().unwrap().clone()
}

fn seconds_ago(seconds: i64) -> String {
    (now() - SignedDuration::from_secs(seconds)).to_string()
}

fn pod_with(status: &Value) -> Arc<Pod> {
    Arc::new(
        serde_json::from_value(json!({
            "metadata": {
                "name": "web-5d8f", "namespace": "lease-x", "creationTimestamp": seconds_ago(900),
                "labels": {"leasehold.dev/service": "web"},
            },
            "spec": {
                "containers": [{"name": "workload"}],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}}],
            },
            "status": status,
        }))
        .unwrap(),
    )
}

fn diagnose_status(status: &Value, known: Option<&Trouble>) -> Option<Trouble> {
    let pod = pod_with(status);
    diagnose(&Evidence {
        service: &service(),
        pods: &[&pod],
        refused_pod: None,
        known,
        hidden: &Hidden::new(["open-sesame"]),
        now: now(),
    })
}

fn container(state: &Value, last: &Value, restarts: i32) -> Value {
    json!({
        "phase": "Running",
        "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": seconds_ago(600)}],
        "containerStatuses": [{
            "name": "workload", "ready": false, "restartCount": restarts, "image": "i", "imageID": "",
            "state": state, "lastState": last,
        }]
    })
}

fn waiting(reason: &str, message: &str) -> Value {
    container(&json!({"waiting": {"reason": reason, "message": message}}), &json!({}), 0)
}

fn image(rest: &str) -> String {
    format!("registry.example:5000/acme/web@sha256:{}{rest}", "a1".repeat(32))
}

fn pulling(answer: &str) -> Value {
    waiting("ErrImagePull", &format!("rpc error: code = Unknown desc = {answer}"))
}

fn unscheduled(message: &str) -> Value {
    json!({
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]
    })
}

fn ended(reason: &str, code: i32, message: &str, restarts: i32) -> Value {
    container(
        &json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}),
        &json!({"terminated": {"reason": reason, "exitCode": code, "message": message}}),
        restarts,
    )
}

#[test]
fn every_state_of_a_pod_has_its_cause_and_its_sentence() {
    use Cause::*;
    let running = |seconds: i64| json!({"running": {"startedAt": seconds_ago(seconds)}});
    let crashed = json!({"terminated": {"reason": "Error", "exitCode": 3, "message": "boom"}});
    let failed =
        |reason: &str, message: &str| json!({"phase": "Failed", "reason": reason, "message": message});
    let disrupted = |reason: &str, message: &str| {
        json!({"phase": "Running", "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": seconds_ago(9)},
            {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
        ]})
    };
    let cases: Vec<(Value, Option<(Cause, String)>)> = vec![
        (
            waiting(
                "ImagePullBackOff",
                &format!(
                    "Back-off pulling image \"{}\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack \
                     image \"{}\": {}: not found",
                    image(""),
                    image(""),
                    image("")
                ),
            ),
            Some((
                ImageNotFound,
                image(&format!(
                    ": failed to pull and unpack image \"{}\": {}: not found",
                    image(""),
                    image("")
                )),
            )),
        ),
        (
            pulling("unexpected status from HEAD request to https://bob:hunter22@registry.example/v2/x?sig=1: 401 Unauthorized"),
            Some((
                ImageAccessDenied,
                image(
                    ": unexpected status from HEAD request to https://[hidden]@registry.example/v2/x?[hidden] 401 Unauthorized",
                ),
            )),
        ),
        (
            pulling("dial tcp 203.0.113.7:5000: i/o timeout"),
            Some((RegistryUnreachable, image(": dial tcp 203.0.113.7:5000: i/o timeout"))),
        ),
        (
            pulling("toomanyrequests: You have reached your pull rate limit"),
            Some((RegistryUnreachable, image(": toomanyrequests: You have reached your pull rate limit"))),
        ),
        (
            pulling("no match for platform in manifest: not found"),
            Some((ImageInvalid, image(": no match for platform in manifest: not found"))),
        ),
        (
            pulling("write /var/lib: no space left on device"),
            Some((RuntimeFailed, image(": write /var/lib: no space left on device"))),
        ),
        (waiting("InvalidImageName", ""), Some((ImageInvalid, image(" cannot be pulled")))),
        (
            waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root (pod: \"web_x\")"),
            Some((
                ImageRunsAsRoot,
                "the image would run as root, or as a user that has only a name: set runAsUser".into(),
            )),
        ),
        (
            waiting("CreateContainerConfigError", "secret \"web-env\" not found"),
            Some((
                ObjectMissing,
                "an object that the replica refers to is missing; it is being written again".into(),
            )),
        ),
        (
            waiting(
                "RunContainerError",
                "failed to create containerd task: runc create failed: exec: \"/bin/nope\": stat /bin/nope: no such file or directory",
            ),
            Some((CommandNotStartable, "exec: \"/bin/nope\": stat /bin/nope: no such file or directory".into())),
        ),
        (
            waiting("CreateContainerError", "context deadline exceeded"),
            Some((RuntimeFailed, "context deadline exceeded".into())),
        ),
        (
            ended("Error", 1, "line one\nlogin with open-sesame failed\n", 5),
            Some((
                ContainerCrashed,
                "the container ended with exit code 1, started again 5 times; last lines: line one | login with [hidden] failed"
                    .into(),
            )),
        ),
        (
            ended("Error", 139, "", 1),
            Some((
                ContainerCrashed,
                "the container was ended by signal SIGSEGV, exit code 139, started again once".into(),
            )),
        ),
        (
            ended("Completed", 0, "", 0),
            Some((
                ContainerCrashed,
                "the container ended with exit code 0, and a service must keep running".into(),
            )),
        ),
        (
            ended("OOMKilled", 137, "", 2),
            Some((
                OutOfMemory,
                "the container was killed because it took more than 96Mi of memory, started again 2 times".into(),
            )),
        ),
        (
            container(&running(20), &crashed, 2),
            Some((
                ContainerCrashed,
                "the container ended with exit code 3, started again 2 times; last lines: boom".into(),
            )),
        ),
        (container(&running(20), &json!({}), 0), None),
        (
            container(&running(900), &crashed, 2),
            Some((
                ReadinessProbeFailing,
                "the container runs, but its readiness probe does not succeed: GET /ready on port 8081, every 7 s, 4 failures \
                 allowed"
                    .into(),
            )),
        ),
        (
            unscheduled(
                "0/4 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {example.com/secret: yes}, 2 \
                 Insufficient memory. preemption: 0/4 nodes are available: 4 No preemption victims found for incoming pod.",
            ),
            Some((
                Unschedulable,
                "0/4 nodes: insufficient cpu (1), insufficient memory (2), not in the tenants' pool (1)".into(),
            )),
        ),
        (
            unscheduled("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"),
            Some((VolumePending, "0/1 nodes: the volume is not there yet".into())),
        ),
        (
            unscheduled("0/2 nodes are available: 2 Too many pods, 1 node(s) had volume node affinity conflict."),
            Some((
                Unschedulable,
                "0/2 nodes: no room for more pods (2), the volume is on another node (1)".into(),
            )),
        ),
        (unscheduled("running PreBind plugin: binding volumes: timed out"), Some((VolumePending, "running PreBind plugin: binding volumes: timed out".into()))),
        (json!({"phase": "Pending"}), Some((VolumePending, "the volume of a replica was not provided for minutes".into()))),
        (
            container(&json!({"waiting": {"reason": "ContainerCreating"}}), &json!({}), 0),
            Some((NodeNotStarting, "the node has the replica and has not started it for minutes".into())),
        ),
        (
            failed("Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. "),
            Some((
                EphemeralStorageExceeded,
                "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.".into(),
            )),
        ),
        (
            failed("Evicted", "The node was low on resource: memory."),
            Some((Evicted, "Evicted: The node was low on resource: memory.".into())),
        ),
        (failed("NodeLost", ""), Some((NodeUnreachable, "NodeLost".into()))),
        (
            disrupted("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"),
            Some((
                NodeUnreachable,
                "DeletionByTaintManager: Taint manager: deleting due to NoExecute taint".into(),
            )),
        ),
        (
            disrupted("EvictionByEvictionAPI", "Eviction API: evicting"),
            Some((Evicted, "EvictionByEvictionAPI: Eviction API: evicting".into())),
        ),
    ];
    for (status, wanted) in cases {
        let wanted = wanted.map(|(cause, message)| Trouble::new(cause, message));
        assert_eq!(diagnose_status(&status, None), wanted, "{status}");
    }
}

#[test]
fn the_registrys_answer_is_remembered_while_the_node_waits() {
    let quiet = waiting("ImagePullBackOff", &format!("Back-off pulling image \"{}\"", image("")));
    let known = Trouble::new(Cause::ImageNotFound, "told before".to_owned());
    assert_eq!(diagnose_status(&quiet, Some(&known)), Some(known));
    let other = Trouble::new(Cause::OutOfMemory, "of another time".to_owned());
    let found = diagnose_status(&quiet, Some(&other)).unwrap();
    assert_eq!((found.reason.as_str(), found.who), ("RegistryUnreachable", Party::Provider));
}

#[test]
fn a_refused_pod_is_ours_unless_its_predecessor_still_stops() {
    let service = service();
    let hidden = Hidden::default();
    let message = "pods \"web-1\" is forbidden: exceeded quota: lease, requested: pods=1, used: pods=1, limited: pods=1";
    let with = |pods: &[&Arc<Pod>]| {
        diagnose(&Evidence {
            service: &service,
            pods,
            refused_pod: Some(message),
            known: None,
            hidden: &hidden,
            now: now(),
        })
    };
    assert_eq!(with(&[]), Some(Trouble::new(Cause::QuotaExceeded, message.to_owned())));
    let mut stopping = Arc::unwrap_or_clone(pod_with(&json!({"phase": "Running"})));
    stopping.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    assert_eq!(with(&[&Arc::new(stopping)]), None);
}

#[test]
fn a_quota_full_of_pods_that_ended_is_not_the_trouble_but_what_ended_them_is() {
    let service = service();
    let message = "pods \"web-1\" is forbidden: exceeded quota: lease, requested: count/pods=1, used: count/pods=9, limited: count/pods=9";
    let over = pod_with(&json!({"phase": "Failed", "reason": "Evicted", "message": "gone"}));
    let found = diagnose(&Evidence {
        service: &service,
        pods: &[&over],
        refused_pod: Some(message),
        known: None,
        hidden: &Hidden::default(),
        now: now(),
    });
    assert_eq!(found, Some(Trouble::new(Cause::Evicted, "Evicted: gone".to_owned())));
}

#[test]
fn what_is_wrong_now_comes_before_what_was_wrong() {
    let service = service();
    let over = pod_with(&json!({"phase": "Failed", "reason": "Evicted", "message": "gone"}));
    let crashing = pod_with(&ended("Error", 2, "", 1));
    let found = diagnose(&Evidence {
        service: &service,
        pods: &[&over, &crashing],
        refused_pod: None,
        known: None,
        hidden: &Hidden::default(),
        now: now(),
    });
    assert_eq!(found.map(|trouble| trouble.reason).as_deref(), Some("ContainerCrashed"));
}

#[test]
fn the_guestbooks_secrets_are_hidden() {
    let hidden = Hidden::of(&manifest_of(&manifest_yaml()));
    assert_ne!(hidden, Hidden::default());
}

fn text() -> impl Strategy<Value = String> {
    let words = prop_oneof![
        ".{0,40}",
        Just("open-sesame".to_owned()),
        Just("0/3 nodes are available: ".to_owned()),
        Just("1 Insufficient cpu, 2 node(s) had ".to_owned()),
        Just("Back-off pulling image \"x\": ErrImagePull: ".to_owned()),
        Just("rpc error: code = NotFound desc = ".to_owned()),
        Just("https://a:b@c/d?e ".to_owned()),
        Just("password=\u{e9}\u{e9}\u{e9} ".to_owned()),
        Just("\u{1b}[3".to_owned()),
        Just("\u{202e}\u{0}".to_owned()),
        "[ -~]{0,300}",
    ];
    prop::collection::vec(words, 0..12).prop_map(|words| words.concat())
}

fn reason_word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "ImagePullBackOff",
            "ErrImagePull",
            "InvalidImageName",
            "CreateContainerConfigError",
            "CreateContainerError",
            "RunContainerError",
            "CrashLoopBackOff",
            "ContainerCreating",
            "StartError",
            "OOMKilled",
            "Error",
            "Completed",
            "ContainerStatusUnknown",
            "Evicted",
            "NodeLost",
            "Unschedulable",
            "DeletionByTaintManager",
        ])
        .prop_map(str::to_owned),
        text(),
    ]
}

#[test]
fn words_of_which_nothing_can_be_shown_leave_no_empty_message() {
    let pod = pod_with(&waiting("CreateContainerConfigError", "\u{1b}[3"));
    let pods = [&pod];
    let evidence = Evidence {
        service: &SERVICE,
        pods: &pods,
        refused_pod: None,
        known: None,
        hidden: &Hidden::default(),
        now: now(),
    };
    assert_eq!(diagnose(&evidence).unwrap().message, "the cluster says nothing more");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nodes, registries, runtimes and tenants write into a pod's status whatever they like.
    #[test]
    fn any_status_gives_a_bounded_printable_line_without_secrets(
        kind in 0..6_u8,
        reason in reason_word(),
        message in text(),
        code in any::<i32>(),
        restarts in any::<i32>(),
        signal in any::<Option<i32>>(),
        started in -100_000_i64..100_000,
        refused in prop::option::of(text()),
    ) {
        let status = match kind {
            0 => waiting(&reason, &message),
            1 => unscheduled(&message),
            2 => json!({"phase": "Failed", "reason": reason, "message": message}),
            3 => container(
                &json!({"running": {"startedAt": seconds_ago(started)}}),
                &json!({"terminated": {"reason": reason, "exitCode": code, "signal": signal, "message": message}}),
                restarts,
            ),
            4 => container(&json!({"terminated": {"reason": reason, "exitCode": code, "message": message}}), &json!({}), restarts),
            _ => json!({"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}]}),
        };
        let pod = pod_with(&status);
        let hidden = Hidden::new(["open-sesame"]);
        let pods = [&pod];
        let evidence = Evidence {
            service: &SERVICE, pods: &pods, refused_pod: refused.as_deref(), known: None, hidden: &hidden, now: now(),
        };
        if let Some(trouble) = diagnose(&evidence) {
            prop_assert!(trouble.message.chars().count() <= Trouble::MESSAGE_CHARS, "{trouble}");
            prop_assert!(!trouble.message.is_empty());
            let unprintable = |c: char| c.is_control() || c == '\u{202e}';
            prop_assert!(!trouble.message.chars().any(unprintable), "{:?}", trouble.message);
            prop_assert!(!trouble.message.contains("open-sesame"), "{trouble}");
            prop_assert!(Cause::ALL.iter().any(|cause| cause.as_str() == trouble.reason && cause.party() == trouble.who));
        }
        for most in [1_usize, 64, 4096] {
            prop_assert!(text::tail(&message, &hidden, most).len() <= most);
        }
    }
}
