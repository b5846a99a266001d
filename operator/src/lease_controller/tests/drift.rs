//! Every object of a lease, changed in every field by somebody else, is seen and put back; what was added is gone.

use serde_json::{Map, Value, json};

use super::*;

/// Fields that the API server keeps.
const SERVERS: [&str; 6] = ["uid", "resourceVersion", "generation", "name", "namespace", "creationTimestamp"];
/// Whoever changes these says that the namespace is not ours, and then it is not touched.
const PROOFS: [&str; 2] = [
    "/metadata/labels/app.kubernetes.io~1managed-by",
    "/metadata/annotations/leasehold.dev~1compute-lease-uid",
];

/// Paths of the objects that the operator renders and can see.
fn rendered(scenario: &Scenario) -> Vec<String> {
    let ours = |path: &String| {
        let object = scenario.api.find(path).unwrap();
        object["metadata"]["labels"][crd::labels::MANAGED_BY] == crd::labels::MANAGED_BY_VALUE
            && !path.contains("/secrets/")
    };
    scenario.api.paths().into_iter().filter(ours).collect()
}

/// An object without what the API server keeps.
fn decided(scenario: &Scenario, path: &str) -> Value {
    let mut object = scenario.api.find(path).unwrap_or_default();
    object["status"] = Value::Null;
    for field in SERVERS {
        object["metadata"][field] = Value::Null;
    }
    object
}

fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                leaves(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, &format!("{at}/{index}"), found);
            }
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(at.to_owned()),
    }
}

fn changed(value: &Value) -> Value {
    match value {
        Value::Bool(value) => json!(!value),
        Value::Number(value) => json!(value.as_i64().unwrap_or_default() + 1),
        Value::String(value) => json!(format!("{value}-changed")),
        other => other.clone(),
    }
}

/// Puts a changed object there, and expects that one reconciliation undoes it and the next finds nothing to do.
async fn is_undone(scenario: &Scenario, path: &str, what: &str, change: impl FnOnce(&mut Value)) {
    let wanted = decided(scenario, path);
    // Long enough to be no part of a quarrel.
    pass(3600);
    let mut object = scenario.api.find(path).unwrap();
    change(&mut object);
    scenario.api.insert(path, object);
    assert_ne!(decided(scenario, path), wanted, "{path} {what}: the test changed nothing");
    let writes = scenario.reconcile().await.unwrap();
    assert_eq!(decided(scenario, path), wanted, "{path} {what}: {writes:?}");
    let others: Vec<_> = writes
        .iter()
        .filter(|write| {
            !write.ends_with(&path.replace(name().as_str(), "LEASE")) && !write.contains("/secrets/")
        })
        .collect();
    assert!(others.is_empty(), "{path} {what}: {others:?}");
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new(), "{path} {what}");
}

#[tokio::test]
async fn every_field_of_every_object_is_put_back_when_somebody_changes_it() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    let (mut fields, mut objects) = (0, 0);
    for path in rendered(&scenario) {
        let mut all = Vec::new();
        leaves(&decided(&scenario, &path), "", &mut all);
        let is_namespace = path == namespace_path();
        all.retain(|field| {
            field != "/apiVersion" && field != "/kind" && !(is_namespace && PROOFS.contains(&field.as_str()))
        });
        objects += 1;
        for field in all {
            fields += 1;
            is_undone(&scenario, &path, &field, |object| {
                let value = object.pointer_mut(&field).unwrap();
                *value = changed(value);
            })
            .await;
        }
    }
    println!("{fields} fields of {objects} objects");
    assert!(objects == 13 && fields > 200, "{fields} fields of {objects} objects");
}

#[tokio::test]
async fn what_somebody_adds_to_an_object_is_removed() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    for path in rendered(&scenario) {
        is_undone(&scenario, &path, "label", |object| object["metadata"]["labels"]["foreign"] = json!("x"))
            .await;
        is_undone(&scenario, &path, "annotation", |object| {
            object["metadata"]["annotations"]["leasehold.dev/foreign"] = json!("x");
        })
        .await;
        is_undone(&scenario, &path, "finalizer", |object| {
            object["metadata"]["finalizers"] = json!(["foreign/forever"]);
        })
        .await;
        is_undone(&scenario, &path, "unknown field", |object| object["unheardOf"] = json!({"a": 1})).await;
        if path.contains("/services/") {
            is_undone(&scenario, &path, "selector", |object| object["spec"]["selector"]["x"] = json!("y"))
                .await;
            is_undone(&scenario, &path, "externalIPs", |object| {
                object["spec"]["externalIPs"] = json!(["1.2.3.4"])
            })
            .await;
        }
        if path.contains("/deployments/") || path.contains("/statefulsets/") {
            let pod = |object: &mut Value, field: &str, value: Value| {
                object["spec"]["template"]["spec"][field] = value;
            };
            is_undone(&scenario, &path, "hostPID", |object| pod(object, "hostPID", json!("true"))).await;
            is_undone(&scenario, &path, "container", |object| {
                let containers = object["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
                containers.push(json!({"name": "miner", "image": "x"}));
            })
            .await;
            is_undone(&scenario, &path, "init container", |object| {
                pod(object, "initContainers", json!([{"name": "miner"}]));
            })
            .await;
        }
    }
}

#[tokio::test]
async fn notes_of_others_stay_and_cause_no_writes() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    for path in rendered(&scenario) {
        let mut object = scenario.api.find(&path).unwrap();
        object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("7");
        object["status"]["observedGeneration"] = json!(7);
        object["metadata"]["managedFields"] = json!([{"manager": "kube-controller-manager"}]);
        scenario.api.insert(&path, object);
    }
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn every_object_that_somebody_deletes_comes_back() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    for path in rendered(&scenario).into_iter().filter(|path| *path != namespace_path()) {
        let wanted = decided(&scenario, &path);
        let status = scenario.api.find(&path).unwrap()["status"].clone();
        scenario.api.remove(&path);
        scenario.reconcile().await.unwrap();
        // The mock's quota controller answers when it is asked to.
        if !status["hard"].is_null() {
            scenario.api.run_quota_controller();
            scenario.reconcile().await.unwrap();
            scenario.reconcile().await.unwrap();
        }
        assert_eq!(decided(&scenario, &path), wanted, "{path}");
        scenario.reconcile().await.unwrap();
        assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new(), "{path}");
    }
}

#[tokio::test]
async fn what_was_changed_while_the_operator_did_not_run_is_put_back() {
    let before = Scenario::provisioned(&manifest_yaml()).await;
    for path in rendered(&before) {
        let mut restarted = Scenario::new(&manifest_yaml());
        for pod in [pod("web", 0), pod("web", 1), pod("database", 0), pod("worker", 0)] {
            restarted.put_pod(pod);
        }
        for path in before.api.paths() {
            restarted.api.insert(&path, before.api.find(&path).unwrap());
        }
        let wanted = decided(&restarted, &path);
        let mut object = restarted.api.find(&path).unwrap();
        object["metadata"]["labels"]["foreign"] = json!("x");
        restarted.api.insert(&path, object);
        let writes = restarted.reconcile().await.unwrap();
        assert_eq!(decided(&restarted, &path), wanted, "{path}: {writes:?}");
        restarted.reconcile().await.unwrap();
        assert_eq!(restarted.reconcile().await.unwrap(), Vec::<String>::new(), "{path}");
    }
}

#[tokio::test]
async fn a_watch_that_lags_behind_our_own_writes_causes_no_second_one() {
    let scenario = Scenario::new(&manifest_yaml());
    scenario.reconcile().await.unwrap();
    scenario.api.run_quota_controller();
    scenario.reconcile().await.unwrap();
    // The watches show what was there before: an older state of the quota, and nothing else yet.
    let quota = format!("/api/v1/namespaces/{}/resourcequotas/lease", name());
    let mut old: Map<String, Value> = scenario.api.find(&quota).unwrap().as_object().unwrap().clone();
    old["metadata"]["resourceVersion"] = json!("1");
    old["spec"] = json!({"hard": {"pods": "1000"}});
    let old = serde_json::from_value(Value::Object(old)).unwrap();
    scenario.ctx.live.apply(owned::Kind::ResourceQuota, &old);
    scenario.api.take_requests();
    reconcile(Arc::new(scenario.lease()), scenario.ctx.clone()).await.unwrap();
    assert_eq!(scenario.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_reconciliation_reads_the_manifest_and_nothing_else() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    scenario.watch();
    scenario.api.take_requests();
    reconcile(Arc::new(scenario.lease()), scenario.ctx.clone()).await.unwrap();
    let reads: Vec<String> = scenario
        .api
        .take_requests()
        .iter()
        .map(|request| format!("{} {}", request.verb, request.path))
        .collect();
    assert_eq!(reads, [format!("GET /api/v1/namespaces/{SYSTEM}/secrets/{}", name().manifest_secret())]);
}

fn manager(name: &str, fields: &Value, second: i64) -> Value {
    let time = jiff::Timestamp::from_second(second).unwrap();
    json!({"manager": name, "operation": "Update", "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields})
}

#[tokio::test]
async fn an_object_that_somebody_changes_again_and_again_is_put_back_more_seldom_and_names_who_does() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    let path = format!("/api/v1/namespaces/{}/services/web", name());
    let wanted = decided(&scenario, &path);
    let quarrel = || {
        let mut object = scenario.api.find(&path).unwrap();
        object["spec"]["externalIPs"] = json!(["192.0.2.1"]);
        object["metadata"]["managedFields"] = json!([
            manager("leasehold-operator", &json!({"f:spec": {}}), 1),
            manager("meddler\n", &json!({"f:spec": {"f:externalIPs": {}}}), 2),
            manager("note-taker", &json!({"f:metadata": {"f:annotations": {"f:x": {}}}}), 3),
        ]);
        scenario.api.insert(&path, object);
    };
    for round in 0..5 {
        quarrel();
        scenario.reconcile().await.unwrap();
        assert_eq!(decided(&scenario, &path), wanted, "round {round}");
    }
    quarrel();
    let events = |writes: &[String]| writes.iter().filter(|write| write.contains("/events")).count();
    let left = scenario.reconcile().await.unwrap();
    assert!(left.len() == 1 && events(&left) == 1, "{left:?}");
    let told = scenario.api.paths().into_iter().find(|path| path.contains("/events/")).unwrap();
    assert_eq!(
        scenario.api.find(&told).unwrap()["note"],
        "somebody, last meddler, changes Service web again and again: it was put back 5 times, and will be again in 2 s"
    );
    // Other objects are put back at once, and this one when its time has come.
    let policy = format!("/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/lease", name());
    let mut opened = scenario.api.find(&policy).unwrap();
    opened["spec"]["egress"] = json!([{}]);
    scenario.api.insert(&policy, opened);
    assert_eq!(
        scenario.reconcile().await.unwrap(),
        ["PUT /apis/networking.k8s.io/v1/namespaces/LEASE/networkpolicies/lease"]
    );
    pass(2);
    assert_eq!(scenario.reconcile().await.unwrap(), ["PUT /api/v1/namespaces/LEASE/services/web"]);
    assert_eq!(decided(&scenario, &path), wanted);
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_object_that_somebody_deletes_again_and_again_is_made_more_seldom() {
    let scenario = Scenario::provisioned(&manifest_yaml()).await;
    let path = format!("/api/v1/namespaces/{}/services/web", name());
    let mut made = 0;
    for _ in 0..50 {
        scenario.api.remove(&path);
        made += scenario
            .reconcile()
            .await
            .unwrap()
            .iter()
            .filter(|write| write.contains("/services/web"))
            .count();
    }
    assert_eq!(made, 5);
    pass(2);
    assert_eq!(scenario.reconcile().await.unwrap(), ["APPLY /api/v1/namespaces/LEASE/services/web"]);
}
