//! The builder alone: whatever a manifest that passes validation holds, what is rendered from it obeys every rule of its
//! tier, with Pod Security and the admission policies out of sight.
//!
//! [`rules`] says each rule again from the outside, over the JSON that the API server would get; [`mutants`] breaks each of
//! them once and looks whether it is seen; [`manifests`] makes the manifests.

mod manifests;
mod mutants;
mod rules;

use std::{cell::RefCell, collections::BTreeSet};

use proptest::{prelude::*, test_runner::TestRunner};

use super::*;
use crate::settings::LabelSet;

/// What is rendered from a manifest of a tier, on the fullest and on the barest installation.
fn rendered(document: &manifest::Manifest, tier: Tier) -> Vec<(Validated, Settings, Vec<Value>)> {
    let manifest = manifest::validate(document).unwrap();
    let images = manifest.services().values().map(|service| crd::ImageStatus {
        image: service.image.to_string(),
        digest: format!("sha256:{}", "c".repeat(64)),
        size_bytes: None,
    });
    let images = images.collect();
    let hosts = manifest.services().values().flat_map(|service| &service.ports).flat_map(|port| &port.hosts);
    let custom = hosts.map(|host| (host.clone(), HostState::Held)).collect();
    let full = settings();
    let publicity = Some(Publicity { exposure: full.exposure.clone().unwrap(), custom });
    let bare = Settings {
        exposure: None,
        node_selector: LabelSet::default(),
        node_taint: None,
        public_egress_deny: Vec::new(),
        ..settings()
    };
    let with = Validated { manifest: manifest.clone(), images, publicity, ..of_tier(tier) };
    let without = Validated { publicity: None, ..with.clone() };
    [(with, full), (without, bare)]
        .map(|(lease, settings)| {
            let objects = flatten(build(&lease, &settings, &addresses()));
            (lease, settings, objects)
        })
        .into()
}

#[test]
fn whatever_a_manifest_holds_its_objects_obey_every_rule_of_its_tier() {
    let seen = RefCell::new(BTreeSet::new());
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() });
    let outcome = runner.run(&manifests::any(), |document| {
        let tier =
            manifest::validate(&document).map_err(|why| TestCaseError::fail(format!("{why:?}")))?.tier();
        for (lease, settings, objects) in rendered(&document, tier) {
            let broken = rules::broken(&lease, &settings, &objects);
            prop_assert!(broken.is_empty(), "{broken:?}\n{document:?}");
            for object in &objects {
                seen.borrow_mut().insert((tier, object["kind"].as_str().unwrap_or_default().to_owned()));
            }
        }
        Ok(())
    });
    outcome.unwrap();
    let all = [
        "Deployment",
        "HTTPRoute",
        "LimitRange",
        "Namespace",
        "NetworkPolicy",
        "ResourceQuota",
        "RoleBinding",
        "Secret",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    ];
    let wanted: BTreeSet<_> =
        Tier::ALL.into_iter().flat_map(|tier| all.map(|kind| (tier, kind.to_owned()))).collect();
    assert_eq!(seen.into_inner(), wanted, "the manifests do not reach every kind of object in every tier");
}

/// One after the other, so that no value hides behind luck.
#[test]
fn each_hostile_value_that_passes_validation_is_rendered_within_the_rules() {
    let mut count = 0;
    for document in manifests::each() {
        count += 1;
        let tier = manifest::validate(&document).unwrap().tier();
        for (lease, settings, objects) in rendered(&document, tier) {
            assert_eq!(rules::broken(&lease, &settings, &objects), BTreeSet::new(), "{document:?}");
        }
    }
    assert!(count > 400, "only {count} manifests pass validation");
}

/// The checker is worth what it sees.
#[test]
fn every_rule_is_broken_by_a_mutant_and_seen() {
    let mut noticed = BTreeSet::new();
    for tier in Tier::ALL {
        let (lease, settings, objects) = rendered(&manifests::fullest(tier), tier).remove(0);
        assert_eq!(rules::broken(&lease, &settings, &objects), BTreeSet::new());
        for mutant in mutants::all().into_iter().filter(|mutant| mutant.tiers.contains(&tier)) {
            let mut objects = objects.clone();
            mutant.apply(&mut objects);
            let broken = rules::broken(&lease, &settings, &objects);
            assert!(
                broken.contains(mutant.rule),
                "{} at {}{} in {tier} is not seen: {broken:?}",
                mutant.rule,
                mutant.kind,
                mutant.at,
            );
            noticed.insert(mutant.rule);
        }
    }
    let all: BTreeSet<&str> = rules::NAMES.into_iter().collect();
    assert_eq!(noticed, all);
}
