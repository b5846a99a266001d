use crd::{TierName, labels};
use kube::ResourceExt;

use super::*;
use crate::lease_controller::{
    dereference::ManifestDocument,
    test_support::{lease, lease_id, manifest_secret, manifest_yaml, name},
};

fn document() -> ManifestDocument {
    let mut data = manifest_secret(&manifest_yaml()).data.unwrap();
    ManifestDocument {
        canonical: data.remove(labels::MANIFEST_KEY).unwrap().0,
        salt: String::from_utf8(data.remove(labels::SALT_KEY).unwrap().0).unwrap(),
    }
}

fn delete_class() -> StorageClassState {
    StorageClassState::Default { name: "local-path".into(), reclaim_policy: "Delete".into() }
}

/// Reason and text of the refusal.
fn refusal(
    lease: &ComputeLease,
    manifest: &ManifestState,
    storage: &StorageClassState,
) -> (&'static str, String) {
    let refusal = validate(lease, manifest, storage).unwrap_err();
    (refusal.reason(), refusal.to_string())
}

#[test]
fn a_lease_whose_manifest_is_the_agreed_one_is_accepted() {
    let lease = lease(&manifest_yaml());
    let validated = validate(&lease, &ManifestState::Found(document()), &delete_class()).unwrap();
    assert_eq!(validated.name, name());
    assert_eq!(validated.uid, lease.uid().unwrap());
    assert_eq!(validated.storage_class, Some("local-path".to_owned()));
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
            "the isolation tier sandboxed is not offered here; only strict is".to_owned(),
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
    let check = |storage: StorageClassState| refusal(&lease, &ManifestState::Found(document()), &storage);
    let no_default = "the manifest has volumes, but the cluster has no default StorageClass: the provider must annotate one \
        with storageclass.kubernetes.io/is-default-class=true";
    assert_eq!(
        check(StorageClassState::NoDefault),
        (reason::NO_DEFAULT_STORAGE_CLASS, no_default.to_owned())
    );
    let retain = StorageClassState::Default { name: "nfs".into(), reclaim_policy: "Retain".into() };
    let retains = "the default StorageClass nfs has reclaimPolicy Retain: the provider must make one with reclaimPolicy \
        Delete the default, or tenants' data would outlive their leases";
    assert_eq!(check(retain), (reason::STORAGE_CLASS_RETAINS, retains.to_owned()));
}
