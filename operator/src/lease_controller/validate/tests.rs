use crd::{TierName, labels};
use kube::ResourceExt;

use super::*;
use crate::lease_controller::{
    dereference::ManifestDocument,
    test_support::{lease, lease_id, manifest_secret, manifest_yaml, name, settings},
};
use crate::settings::Settings;

fn document() -> ManifestDocument {
    let mut data = manifest_secret(&manifest_yaml()).data.unwrap();
    ManifestDocument {
        canonical: data.remove(labels::MANIFEST_KEY).unwrap().0,
        salt: String::from_utf8(data.remove(labels::SALT_KEY).unwrap().0).unwrap(),
    }
}

fn default_class(name: &str, reclaim_policy: &str, provisioning: Provisioning) -> StorageState {
    StorageState {
        default: Some(ClassFacts {
            name: name.to_owned(),
            reclaim_policy: reclaim_policy.to_owned(),
            dynamic: provisioning == Provisioning::Dynamic,
        }),
        names: [name.to_owned(), "tape".to_owned()].into(),
        ..StorageState::default()
    }
}

#[derive(PartialEq)]
enum Provisioning {
    Dynamic,
    Static,
}

fn delete_class() -> StorageState {
    default_class("local-path", "Delete", Provisioning::Dynamic)
}

/// Tiers of a provider that sells strict alone, on a cluster that can run no other.
fn strict_only() -> Tiers {
    let none: [std::sync::Arc<k8s_openapi::api::core::v1::Node>; 0] = [];
    let classes: [std::sync::Arc<k8s_openapi::api::node::v1::RuntimeClass>; 0] = [];
    Tiers::of(&Settings { tiers: [Tier::Strict].into(), ..settings() }, &none, &classes)
}

/// Reason and text of the refusal of a new lease.
fn refusal(lease: &ComputeLease, manifest: &ManifestState, storage: &StorageState) -> (&'static str, String) {
    let tiers = strict_only();
    let refusal = validate(lease, Facts { manifest, storage, tiers: &tiers, stage: Stage::New }).unwrap_err();
    (refusal.reason(), refusal.to_string())
}

#[test]
fn a_lease_whose_manifest_is_the_agreed_one_is_accepted() {
    let lease = lease(&manifest_yaml());
    let (manifest, storage, tiers) = (ManifestState::Found(document()), delete_class(), strict_only());
    let facts = Facts { manifest: &manifest, storage: &storage, tiers: &tiers, stage: Stage::New };
    let validated = validate(&lease, facts).unwrap();
    assert_eq!(validated.name, name());
    assert_eq!(validated.uid, lease.uid().unwrap());
    assert_eq!(validated.storage_class, Some("local-path".to_owned()));
    assert_eq!(validated.closed_classes, ["tape".to_owned()].into());
    assert_eq!(validated.manifest.services().len(), 3);
}

#[test]
fn each_fault_of_the_spec_is_refused_by_name() {
    type Case = (fn(&mut ComputeLease), &'static str, String);
    let cases: Vec<Case> = vec![
        (
            |lease| lease.metadata.name = Some("lease-of-mine".to_owned()),
            reason::NAME_MISMATCH,
            format!("the name of this object is not the one of its lease id, {}", LeaseName::of(lease_id())),
        ),
        (
            |lease| lease.spec.tenant = "0xZZ".to_owned(),
            reason::INVALID_SPEC,
            "the spec is not valid: spec.tenant is not 0x followed by 40 lower case hex digits".to_owned(),
        ),
        (
            |lease| lease.spec.tier = TierName::Sandboxed,
            reason::TIER_NOT_OFFERED,
            "the isolation tier sandboxed is not offered here; this provider offers strict".to_owned(),
        ),
        (
            |lease| lease.spec.manifest = None,
            reason::AWAITING_MANIFEST,
            "waiting for the tenant to upload the manifest".to_owned(),
        ),
        (
            |lease| lease.spec.limits.cpu_milli = 1099,
            reason::LIMITS_EXCEEDED,
            "the manifest asks for 1100 of cpu, but only 1099 are leased".to_owned(),
        ),
        (
            |lease| lease.spec.limits.storage_bytes = 0,
            reason::LIMITS_EXCEEDED,
            "the manifest asks for 1342177280 of storage, but only 0 are leased".to_owned(),
        ),
    ];
    for (spoil, reason, message) in cases {
        let mut lease = lease(&manifest_yaml());
        spoil(&mut lease);
        assert_eq!(refusal(&lease, &ManifestState::Found(document()), &delete_class()), (reason, message));
    }
}

#[test]
fn each_fault_of_the_manifest_is_refused_by_name() {
    let lease = lease(&manifest_yaml());
    let check = |manifest: ManifestState| refusal(&lease, &manifest, &delete_class());
    let secret = || name().manifest_secret();
    assert_eq!(
        check(ManifestState::Missing { secret: secret() }),
        (reason::MANIFEST_MISSING, format!("the manifest Secret {} does not exist", secret()))
    );
    assert_eq!(
        check(ManifestState::Incomplete { secret: secret(), key: "salt" }),
        (reason::MANIFEST_INVALID, format!("the manifest Secret {} has no key salt", secret()))
    );
    let salt = ManifestDocument { salt: "pepper".into(), ..document() };
    assert_eq!(check(ManifestState::Found(salt)).0, reason::MANIFEST_INVALID);
    let other_salt = ManifestDocument { salt: format!("0x{}", "00".repeat(32)), ..document() };
    assert_eq!(check(ManifestState::Found(other_salt)).0, reason::MANIFEST_HASH_MISMATCH);
    let mut changed = document();
    changed.canonical.push(b' ');
    assert_eq!(check(ManifestState::Found(changed)).0, reason::MANIFEST_HASH_MISMATCH);
}

#[test]
fn bytes_with_the_right_hash_that_are_no_manifest_are_refused() {
    let mut lease = lease(&manifest_yaml());
    let document = ManifestDocument { canonical: b"{\"password\":\"open-sesame\"}".to_vec(), ..document() };
    let salt = convert::parse_b256("salt", &document.salt).unwrap();
    let hash = manifest::manifest_hash(&salt, &document.canonical);
    lease.spec.manifest.as_mut().unwrap().hash = convert::hex(hash.as_slice());
    let (reason, message) = refusal(&lease, &ManifestState::Found(document), &delete_class());
    assert_eq!(reason, reason::MANIFEST_INVALID);
    assert!(!message.contains("open-sesame"), "{message}");
}

#[test]
fn volumes_need_a_default_class_that_deletes() {
    let lease = lease(&manifest_yaml());
    let check = |storage: StorageState| refusal(&lease, &ManifestState::Found(document()), &storage);
    let no_default = "the manifest has volumes, but the cluster has no default StorageClass: the provider must annotate one \
        with storageclass.kubernetes.io/is-default-class=true";
    assert_eq!(check(StorageState::default()), (reason::NO_DEFAULT_STORAGE_CLASS, no_default.to_owned()));
    let retain = default_class("nfs", "Retain", Provisioning::Dynamic);
    let retains = "the default StorageClass nfs has reclaimPolicy Retain: the provider must make one with reclaimPolicy \
        Delete the default, or tenants' data would outlive their leases";
    assert_eq!(check(retain), (reason::STORAGE_CLASS_RETAINS, retains.to_owned()));
    let by_hand = default_class("disks", "Delete", Provisioning::Static);
    let makes_none = "the default StorageClass disks makes no volumes by itself: the provider must make one with a \
        provisioner the default, since volumes made by hand may hold somebody's data";
    assert_eq!(check(by_hand), (reason::STORAGE_CLASS_STATIC, makes_none.to_owned()));
}

#[test]
fn a_manifest_of_another_tier_than_was_leased_is_refused() {
    let mut lease = lease(&manifest_yaml());
    lease.spec.tier = TierName::Userns;
    let (manifest, storage, tiers) = (ManifestState::Found(document()), delete_class(), strict_only());
    let facts = Facts { manifest: &manifest, storage: &storage, tiers: &tiers, stage: Stage::Provisioned };
    let refusal = validate(&lease, facts).unwrap_err();
    assert_eq!(
        (refusal.reason(), refusal.to_string()),
        (
            reason::TIER_NOT_OFFERED,
            "the manifest asks for the isolation tier strict, but userns is leased".to_owned()
        )
    );
}

/// The claims of the guestbook's database, of a class that is no longer the default.
fn claims(size: &str) -> Vec<std::sync::Arc<k8s_openapi::api::core::v1::PersistentVolumeClaim>> {
    [("data", size), ("log", "256Mi")]
        .map(|(volume, size)| {
            std::sync::Arc::new(
                serde_json::from_value(serde_json::json!({
                    "metadata": {
                        "namespace": name().as_str(),
                        "labels": {"leasehold.dev/service": "database", "leasehold.dev/volume": volume}
                    },
                    "spec": {"storageClassName": "older", "resources": {"requests": {"storage": size}}}
                }))
                .unwrap(),
            )
        })
        .into()
}

#[test]
fn a_lease_keeps_its_volumes_and_their_class() {
    let with = |size: &str| StorageState {
        default: None,
        volumes: crate::lease_controller::volumes::ExistingVolumes::of(&claims(size), name().as_str()),
        names: ["older".to_owned(), "newer".to_owned()].into(),
    };
    let (lease, manifest, tiers) = (lease(&manifest_yaml()), ManifestState::Found(document()), strict_only());
    let check = |storage: &StorageState| {
        let facts = Facts { manifest: &manifest, storage, tiers: &tiers, stage: Stage::Provisioned };
        validate(&lease, facts)
    };
    let validated = check(&with("1Gi")).unwrap();
    assert_eq!(validated.storage_class, Some("older".to_owned()));
    assert_eq!(validated.closed_classes, ["newer".to_owned()].into());
    assert_eq!(check(&with("2Gi")).unwrap_err().reason(), reason::VOLUMES_CHANGED);
}
