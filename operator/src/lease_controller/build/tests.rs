use serde_json::{Value, json};

use super::*;
use crate::lease_controller::test_support::{UID, check_golden, manifest_of, manifest_yaml, name, settings};

fn validated() -> Validated {
    Validated {
        name: name(),
        uid: UID.to_owned(),
        tier: market::Tier::Strict,
        manifest: manifest_of(&manifest_yaml()),
        storage_class: Some("local-path".to_owned()),
    }
}

fn flatten(objects: LeaseObjects) -> Vec<Value> {
    let LeaseObjects {
        namespace,
        resource_quota,
        limit_range,
        network_policies,
        service_accounts,
        role_binding,
        services,
    } = objects;
    let mut all = vec![json!(namespace), json!(resource_quota), json!(limit_range)];
    all.extend(network_policies.iter().map(|policy| json!(policy)));
    all.extend(service_accounts.iter().map(|account| json!(account)));
    all.push(json!(role_binding));
    for ServiceObjects { name: _, secret, workload, service } in services {
        all.extend(secret.map(|secret| json!(secret)));
        all.push(match workload {
            Workload::Deployment(deployment) => json!(deployment),
            Workload::StatefulSet(set) => json!(set),
        });
        all.extend(service.map(|service| json!(service)));
    }
    all
}

fn addresses() -> ClusterAddresses {
    ClusterAddresses {
        nodes: vec![Cidr::host("192.0.2.7".parse().unwrap()), Cidr::host("8.8.4.4".parse().unwrap())],
    }
}

#[test]
fn every_object_of_the_guestbook_is_as_agreed() {
    let objects = flatten(build(&validated(), &settings(), &addresses()));
    check_golden("guestbook/objects.json", &json!(objects));
}

#[test]
fn the_order_of_the_nodes_changes_nothing() {
    let mut reversed = addresses();
    reversed.nodes.reverse();
    assert_eq!(build(&validated(), &settings(), &addresses()), build(&validated(), &settings(), &reversed));
}

#[test]
fn nothing_that_the_tenant_wrote_is_in_labels_or_annotations_but_names() {
    for object in flatten(build(&validated(), &settings(), &addresses())) {
        for text in [object["metadata"].to_string(), object["spec"]["template"]["metadata"].to_string()] {
            for secret in ["open-sesame", "PRICE", "guestbook", "healthz"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}

#[test]
fn secrets_appear_only_in_the_secret() {
    use base64_of_open_sesame as encoded;
    for object in flatten(build(&validated(), &settings(), &addresses())) {
        let text = object.to_string();
        assert!(!text.contains("open-sesame"), "{text}");
        assert_eq!(text.contains(encoded()), object["kind"] == "Secret", "{text}");
    }
}

fn base64_of_open_sesame() -> &'static str {
    "b3Blbi1zZXNhbWU="
}
