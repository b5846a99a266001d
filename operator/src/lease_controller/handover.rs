//! Hands to the meter what an operator of an earlier version wrote in its place.
//!
//! Until the meter became a process of its own, the operator owned `status.usage` and the meter's conditions.
//! If it just stopped applying them, the API server would remove them, and with them what the tenant owes.
//! So it applies them once more, unchanged, in the meter's name; what has two owners outlives one.

use crd::{ComputeLease, condition, labels};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

/// The fields could not be handed over.
#[derive(Debug, thiserror::Error)]
#[error("failed to hand the usage of {name} to the meter")]
pub struct Error {
    name: String,
    #[source]
    source: kube::Error,
}

/// Forgets who manages what of a lease, except what [`is_due`] looks at.
pub fn keep_claims(lease: &mut ComputeLease) {
    lease.managed_fields_mut().retain(claims_what_is_the_meters);
}

/// Whether the operator owns fields of the meter.
pub fn is_due(lease: &ComputeLease) -> bool {
    lease.managed_fields().iter().any(claims_what_is_the_meters)
}

/// Makes the meter an owner of its fields as they are.
pub async fn hand_over(client: &Client, lease: &ComputeLease) -> Result<(), Error> {
    let name = lease.name_any();
    let conditions: Vec<_> = condition::OF_METER
        .into_iter()
        .filter_map(|type_| condition::find(lease.conditions(), type_))
        .collect();
    let mut status = json!({ "conditions": conditions });
    if let Some(usage) = lease.status.as_ref().and_then(|status| status.usage.as_ref()) {
        status["usage"] = json!(usage);
    }
    let patch = json!({
        "apiVersion": ComputeLease::api_version(&()),
        "kind": ComputeLease::kind(&()),
        // Somebody who published since makes this a conflict, which is tried again.
        "metadata": { "name": name, "resourceVersion": lease.resource_version() },
        "status": status,
    });
    Api::<ComputeLease>::namespaced(client.clone(), &lease.namespace().unwrap_or_default())
        .patch_status(&name, &PatchParams::apply(labels::METER_FIELD_MANAGER).force(), &Patch::Apply(&patch))
        .await
        .map(drop)
        .map_err(|source| Error { name, source })
}

fn claims_what_is_the_meters(entry: &ManagedFieldsEntry) -> bool {
    if entry.manager.as_deref() != Some(labels::OPERATOR_FIELD_MANAGER) {
        return false;
    }
    let status = entry.fields_v1.as_ref().and_then(|fields| fields.0.get("f:status"));
    let owns_condition = |type_: &str| {
        let key = format!("k:{}", json!({ "type": type_ }));
        status.and_then(|status| status.get("f:conditions")?.get(&key)).is_some()
    };
    status.and_then(|status: &Value| status.get("f:usage")).is_some()
        || condition::OF_METER.into_iter().any(owns_condition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease_controller::test_support::{lease, manifest_yaml};

    fn managed(manager: &str, status: Value) -> ComputeLease {
        let mut lease = lease(&manifest_yaml());
        lease.metadata.managed_fields = serde_json::from_value(json!([
            {"manager": manager, "operation": "Apply", "subresource": "status", "fieldsV1": {"f:status": status}},
            {"manager": "leasehold-agent", "operation": "Apply", "fieldsV1": {"f:spec": {}}},
        ]))
        .unwrap();
        lease
    }

    #[test]
    fn only_the_operators_hold_on_what_is_the_meters_asks_for_a_handover() {
        let cases = [
            ("leasehold-operator", json!({"f:usage": {"f:asOf": {}}}), true),
            ("leasehold-operator", json!({"f:conditions": {r#"k:{"type":"UsageFinal"}"#: {}}}), true),
            (
                "leasehold-operator",
                json!({"f:conditions": {r#"k:{"type":"Ready"}"#: {}}, "f:phase": {}}),
                false,
            ),
            ("leasehold-meter", json!({"f:usage": {"f:asOf": {}}}), false),
        ];
        for (manager, status, due) in cases {
            let mut lease = managed(manager, status.clone());
            assert_eq!(is_due(&lease), due, "{manager} {status}");
            keep_claims(&mut lease);
            assert_eq!(lease.managed_fields().len(), usize::from(due), "{manager} {status}");
        }
    }
}
