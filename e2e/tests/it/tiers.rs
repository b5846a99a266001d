//! The objects of each tier against the API server's own Pod Security, with nothing of ours in between.
//!
//! Pods are sent as dry runs: what is asked is whether admission takes them, not whether they run.

use anyhow::{Context, Result};
use k8s_openapi::api::{
    core::v1::{Namespace, Pod, ServiceAccount},
    node::v1::RuntimeClass,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use market::Tier;
use operator::{
    lease_controller::{
        build::{ClusterAddresses, LeaseObjects, Workload, build},
        rollout::Course,
        tiers::{Confinement, Overhead, Sandbox},
        validate::{Activity, Validated},
    },
    settings::Settings,
};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, guestbook, lease_id},
    running,
};

const CLASS: &str = "leasehold-e2e-sandbox";

fn settings() -> Result<Settings> {
    Ok(Settings {
        tiers: Tier::ALL.into(),
        sandbox_runtime_class: CLASS.to_owned(),
        ..running::settings("leasehold-system")?
    })
}

fn objects(seed: u8, tier: Tier) -> Result<LeaseObjects> {
    let lease = Validated {
        name: crd::LeaseName::of(lease_id(seed)),
        uid: "uid-of-nobody".to_owned(),
        tier,
        confinement: match tier {
            Tier::Strict => Confinement::Strict,
            Tier::Userns => Confinement::UserNamespace,
            Tier::Sandboxed => Confinement::Sandbox(Sandbox {
                runtime_class: CLASS.to_owned(),
                overhead: Overhead::default(),
            }),
        },
        manifest: guestbook(),
        images: Vec::new(),
        publicity: None,
        storage_class: None,
        closed_classes: Default::default(),
        name_servers: vec![[10, 96, 0, 53].into()],
        activity: Activity::Running,
        course: Course::Newest,
    };
    Ok(build(&lease, &settings()?, &ClusterAddresses::default()))
}

/// Pods as the controllers would make them from the workloads.
fn pods(objects: &LeaseObjects) -> Result<Vec<Pod>> {
    let pod = |workload: &Workload| {
        let template = match workload {
            Workload::Deployment(deployment) => json!(deployment)["spec"]["template"].clone(),
            Workload::StatefulSet(set) => {
                let mut template = json!(set)["spec"]["template"].clone();
                // The StatefulSet controller adds a volume for each claim.
                let mounts = template["spec"]["containers"][0]["volumeMounts"].clone();
                let volumes = mounts.as_array().into_iter().flatten().map(|mount| {
                    json!({"name": mount["name"], "persistentVolumeClaim": {"claimName": mount["name"]}})
                });
                template["spec"]["volumes"] = volumes.collect();
                template
            }
        };
        let mut pod = template;
        pod["metadata"]["name"] = json!("tried");
        serde_json::from_value(pod).context("a template is no pod")
    };
    objects.services.iter().map(|service| pod(&service.workload)).collect()
}

/// Sends a pod as a dry run; the answer is the pod as it would be stored, or the refusal.
async fn admit(cluster: &Cluster, namespace: &Namespace, pod: &Pod) -> Result<Value, String> {
    let name = namespace.metadata.name.clone().unwrap_or_default();
    let pods = Api::<Pod>::namespaced(cluster.admin.clone(), &name);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    pods.create(&dry_run, pod).await.map(|pod| json!(pod)).map_err(|error| error.to_string())
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn pod_security_takes_every_pod_of_its_tier_and_no_worse_one() -> Result<()> {
    Cluster::connect("tiers").await?.clean_up_after(every_tier).await
}

async fn every_tier(cluster: &Cluster) -> Result<()> {
    let classes = cluster.all::<RuntimeClass>();
    let class = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": CLASS}, "handler": "runsc"
    });
    classes.patch(CLASS, &PatchParams::apply("leasehold-e2e"), &Patch::Apply(&class)).await?;
    let mut made = Vec::new();
    for (seed, tier) in (0x60..).zip(Tier::ALL) {
        let objects = objects(seed, tier)?;
        let name = objects.namespace.metadata.name.clone().context("a namespace has a name")?;
        cluster.all::<Namespace>().create(&PostParams::default(), &objects.namespace).await?;
        made.push(name.clone());
        let accounts = Api::<ServiceAccount>::namespaced(cluster.admin.clone(), &name);
        for account in &objects.service_accounts {
            let name = account.metadata.name.clone().unwrap_or_default();
            accounts
                .patch(&name, &PatchParams::apply("leasehold-e2e").force(), &Patch::Apply(account))
                .await?;
        }
    }
    let result = pods_of_every_tier(cluster).await;
    for name in made {
        cluster.all::<Namespace>().delete(&name, &DeleteParams::default()).await?;
    }
    classes.delete(CLASS, &DeleteParams::default()).await?;
    result
}

async fn pods_of_every_tier(cluster: &Cluster) -> Result<()> {
    let (strict, userns, sandboxed) =
        (objects(0x60, Tier::Strict)?, objects(0x61, Tier::Userns)?, objects(0x62, Tier::Sandboxed)?);
    let mut admitted = 0;
    for objects in [&strict, &userns, &sandboxed] {
        for pod in pods(objects)? {
            let stored = admit(cluster, &objects.namespace, &pod).await.map_err(anyhow::Error::msg)?;
            // An API server that does not know a field drops it without a word, and with it the wall.
            for field in ["hostUsers", "runtimeClassName", "priorityClassName", "dnsPolicy", "dnsConfig"] {
                assert_eq!(stored["spec"][field], json!(pod)["spec"][field], "{field}");
            }
            let context = "securityContext";
            assert_eq!(stored["spec"][context], json!(pod)["spec"][context]);
            assert_eq!(
                stored["spec"]["containers"][0][context],
                json!(pod)["spec"]["containers"][0][context]
            );
            admitted += 1;
        }
    }
    assert_eq!(admitted, 6);
    // The label of the strict tier holds by itself against pods of the others.
    for pod in pods(&userns)?.iter().chain(&pods(&sandboxed)?) {
        let refused = admit(cluster, &strict.namespace, pod).await.expect_err("capabilities");
        assert!(refused.contains("violates PodSecurity \"restricted:latest\""), "{refused}");
    }
    // And that of the others against the host.
    type Spoil = (&'static str, fn(&mut Value));
    let spoils: [Spoil; 4] = [
        ("hostNetwork=true", |pod| pod["spec"]["hostNetwork"] = json!(true)),
        ("hostPID=true", |pod| pod["spec"]["hostPID"] = json!(true)),
        ("non-default capabilities", |pod| {
            pod["spec"]["containers"][0]["securityContext"]["capabilities"]["add"] = json!(["SYS_ADMIN"]);
        }),
        ("hostPath volumes", |pod| {
            pod["spec"]["volumes"] = json!([{"name": "node", "hostPath": {"path": "/"}}]);
        }),
    ];
    for objects in [&userns, &sandboxed] {
        for (why, spoil) in &spoils {
            let mut pod = json!(pods(objects)?.pop().context("there are pods")?);
            // The API server itself refuses some of these together with hostUsers; asked is Pod Security.
            pod["spec"]["hostUsers"] = Value::Null;
            spoil(&mut pod);
            let pod = serde_json::from_value(pod)?;
            let refused = admit(cluster, &objects.namespace, &pod).await.expect_err(why);
            assert!(refused.contains("violates PodSecurity \"baseline:latest\""), "{refused}");
            assert!(refused.contains(why), "{refused}");
        }
    }
    Ok(())
}
