//! Rows that are seen on the objects of a lease as they are: labels, selectors, images.

use anyhow::Result;
use crd::labels;
use isolation_probe::observation::Observation;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::lease::Lease;
use crate::place::Place;

/// The provider's limits of bandwidth, which network plug-ins read.
const BANDWIDTH: [&str; 2] = ["kubernetes.io/ingress-bandwidth", "kubernetes.io/egress-bandwidth"];

/// Labels that Kubernetes' own controllers add.
const OF_CONTROLLERS: [&str; 4] = [
    "pod-template-hash",
    "controller-revision-hash",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
];

/// Rows 12 and 26 of a lease.
pub(crate) async fn of_lease(place: &Place, lease: &Lease) -> Result<Vec<Observation>> {
    let pods =
        Api::<Pod>::namespaced(place.admin.clone(), lease.namespace()).list(&ListParams::default()).await?;
    let services = Api::<Service>::namespaced(place.admin.clone(), lease.namespace())
        .list(&ListParams::default())
        .await?;
    let mut seen = Vec::new();
    for pod in &pods {
        let keys = pod.labels().keys().chain(pod.annotations().keys());
        seen.push(keys_are_ours(&format!("pod {}", pod.name_any()), keys.map(String::as_str)));
        seen.push(image_is_pinned(&pod.name_any(), &serde_json::to_value(pod)?));
    }
    for service in &services {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
        let tried = format!("selector of Service {}", service.name_any());
        let result = match selector.get(labels::LEASE) {
            Some(value) if *value == lease.name.label_value() => Err("names the lease".to_owned()),
            _ => Ok(format!("does not name the lease: {selector:?}")),
        };
        seen.push(Observation::attempt(12, tried, result));
    }
    Ok(seen)
}

/// The same on objects that nobody renders.
pub(crate) fn without_controls() -> Vec<Observation> {
    let pod = json!({"spec": {"containers": [{"image": "registry.example/a:latest", "imagePullPolicy": "IfNotPresent"}]}});
    vec![
        keys_are_ours("pod with a tenant's label", ["app"].into_iter()),
        image_is_pinned("pod with a tag", &pod),
    ]
}

/// Row 17: no manifest may carry metadata or configuration of the cluster.
pub(crate) fn of_the_manifest(place: &Place) -> Vec<Observation> {
    let manifest = |change: Value| {
        let mut document = json!({
            "version": "v1", "name": "isolation", "duration": "1h",
            "services": {"web": {
                "image": place.probe_image, "resources": {"cpu": "10m", "memory": "16Mi"},
                "ports": [{"port": 8080}],
            }},
        });
        crate::corpus::merge(&mut document, &change);
        match manifest::parse(&document.to_string(), "isolation.yaml") {
            Ok(_) => Ok("taken".to_owned()),
            Err(error) => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
        }
    };
    let annotations = json!({"annotations": {"nginx.ingress.kubernetes.io/configuration-snippet": "x"}});
    vec![
        Observation::control(17, "a manifest without them", manifest(json!({}))),
        Observation::attempt(17, "annotations of the whole", manifest(annotations.clone())),
        Observation::attempt(
            17,
            "annotations of a service",
            manifest(json!({"services": {"web": annotations}})),
        ),
        Observation::attempt(
            17,
            "labels of a service",
            manifest(json!({"services": {"web": {"labels": {"a": "b"}}}})),
        ),
        Observation::attempt(
            17,
            "annotations of a port",
            manifest(json!({"services": {"web": {"ports": [{"port": 8080, "annotations": {"a": "b"}}]}}})),
        ),
    ]
}

/// Row 24: the quota counts every kind that a lease can have.
pub(crate) async fn quota(place: &Place, lease: &Lease, template: &Value) -> Result<Vec<Observation>> {
    let pods = place.as_account(crate::place::REPLICA_SETS)?;
    let answer =
        crate::admission::submit(&pods, lease.namespace(), "pods", &crate::corpus::harmless(template))
            .await?;
    let result = match answer {
        Ok(()) => Ok("admitted".to_owned()),
        Err(reason) if reason.contains("exceeded quota") => Err("exceeded quota".to_owned()),
        Err(reason) => Ok(format!("refused, but not by the quota: {reason}")),
    };
    Ok(vec![Observation::attempt(24, "one more pod than was leased", result)])
}

/// Row 24 without a quota.
pub(crate) async fn without_quota(place: &Place, template: &Value) -> Result<Vec<Observation>> {
    let answer = crate::admission::submit(
        &place.admin,
        crate::place::BARE,
        "pods",
        &crate::corpus::harmless(template),
    )
    .await?;
    let result = answer.map(|()| "admitted".to_owned());
    Ok(vec![Observation::attempt(24, "one more pod", result)])
}

fn keys_are_ours<'a>(of: &str, keys: impl Iterator<Item = &'a str>) -> Observation {
    let is_ours = |key: &str| {
        key.starts_with(&format!("{}/", labels::GROUP))
            || key.starts_with("app.kubernetes.io/")
            || key.starts_with("cni.projectcalico.org/")
            || OF_CONTROLLERS.contains(&key)
            || BANDWIDTH.contains(&key)
    };
    let foreign: Vec<&str> = keys.filter(|key| !is_ours(key)).collect();
    let result = if foreign.is_empty() { Err("ours alone".to_owned()) } else { Ok(foreign.join(", ")) };
    Observation::attempt(12, format!("labels and annotations of {of}"), result)
}

fn image_is_pinned(of: &str, pod: &Value) -> Observation {
    let container = &pod["spec"]["containers"][0];
    let pulled = container["imagePullPolicy"] == "Always";
    let pinned = container["image"].as_str().is_some_and(|image| image.contains("@sha256:"));
    let seen = format!("digest {pinned}, pulled for every pod {pulled}");
    Observation::attempt(26, format!("image of {of}"), if pulled && pinned { Err(seen) } else { Ok(seen) })
}
