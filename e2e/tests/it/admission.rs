//! The chart's admission policies on a real API server: each rule refuses what it is for, each can be seen to be missing,
//! and each layer holds alone.

mod case;
mod corpus;
mod policies;

use anyhow::{Context, Result, ensure};
use crd::{ComputeLease, DesiredState, Phase};
use k8s_openapi::api::{core::v1::Namespace, node::v1::RuntimeClass, storage::v1::StorageClass};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use self::{
    case::{Case, Outcome, cases},
    policies::{POLICIES, Policies, Sight},
};
use crate::{
    cluster::{Cluster, guestbook, wait},
    operator::{make_pods_ready, phase},
    running::Running,
};

/// The tiers, each with a namespace of its own.
const TIERS: [&str; 3] = ["strict", "userns", "sandboxed"];
/// Of a namespace that says nothing sensible about its tier.
const NO_TIER: &str = "none";

/// Whether Pod Security guards a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PodSecurity {
    /// As the operator labels it.
    Enforced,
    /// Not labelled.
    Off,
}

/// Whether the policies see a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// As the operator labels it.
    Policies,
    /// Not labelled.
    None,
}

/// The label of the tests' lease, as long as a real one and different for each run.
fn lease(cluster: &Cluster) -> String {
    format!("{:a<52}", cluster.system.replace('-', "2"))
}

/// Makes a lease namespace for a tier, as an administrator and before there are policies.
async fn make_namespace(
    cluster: &Cluster,
    tier: &str,
    security: PodSecurity,
    guard: Guard,
) -> Result<String> {
    let name = format!("{}-{tier}", cluster.system);
    let mut labels = json!({"leasehold.dev/lease": lease(cluster), "leasehold.dev/tier": tier});
    if guard == Guard::Policies {
        labels[policies::label(cluster)] = json!("true");
    }
    if security == PodSecurity::Enforced {
        let level = if tier == "strict" { "restricted" } else { "baseline" };
        labels["pod-security.kubernetes.io/enforce"] = json!(level);
        labels["pod-security.kubernetes.io/enforce-version"] = json!("latest");
    }
    let annotations = json!({"leasehold.dev/hosts": "shop.example.org,www.shop.example.org"});
    let namespace: Namespace = serde_json::from_value(
        json!({"metadata": {"name": name, "labels": labels, "annotations": annotations}}),
    )?;
    cluster.all::<Namespace>().create(&PostParams::default(), &namespace).await?;
    Ok(name)
}

async fn clean_up(cluster: &Cluster) -> Result<()> {
    let namespaces = cluster.all::<Namespace>();
    let mut names: Vec<String> =
        TIERS.into_iter().chain([NO_TIER]).map(|tier| format!("{}-{tier}", cluster.system)).collect();
    names.push(format!("lease-{}", lease(cluster)));
    names.push(format!("lease-{}-foreign", cluster.system));
    for name in names {
        // The API server forgets a policy a moment after it was deleted.
        policies::eventually(async || Ok(cluster.delete(&namespaces, &name).await.is_ok()))
            .await
            .with_context(|| format!("the namespace {name} cannot be deleted"))?;
    }
    cluster.delete(&cluster.all::<RuntimeClass>(), &cluster.system).await?;
    cluster.delete(&cluster.all::<StorageClass>(), "fast").await
}

/// Runs a test with all policies in force in one namespace for each tier, none of which Pod Security guards.
async fn with_policies(test: &str, run: impl AsyncFnOnce(&Cluster, &Policies) -> Result<()>) -> Result<()> {
    Cluster::connect(test)
        .await?
        .clean_up_after(async |cluster| {
            for tier in TIERS.into_iter().chain([NO_TIER]) {
                make_namespace(cluster, tier, PodSecurity::Off, Guard::Policies).await?;
            }
            case::prepare(cluster).await?;
            let policies = Policies::install(cluster, Sight::OwnNamespaces).await?;
            let result = async {
                policies.in_force(cluster).await?;
                run(cluster, &policies).await
            }
            .await;
            policies.remove(cluster).await?;
            result.and(clean_up(cluster).await)
        })
        .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn each_policy_refuses_what_it_is_for_and_admits_what_a_lease_needs() -> Result<()> {
    with_policies("fixtures", async |cluster, _| {
        let mut wrong = Vec::new();
        for policy in POLICIES {
            let cases = cases(policy)?;
            ensure!(cases.iter().any(|case| case.refused.is_none()), "{policy} admits nothing");
            for case in &cases {
                let outcome = case.run(cluster).await?;
                if !case.is_met_by(&outcome, policy, cluster) {
                    wrong.push(format!("{policy}: {}: {outcome}", case.name));
                }
            }
            println!("{policy}: {} cases", cases.len());
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
    .await
}

/// A rule that could be lost without any fixture noticing would be a rule without a test.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_policy_that_lost_any_one_of_its_rules_is_noticed() -> Result<()> {
    with_policies("mutants", async |cluster, policies| {
        let mut survivors = Vec::new();
        let mut mutants = 0;
        for policy in POLICIES {
            let refused: Vec<Case> =
                cases(policy)?.into_iter().filter(|case| case.refused.is_some()).collect();
            for rule in 0..policies.rules(policy)? {
                mutants += 1;
                policies.drop_rule(cluster, policy, rule).await?;
                if !is_noticed(cluster, &refused).await? {
                    survivors.push(format!("{policy} without rule {rule}"));
                }
            }
            policies.restore(cluster, policy).await?;
        }
        println!("{mutants} mutants, {} survived", survivors.len());
        ensure!(survivors.is_empty(), "no case noticed: {}", survivors.join(", "));
        Ok(())
    })
    .await
}

/// Whether something that must be refused is admitted before the API server must have read the changed policy.
async fn is_noticed(cluster: &Cluster, refused: &[Case]) -> Result<bool> {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(200));
    for _ in 0..40 {
        ticks.tick().await;
        for case in refused {
            if case.run(cluster).await? == Outcome::Admitted {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn without_its_parameters_everything_in_a_lease_namespace_is_refused() -> Result<()> {
    with_policies("parameters", async |cluster, policies| {
        policies.remove_parameters(cluster).await?;
        let admitted: Vec<Case> = cases("pod")?.into_iter().filter(|case| case.refused.is_none()).collect();
        let case = admitted.first().context("a pod is admitted with parameters")?;
        policies::eventually(async || {
            Ok(matches!(case.run(cluster).await?, Outcome::Refused(text) if text.contains("no params found")))
        })
        .await
        .context("the pod is still admitted")
    })
    .await
}

/// The policies are written against what the operator renders and what Kubernetes' controllers make of it.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_lease_is_served_and_ended_under_the_policies() -> Result<()> {
    Cluster::connect("served")
        .await?
        .clean_up_after(async |cluster| {
            cluster.grant_rights().await?;
            cluster.ensure_storage_class().await?;
            let policies = Policies::install(cluster, Sight::Leases).await?;
            let result = serve(cluster).await;
            policies.remove(cluster).await?;
            result
        })
        .await
}

async fn serve(cluster: &Cluster) -> Result<()> {
    // Its role lets the operator make Services everywhere; once it may not, the policies have been read.
    let service = json!({"metadata": {"name": "probe"}, "spec": {"ports": [{"port": 80}]}});
    let client = cluster.as_operator()?;
    let uri = "/api/v1/namespaces/default/services?dryRun=All";
    policies::eventually(async || {
        let asked = case::send(client.clone(), http::Method::POST, uri, &service).await?;
        Ok(matches!(asked, Outcome::Refused(why) if why.contains("-operator'")))
    })
    .await?;
    let operator = Running::start(cluster)?;
    let name = cluster.open_lease(0xad, &guestbook()).await?;
    phase(cluster, &name, Phase::Provisioning).await?;
    make_pods_ready(cluster, &name, 3).await?;
    phase(cluster, &name, Phase::Ready).await?;
    let end = json!({"spec": {"desired": DesiredState::Ended}});
    let leases = cluster.own::<ComputeLease>();
    leases.patch(name.as_str(), &PatchParams::default(), &Patch::Merge(&end)).await?;
    let lease = phase(cluster, &name, Phase::Ended).await?;
    ensure!(
        cluster.all::<Namespace>().get_opt(name.as_str()).await?.is_none(),
        "the namespace is still there"
    );
    leases.delete(name.as_str(), &DeleteParams::default()).await?;
    let uid = lease.metadata.uid.unwrap_or_default();
    wait(&leases, name.as_str(), kube::runtime::conditions::is_deleted(&uid)).await?;
    operator.stop().await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn upstreams_pod_security_corpus_is_refused_by_the_policies_alone() -> Result<()> {
    with_policies("corpus-vap", async |cluster, _| {
        for tier in TIERS {
            let verdict = corpus::judge(cluster, tier, "-pod'").await?;
            println!("policies alone, {tier}: {verdict}");
            verdict.compare(&format!("policies-{tier}"))?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn upstreams_pod_security_corpus_is_refused_by_pod_security_alone() -> Result<()> {
    Cluster::connect("corpus-psa")
        .await?
        .clean_up_after(async |cluster| {
            for tier in TIERS {
                make_namespace(cluster, tier, PodSecurity::Enforced, Guard::None).await?;
            }
            case::prepare(cluster).await?;
            for tier in TIERS {
                let verdict = corpus::judge(cluster, tier, "PodSecurity").await?;
                println!("Pod Security alone, {tier}: {verdict}");
                verdict.compare(&format!("pod-security-{tier}"))?;
            }
            clean_up(cluster).await
        })
        .await
}

/// Reads a file beside this module.
fn read(path: &str) -> Result<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/admission").join(path);
    std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
}

/// RFC 7396: what a case changes about its object.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, change) in changes {
        if change.is_null() {
            target.as_object_mut().expect("it was made an object").remove(key);
        } else {
            merge(&mut target[key], change);
        }
    }
}
