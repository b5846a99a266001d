//! What fits, what does not, and that nothing is promised twice.

use std::collections::BTreeMap;

use crd::TenantNodes;
use k8s_openapi::api::core::v1::{Node as KubeNode, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use market::{ServiceRequirements, Tier};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn requirements(services: Vec<ServiceRequirements>) -> Requirements {
    Requirements {
        tier: Tier::Strict,
        duration: 1,
        egress_bytes_per_second: 0,
        leased_ips: 0,
        services,
        attributes: vec![],
    }
}

fn service(replicas: u32, cpu_milli: u64, memory_bytes: u64, volume_bytes: Vec<u64>) -> ServiceRequirements {
    ServiceRequirements {
        replicas,
        cpu_milli,
        memory_bytes,
        gpu_milli: 0,
        gpu_model: String::new(),
        volume_bytes,
    }
}

fn node(name: &str, cpu_milli: u64, memory_bytes: u64) -> NodeSnapshot {
    NodeSnapshot {
        name: name.into(),
        gpu_model: None,
        allocatable: Resources { cpu_milli, memory_bytes, gpus: 0, pods: 10 },
    }
}

fn cluster(nodes: Vec<NodeSnapshot>, pods: Vec<BoundPod>) -> ClusterSnapshot {
    ClusterSnapshot {
        nodes,
        pods,
        default_storage_class: DefaultStorageClass::Present,
        ephemeral_storage_bytes: 1000,
    }
}

fn pod(namespace: &str, node: &str, cpu_milli: u64) -> BoundPod {
    BoundPod {
        namespace: namespace.into(),
        node: node.into(),
        requests: Resources { cpu_milli, memory_bytes: 1, gpus: 0, pods: 1 },
    }
}

#[test]
fn replicas_do_not_span_nodes() {
    let inventory = Inventory::new(&cluster(vec![node("a", 600, 9), node("b", 600, 9)], vec![]), None, &[]);
    assert_eq!(inventory.place(&requirements(vec![service(2, 600, 1, vec![])])), Ok(Placement(vec![0, 1])));
    assert_eq!(inventory.place(&requirements(vec![service(1, 1200, 1, vec![])])), Err(Shortage::Nodes));
}

#[test]
fn a_commitment_counts_in_full_until_its_pods_show_it() {
    let cluster = cluster(vec![node("a", 1000, 100)], vec![pod("lease-x", "a", 300)]);
    let commitment = |shown| Commitment {
        namespace: "lease-x".into(),
        requirements: requirements(vec![service(2, 300, 1, vec![400])]),
        shown,
    };
    let place = |shown, cpu| {
        let inventory = Inventory::new(&cluster, None, &[commitment(shown)]);
        inventory.place(&requirements(vec![service(1, cpu, 1, vec![])])).is_ok()
    };
    // Two replicas are promised; the one that runs already is not counted twice.
    assert!(place(Shown::NotYet, 400));
    assert!(!place(Shown::NotYet, 401));
    assert!(place(Shown::ByPods, 700));
    assert!(!place(Shown::ByPods, 701));
}

#[test]
fn storage_of_all_commitments_is_taken_off_whatever_their_pods_show() {
    let cluster = cluster(vec![node("a", 1000, 100)], vec![]);
    for shown in [Shown::NotYet, Shown::ByPods] {
        let commitment = Commitment {
            namespace: "lease-x".into(),
            requirements: requirements(vec![service(2, 1, 1, vec![100, 200])]),
            shown,
        };
        let inventory = Inventory::new(&cluster, Some(700), &[commitment]);
        assert!(inventory.place(&requirements(vec![service(1, 1, 1, vec![100])])).is_ok());
        assert_eq!(inventory.place(&requirements(vec![service(1, 1, 1, vec![101])])), Err(Shortage::Storage));
    }
}

#[test]
fn a_gpu_model_is_matched_by_its_label() {
    let mut with_gpu = node("g", 1000, 100);
    with_gpu.gpu_model = Some("NVIDIA-H100".into());
    with_gpu.allocatable.gpus = 1;
    let inventory = Inventory::new(&cluster(vec![node("a", 1000, 100), with_gpu], vec![]), None, &[]);
    let wants = |model: &str| {
        let service =
            ServiceRequirements { gpu_milli: 1000, gpu_model: model.into(), ..service(1, 1, 1, vec![]) };
        inventory.place(&requirements(vec![service]))
    };
    assert_eq!(wants("NVIDIA-H100"), Ok(Placement(vec![1])));
    assert_eq!(wants(""), Ok(Placement(vec![1])));
    assert_eq!(wants("NVIDIA-A100"), Err(Shortage::Nodes));
}

#[test]
fn a_hostile_replica_count_is_refused_quickly() {
    let inventory = Inventory::new(&cluster(vec![node("a", 1000, 100)], vec![]), None, &[]);
    assert_eq!(inventory.place(&requirements(vec![service(u32::MAX, 1, 1, vec![])])), Err(Shortage::Nodes));
}

fn kube_node(name: &str, change: impl FnOnce(&mut serde_json::Value)) -> KubeNode {
    let mut node = json!({
        "metadata": {"name": name, "labels": {"nvidia.com/gpu.product": "NVIDIA-L4"}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "1900m", "memory": "3Gi", "pods": "110", "nvidia.com/gpu": "2", "ephemeral-storage": "10Gi"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    });
    change(&mut node);
    serde_json::from_value(node).unwrap()
}

#[test]
fn a_snapshot_holds_usable_nodes_and_pods_that_hold_resources() {
    let nodes = [
        kube_node("b", |_| {}),
        kube_node("cordoned", |node| node["spec"]["unschedulable"] = json!(true)),
        kube_node("tainted", |node| node["spec"]["taints"] = json!([{"key": "k", "effect": "NoSchedule"}])),
        kube_node("not-ready", |node| node["status"]["conditions"][0]["status"] = json!("Unknown")),
        kube_node("a", |node| node["spec"]["taints"] = json!([{"key": "k", "effect": "PreferNoSchedule"}])),
    ];
    let pods: Vec<Pod> = [
        json!({
            "metadata": {"name": "p", "namespace": "n"},
            "spec": {
                "nodeName": "a",
                "overhead": {"cpu": "10m"},
                "initContainers": [
                    {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "50m"}}},
                    {"name": "init", "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}}},
                ],
                "containers": [
                    {"name": "c", "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}}},
                    {"name": "d", "resources": {"requests": {"nvidia.com/gpu": "1"}}},
                ],
            },
        }),
        json!({"metadata": {"name": "ended", "namespace": "n"}, "spec": {"nodeName": "a", "containers": []}, "status": {"phase": "Succeeded"}}),
        json!({"metadata": {"name": "pending", "namespace": "n"}, "spec": {"containers": []}}),
    ]
    .map(|pod| serde_json::from_value(pod).unwrap())
    .into();
    let class: StorageClass = serde_json::from_value(json!({
        "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "x",
    }))
    .unwrap();
    let node = |name: &str| NodeSnapshot {
        name: name.into(),
        gpu_model: Some("NVIDIA-L4".into()),
        allocatable: Resources { cpu_milli: 1900, memory_bytes: 3 << 30, gpus: 2, pods: 110 },
    };
    assert_eq!(
        snapshot(&nodes, &pods, [&class], &TenantNodes::default()),
        ClusterSnapshot {
            nodes: vec![node("a"), node("b")],
            pods: vec![BoundPod {
                namespace: "n".into(),
                node: "a".into(),
                requests: Resources { cpu_milli: 310, memory_bytes: 1 << 30, gpus: 1, pods: 1 },
            }],
            default_storage_class: DefaultStorageClass::Present,
            ephemeral_storage_bytes: 20 << 30,
        }
    );
    assert_eq!(
        snapshot(&nodes, &pods, [], &TenantNodes::default()).default_storage_class,
        DefaultStorageClass::Missing
    );
}

#[test]
fn only_the_room_of_tenants_nodes_is_sold() {
    let taint = json!([{"key": "tenants", "effect": "NoSchedule"}]);
    let nodes = [
        kube_node("own", |node| {
            node["metadata"]["labels"]["pool"] = json!("tenants");
            node["spec"]["taints"] = taint.clone();
        }),
        kube_node("of-others", |_| {}),
        kube_node("of-others-tainted", |node| node["spec"]["taints"] = taint.clone()),
    ];
    let selector = [("pool".to_owned(), "tenants".to_owned())].into();
    let chosen = TenantNodes { selector, taint: "tenants".to_owned() };
    let sold = |chosen: &TenantNodes| {
        let ClusterSnapshot { nodes, ephemeral_storage_bytes, .. } = snapshot(&nodes, [], [], chosen);
        (nodes.into_iter().map(|node| node.name).collect::<Vec<_>>(), ephemeral_storage_bytes)
    };
    assert_eq!(sold(&chosen), (vec!["own".to_owned()], 10 << 30));
    assert_eq!(sold(&TenantNodes::default()), (vec!["of-others".to_owned()], 10 << 30));
}

#[test]
fn the_newest_default_class_counts_and_only_if_it_deletes() {
    let class = |name: &str, created: &str, policy: &str| -> StorageClass {
        let annotations = json!({"storageclass.kubernetes.io/is-default-class": "true"});
        let metadata = json!({"name": name, "creationTimestamp": created, "annotations": annotations});
        serde_json::from_value(json!({"metadata": metadata, "provisioner": "x", "reclaimPolicy": policy}))
            .unwrap()
    };
    let found =
        |classes: &[StorageClass]| snapshot([], [], classes, &TenantNodes::default()).default_storage_class;
    let [old, new] = ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"];
    let keeps = class("keeps", new, "Retain");
    assert_eq!(found(&[keeps, class("deletes", old, "Delete")]), DefaultStorageClass::Missing);
    assert_eq!(
        found(&[class("kept", old, "Retain"), class("gone", new, "Delete")]),
        DefaultStorageClass::Present
    );
}

fn any_service() -> impl Strategy<Value = ServiceRequirements> {
    (0..6u32, 1..800u64, 1..80u64, prop::collection::vec(0..200u64, 0..2), 0..3u64).prop_map(
        |(replicas, cpu, memory, volumes, gpus)| ServiceRequirements {
            gpu_milli: gpus * 1000,
            ..service(replicas, cpu, memory, volumes)
        },
    )
}

fn any_requirements() -> impl Strategy<Value = Requirements> {
    prop::collection::vec(any_service(), 0..4).prop_map(requirements)
}

fn any_node() -> impl Strategy<Value = (u64, u64, u64, u64)> {
    (0..2000u64, 0..200u64, 0..5u64, 0..8u64)
}

proptest! {
    /// The placement is checked against the definition, not against the packer.
    #[test]
    fn whatever_is_placed_fits_beside_everything_promised(
        nodes in prop::collection::vec(any_node(), 0..5),
        promised in prop::collection::vec(any_requirements(), 0..3),
        wanted in any_requirements(),
    ) {
        let nodes: Vec<_> = nodes.iter().enumerate().map(|(index, (cpu, memory, gpus, pods))| NodeSnapshot {
            name: index.to_string(),
            gpu_model: None,
            allocatable: Resources { cpu_milli: *cpu, memory_bytes: *memory, gpus: *gpus, pods: *pods },
        }).collect();
        let commitments: Vec<_> = promised.iter().enumerate().map(|(index, requirements)| Commitment {
            namespace: format!("lease-{index}"),
            requirements: requirements.clone(),
            shown: Shown::NotYet,
        }).collect();
        let inventory = Inventory::new(&cluster(nodes.clone(), vec![]), None, &commitments);
        if let Ok(Placement(placement)) = inventory.place(&wanted) {
            let pods: Vec<_> = promised.iter().chain([&wanted]).flat_map(replicas).collect();
            prop_assert_eq!(placement.len(), pods.len());
            let mut load: BTreeMap<usize, Resources> = BTreeMap::new();
            for (node, pod) in placement.iter().zip(&pods) {
                let sum = load.entry(*node).or_default();
                *sum = sum.saturating_add(&pod.needs);
            }
            for (node, sum) in load {
                prop_assert!(sum.fits(&nodes[node].allocatable));
            }
            let storage: u64 = promised.iter().chain([&wanted]).map(storage_bytes).sum();
            prop_assert!(storage <= 1000);
        }
    }
}
