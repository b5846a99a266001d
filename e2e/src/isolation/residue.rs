//! Rows 30 and 36: what a lease leaves behind, and what the next one finds.

use std::time::Duration;

use anyhow::Result;
use crd::{ComputeLease, TierName};
use e2e::chart::NAMESPACE;
use e2e::cluster::{namespace_gone, until};
use isolation_probe::load::UNSTOPPED;
use isolation_probe::observation::{Observation, Outcome};
use isolation_probe::targets::Targets;
use k8s_openapi::api::core::v1::{PersistentVolume, Pod};
use kube::api::{Api, ListParams, LogParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::inside;
use crate::lease::{self, Lease};
use crate::place::{BARE, OPERATORS, Place};

const PATIENCE: Duration = Duration::from_secs(90);
const FILE: [&str; 5] = ["fill", "--bytes", "1048576", "--path", "/data/of-somebody"];

/// A lease that writes to its volume and ends; then a second one that looks into its own.
pub(crate) async fn of_leases(place: &Place) -> Result<Vec<Observation>> {
    let volume = json!({"volumes": [{"name": "data", "mountPath": "/data", "size": "16Mi"}]});
    let services = json!({"store": lease::service(place, &FILE, "20m", "32Mi", &volume)});
    let first = lease::open(place, 11, TierName::Strict, services).await?;
    first.await_ready(place).await?;
    await_written(place, first.namespace(), "store-0").await?;
    let had_volume = !volumes_of(place, first.namespace()).await?.is_empty();
    first.end(place).await?;
    let mut seen = absence(place, &first).await?;
    let result = if had_volume { Ok } else { Err };
    seen.push(Observation::control(
        36,
        "a volume before the end",
        result(format!("there was one: {had_volume}")),
    ));

    let targets = serde_json::to_string(&Targets { volume: Some("/data".into()), ..Targets::default() })?;
    let mut looking = volume;
    looking["env"] = json!({"ISOLATION_TARGETS": targets});
    let arguments = ["run", "--rows", "30", "--afterwards", "wait"];
    let services = json!({"store": lease::service(place, &arguments, "20m", "32Mi", &looking)});
    let second = lease::open(place, 12, TierName::Strict, services).await?;
    second.await_ready(place).await?;
    seen.extend(inside::of_pod(place, second.namespace(), "store-0").await?);
    second.end(place).await?;
    Ok(seen)
}

/// A claim that two pods use one after the other, and a lease whose finalizer is taken away.
pub(crate) async fn without_controls(place: &Place) -> Result<Vec<Observation>> {
    let mut seen = reused_claim(place).await?;
    let services = json!({"peer": lease::service(place, &["serve"], "20m", "32Mi", &json!({}))});
    let lease = lease::open(place, 13, TierName::Strict, services).await?;
    lease.await_ready(place).await?;
    let left = abandoned(place, &lease).await;
    place.scale("leasehold-operator", OPERATORS).await?;
    place.await_available("leasehold-operator").await?;
    seen.extend(left?);
    Ok(seen)
}

/// What a lease leaves behind that ends while nobody looks after it.
async fn abandoned(place: &Place, lease: &Lease) -> Result<Vec<Observation>> {
    place.scale("leasehold-operator", 0).await?;
    place.await_available("leasehold-operator").await?;
    let leases = Api::<ComputeLease>::namespaced(place.admin.clone(), NAMESPACE);
    let unfinished = json!({"metadata": {"finalizers": null}});
    leases.patch(lease.namespace(), &PatchParams::default(), &Patch::Merge(unfinished)).await?;
    leases.delete(lease.namespace(), &Default::default()).await?;
    until("the end of a lease without finalizer", PATIENCE, || async {
        Ok(leases.get_opt(lease.namespace()).await?.is_none().then_some(()))
    })
    .await?;
    let seen = absence(place, lease).await?;
    e2e::cluster::delete_namespace(&place.as_break_glass()?, lease.namespace()).await?;
    Ok(seen)
}

async fn absence(place: &Place, lease: &Lease) -> Result<Vec<Observation>> {
    let namespace = lease.namespace();
    let result = if namespace_gone(&place.admin, namespace).await? {
        Err("gone".to_owned())
    } else {
        Ok("it is still there".to_owned())
    };
    let left = volumes_of(place, namespace).await?;
    let volumes = if left.is_empty() { Err("none".to_owned()) } else { Ok(left.join(", ")) };
    Ok(vec![
        Observation::attempt(36, "the ended lease's namespace", result),
        Observation::attempt(36, "the ended lease's volumes", volumes),
    ])
}

async fn reused_claim(place: &Place) -> Result<Vec<Observation>> {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "reused"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}},
    });
    place.apply(&format!("/api/v1/namespaces/{BARE}/persistentvolumeclaims"), &claim).await?;
    let targets = serde_json::to_string(&Targets { volume: Some("/data".into()), ..Targets::default() })?;
    start(place, "writer", &json!(FILE), &targets).await?;
    await_written(place, BARE, "writer").await?;
    start(place, "reader", &json!(["run", "--rows", "30", "--afterwards", "wait"]), &targets).await?;
    let seen = inside::of_pod(place, BARE, "reader").await?;
    Ok(seen.into_iter().filter(|seen| seen.outcome != Outcome::NotTried).collect())
}

async fn start(place: &Place, name: &str, arguments: &Value, targets: &str) -> Result<()> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {"fsGroup": 10001},
            "containers": [{
                "name": name, "image": place.probe_image, "args": arguments,
                "env": [{"name": "ISOLATION_TARGETS", "value": targets}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "reused"}}],
        },
    });
    place.apply(&format!("/api/v1/namespaces/{BARE}/pods"), &pod).await
}

async fn await_written(place: &Place, namespace: &str, pod: &str) -> Result<()> {
    let pods = Api::<Pod>::namespaced(place.admin.clone(), namespace);
    until(&format!("a file of {namespace}/{pod}"), PATIENCE, || async {
        match pods.logs(pod, &LogParams::default()).await {
            Ok(log) => Ok(log.lines().any(|line| line == UNSTOPPED).then_some(())),
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404) => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

/// Volumes that are bound to claims of a namespace.
async fn volumes_of(place: &Place, namespace: &str) -> Result<Vec<String>> {
    let volumes = Api::<PersistentVolume>::all(place.admin.clone()).list(&ListParams::default()).await?;
    let bound = volumes.into_iter().filter(|volume| {
        let claim = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
        claim.and_then(|claim| claim.namespace.as_deref()) == Some(namespace)
    });
    Ok(bound.filter_map(|volume| volume.metadata.name).collect())
}
