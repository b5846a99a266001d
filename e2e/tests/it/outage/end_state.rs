//! What of a lease must be the same, whatever happened on the way: every object that we render and what the lease tells.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use crd::{ComputeLease, LeaseName};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, ReplicaSet, StatefulSet},
        core::v1::{LimitRange, PersistentVolumeClaim, Pod, ResourceQuota, Secret, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        rbac::v1::RoleBinding,
    },
};
use kube::{Api, Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// What the API server makes up, or what is a digest over it.
const MADE_UP: [&str; 6] = [
    "clusterIP",
    "clusterIPs",
    "leasehold.dev/secret-digest",
    crd::labels::APPLIED_HASH,
    crd::labels::FORM,
    crd::labels::COMPUTE_LEASE_UID,
];

/// Everything of a lease by kind, in the words of every lease.
pub(super) type EndState = BTreeMap<String, Vec<Value>>;

/// What is there now.
pub(super) async fn of(cluster: &Cluster, name: &LeaseName) -> Result<EndState> {
    let lease = cluster.own::<ComputeLease>().get(name.as_str()).await?;
    let told = lease.status.as_ref().map(|status| {
        let conditions = status.conditions.iter().map(|c| json!([c.type_, c.status, c.reason]));
        json!({
            "phase": status.phase,
            "conditions": conditions.collect::<Vec<_>>(),
            "services": status.services.iter().map(|s| json!([s.name, s.pods.len()])).collect::<Vec<_>>(),
        })
    });
    let words = [
        (lease.spec.lease_id.clone(), "LEASE-ID"),
        (name.as_str().to_owned(), "LEASE"),
        (name.label_value().to_owned(), "LEASE-LABEL"),
        (cluster.system.clone(), "SYSTEM"),
    ];
    let mut state =
        EndState::from([("ComputeLease".to_owned(), vec![told.context("the lease has a status")?])]);
    let mut add = |kind: &str, objects: Vec<Value>| {
        let mut objects: Vec<_> = objects.iter().map(|object| plain(object, &words)).collect();
        objects.sort_by_cached_key(Value::to_string);
        state.insert(kind.to_owned(), objects);
    };
    add("ResourceQuota", rendered::<ResourceQuota>(cluster, name).await?);
    add("LimitRange", rendered::<LimitRange>(cluster, name).await?);
    add("NetworkPolicy", rendered::<NetworkPolicy>(cluster, name).await?);
    add("ServiceAccount", rendered::<ServiceAccount>(cluster, name).await?);
    add("RoleBinding", rendered::<RoleBinding>(cluster, name).await?);
    add("Secret", rendered::<Secret>(cluster, name).await?);
    add("Deployment", rendered::<Deployment>(cluster, name).await?);
    add("StatefulSet", rendered::<StatefulSet>(cluster, name).await?);
    add("Service", rendered::<Service>(cluster, name).await?);
    // What controllers made has names that are made up: there must be as many.
    for (kind, count) in [
        ("Pod", count::<Pod>(cluster, name).await?),
        ("ReplicaSet", count::<ReplicaSet>(cluster, name).await?),
        ("PersistentVolumeClaim", count::<PersistentVolumeClaim>(cluster, name).await?),
    ] {
        state.insert(kind.to_owned(), vec![json!(count)]);
    }
    Ok(state)
}

async fn all<K>(cluster: &Cluster, name: &LeaseName) -> Result<Vec<K>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let api = Api::<K>::namespaced(cluster.admin.clone(), name.as_str());
    Ok(api.list(&Default::default()).await?.items)
}

async fn count<K>(cluster: &Cluster, name: &LeaseName) -> Result<usize>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    Ok(all::<K>(cluster, name).await?.len())
}

/// Objects without what others say of them: status, identity, times, counters.
async fn rendered<K>(cluster: &Cluster, name: &LeaseName) -> Result<Vec<Value>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let of_object = |object: K| {
        let metadata = json!({
            "name": object.name_any(), "labels": object.labels(), "annotations": object.annotations()
        });
        let mut value = serde_json::to_value(&object)?;
        let map = value.as_object_mut().context("an object is a map")?;
        map.remove("status");
        map.insert("metadata".to_owned(), metadata);
        Ok(value)
    };
    all::<K>(cluster, name).await?.into_iter().map(of_object).collect()
}

fn plain(value: &Value, words: &[(String, &str)]) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !MADE_UP.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key.clone(), plain(value, words))).collect())
        }
        Value::Array(all) => Value::Array(all.iter().map(|value| plain(value, words)).collect()),
        Value::String(text) => {
            Value::String(words.iter().fold(text.clone(), |text, (word, plain)| text.replace(word, plain)))
        }
        other => other.clone(),
    }
}
