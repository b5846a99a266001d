//! `storage_class`: one default class makes volumes when they are asked for and deletes them with their claims.

use crd::storage_class::{DEFAULT_CLASS_ANNOTATIONS, is_default, is_dynamic, reclaim_policy};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;

use crate::{
    ClusterFacts, Values,
    outcome::{Judgement, fail, pass},
};

pub(super) fn check(facts: &ClusterFacts, values: &Values) -> Judgement {
    let defaults: Vec<&StorageClass> =
        facts.storage_classes.as_ref()?.iter().filter(|class| is_default(class)).collect();
    let annotation = DEFAULT_CLASS_ANNOTATIONS[0];
    let class = match defaults[..] {
        [] => {
            return fail(
                "no storage class is the default, so leases with volumes are refused",
                format!("kubectl annotate storageclass CLASS {annotation}=true"),
            );
        }
        [class] => class,
        [..] => {
            let names: Vec<_> = defaults.iter().map(|class| class.name_any()).collect();
            return fail(
                format!("{} storage classes are the default: {}", names.len(), names.join(", ")),
                format!(
                    "leave one; on the others: kubectl annotate --overwrite storageclass CLASS {annotation}=false"
                ),
            );
        }
    };
    let name = class.name_any();
    if !is_dynamic(class) {
        return fail(
            format!(
                "the default storage class {name} makes no volumes: its provisioner is {}",
                class.provisioner
            ),
            "make a class with a provisioner the default",
        );
    }
    let policy = reclaim_policy(class);
    if policy != "Delete" {
        return fail(
            format!(
                "the default storage class {name} has the reclaim policy {policy}, so tenants' data would stay"
            ),
            "make a class with reclaimPolicy: Delete the default; a class cannot be changed",
        );
    }
    let allowed = &values.admission.storage_classes;
    if !allowed.is_empty() && !allowed.contains(&name) {
        return fail(
            format!("the default storage class {name} is not in admission.storageClasses"),
            format!("add {name} to admission.storageClasses"),
        );
    }
    pass(format!("{name} is the default, by {}, and deletes its volumes", class.provisioner))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_support::{facts, failed, passed, storage_class, values};

    fn checked(classes: Vec<StorageClass>, yaml: &str) -> Judgement {
        check(&ClusterFacts { storage_classes: Ok(classes), ..facts() }, &values(yaml))
    }

    #[test]
    fn one_default_that_deletes_passes() {
        let other =
            storage_class("other", json!({"metadata": {"annotations": null}, "reclaimPolicy": "Retain"}));
        let fast = || storage_class("fast", json!({}));
        assert_eq!(
            passed(checked(vec![other, fast()], "{}")),
            "fast is the default, by csi.example.net, and deletes its volumes"
        );
        passed(checked(vec![fast()], "{admission: {storageClasses: [fast]}}"));
        assert_eq!(
            failed(checked(vec![fast()], "{admission: {storageClasses: [cold]}}")),
            (
                "the default storage class fast is not in admission.storageClasses".to_owned(),
                "add fast to admission.storageClasses".to_owned()
            )
        );
    }

    #[test]
    fn none_two_a_static_and_a_retaining_one_fail() {
        assert_eq!(
            failed(checked(Vec::new(), "{}")).1,
            "kubectl annotate storageclass CLASS storageclass.kubernetes.io/is-default-class=true"
        );
        let class = |name| storage_class(name, json!({}));
        assert_eq!(
            failed(checked(vec![class("a"), class("b")], "{}")).0,
            "2 storage classes are the default: a, b"
        );
        let fixed = storage_class("a", json!({"provisioner": "kubernetes.io/no-provisioner"}));
        assert_eq!(
            failed(checked(vec![fixed], "{}")).0,
            "the default storage class a makes no volumes: its provisioner is kubernetes.io/no-provisioner"
        );
        let keeps = storage_class("a", json!({"reclaimPolicy": "Retain"}));
        assert_eq!(
            failed(checked(vec![keeps], "{}")).0,
            "the default storage class a has the reclaim policy Retain, so tenants' data would stay"
        );
    }
}
