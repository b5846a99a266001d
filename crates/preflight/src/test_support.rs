//! A cluster that passes, for each test to take something from.

use k8s_openapi::api::{core::v1::Node, storage::v1::StorageClass};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    ClusterFacts, Outcome, Values, Verdict,
    facts::{Clocks, Unread, Version},
    outcome::Judgement,
};

/// The moment at which everything was read: 2026-11-24T00:00:00Z.
pub(crate) const NOW: i64 = 1_795_478_400;

/// An object of a kind from its JSON.
pub(crate) fn object<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

/// A ready node; `more` is laid over it.
pub(crate) fn node(name: &str, more: Value) -> Node {
    let mut node = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "runtimeHandlers": [
                {"name": "", "features": {"userNamespaces": true}},
                {"name": "runsc", "features": {"userNamespaces": false}}
            ]
        }
    });
    lay_over(&mut node, more);
    object(node)
}

/// A class that leases can have volumes of.
pub(crate) fn storage_class(name: &str, more: Value) -> StorageClass {
    let mut class = json!({
        "metadata": {
            "name": name,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}
        },
        "provisioner": "csi.example.net",
        "reclaimPolicy": "Delete"
    });
    lay_over(&mut class, more);
    object(class)
}

fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

/// A cluster that can carry everything.
pub(crate) fn facts() -> ClusterFacts {
    ClusterFacts {
        namespace: "leasehold-system".to_owned(),
        version: Ok(Version { major: "1".to_owned(), minor: "35".to_owned(), full: "v1.35.4".to_owned() }),
        lacking: Ok(Vec::new()),
        nodes: Ok(vec![node("node-a", json!({}))]),
        runtime_classes: Ok(vec![object(json!({
            "metadata": {"name": "gvisor"}, "handler": "runsc",
        }))]),
        storage_classes: Ok(vec![storage_class("local", json!({}))]),
        gateway_resources: Ok(["gateways", "httproutes"].map(str::to_owned).into()),
        gateway: Ok(None),
        events: Ok(Vec::new()),
        clocks: Ok(Clocks { there: NOW, asked: NOW, answered: NOW }),
        heartbeats: Ok(Vec::new()),
        certificate_requests: Ok(Vec::new()),
        kubelet_authority: Ok(None),
        system_namespace: Ok(Some(object(json!({"metadata": {
            "name": "leasehold-system",
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"}
        }})))),
        webhooks: Ok(Vec::new()),
        has_operator_key: Ok(true),
    }
}

/// Values from YAML.
pub(crate) fn values(yaml: &str) -> Values {
    Values::parse(yaml).unwrap()
}

/// What could not be read because the user may not.
pub(crate) fn forbidden(what: &str) -> Unread {
    Unread { what: what.to_owned(), why: "you may not".to_owned(), is_forbidden: true }
}

/// The words of a pass.
pub(crate) fn passed(judgement: Judgement) -> String {
    match Outcome::new("test", judgement).verdict {
        Verdict::Pass { message } => message,
        other => panic!("not a pass: {other:?}"),
    }
}

/// The words of a failure, and its fix.
pub(crate) fn failed(judgement: Judgement) -> (String, String) {
    match Outcome::new("test", judgement).verdict {
        Verdict::Fail { message, fix } => (message, fix),
        other => panic!("not a failure: {other:?}"),
    }
}

/// Why it does not apply.
pub(crate) fn skipped(judgement: Judgement) -> String {
    match Outcome::new("test", judgement).verdict {
        Verdict::NotApplicable { message } => message,
        other => panic!("applies: {other:?}"),
    }
}
