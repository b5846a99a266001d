use market::Tier;
use serde_json::{Value, json};

use super::*;
use crate::lease_controller::hosts::{HostState, Publicity};
use crate::lease_controller::{
    rollout::Course,
    test_support::{UID, check_golden, manifest_of, manifest_yaml, name, name_servers, settings},
    tiers::{Confinement, Overhead, Sandbox},
    validate::Activity,
};

mod hostile;

fn validated() -> Validated {
    of_tier(Tier::Strict)
}

fn of_tier(tier: Tier) -> Validated {
    Validated {
        name: name(),
        uid: UID.to_owned(),
        tier,
        confinement: match tier {
            Tier::Strict => Confinement::Strict,
            Tier::Userns => Confinement::UserNamespace,
            Tier::Sandboxed => Confinement::Sandbox(Sandbox {
                runtime_class: "gvisor".to_owned(),
                overhead: Overhead { cpu_milli: 50, memory_bytes: 64 << 20, ephemeral_storage_bytes: 0 },
            }),
        },
        manifest: manifest_of(
            &manifest_yaml().replace("duration: 1h", &format!("duration: 1h\ntier: {tier}")),
        ),
        publicity: None,
        images: Vec::new(),
        storage_class: Some("local-path".to_owned()),
        closed_classes: ["tape".to_owned()].into(),
        name_servers: name_servers(),
        activity: Activity::Running,
        course: Course::Newest,
    }
}

fn flatten(objects: LeaseObjects) -> Vec<Value> {
    let LeaseObjects {
        namespace,
        resource_quota,
        limit_range,
        network_policies,
        pull_secret,
        service_accounts,
        role_binding,
        services,
    } = objects;
    let mut all = vec![json!(namespace), json!(resource_quota), json!(limit_range)];
    all.extend(network_policies.iter().map(|policy| json!(policy)));
    all.extend(pull_secret.map(|secret| json!(secret)));
    all.extend(service_accounts.iter().map(|account| json!(account)));
    all.push(json!(role_binding));
    for ServiceObjects { name: _, secret, workload, service, routes } in services {
        all.extend(secret.map(|secret| json!(secret)));
        all.push(match workload {
            Workload::Deployment(deployment) => json!(deployment),
            Workload::StatefulSet(set) => json!(set),
        });
        all.extend(service.map(|service| json!(service)));
        all.extend(routes.iter().map(|route| json!(route)));
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
fn every_object_of_the_guestbook_in_a_user_namespace_is_as_agreed() {
    let objects = flatten(build(&of_tier(Tier::Userns), &settings(), &addresses()));
    check_golden("guestbook/objects-userns.json", &json!(objects));
}

#[test]
fn every_object_of_the_guestbook_in_a_sandbox_is_as_agreed() {
    let objects = flatten(build(&of_tier(Tier::Sandboxed), &settings(), &addresses()));
    check_golden("guestbook/objects-sandboxed.json", &json!(objects));
}

#[test]
fn root_owns_its_volumes_and_others_get_a_group() {
    let contexts = |user: &str| {
        let yaml = manifest_yaml()
            .replace("duration: 1h", "duration: 1h\ntier: userns")
            .replace("    runAsUser: 10001\n", user);
        let lease = Validated { manifest: manifest_of(&yaml), ..of_tier(Tier::Userns) };
        let objects = flatten(build(&lease, &settings(), &addresses()));
        let is_web = |object: &&Value| object["kind"] == "Deployment" && object["metadata"]["name"] == "web";
        objects.iter().find(is_web).unwrap()["spec"]["template"]["spec"]["securityContext"].clone()
    };
    let with = |fields: Value| {
        let mut all = json!({
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
            "supplementalGroupsPolicy": "Strict"
        });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        all
    };
    assert_eq!(contexts("    runAsUser: 0\n"), with(json!({"runAsUser": 0, "runAsGroup": 0})));
    assert_eq!(contexts("    runAsUser: 7\n"), with(json!({"runAsUser": 7, "runAsGroup": 7, "fsGroup": 7})));
    assert_eq!(contexts(""), with(json!({"fsGroup": 10001})));
}

/// What a StatefulSet can never change: a new image, environment or size of the containers must not touch it.
#[test]
fn data_survives_every_change_but_that_of_the_volumes() {
    let database = |lease: &Validated| {
        let services = build(lease, &settings(), &addresses()).services;
        let set = services.into_iter().find_map(|service| match service.workload {
            Workload::StatefulSet(set) => Some(set),
            Workload::Deployment(_) => None,
        });
        let set = set.unwrap();
        let spec = set.spec.unwrap();
        json!({
            "name": set.metadata.name,
            "selector": spec.selector,
            "serviceName": spec.service_name,
            "podManagementPolicy": spec.pod_management_policy,
            "volumeClaimTemplates": spec.volume_claim_templates,
            "retention": spec.persistent_volume_claim_retention_policy,
        })
    };
    let yaml = manifest_yaml().replace(&"2".repeat(64), &"9".repeat(64)).replace(
        "{cpu: 500m, memory: 128Mi}",
        "{cpu: 250m, memory: 64Mi}\n    env: {NEW: value}\n    replicas: 3",
    );
    let changed = Validated { manifest: manifest_of(&yaml), ..validated() };
    assert_ne!(changed, validated());
    assert_eq!(database(&changed), database(&validated()));
    assert_eq!(database(&validated())["retention"], json!({"whenDeleted": "Delete", "whenScaled": "Retain"}));
}

/// What the policy says about an address outside the lease, and not what a cluster makes of it.
#[test]
fn the_internet_of_both_families_is_open_and_nothing_that_leads_inside() {
    let policy = network_policy::build(&validated(), &settings(), &addresses()).remove(0);
    let rules = policy.spec.unwrap().egress.unwrap();
    let blocks: Vec<_> = rules
        .iter()
        .flat_map(|rule| rule.to.iter().flatten())
        .filter_map(|peer| peer.ip_block.as_ref())
        .collect();
    let whole: Vec<&str> = blocks.iter().map(|block| block.cidr.as_str()).collect();
    assert_eq!(whole, ["0.0.0.0/0", "::/0"]);
    // The admission policy of lease namespaces refuses a policy that does not name these.
    for named in ["64:ff9b::/96", "fc00::/7", "fe80::/10"] {
        assert!(blocks[1].except.iter().flatten().any(|block| block == named), "{named}");
    }
    for block in &blocks {
        let of_family = |except: &String| except.contains(':') == block.cidr.contains(':');
        assert!(
            block.except.iter().flatten().all(of_family),
            "the API server refuses a block outside its own"
        );
    }
    let excepted: Vec<Cidr> = blocks
        .iter()
        .flat_map(|block| block.except.iter().flatten())
        .map(|block| block.parse().unwrap())
        .collect();
    let is_open = |address: &str| {
        let address = address.parse().unwrap();
        !excepted.iter().any(|block| block.contains(address))
    };
    for public in ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2001:4860:4860::8888", "2a01::1", "3ffe::1"]
    {
        assert!(is_open(public), "{public}");
    }
    for inside in [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "192.0.2.7",
        "8.8.4.4",
        "198.51.7.7",
        "168.63.129.16",
        // Unspecified, this host, compatible and mapped version 4, NAT64 of both forms, discard.
        "::",
        "::1",
        "::10.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::10.0.0.1",
        "100::1",
        // Teredo, benchmarks, ORCHID, documentation, 6to4 around 10.0.0.1.
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "3fff::1",
        "2002:a00:1::1",
        // Segment routing, unique local with a cloud's metadata service, link local, site local, multicast, what nobody was given.
        "5f00::1",
        "fc00::1",
        "fd00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
        "a000::1",
        // What the provider denies.
        "2a00::1",
    ] {
        assert!(!is_open(inside), "{inside}");
    }
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

const SHOP: &str = r#"
version: v1
name: shop
duration: 1h
services:
  web:
    image: registry.example/web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    resources: {cpu: 100m, memory: 64Mi}
    ports:
      - {port: 8080, expose: public, hosts: [shop.example.com, taken.example.com]}
      - {port: 8081, expose: public}
      - {port: 8082, expose: tenant}
      - {port: 8083}
"#;

/// A lease with public ports that holds one of the two hosts that it asks for.
fn shop() -> Validated {
    let exposure = settings().exposure.unwrap();
    let withheld = HostState::Withheld { reason: "HostTaken", message: "another lease holds it".to_owned() };
    let custom = [("shop.example.com", HostState::Held), ("taken.example.com", withheld)];
    let custom = custom.map(|(host, state)| (host.parse().unwrap(), state)).into();
    Validated { manifest: manifest_of(SHOP), publicity: Some(Publicity { exposure, custom }), ..validated() }
}

#[test]
fn public_ports_get_a_route_each_and_let_the_proxy_in() {
    let objects = build(&shop(), &settings(), &addresses());
    let of_kind = |kind: &str| {
        flatten(objects.clone()).into_iter().filter(|object| object["kind"] == kind).collect::<Vec<_>>()
    };
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    let policies = of_kind("NetworkPolicy");
    let policy = policies.iter().find(|policy| name(policy) == "from-gateway-web").unwrap();
    let namespace = of_kind("Namespace");
    check_golden(
        "public/objects.json",
        &json!({
            "annotations": namespace[0]["metadata"]["annotations"],
            "from-gateway": policy,
            "routes": of_kind("HTTPRoute"),
        }),
    );
}

#[test]
fn every_public_host_is_shown_with_what_keeps_it() {
    let lease = shop();
    let (name, service) = lease.manifest.services().first_key_value().unwrap();
    let publicity = lease.publicity.as_ref().unwrap();
    let made = format!("web-{}", &lease.name.label_value()[..26]);
    let host = |host: &str, reason: &str, message: Option<&str>| crd::HostStatus {
        host: host.to_owned(),
        reason: reason.to_owned(),
        message: message.map(str::to_owned),
    };
    assert_eq!(
        publicity.statuses(&lease, name, service, &service.ports[0]),
        [
            host(&format!("{made}.apps.example.net"), "HostsRouted", None),
            host("shop.example.com", "HostsRouted", None),
            host("taken.example.com", "HostTaken", Some("another lease holds it")),
        ]
    );
    assert_eq!(
        publicity.statuses(&lease, name, service, &service.ports[1]),
        [host(&format!("{made}-8081.apps.example.net"), "HostsRouted", None)]
    );
}

#[test]
fn a_tag_runs_as_the_digest_that_it_was_when_it_was_accepted() {
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let yaml = manifest_yaml()
        .replace(&format!("web@{}", digest("1")), "web:1.2")
        .replace(&format!("worker@{}", digest("3")), &format!("worker:7@{}", digest("3")));
    let images = vec![
        crd::ImageStatus {
            image: "registry.example/web:1.2".into(),
            digest: digest("a"),
            size_bytes: Some(1),
        },
        crd::ImageStatus {
            image: format!("registry.example/worker:7@{}", digest("3")),
            digest: digest("3"),
            size_bytes: Some(1),
        },
    ];
    let lease = Validated { manifest: manifest_of(&yaml), images, ..validated() };
    let run: Vec<Value> = flatten(build(&lease, &settings(), &addresses()))
        .iter()
        .filter(|object| object["kind"] == "Deployment" || object["kind"] == "StatefulSet")
        .map(|object| object["spec"]["template"]["spec"]["containers"][0]["image"].clone())
        .collect();
    assert_eq!(
        run,
        [
            format!("registry.example/database@{}", digest("2")),
            format!("registry.example/web@{}", digest("a")),
            format!("registry.example/worker:7@{}", digest("3")),
        ]
    );
}
