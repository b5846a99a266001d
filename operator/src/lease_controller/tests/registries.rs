//! Credentials of private registries through whole reconciliations.

use data_encoding::BASE64;
use serde_json::Value;

use super::*;

const PULL: &str = "APPLY /api/v1/namespaces/LEASE/secrets/image-pull";
const NO_PULL: &str = "DELETE /api/v1/namespaces/LEASE/secrets/image-pull";
const ACCOUNT: &str = "PUT /api/v1/namespaces/LEASE/serviceaccounts/workload";

/// The guestbook, with credentials for the registry of its images.
fn private(password: &str) -> String {
    let registry =
        manifest_of(&manifest_yaml()).services().values().next().unwrap().image.registry().to_owned();
    let registries = format!(
        "registries: {{\"{registry}\": {{username: me, password: {{value: {password}}}}}}}\nservices:\n"
    );
    manifest_yaml().replacen("services:\n", &registries, 1)
}

fn object(scenario: &Scenario, path: &str) -> Option<Value> {
    scenario.api.find(&format!("/api/v1/namespaces/{}/{path}", name()))
}

fn document(scenario: &Scenario) -> Value {
    let secret = object(scenario, "secrets/image-pull").unwrap();
    assert_eq!(secret["type"], "kubernetes.io/dockerconfigjson");
    let data = secret["data"][".dockerconfigjson"].as_str().unwrap();
    serde_json::from_slice(&BASE64.decode(data.as_bytes()).unwrap()).unwrap()
}

fn update(scenario: &Scenario, yaml: &str) {
    scenario.put_manifest(yaml);
    scenario.change_lease(|changed| {
        changed.spec.manifest = lease(yaml).spec.manifest;
        changed.spec.manifest.as_mut().unwrap().revision += 1;
    });
}

fn without_status(writes: Vec<String>) -> Vec<String> {
    writes.into_iter().filter(|write| write != STATUS).collect()
}

#[tokio::test]
async fn credentials_are_written_for_the_pods_that_need_them_and_rotated_without_touching_these() {
    let scenario = Scenario::provisioned(&private("open-sesame")).await;
    let auths = document(&scenario)["auths"].clone();
    let (registry, entry) = auths.as_object().unwrap().iter().next().unwrap();
    assert_eq!(
        *entry,
        json!({"username": "me", "password": "open-sesame", "auth": BASE64.encode(b"me:open-sesame")})
    );
    assert!(
        manifest_of(&private("x")).services().values().any(|service| service.image.registry() == registry)
    );
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());

    update(&scenario, &private("changed"));
    assert_eq!(without_status(scenario.reconcile().await.unwrap()), [PULL, ACCOUNT]);
    assert_eq!(document(&scenario)["auths"][registry]["password"], "changed");
    assert_eq!(without_status(scenario.reconcile().await.unwrap()), Vec::<String>::new());
}

#[tokio::test]
async fn credentials_that_the_manifest_drops_are_taken_away() {
    let scenario = Scenario::provisioned(&private("open-sesame")).await;
    update(&scenario, &manifest_yaml());
    scenario.reconcile().await.unwrap();
    scenario.api.run_quota_controller();
    let writes = scenario.reconcile().await.unwrap();
    assert!(
        writes.iter().any(|write| write == NO_PULL) && writes.iter().any(|write| write == ACCOUNT),
        "{writes:?}"
    );
    assert_eq!(object(&scenario, "secrets/image-pull"), None);
    let writes = scenario.reconcile().await.unwrap();
    assert!(!writes.iter().any(|write| write.contains("secrets")), "{writes:?}");
}

#[tokio::test]
async fn credentials_that_somebody_deleted_come_back_when_an_image_is_not_given() {
    let mut scenario = Scenario::provisioned(&private("open-sesame")).await;
    scenario.api.remove(&format!("/api/v1/namespaces/{}/secrets/image-pull", name()));
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());
    let mut waiting = pod_of(&private("open-sesame"), "web", 0);
    waiting.status.as_mut().unwrap().container_statuses = Some(
        serde_json::from_value(json!([{
            "name": "workload", "ready": false, "restartCount": 0, "image": "", "imageID": "",
            "state": {"waiting": {
                "reason": "ErrImagePull", "message": "401 Unauthorized: me:open-sesame is not known"
            }}
        }]))
        .unwrap(),
    );
    waiting.status.as_mut().unwrap().conditions = None;
    scenario.put_pod(waiting);
    assert_eq!(scenario.reconcile().await.unwrap()[..2], [PULL, STATUS]);
    let status = serde_json::to_string(&scenario.lease().status).unwrap();
    assert!(status.contains("ImageAccessDenied") && !status.contains("open-sesame"), "{status}");
}
