//! Which storage class a volume without a class gets: the same answer as the API server's.

use std::cmp::Reverse;

use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;

/// Annotations that make a class the default; the second is the older form, which the API server still honours.
pub const DEFAULT_CLASS_ANNOTATIONS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// The default among `classes`. Of several the newest counts, and among equally new ones the first by name, as in
/// `GetDefaultClass` of Kubernetes' `pkg/volume/util/storageclass.go`.
pub fn default_class<'a>(classes: impl IntoIterator<Item = &'a StorageClass>) -> Option<&'a StorageClass> {
    classes
        .into_iter()
        .filter(|class| is_default(class))
        .min_by_key(|class| (Reverse(class.creation_timestamp().map(|time| time.0)), class.name_any()))
}

/// What becomes of a volume of this class when its claim goes: `Delete` unless the class says otherwise.
pub fn reclaim_policy(class: &StorageClass) -> &str {
    class.reclaim_policy.as_deref().unwrap_or("Delete")
}

/// Whether the class makes volumes when they are asked for. Volumes made by hand may hold somebody's data.
pub fn is_dynamic(class: &StorageClass) -> bool {
    class.provisioner != "kubernetes.io/no-provisioner"
}

/// Whether leases may have volumes of the class: made for them, and gone with them.
pub fn is_for_leases(class: &StorageClass) -> bool {
    is_dynamic(class) && reclaim_policy(class) == "Delete"
}

/// Whether the class says that it is the default; several may.
pub fn is_default(class: &StorageClass) -> bool {
    let annotations = class.annotations();
    DEFAULT_CLASS_ANNOTATIONS.iter().any(|name| annotations.get(*name).is_some_and(|value| value == "true"))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn class(name: &str, annotation: &str, value: &str, created: i64) -> StorageClass {
        StorageClass {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                annotations: Some([(annotation.to_owned(), value.to_owned())].into()),
                creation_timestamp: Some(Time(Timestamp::from_second(created).unwrap())),
                ..ObjectMeta::default()
            },
            ..StorageClass::default()
        }
    }

    fn chosen(classes: &[StorageClass]) -> Option<String> {
        default_class(classes).map(ResourceExt::name_any)
    }

    const NAME: &str = DEFAULT_CLASS_ANNOTATIONS[0];
    const BETA: &str = DEFAULT_CLASS_ANNOTATIONS[1];

    #[test]
    fn of_several_defaults_the_newest_counts_and_then_the_first_by_name() {
        let classes = [
            class("old", NAME, "true", 1),
            class("b", NAME, "true", 2),
            class("a", BETA, "true", 2),
            class("newest-but-none", NAME, "false", 3),
        ];
        assert_eq!(chosen(&classes), Some("a".to_owned()));
        assert_eq!(chosen(&classes[..2]), Some("b".to_owned()));
    }

    #[test]
    fn leases_get_volumes_that_are_made_for_them_and_gone_with_them() {
        let class = |provisioner: &str, policy: Option<&str>| StorageClass {
            provisioner: provisioner.to_owned(),
            reclaim_policy: policy.map(str::to_owned),
            ..StorageClass::default()
        };
        assert!(is_for_leases(&class("csi.example", None)));
        assert!(is_for_leases(&class("csi.example", Some("Delete"))));
        assert!(!is_for_leases(&class("csi.example", Some("Retain"))));
        assert!(!is_for_leases(&class("kubernetes.io/no-provisioner", Some("Delete"))));
    }

    #[test]
    fn a_cluster_without_a_default_has_none() {
        assert_eq!(chosen(&[class("other", NAME, "false", 1), class("else", "note", "true", 2)]), None);
    }
}
